"""The languages programs may be written in. A row of the table is all it takes to add one."""

import shutil
from dataclasses import dataclass

from ponder.sandbox.job import Refused


@dataclass(frozen=True)
class Language:
    """How a program of one language is run.

    `file` is the source's name in the working directory, `command` runs it (empty for Python, which warm workers run
    themselves), `compile` comes before where there is one and leaves `artifact`, the only file that `command` sees then.
    """

    name: str
    file: str
    command: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    artifact: str = ""

    @property
    def needs(self) -> str:
        """The program that must be installed, empty where none is."""
        return (self.compile or self.command or ("",))[0]

    @property
    def installed(self) -> bool:
        return not self.needs or shutil.which(self.needs, path="/usr/local/bin:/usr/bin:/bin") is not None


LANGUAGES = {
    language.name: language
    for language in (
        Language("python", "main.py"),
        Language("javascript", "main.js", ("node", "main.js")),
        Language(
            "cpp",
            "main.cpp",
            ("./program",),
            ("g++", "-std=gnu++20", "-O2", "-pipe", "-o", "program", "main.cpp"),
            "program",
        ),
    )
}
ALIASES = {"python3": "python", "py": "python", "nodejs": "javascript", "js": "javascript", "c++": "cpp"}


def find_language(name: str) -> Language:
    """Raises Refused for a language that Ponder does not know, or whose interpreter or compiler is not installed."""
    language = LANGUAGES.get(ALIASES.get(name.lower(), name.lower()))
    if language is None:
        raise Refused(f"language {name!r} is not known; there are: {', '.join(LANGUAGES)}")
    if not language.installed:
        raise Refused(f"language {language.name!r} is not installed on this server: it needs {language.needs}")
    return language
