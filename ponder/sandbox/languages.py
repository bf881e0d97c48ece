"""The languages programs may be written in. A row of the table is all it takes to add one."""

import importlib.util
import shutil
from dataclasses import dataclass

from ponder.sandbox.job import Refused
from ponder.sandbox.zygote import INTERPRETER


@dataclass(frozen=True)
class Language:
    """How a program of one language is run.

    `file` is the source's name in the working directory, `command` runs it (empty for Python, which warm workers run
    themselves), `compile` comes before where there is one and leaves `artifact`.
    """

    name: str
    file: str
    command: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    artifact: str = ""
    package: str = ""  # of Python's, that must be installed where the server runs

    @property
    def needs(self) -> str:
        """The program that must be installed, empty where none is."""
        return (self.compile or self.command or ("",))[0]

    @property
    def installed(self) -> bool:
        if self.package and importlib.util.find_spec(self.package) is None:
            return False
        return not self.needs or shutil.which(self.needs, path="/usr/local/bin:/usr/bin:/bin") is not None


LANGUAGES = {
    language.name: language
    for language in (
        Language("python", "main.py"),
        Language("pytest", "test_main.py", (INTERPRETER, "-m", "pytest", "test_main.py"), package="pytest"),
        Language("bash", "main.sh", ("bash", "main.sh")),
        Language("javascript", "main.js", ("node", "main.js")),
        Language("perl", "main.pl", ("perl", "main.pl")),
        Language("ruby", "main.rb", ("ruby", "main.rb")),
        Language("php", "main.php", ("php", "main.php")),
        Language("lua", "main.lua", ("lua", "main.lua")),
        Language("r", "main.r", ("Rscript", "main.r")),
        Language("c", "main.c", ("./program",), ("gcc", "-O2", "-pipe", "-o", "program", "main.c", "-lm"), "program"),
        Language(
            "cpp",
            "main.cpp",
            ("./program",),
            ("g++", "-std=gnu++20", "-O2", "-pipe", "-o", "program", "main.cpp"),
            "program",
        ),
        Language("rust", "main.rs", ("./program",), ("rustc", "-O", "-o", "program", "main.rs"), "program"),
    )
}
ALIASES = {"python3": "python", "py": "python", "nodejs": "javascript", "js": "javascript", "c++": "cpp"}
ALIASES |= {"sh": "bash", "shell": "bash", "rb": "ruby", "rscript": "r"}


def find_language(name: str) -> Language:
    """Raises Refused for a language that Ponder does not know, or whose interpreter or compiler is not installed."""
    language = LANGUAGES.get(ALIASES.get(name.lower(), name.lower()))
    if language is None:
        raise Refused(f"language {name[:100]!r} is not known; there are: {', '.join(LANGUAGES)}")
    if not language.installed:
        needed = language.package or language.needs
        raise Refused(f"language {language.name!r} is not installed on this server: it needs {needed}")
    return language
