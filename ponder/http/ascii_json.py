"""JSON bodies that no text can break."""

import json
from typing import Any

from fastapi.responses import JSONResponse


class AsciiJson(JSONResponse):
    """Everything beyond ASCII is escaped: lone surrogates, which outputs of programs and models may hold, pass through."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode("ascii")
