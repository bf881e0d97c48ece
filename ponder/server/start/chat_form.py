"""How a served model is spoken to: its chat template, and the marks of its tool calls."""

from dataclasses import dataclass
from pathlib import Path

from ponder.chat.call_styles import CALL_STYLES
from ponder.chat.renderer import Renderer


@dataclass(frozen=True)
class ChatForm:
    """`template`: a file that stands for the checkpoint's chat template. `tool_parser`: a name of CALL_STYLES, or auto for
    that of the template. Raises ValueError for a name that is none."""

    template: Path | None = None
    tool_parser: str = "auto"

    def __post_init__(self) -> None:
        if self.tool_parser not in ("auto", *CALL_STYLES):
            raise ValueError(f"--tool-parser {self.tool_parser}: there are auto, {', '.join(CALL_STYLES)}")

    def renderer(self, directory: Path) -> Renderer:
        """Raises ValueError as `Renderer.load` does."""
        return Renderer.load(directory, self.template, self.tool_parser)
