"""The reasoning_gym verifier: the family's own scorer, fed with the answer that the response states."""

from ponder.tasks.task import Task
from ponder.verifiers.math import extract_answer
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Job

MAX_ANSWER = 20_000


def decide(task: Task, response: Response) -> Verdict | Job:
    """Correct at once for an answer that is the reference letter by letter; anything else is the scorer's to judge."""
    answer = find_answer(response.content)
    reference = "" if task.reference is None else str(task.reference)
    if not answer:
        return Verdict("unparseable", 0.0, "the response states no answer", reference=reference)
    if len(answer) > MAX_ANSWER:
        return Verdict("unparseable", 0.0, f"the answer is longer than {MAX_ANSWER:,} characters", reference=reference)
    if answer == reference.strip():
        return Verdict("correct", 1.0, "equal to the reference", answer, reference)
    if not task.metadata.keys() >= {"family", "settings", "entry"}:
        raise ValueError("the reasoning_gym verifier needs a task made by ponder.tasks.gym_tasks, with its metadata")
    scorer = {key: task.metadata[key] for key in ("family", "settings", "entry")}
    return Job({"run": "ponder.verifiers.gym.score:score", "answer": answer, **scorer}, answer, reference)


def find_answer(content: str) -> str:
    """The last box if there is any, else what the last <answer> tag holds, else the whole content; stripped."""
    if "\\boxed" in content:
        return extract_answer(content) or ""
    end = content.rfind("</answer>")
    start = content.rfind("<answer>", 0, max(end, 0))
    return (content[start + len("<answer>") : end] if start >= 0 else content).strip()
