"""The judge verifier: a model behind any OpenAI-compatible server grades a response by a rubric. docs/verifiers.md tells how."""

from ponder.tasks.task import Task
from ponder.verifiers.judge_model.grader import JudgeGrader
from ponder.verifiers.judge_model.rubric import asked_of_judge
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Submission, Verifier

MOST_CHARACTERS = 400_000  # of an answer


def decide(task: Task, response: Response) -> Verdict | Submission:
    asked_of_judge(task)
    if len(response.content) > MOST_CHARACTERS:
        return Verdict("unparseable", 0.0, f"the answer is longer than {MOST_CHARACTERS:,} characters")
    return Submission(task, response)


VERIFIER = Verifier(
    decide,
    row_reference=lambda row: None,
    grader=JudgeGrader,
    judges_anything=False,  # each verdict costs a request
    costly=True,
)
