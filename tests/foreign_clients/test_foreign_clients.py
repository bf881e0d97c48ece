"""Other people's clients against a server of Ponder's, each in an environment of its own: `make test-clients` sets them up and
runs these. A model that thinks, calls a tool, and answers is played; what each client made of it is compared."""

import re
import shutil
import subprocess
import sys

import pytest

from ponder.chat.renderer import Renderer
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.weights import load_decoder
from tests.foreign_clients.environments import ELSEWHERE, HERE, python_of, run
from tests.shared.born import NAME
from tests.shared.one_turn import THOUGHT, think_then

CALL = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
PYTHON = sorted(path.stem for path in (HERE / "clients").glob("*_client.py") if path.stem != "instructor_client")
NODE = sorted(path.stem for path in (HERE / "node").glob("*.mjs"))
BLIND = {"langchain_client", "llama_index_client", "llm_client"}  # they read no thoughts

pytestmark = pytest.mark.clients


def adds(so_far: str) -> str:
    """Calls `add`, where tools are given and no result is there yet."""
    if so_far.endswith("<tool_call>\n"):
        return CALL  # of a function that is strict, the JSON is asked for by itself, and ends with its mask
    asked = so_far.rpartition("<|im_start|>assistant\n")[0]
    calls = '"add"' in asked and "<tool_response>" not in asked
    return think_then(f"Sure.\n<tool_call>\n{CALL}\n</tool_call>" if calls else "It is 3.")(so_far)


adds.without_end = CALL


def makes_objects(so_far: str) -> str:
    """Calls a function that must be called, where one is given, else answers with JSON."""
    given = '{"a": 1, "b": 2}'
    if '"Sum"' in so_far and "<tools>" in so_far:
        return think_then(f'<tool_call>\n{{"name": "Sum", "arguments": {given}}}\n</tool_call>')(so_far)
    return think_then(given)(so_far)


def check(seen: dict, name: str) -> None:
    if name in BLIND:
        assert seen["thought"] is None
    else:
        assert seen["thought"].strip() == THOUGHT
    assert seen["answer"].strip() == seen["final"].strip() == "It is 3."
    assert seen["called"] == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("name", PYTHON)
def test_a_turn_and_a_loop_of_tools(says, name):
    python = python_of(name.removesuffix("_client"))
    check(run(python, f"clients/{name}.py", f"{says(adds).url}/v1", NAME), name)


def test_objects_in_every_way_of_instructors(says):
    python = python_of("instructor")
    seen = run(python, "clients/instructor_client.py", f"{says(makes_objects).url}/v1", NAME)
    assert seen["called"] == [{"a": 1, "b": 2}] * 4


@pytest.mark.parametrize("name", NODE)
def test_in_javascript(says, name):
    modules = ELSEWHERE / "node" / "node_modules"
    if not modules.exists() or shutil.which("node") is None:
        pytest.skip(f"{modules.parent.name} is not there, or node is not: make test-clients sets it up where npm is")
    script = shutil.copy(HERE / "node" / f"{name}.mjs", ELSEWHERE / "node")  # node looks for modules beside a script
    check(run("node", script, f"{says(adds).url}/v1", NAME), name)


@pytest.mark.parametrize("form", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_guidellm_is_given_as_many_tokens_as_it_asks_for(born, checkpoint, form):
    """By a model that computes, whose tokens it counts itself."""
    python = python_of("guidellm")
    seen = run(python, "clients/guidellm_load.py", born.url, str(checkpoint), form, "4", "24")
    assert seen["totals"]["successful"] == 4 and seen["totals"]["errored"] == 0
    assert seen["tokens"] == [24] * 4 and all(tokens >= 32 for tokens in seen["prompts"])
    assert all(time > 0 for time in seen["first_token_ms"])


def test_the_quickstart_of_qwqs_api(says):
    """With nothing but address and name changed."""
    seen = run(python_of("openai_python"), "clients/quickstart_openai.py", f"{says(adds).url}/v1", NAME)
    assert seen["thought"].strip() == THOUGHT and seen["answer"].strip() == "It is 3."


def test_the_quickstart_of_qwq_for_transformers(checkpoint):
    """A checkpoint of Ponder's, which answers as Ponder does."""
    seen = run(sys.executable, "clients/quickstart_transformers.py", str(checkpoint))
    renderer = Renderer.load(checkpoint)
    prompt = renderer.render([{"role": "user", "content": "1 + 2"}])
    assert tuple(prompt.ids) == tuple(renderer.encode(seen["prompt"]))
    params = SamplingParams(temperature=0.0, max_tokens=16, stop_ids=renderer.stop_ids)
    (done,) = LocalEngine(load_decoder(checkpoint)).generate([Request(0, tuple(prompt.ids), params, 0)])
    assert seen["ids"] == done.ids


def test_prometheus_reads_the_metrics(says):
    """promtool, of Debian's package prometheus, finds nothing wrong but names that are vLLM's."""
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not there: it comes with Prometheus")
    server = says(adds)
    server.http.post("/v1/chat/completions", json={"model": NAME, "messages": [{"role": "user", "content": "1 + 2"}]})
    text = server.http.get("/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    told = [line for line in (done.stdout + done.stderr).splitlines() if not re.match(r"(ponder|vllm):", line)]
    assert done.returncode in (0, 3) and not told, told  # 3: only remarks on names
