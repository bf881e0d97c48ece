"""`ponder serve --engine vllm`: what is refused, how a start is shown, and every way to end, with servers that only speak
as vLLM does. With vLLM itself: test_serve_vllm_real.py."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import psutil
import pytest
from rich.console import Console

from ponder.engine.vllm_cpu import has_gpu
from ponder.server.start.engine_choice import EngineChoice, parse_factors
from ponder.server.start.gateway_for import open_gateway
from ponder.server.start.loading import loading
from tests.engine.test_vllm_process import environment_of, left_of, python, started_by  # noqa: F401 (a fixture)
from tests.engine.vllm_fake import one_token_and_then_nothing
from tests.sandbox.waiting import wait_until
from tests.server.test_clients_go import run
from tests.shared.born import ASK, CONTEXT, NAME
from tests.shared.serve_process import ServeProcess
from tests.shared.terminal_in_pty import Typist

URL = "http://127.0.0.1:8001"
PYTHON = Path(sys.executable)
# Ids of the small tokenizer: text that is shown at once, and the first of the two bytes of a character.
WORD, HALF_A_CHARACTER = 40, 126


# ---- what is refused ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sglang"}, "--engine sglang: there are local and vllm"),
        ({"urls": (URL,)}, "--vllm-url belongs to vLLM: add --engine vllm"),
        ({"python": PYTHON}, "--vllm-python belongs to vLLM"),
        ({"arguments": ("--dtype=float32",)}, "--vllm-arg belongs to vLLM"),
        ({"key_file": PYTHON}, "--vllm-key-file belongs to vLLM"),
        ({"kind": "vllm"}, "needs --vllm-python PATH, .* or --vllm-url URL"),
        ({"kind": "vllm", "python": PYTHON, "urls": (URL,)}, "give one of them"),
        ({"kind": "vllm", "python": PYTHON, "key_file": PYTHON}, "leave --vllm-key-file out"),
        (
            {"kind": "vllm", "python": PYTHON, "arguments": ("float32",)},
            "write an option of vLLM's as --vllm-arg=--name",
        ),
        ({"kind": "vllm", "python": PYTHON, "arguments": ("--dtype=x", "--api_key=x")}, "--api-key: that is Ponder's"),
        ({"kind": "vllm", "urls": (URL,), "arguments": ("--dtype=float32",)}, "give it to your own"),
        ({"kind": "vllm", "urls": (URL,), "factors": (1.0, 4.0)}, "given 1 times for --yarn 1,4: give one address for"),
        ({"kind": "vllm", "urls": (URL, URL + "1")}, "given 2 times for --yarn 1:"),
        ({"kind": "vllm", "urls": (URL, URL), "factors": (1.0, 4.0)}, "names one server twice"),
        ({"kind": "vllm", "urls": ("127.0.0.1:8001",)}, "address is http://"),
        ({"kind": "vllm", "urls": (URL + "/v1",)}, "the server's address alone, without a path such as /v1"),
    ],
)
def test_combinations_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        EngineChoice(**options)


def test_factors_are_numbers_with_commas():
    assert parse_factors("1,4") == (1.0, 4.0) and parse_factors("2.5") == (2.5,)
    for text, message in {
        "": "such as 1,4",
        "1;4": "such as 1,4",
        "0.5": "between 1 and 64, not 0.5",
        "nan": "between",
        "1e9": "between",
        "4,4": "twice",
    }.items():
        with pytest.raises(ValueError, match=message):
            parse_factors(text)


def test_the_local_engine_takes_factors_too(checkpoint):
    """Factor 1 is always there."""
    for factors, offered in ((None, (1.0, 2.0, 4.0)), ((4.0,), (1.0, 4.0)), ((1.0,), (1.0,))):
        gateway = open_gateway(checkpoint, NAME, EngineChoice(factors=factors))
        assert gateway.lengths.factors == offered
        asyncio.run(gateway.engine.close())


def test_a_model_with_a_scaling_of_its_own_takes_no_other(checkpoint, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (checkpoint / name).exists():
            (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    config = json.loads((checkpoint / "config.json").read_text())
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "rope_theta": 10000.0}
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_parameters": scaling}))
    for choice in (EngineChoice("local", (1.0, 2.0)), EngineChoice("vllm", (4.0,), urls=(URL,))):
        with pytest.raises(ValueError, match=r"a RoPE scaling of its own .* leave --yarn out"):
            open_gateway(tmp_path, NAME, choice)


def test_messages_before_anything_is_started(checkpoint, python):  # noqa: F811
    """The address first; no process of vLLM is there when the message comes, since the fixture finds none afterwards."""
    vllm = ("--engine", "vllm", "--vllm-python", python)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(checkpoint, "--port", taken.getsockname()[1], *vllm)
    assert done.returncode == 2 and "is taken: choose another with --port" in done.stderr and "vLLM" not in done.stdout
    assert "Traceback" not in done.stderr
    with pytest.raises(ValueError, match="is no file: give the Python of the environment"):
        open_gateway(checkpoint, NAME, EngineChoice("vllm", python=python.parent))


# ---- servers that run ----


def test_what_a_running_server_says_is_looked_at(checkpoint, fake, monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    for factor, context in ((1.0, CONTEXT), (2.0, 2 * CONTEXT)):
        gateway = open_gateway(checkpoint, NAME, EngineChoice("vllm", (factor,), urls=(fake(context=context).url,)))
        assert gateway.lengths.factors == (factor,) and gateway.lengths.longest == context
    with pytest.raises(
        ValueError, match=rf"takes 1024 tokens, but the model has {CONTEXT} with YaRN factor 1: name the"
    ):
        open_gateway(checkpoint, NAME, EngineChoice("vllm", urls=(fake(context=1024).url,)))
    with pytest.raises(ConnectionError, match=r"no vLLM server answers at http://127.0.0.1:9: "):
        open_gateway(checkpoint, NAME, EngineChoice("vllm", urls=("http://127.0.0.1:9",)))


def test_a_server_that_reads_no_grammars_is_told_of(checkpoint, fake, capsys):
    open_gateway(checkpoint, NAME, EngineChoice("vllm", urls=(fake().url,)))
    assert capsys.readouterr().out == ""
    open_gateway(checkpoint, NAME, EngineChoice("vllm", urls=(fake(reads_grammars=False).url,)))
    assert '--structured-outputs-config \'{"backend": "guidance"}\' and without' in capsys.readouterr().out


def test_requests_go_to_the_server_of_their_factor_with_its_key(checkpoint, fake, tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_text("from-a-file\n")
    monkeypatch.setenv("VLLM_API_KEY", "from-the-environment")
    short, long = fake(context=CONTEXT), fake(context=2 * CONTEXT)
    urls = ("--vllm-url", short.url, "--vllm-url", long.url, "--yarn", "1,2")
    for options, expected in (((), "from-the-environment"), (("--vllm-key-file", str(key)), "from-a-file")):
        with ServeProcess(checkpoint, "--name", NAME, "--engine", "vllm", *urls, *options) as server:
            for max_tokens, served in ((8, short), (CONTEXT, long)):
                body = {"model": NAME, "prompt": [5, 6], "max_tokens": max_tokens}
                assert server.http.post("/v1/completions", json=body).status_code == 200
                assert served.bodies.pop()["max_tokens"] == max_tokens and not served.bodies
                assert served.keys.pop() == f"Bearer {expected}"
            assert server.http.get("/v1/models").json()["data"][0]["capabilities"]["rope_factors"] == [1, 2]
            server.stop()
    key.write_text("two words")
    with pytest.raises(ValueError, match="must hold one API key and nothing else"):
        EngineChoice("vllm", urls=(URL,), key_file=key).key()


@pytest.mark.parametrize(("token", "told"), [(WORD, 2), (HALF_A_CHARACTER, 1)])
def test_a_server_that_breaks_off_ends_its_streams_with_an_error(checkpoint, fake, token, told):
    """Ponder stays up, and says at /health what is the matter. Half a character shows nothing: it waits for its rest,
    and ends with the server too."""
    behind = fake(one_token_and_then_nothing(token))
    with ServeProcess(checkpoint, "--name", NAME, "--engine", "vllm", "--vllm-url", behind.url) as server:
        assert server.http.get("/health").status_code == 200
        client = openai.OpenAI(base_url=server.url, api_key="any", max_retries=0)
        stream = client.chat.completions.create(model=NAME, messages=ASK, stream=True)
        for _ in range(told):
            next(stream)
        assert behind.begun.acquire(timeout=60)
        behind.close()
        with pytest.raises(openai.APIError, match=r"vLLM broke off: .+") as caught:
            list(stream)
        assert caught.value.body["type"] == "server_error"
        wait_until(lambda: server.http.get("/health").status_code == 503)
        assert "vLLM cannot be reached" in server.http.get("/health").json()["failure"]
        assert server.http.get("/ready").status_code == 503
        whole = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": ASK})
        assert whole.status_code >= 500 and "vLLM cannot be reached" in whole.json()["error"]["message"]
        assert server.http.get("/v1/models").status_code == 200
        server.stop()


# ---- servers that are started ----


@pytest.fixture
def serve(checkpoint, python):  # noqa: F811
    """Starts Ponder over the interpreter that does what is said. Nothing may be left of it afterwards."""
    started: list[ServeProcess] = []

    def start(does: str = "", *options: str) -> ServeProcess:
        environment = {"FAKE": does, "MARK": str(python)}
        vllm = ("--name", NAME, "--engine", "vllm", "--vllm-python", python)
        started.append(ServeProcess(checkpoint, *vllm, *options, environment=environment))
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


def processes_of_vllm(python, ponder: int) -> list[psutil.Process]:  # noqa: F811
    """What the process `ponder` has started, which carries the mark as it does itself."""
    return [process for process in started_by(python) if process.pid != ponder]


def test_a_start_that_fails_says_what_vllm_said_last(serve):
    server = serve("dies")
    err = server.ended()
    *planned, starting = server.process.stdout.read().splitlines()
    assert server.process.returncode == 1 and starting == "vLLM is starting"
    assert has_gpu() or f"vLLM on a CPU: a context of {CONTEXT} tokens, all that the model has; 1 GiB for" in planned[0]
    assert "vLLM did not start. vLLM ended with exit code 1" in err and err.endswith("RuntimeError: no such model\n")
    assert "Traceback" not in err


def test_profiles_are_started_one_after_the_other_and_end_with_ponder(serve, python):  # noqa: F811
    server = serve("", "--yarn", "1,2", "--vllm-arg=--dtype=float32")
    assert server.http.get("/v1/models").json()["data"][0]["capabilities"]["rope_factors"] == [1, 2]
    starting = [line for line in server.said if line.endswith("is starting\n")]
    assert starting == ["vLLM with YaRN factor 1 is starting\n", "vLLM with YaRN factor 2 is starting\n"]
    commands = [process.cmdline() for process in processes_of_vllm(python, server.process.pid)]
    commands = [command for command in commands if command[2:4] == ["-m", "vllm.entrypoints.openai.api_server"]]
    assert len(commands) == 2 and sum("--hf-overrides" in command for command in commands) == 1
    for command in commands:
        # On a CPU each is told what its keys and values may take instead.
        assert command[-1] == "--dtype=float32" and ("--gpu-memory-utilization=0.45" in command) == has_gpu()
    if not has_gpu():
        planned = [line.partition(";")[0] for line in server.said if "on a CPU" in line]
        assert planned == [
            f"vLLM with YaRN factor {factor} on a CPU: a context of {factor * CONTEXT} tokens, all that the model has"
            for factor in (1, 2)
        ]
        environments = [environment_of(process) for process in processes_of_vllm(python, server.process.pid)]
        assert sum("VLLM_CPU_KVCACHE_SPACE=1" in environment for environment in environments) >= 2
    server.stop()
    assert not left_of(python)


def test_a_profile_that_does_not_start_ends_the_others(checkpoint, python, monkeypatch):  # noqa: F811
    for name, value in {"FAKE": "unscaled", "MARK": str(python)}.items():
        monkeypatch.setenv(name, value)
    choice = EngineChoice("vllm", (1.0, 2.0), python=python)
    with pytest.raises(ChildProcessError, match=r"(?s)vLLM with YaRN factor 2 did not start\. .*no scaling here$"):
        open_gateway(checkpoint, NAME, choice)
    assert not left_of(python)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_of_vllm_outlives_ponder(serve, python, number):  # noqa: F811
    """A kill -9 while it serves, a SIGTERM while vLLM still loads."""
    server = serve("hangs" if number == signal.SIGTERM else "")
    if number == signal.SIGKILL:
        assert server.http.get("/health").status_code == 200
    wait_until(lambda: len(processes_of_vllm(python, server.process.pid)) >= 3)
    server.process.send_signal(number)
    server.ended()
    assert not left_of(python)


def test_ctrl_c_in_a_terminal_while_vllm_loads_ends_everything(checkpoint, python):  # noqa: F811
    """The line of progress shows what vLLM said last. It takes its time to end; Ctrl+C again, out of impatience, leaves
    that to the keeper."""
    vllm = ("--engine", "vllm", "--vllm-python", python)
    typist = Typist("serve", checkpoint, "--port", 0, *vllm, FAKE="stubborn hangs", MARK=str(python))
    typist.until(r"vLLM is loading, \d+ s: loading --model")
    os.kill(typist.pid, signal.SIGINT)
    (keeper,) = (one for one in processes_of_vllm(python, typist.pid) if one.ppid() == typist.pid)
    wait_until(lambda: pipe_has_ended(typist.pid, keeper))
    os.kill(typist.pid, signal.SIGINT)
    assert typist.leave("") == 130 and "Traceback" not in typist.seen
    assert not left_of(python)


def pipe_has_ended(ponder: int, keeper: psutil.Process) -> bool:
    """Ponder has closed its end of the keeper's standard input."""
    pipe = os.stat(f"/proc/{keeper.pid}/fd/0")

    def is_it(end: Path) -> bool:
        try:
            return os.path.samestat(end.stat(), pipe)
        except FileNotFoundError:  # closed since it was listed
            return False

    return not any(map(is_it, Path(f"/proc/{ponder}/fd").iterdir()))


def vllm_of(python, server: ServeProcess) -> psutil.Process:  # noqa: F811
    (vllm,) = (one for one in processes_of_vllm(python, server.process.pid) if str(python) in one.cmdline()[:2])
    return vllm


def test_vllm_that_dies_is_started_again(serve, python):  # noqa: F811
    """What runs gets an error in its form, what comes meanwhile waits."""
    server = serve()
    assert server.http.get("/health").status_code == 200
    body = {"model": NAME, "prompt": [5, 6], "max_tokens": 2}
    assert server.http.post("/v1/completions", json=body).json()["usage"]["completion_tokens"] == 2
    hold = python.parent / "hold"
    hold.touch()
    client = openai.OpenAI(base_url=server.url, api_key="any", max_retries=0)
    stream = client.completions.create(model=NAME, prompt=[5, 6], max_tokens=2, stream=True)
    next(stream)
    first = vllm_of(python, server)
    (python.parent / "wait").touch()  # the next one is slow to start
    first.kill()
    hold.unlink()
    with pytest.raises(openai.APIError, match="vLLM ended with exit code 137; it is being started again") as caught:
        list(stream)
    assert caught.value.body["type"] == "server_error"
    health = server.http.get("/health")
    assert health.status_code == 503 and "being started again" in health.json()["failure"]
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(server.http.post, "/v1/completions", json=body) for _ in range(8)]
        wait_until(
            lambda: any(str(python) in one.cmdline()[:2] for one in processes_of_vllm(python, server.process.pid))
        )
        assert not any(one.done() for one in waiting)
        (python.parent / "wait").unlink()
        assert [one.result().json()["usage"]["completion_tokens"] for one in waiting] == [2] * 8
    wait_until(lambda: server.http.get("/health").status_code == 200)
    assert vllm_of(python, server).pid != first.pid
    said = server.stop()
    assert "137; it is started again; it said last:\nloading --model" in said and "vLLM answers again" in said


# ---- the line of progress ----


@pytest.mark.parametrize("dumb", [False, True])
def test_progress_where_no_line_can_be_changed(dumb):
    """In a log, and in a terminal that only prints."""
    log = io.StringIO()
    kind = {"force_terminal": True, "_environ": {"TERM": "dumb"}, "width": 200} if dumb else {}
    with loading(Console(file=log, soft_wrap=True, highlight=False, color_system=None, **kind), "vLLM") as progress:
        for tenth in range(0, 300, 5):
            progress(tenth / 10, "" if tenth < 150 else "Loading [bold]weights\x1b[2J\a 50%")
    assert log.getvalue().splitlines() == [
        "vLLM is starting",
        "vLLM is loading, 10 s",
        "vLLM is loading, 20 s: Loading [bold]weights [2J  50%",
    ]


def test_progress_in_a_terminal_is_one_line():
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=60, _environ={"TERM": "xterm"})
    with loading(console, "vLLM") as progress:
        progress(3.2, "\x1b]0;title\a" + "x" * 500)
        wait_until(lambda: "loading, 3 s" in terminal.getvalue())
    assert "title" in terminal.getvalue() and "\x1b]" not in terminal.getvalue()
    assert "x" * 60 not in terminal.getvalue() and "x\u2026" in terminal.getvalue()
