"""An evaluation to write and read, of sums."""

from datetime import UTC, datetime

from ponder.evals.asking import Question
from ponder.evals.protocol import Data, Protocol, Sampling
from ponder.evals.records import BenchmarkAsked, Manifest, Problem, Sample
from ponder.evals.running import Asked, sample_seed
from ponder.tasks.task import Task
from ponder.verifiers.verification import shown_reference


def a_protocol(name: str = "sums", samples: int = 1, **fields) -> Protocol:
    sampling = Sampling(samples=samples, temperature=0.0, max_tokens=16)
    given = {"title": "sums", "source": "made here", "data": Data(file="sums.jsonl"), "verifier": "math"}
    return Protocol(**{"name": name, "variant": "greedy", "domain": "math", "sampling": sampling, **given, **fields})


def a_manifest(protocol: Protocol, rows: int = 3, **fields) -> Manifest:
    asked = BenchmarkAsked(protocol, "sums.jsonl", "ab" * 32, rows, rows)
    about = {"model": {"name": "it", "kind": "server", "at": "http://localhost/v1"}, "engine": {"kind": "openai"}}
    day = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    return Manifest(
        **{
            **about,
            "benchmarks": {protocol.name: asked},
            "seed": 0,
            "started": day,
            "ponder": "0",
            "processor": "p",
            **fields,
        }
    )


def tasks(count: int) -> list[Task]:
    return [
        Task(({"role": "user", "content": f"{n}+{n}?"},), "math", "math", str(2 * n), place=f"sums.jsonl, line {n + 1}")
        for n in range(count)
    ]


def problems(protocol: Protocol, count: int = 3) -> list[Problem]:
    return [Problem(protocol.name, t.id, t.place, t.messages, shown_reference(t)) for t in tasks(count)]


def questions(protocol: Protocol, count: int = 3) -> list[Asked]:
    return [
        Asked(
            problem,
            sample,
            task,
            Question(task.messages, protocol.sampling, sample_seed(0, problem.bench, problem.id, sample)),
        )
        for sample in range(protocol.sampling.samples)
        for problem, task in zip(problems(protocol, count), tasks(count), strict=True)
    ]


def a_sample(problem: Problem, sample: int = 0, status: str = "correct", **fields) -> Sample:
    score = {"correct": 1.0, "timeout": None, "error": None}.get(status, 0.0)
    given = {
        "reasoning": "",
        "content": "4",
        "tool_calls": (),
        "finish_reason": "stop",
        "prompt_tokens": 3,
        "tokens": 2,
    }
    return Sample(
        **{
            **{"bench": problem.bench, "problem": problem.id, "sample": sample, "seed": 1, **given},
            **{"reasoning_tokens": 0, "status": status, "score": score, "reason": "it is", **fields},
        }
    )
