"""`ponder eval` of models behind servers as people run it: which model, what a server refuses, and vLLM."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.evals.store import SAMPLES, read
from tests.engine.openai_fake import chat, response
from tests.integration.eval_suites import command, told, write_suite
from tests.shared.fixtures import checkpoint  # noqa: F401 (fixture)

OWN = Path(__file__).parents[1] / "evals" / "data"


@pytest.fixture
def suite(tmp_path):
    return write_suite(tmp_path, samples=1)


def server_of(*models: str, answer=None):
    """Lists models, and says that every sum is 4."""

    async def act(asked, writer):
        if asked.path.endswith("/models"):
            writer.write(response({"data": [{"id": model} for model in models]}))
        else:
            writer.write(answer(asked) if answer else response(chat("\\boxed{4}")))

    return act


def test_a_servers_only_model_is_asked(tmp_path, fake_openai, suite):
    server = fake_openai(server_of("the-one"))
    code, out, said = told(server.url, "--bench", suite, "--rows", 4, "--to", tmp_path / "it")
    assert code == 0 and "has one model, the-one: that is asked" in said and "sums" in out, said
    assert {asked.body["model"] for asked in server.asked if asked.body} == {"the-one"}
    assert read(tmp_path / "it").manifest.model == {"name": "the-one", "kind": "server", "at": server.url}


def test_a_context_that_a_server_tells_is_heeded(tmp_path, fake_openai, suite):
    async def act(asked, writer):
        writer.write(response({"data": [{"id": "m", "max_model_len": 24}]}))

    server = fake_openai(act)
    for name in ((), ("--model", "m")):
        code, _, said = told(server.url.removesuffix("/v1"), "--bench", suite, *name, "--to", tmp_path / "it")
        assert code == 2 and "allows answers of 24 tokens, and this model's context is 24: say --max-tokens 12" in said
    assert {asked.path for asked in server.asked} == {"/v1/models"} and not (tmp_path / "it").exists()


def test_a_server_is_asked_for_each_budget_and_watched(tmp_path, fake_openai, suite):
    """This one thinks as long as it likes."""
    thought = {"completion_tokens": 300, "completion_tokens_details": {"reasoning_tokens": 290}}
    reply = chat("\\boxed{4}", reasoning_content="hm " * 290) | {"usage": thought}
    server = fake_openai(server_of("m", answer=lambda asked: response(reply)))
    asked = (server.url, "--bench", suite, "--rows", 2, "--budget", "512,0", "--max-tokens", 1024)
    code, out, said = told(*asked, "--to", tmp_path / "it")
    assert code == 0 and "asked of the server as thinking_budget" in said, said
    assert sorted(asked.body["thinking_budget"] for asked in server.asked if asked.body) == [0, 0, 512, 512]
    assert "budget 0, 2 of 40 problems): 2 of 2 answers thought longer than the budget" in " ".join(out.split())


@pytest.mark.parametrize(("owner", "sent"), [("ponder", 0), ("vllm", None)])
def test_ponders_own_server_ends_no_thought_of_an_evaluation(tmp_path, fake_openai, suite, owner, sent):
    """Which it does by default, so that there is an answer. Others may refuse a field that they do not know."""

    async def act(asked, writer):
        listed = asked.path.endswith("/models")
        writer.write(response({"data": [{"id": "m", "owned_by": owner}]} if listed else chat("\\boxed{4}")))

    server = fake_openai(act)
    code, _, said = told(server.url, "--bench", suite, "--rows", 2, "--to", tmp_path / "it")
    assert code == 0, said
    told_ = [(asked.body.get("answer_reserve"), asked.body.get("end_loops")) for asked in server.asked if asked.body]
    assert told_ == [(sent, None if sent is None else False)] * 2


@pytest.mark.parametrize(
    ("models", "sentence"),
    [(("a", "b"), "has 2 models, choose one with --model: a, b"), ((), "names no model: give it with --model")],
)
def test_of_several_models_one_must_be_chosen(tmp_path, fake_openai, suite, models, sentence):
    server = fake_openai(server_of(*models))
    code, _, said = told(server.url, "--bench", suite, "--to", tmp_path / "it")
    assert code == 2 and sentence in said and "Traceback" not in said and not (tmp_path / "it").exists()


def test_a_server_that_takes_no_tools_ends_in_a_sentence_and_what_was_answered_is_kept(tmp_path, fake_openai, suite):
    def answer(asked):
        refusal = response({"error": {"message": "tools are not supported"}}, 400)
        return refusal if asked.body.get("tools") else response(chat("\\boxed{4}"))

    server = fake_openai(server_of("m", answer=answer))
    asked = (server.url, "--model", "m", "--bench", f"{suite},bfcl", "--data", OWN, "--protocol", "greedy")
    write_suite(tmp_path, samples=1, variants="greedy")
    code, _, said = told(*asked, "--rows", 5, "--to", tmp_path / "it")
    assert code == 1 and "tools are not supported" in said and "--tool-call-parser" in said and "Traceback" not in said
    assert "leave this benchmark out of --bench" in said and "the same command asks them again" in said
    kept = [sample for sample in read(tmp_path / "it").samples if sample.failure is None]
    assert [sample.bench for sample in kept] == ["sums"] * 5


def test_a_template_without_tools_is_refused_before_anything_is_asked(tmp_path, checkpoint):  # noqa: F811
    bare = tmp_path / "bare"
    subprocess.run(["cp", "-r", checkpoint, bare], check=True)
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        if (bare / name).exists() and name.endswith("jinja"):
            (bare / name).unlink()
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config["chat_template"] = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    asked = (bare, "--bench", "bfcl", "--data", OWN, "--protocol", "greedy", "--max-tokens", 16, "--memory", "200MB")
    code, _, said = told(*asked, "--to", tmp_path / "it")
    assert code == 2 and "shows a model none" in said and "leave bfcl out of --bench" in said, said
    assert not (tmp_path / "it" / SAMPLES).exists()


# ---- vLLM ----


def test_a_checkpoint_over_vllm(tmp_path, checkpoint, fake, suite):  # noqa: F811
    """By way of token ids, as `ponder serve` has it; standard output stays JSON."""
    server = fake(reads_grammars=False)
    asked = (checkpoint, "--bench", suite, "--rows", 3, "--engine", "vllm", "--vllm-url", server.url, "--json")
    code, out, said = told(*asked, "--to", tmp_path / "it")
    assert code == 0 and "does not read Ponder's grammars" in said, said
    assert json.loads(out)["engine"] == {"kind": "vllm", "exact": False}
    found = read(tmp_path / "it").samples
    assert len(found) == 3 and {sample.tokens for sample in found} == {24}
    assert len(server.bodies) == 3 and all(body["prompt"] for body in server.bodies), (
        "one request an answer: no thought is ended for the model"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--engine", "vllm"), "needs --vllm-python PATH"),
        (("--engine", "vllm", "--vllm-python", "nowhere/python"), "is no file: give the Python of the environment"),
        (("--engine", "vllm", "--vllm-python", sys.executable), "vLLM did not start"),
        (("--vllm-url", "http://127.0.0.1:9"), "add --engine vllm"),
    ],
)
def test_without_vllm_there_is_a_sentence(tmp_path, checkpoint, suite, arguments, sentence):  # noqa: F811
    done = subprocess.run(
        command(checkpoint, "--bench", suite, *arguments, "--to", tmp_path / "it"), capture_output=True, text=True
    )
    assert done.returncode in (1, 2) and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr
