"""Plain programs come out as the machine's own Python would have it: output, exit code, last words."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from ponder.sandbox import Execution
from ponder.sandbox.zygote import INTERPRETER

PROGRAMS = yaml.safe_load((Path(__file__).parent / "plain_programs.yaml").read_text())
# An address, and the directory that a program lies in, are different each time.
ADDRESS, DIRECTORY = re.compile(r"0x[0-9a-f]{6,}"), re.compile(r"/[^\s'\"]*/work/")


@pytest.mark.parametrize("program", PROGRAMS, ids=[program["name"] for program in PROGRAMS])
def test_as_its_own_python_has_it(sandbox, tmp_path, program):
    source, stdin = program["source"], program.get("stdin", "")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "main.py").write_bytes(source.encode())
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    own = subprocess.run(
        [INTERPRETER, "main.py"],
        input=stdin.encode(),
        capture_output=True,
        cwd=tmp_path / "work",
        env=environment,
        timeout=60,
    )
    told = sandbox.execute(Execution(source=source, stdin=stdin))
    if told.outcome == "compile_error":
        here = 1, "", last_line(told.compile_output.encode())
    else:
        here = told.exit_code, shown(told.stdout), last_line(told.stderr)
    assert here == (own.returncode, shown(own.stdout), last_line(own.stderr)), told.reason


def shown(data: bytes) -> str:
    return DIRECTORY.sub("/work/", ADDRESS.sub("0x", data.decode("utf-8", "replace")))


def last_line(data: bytes) -> str:
    return (shown(data).strip().splitlines() or [""])[-1]


STACK = "import sys\nframe, names = sys._getframe(), []\nwhile frame: names.append(frame.f_code.co_name); frame = frame.f_back\n"


@pytest.mark.parametrize(
    "source",
    [
        f"{STACK}print(names)",
        f"{STACK.replace('import sys', 'import sys, traceback; traceback.print_stack()')}print(names)",
        "import os\nos.mkdir('jail')\nopen('jail/__init__.py', 'w')\nopen('jail/worker.py', 'w').write('def work(): 1 / 0')\n"
        "from jail import worker\nworker.work()",
        "for name in ('execution', 'main_program', 'worker', 'runpy'):\n"
        "    open(name + '.py', 'w').write('def run(): 1 / 0')\nimport main_program\nmain_program.run()",
        "exec(compile('def run(): 1 / 0\\nrun()', 'jail/main_program.py', 'exec'))",
        "def run(code): whole()\ndef whole(): exec('1 / 0')\nrun(0)",
        "import sys\nprint(sorted(name for name in sys.modules if name.startswith(('jail', 'ponder'))))",
        "def f(): f()\nf()",
    ],
)
def test_nothing_of_the_sandbox_is_in_a_programs_sight(sandbox, tmp_path, source):
    test_as_its_own_python_has_it(sandbox, tmp_path, {"source": source})
    told = sandbox.execute(Execution(source=source))
    text = (told.stdout + told.stderr).decode()
    assert "<sandbox>" not in text and "zygote" not in text and "ponder" not in text
