"""IFEval's four numbers: whole prompts and single instructions, strictly and loosely.

Loose judging looks at the stored answers again: any of eight variants of an answer may follow an instruction.
"""

from collections.abc import Callable, Mapping, Sequence

from ponder.evals.estimates import Estimate, mean_of_problems
from ponder.evals.records import Problem, Sample
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verification import Verification

Followed = tuple[bool, ...] | None  # of each instruction; None where nothing could be said


def shares(
    problems: Sequence[Problem], scored: Mapping[str, Sequence[Sample]], followed: Callable[[Sample], Followed]
) -> tuple[Estimate, Estimate] | None:
    """Shares of answers that follow all of their instructions, and of all instructions that are followed. An answer without
    parts (nothing was said, or it was cut off) has followed none of them; the intervals are over prompts, whose instructions
    are answered together. None for what is no following of instructions."""
    wholes, answers, single, given = [], 0, 0, 0
    for problem in problems:
        count = _count(problem)
        told = [parts for a in scored.get(problem.id, []) if (parts := followed(a)) is not None] if count else []
        if told:
            wholes.append(sum(len(parts) == count and all(parts) for parts in told) / len(told))
            answers += len(told)
            single += sum(map(sum, told))
            given += count * len(told)
    whole = mean_of_problems(wholes, answers)
    one = mean_of_problems([min(1.0, single / given)] * len(wholes), len(wholes)) if given else None
    return None if whole is None or one is None else (whole, one)


def loosely(problems: Sequence[Problem], samples: Sequence[Sample]) -> Callable[[Sample], Followed]:
    """What each of the samples follows by the loose rule, for those that were judged strictly, instruction by instruction.

    What follows an instruction strictly follows it loosely; only the rest is looked at again.
    """
    tasks = {problem.id: _task(problem) for problem in problems if _count(problem)}
    found: dict[tuple[str, int], Followed] = {}
    again: list[Sample] = []
    for sample in samples:
        if sample.parts and sample.problem in tasks:
            found[sample.problem, sample.sample] = strictly(sample)
            if sample.status != "correct":
                again.append(sample)
    if again:
        pairs = [(tasks[s.problem], Response(s.reasoning, s.content, True, False, s.tool_calls)) for s in again]
        with Verification() as verification:
            verdicts = verification.verify_all(pairs)
        for sample, verdict in zip(again, verdicts, strict=True):
            parts = tuple(part.verdict.status == "correct" for part in verdict.parts)
            found[sample.problem, sample.sample] = parts if verdict.score is not None else None
    return lambda sample: found.get((sample.problem, sample.sample), ())


def strictly(sample: Sample) -> tuple[bool, ...]:
    """Of each instruction, as it was judged when it was asked; () where it was not."""
    return tuple(part.get("status") == "correct" for part in sample.parts)


def _task(problem: Problem) -> Task:
    return Task(problem.messages, "", "instructions", problem.reference | {"mode": "loose"}, place=problem.place)


def _count(problem: Problem) -> int:
    """How many instructions are to be followed; 0 where a problem is none of following instructions."""
    reference = problem.reference if isinstance(problem.reference, dict) else {}
    return len(reference.get("instruction_id_list", ()))
