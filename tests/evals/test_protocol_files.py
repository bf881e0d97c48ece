"""Protocols by name, suites of one's own by file, and what is said of what is wrong with them."""

from datetime import date
from pathlib import Path

import pytest

from ponder.evals.data import load_problems
from ponder.evals.loading import LEFT_OUT, known, load_protocol
from ponder.evals.protocol_table import table

DOCS = Path(__file__).parents[2] / "docs"

SUITE = """
data: {file: rows.jsonl, fields: {prompt: q, answer: a}}
verifier: math
"""


def suite(tmp_path, text: str = SUITE, name: str = "mine.yaml"):
    (tmp_path / "rows.jsonl").write_text('{"q": "1+1?", "a": "2"}\n{"q": "2+3?", "a": "5"}\n')
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_a_suites_rows_lie_beside_it_wherever_it_is_named_from(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text("data: {file: own.jsonl}\nverifier: math\n")
    (tmp_path / "own.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n')
    monkeypatch.chdir(tmp_path)
    assert [task.reference for task in load_problems(load_protocol("own.yaml")).tasks] == ["2"]


def test_every_protocol_has_a_greedy_variant_and_a_source_of_its_own_for_each():
    names = [name for name, _, _ in known()]
    assert names == sorted(names) and {"aime24", "livecodebench", "ifeval", "bfcl", "gpqa", "sat"} < set(names)
    for name, title, variants in known():
        protocols = [load_protocol(name, variant) for variant in variants]
        assert variants[-1] == "greedy" and load_protocol(name) == protocols[0]
        assert all(protocol.name == name and protocol.title == title for protocol in protocols)
        assert len({protocol.source for protocol in protocols}) == len(variants)
        greedy = protocols[-1].sampling
        assert (greedy.temperature, greedy.samples) == (0, 1) and greedy.max_tokens <= 1_280
        assert protocols[0].sampling.max_tokens == 32_768 and protocols[0].sampling.temperature == 0.6


@pytest.mark.parametrize(
    ("name", "samples", "shown"),
    [
        ("aime24", 64, "aime24"),
        ("aime25", 64, "aime25"),
        ("livecodebench", 8, "livecodebench 2024-08..2025-02"),
        ("ifeval", 1, "ifeval"),
    ],
)
def test_qwqs_own_protocol(name, samples, shown):
    protocol = load_protocol(name)
    sampling = protocol.sampling
    assert protocol.variant == "qwq" and "QwenLM/QwQ at 620a5ea" in protocol.source
    assert (sampling.samples, sampling.temperature, sampling.top_p, sampling.top_k) == (samples, 0.6, 0.95, 40)
    assert protocol.result_name == shown


def test_gpqa_shuffles_its_choices_in_every_variant():
    assert load_protocol("gpqa").sampling.samples == 10
    assert all(load_protocol("gpqa", variant).shuffle_choices for variant in ("guidelines", "greedy"))


@pytest.mark.parametrize(
    ("name", "variant", "said"),
    [
        ("aime2024", None, "Unknown benchmark 'aime2024': did you mean 'aime24'"),
        ("gsm8k", "greddy", "benchmark gsm8k: Unknown protocol 'greddy': did you mean 'greedy'? Known: greedy, guid"),
        ("livebench", None, "LiveBench is judged by scorers of its own, .* use math500, livecodebench and ifeval"),
        ("nowhere/mine.yaml", None, "there is no protocol at nowhere/mine.yaml"),
    ],
)
def test_unknown_names(name, variant, said):
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        load_protocol(name, variant)
    assert "livebench" in LEFT_OUT


def test_a_suite_of_ones_own_needs_little(tmp_path):
    protocol = load_protocol(suite(tmp_path))
    assert (protocol.name, protocol.variant, protocol.domain, protocol.prompt) == ("mine", "own", "math", "plain")
    loaded = load_problems(protocol, [])
    assert [(task.question, task.reference) for task in loaded.tasks] == [("1+1?", "2"), ("2+3?", "5")]
    assert loaded.tasks[1].place == "rows.jsonl, line 2" and loaded.remarks == ()


def test_variants_change_only_what_they_name(tmp_path):
    text = (
        SUITE
        + "system: Be brief.\nprompt: 'Say: {question}'\nsampling: {samples: 4, max_tokens: 64}\n"
        + "variants:\n  sampled:\n  short: {sampling: {max_tokens: 8}, system: null}\n"
    )
    sampled, short = (load_protocol(suite(tmp_path, text), variant) for variant in (None, "short"))
    assert (sampled.variant, sampled.sampling.max_tokens, sampled.system) == ("sampled", 64, "Be brief.")
    assert (short.sampling.samples, short.sampling.max_tokens, short.system) == (4, 8, None)
    first = load_problems(sampled).tasks[0].messages
    assert first == ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say: 1+1?"})
    assert len(load_problems(short).tasks[0].messages) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {file: rows.jsonl}", "mine.yaml has 1 problem:\n  verifier: this field is required"),
        (SUITE + "sampling: {sample: 3}", "sampling.sample: there is no such field; did you mean `samples`"),
        (SUITE + "sampling: 3", "sampling: must be a mapping of fields, got 3; write sampling: {samples: 3}"),
        (SUITE + "sampling: {samples: many}", "sampling.samples: must be a whole number, got 'many'"),
        (SUITE.replace("math", "maths"), "verifier: Unknown verifier 'maths': did you mean 'math'"),
        (SUITE + "prompt: boxes", "prompt: Unknown prompt 'boxes': did you mean 'boxed'"),
        ("data: {}\nverifier: math", "data: say where the rows are: data: {file: NAME.jsonl}"),
        (SUITE + "window: [2025-01-01, 2024-01-01]", "window: its first day comes after its last"),
        (SUITE + "window: [2024-01-01, 2025-01-01]", "data.date: a window needs the name of the rows' field"),
        (SUITE + "window: yesterday", "window: must be a list, got 'yesterday'"),
        (SUITE + "shuffle_choices: true", "shuffle_choices: only choice tasks have choices"),
        (SUITE + "variants: [greedy]", "variants: must be a mapping of names to the fields that differ"),
        (SUITE + "variants: {}", "variants: must be a mapping of names to the fields that differ"),
        ("- 1", "must hold a mapping of fields"),
        ("data: {", "not valid YAML"),
        (SUITE + "verifier: math", "the key 'verifier' stands twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_the_field_and_what_to_write(tmp_path, text, said):
    with pytest.raises(ValueError) as wrong:
        load_protocol(suite(tmp_path, text))
    assert said in str(wrong.value) and "mine.yaml" in str(wrong.value)


def test_files_are_looked_for_beside_the_suite_and_then_in_the_directories(tmp_path):
    path = suite(tmp_path)
    (tmp_path / "rows.jsonl").rename(tmp_path / "elsewhere.jsonl")
    with pytest.raises(ValueError, match=r"mine: no rows.jsonl in "):
        load_problems(load_protocol(path))
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere.jsonl").rename(tmp_path / "data" / "rows.jsonl")
    assert len(load_problems(load_protocol(path), [tmp_path / "data"]).tasks) == 2


def test_a_suite_with_a_window_says_so_in_its_name(tmp_path):
    text = "data: {file: rows.jsonl, date: day}\nverifier: math\nwindow: [2024-01-01, 2024-06-30]\n"
    protocol = load_protocol(suite(tmp_path, text))
    days = ("2023-12-31", "2024-01-01T08:00:00", "2024-06-30", "2024-07-01")
    lines = [f'{{"prompt": "{day}?", "answer": "1", "day": "{day}"}}\n' for day in days]
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    assert protocol.result_name == "mine 2024-01..2024-06" and protocol.window[0] == date(2024, 1, 1)
    assert [task.place for task in load_problems(protocol).tasks] == ["rows.jsonl, line 2", "rows.jsonl, line 3"]


def test_the_table_of_the_docs_is_made_from_the_protocols():
    assert table() in (DOCS / "evals.md").read_text(encoding="utf-8")
