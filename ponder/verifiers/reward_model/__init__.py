"""The reward_model verifier: a reward model says how good a response is, in comparison with others to the same prompt."""

from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verifier import Grader, Setup, Submission, Verifier


def decide(task: Task, response: Response) -> Submission:
    return Submission(task, response)


def make_grader(setup: Setup) -> Grader:
    from ponder.verifiers.reward_model.grader import RewardModelGrader  # which imports torch

    return RewardModelGrader(setup)


VERIFIER = Verifier(
    decide,
    row_reference=lambda row: None,
    grader=make_grader,
    judges_anything=False,
    costly=True,
)
