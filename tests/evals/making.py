"""Evaluations for tests, as values and as directories."""

import json
from pathlib import Path

from ponder.evals.protocol import Data, Protocol, Sampling
from ponder.evals.records import BenchmarkAsked, Manifest, Problem, Sample, to_json
from ponder.evals.store import Evaluation

SCORE_OF = {"correct": 1.0, "wrong": 0.0, "unparseable": 0.0, "truncated": 0.0, "timeout": None, "error": None}


def protocol(name="aime24", samples=1, verifier="math", **more) -> Protocol:
    return Protocol(
        name=name,
        variant="qwq",
        title=name.upper(),
        source="QwenLM/QwQ",
        data=Data(file=f"{name}.jsonl"),
        verifier=verifier,
        domain="math",
        sampling=Sampling(samples=samples),
        **more,
    )


def sample(problem: str, number: int, status: str, bench="aime24", **more) -> Sample:
    values = {
        "bench": bench, "problem": problem, "sample": number, "seed": number, "reasoning": "Let me see.",
        "content": f"It is \\boxed{{{number}}}.", "tool_calls": (), "finish_reason": "stop", "prompt_tokens": 20,
        "tokens": 100 + number, "reasoning_tokens": 50, "status": status, "score": SCORE_OF[status],
        "reason": f"{status}, said the verifier", "parsed": "7" if status == "correct" else None,
    }  # fmt: skip
    return Sample(**values | more)


def problem(name: str, bench="aime24", category="", **more) -> Problem:
    asked = ({"role": "user", "content": f"What is {name}?"},)
    return Problem(**{"bench": bench, "id": name, "place": f"{bench}.jsonl", "messages": asked, "reference": "7"} | more,
                   category=category)  # fmt: skip


def evaluation(statuses: dict[str, list[str]], *, asked: Protocol | None = None, changed=None, categories=None,
               model="tiny", sha256="d" * 64) -> Evaluation:  # fmt: skip
    """Of one benchmark, from the verdicts of each problem's answers."""
    asked = asked or protocol(samples=max(map(len, statuses.values()), default=1))
    rows = [problem(name, asked.name, (categories or {}).get(name, "")) for name in statuses]
    answers = [sample(p, i, s, asked.name) for p, row in statuses.items() for i, s in enumerate(row)]
    benchmark = BenchmarkAsked(asked, f"{asked.name}.jsonl", sha256, len(rows), len(rows), changed or {})
    return Evaluation(manifest({asked.name: benchmark}, model), rows, answers)


def manifest(benchmarks: dict[str, BenchmarkAsked], model="tiny") -> Manifest:
    return Manifest(
        model={"name": model, "kind": "checkpoint", "at": f"runs/{model}", "weights": "ab" * 32},
        engine={"kind": "local", "exact": True, "dtype": "float32"},
        benchmarks=benchmarks,
        seed=0,
        started="2026-11-29T06:00:00+00:00",
        ponder="0.2.0",
        processor="a test",
    )


def write(directory: Path, value: Evaluation) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "eval.json").write_text(json.dumps(value.manifest.to_json()))
    for name, rows in (("problems", value.problems), ("samples", value.samples)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(to_json(row)) + "\n" for row in rows))
    return directory
