"""Starting and ending a vLLM server, with an "interpreter" that runs something small instead; no process is left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ponder.engine.vllm_process import start_vllm, yarn_arguments
from ponder.engine.vllm_profile import connect_vllm
from ponder.model.config import load_config
from tests.engine.test_vllm_log import LOGS
from tests.engine.vllm_fake import fake_interpreter
from tests.model.families import make_checkpoint


@pytest.fixture
def python(tmp_path):
    """Afterwards nothing may be left of what it has started."""
    path = fake_interpreter(tmp_path)
    yield path
    left = left_of(path)
    for process in left:
        process.kill()
    assert not left


def started_by(python) -> list[psutil.Process]:
    """Servers, and what they have started, which carry the same environment."""
    mark = f"MARK={python}"
    return [process for process in psutil.process_iter() if mark in environment_of(process)]


def left_of(python) -> list[psutil.Process]:
    """What does not end: a process that was killed may need a moment."""
    return psutil.wait_procs(started_by(python), timeout=30)[1]


def environment_of(process: psutil.Process) -> list[str]:
    try:
        return [f"{name}={value}" for name, value in process.environ().items()]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def start(python, does: str = "", **options):
    environment = {"FAKE": does, "MARK": str(python)}
    return start_vllm(python.parent, python, environment=environment, **options)


def test_a_server_is_started_reached_and_ended_with_all_its_processes(python):
    lines = []
    server = start(python, arguments=["--dtype", "float32"], progress=lambda seconds, line: lines.append(line))
    assert server.profile.model == "ponder" and server.profile.context == 512
    assert connect_vllm(server.profile.url, api_key=server.profile.api_key) == server.profile
    with pytest.raises(RuntimeError, match="401"):
        connect_vllm(server.profile.url)
    assert server.profile.api_key not in server.last_words() and server.directory.stat().st_mode & 0o777 == 0o700
    assert server.last_words().startswith(f"loading --model {python.parent} --host 127.0.0.1 --port ")
    assert server.last_words().endswith("--dtype float32")
    assert len(started_by(python)) == 3 and server.ended() is None, "keeper, server, and its helper"
    server.close()
    server.close()
    assert not left_of(python) and not server.directory.exists() and server.ended() is None


def test_a_server_may_end_in_its_own_way(python):
    start(python, "tidy").close()
    assert (python.parent / "goodbye").exists()


def test_a_server_that_ignores_the_request_to_end_is_killed(python, monkeypatch):
    monkeypatch.setattr("ponder.engine.vllm_process.GRACE_S", 0.5)
    server = start(python, "stubborn")
    server.close()
    assert not left_of(python)


def test_a_server_that_ends_before_it_is_ready_says_why(python):
    with pytest.raises(RuntimeError, match=r"(?s)exit code 1 before it was ready.*loading.*no such model$"):
        start(python, "dies")


def test_a_server_that_ends_with_tracebacks_says_the_first_cause(python, monkeypatch):
    monkeypatch.setenv("LOG", str(LOGS / "memory.log"))
    with pytest.raises(
        RuntimeError, match=r"before it was ready; because of\nValueError: Available memory on node 0"
    ) as caught:
        start(python, "fails")
    assert "Traceback" not in str(caught.value) and "Engine core" not in str(caught.value)


def test_a_server_that_is_not_ready_in_time_is_ended(python):
    with pytest.raises(RuntimeError, match=r"(?s)not ready after 0.5 s; it said last:.*loading"):
        start(python, "hangs", timeout_s=0.5)


def test_a_progress_that_gives_up_ends_the_server(python):
    """Ctrl+C while it loads."""

    def interrupt(seconds, line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(python, "hangs", progress=interrupt)


def test_a_server_that_ends_by_itself_takes_its_helpers_along_and_is_reported(python, caplog):
    server = start(python, "once")
    server.wait()
    assert not left_of(python)
    server.tell_end("that was it")
    assert [record.message.split(";")[:2] for record in caplog.records] == [[server.ended(), " that was it"]]
    assert server.ended() == "vLLM ended with exit code 3"
    server.close()


def test_a_server_that_is_killed_is_reported_with_its_signal(python):
    server = start(python)
    (process,) = (p for p in started_by(python) if p.ppid() == server._keeper.pid)
    process.kill()
    server.wait()
    assert not left_of(python) and server.ended() == "vLLM ended with exit code 137"
    server.close()


STARTER = """
import sys
from pathlib import Path
from ponder.engine.vllm_process import start_vllm

python = Path(sys.argv[1])
server = start_vllm(python.parent, python, environment={"FAKE": "", "MARK": str(python)})
print(server.directory, flush=True)
sys.stdin.read()
"""


def test_the_server_ends_with_us_even_where_we_are_killed(python):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(python)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    directory = Path(starter.stdout.readline().decode().strip())
    assert (directory / "log").exists()
    ours = started_by(python)
    assert len(ours) == 3
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert not psutil.wait_procs(ours, timeout=60)[1] and not directory.exists()


def test_an_interpreter_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="is no file: give the Python of the environment"):
        start_vllm(tmp_path, tmp_path / "python")


def test_yarn_for_a_server_is_what_a_checkpoint_with_that_scaling_says(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    assert yarn_arguments(tmp_path, 1.0) == []
    flag, overrides, limit, longest = yarn_arguments(tmp_path, 2.0)
    assert (flag, limit, longest) == ("--hf-overrides", "--max-model-len", "1024")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | json.loads(overrides)))
    scaled = load_config(tmp_path)
    assert scaled.max_positions == 1024
    assert (scaled.rope.kind, scaled.rope.factor, scaled.rope.original_max_positions) == ("yarn", 2.0, 512)
    assert scaled.rope.theta == 1e6
    with pytest.raises(ValueError, match="has a RoPE scaling of its own"):
        yarn_arguments(tmp_path, 2.0)
