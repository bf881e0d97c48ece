"""The recipes of stages that make demonstrations: answers to the recipe's tasks that a verifier found right, for a later
stage of kind sft to imitate. Nothing is learned in them."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ponder.recipe.stages.base import StageBase
from ponder.recipe.strict import Strict


class Shot(Strict):
    question: str = Field(min_length=1, description="the user's message")
    answer: str = Field(min_length=1, description="the assistant's, in the form that is wanted")


class DemonstratingStage(StageBase):
    prompts_per_step: int = Field(32, ge=1, description="tasks in a step")
    samples_per_prompt: int = Field(4, ge=1, description="answers to each")
    keep: int = Field(1, ge=1, description="of one task's right answers, how many different ones are kept at most")
    max_tokens: int = Field(
        2048, ge=1, description="longest answer, thinking included; one that is cut off is not kept"
    )
    temperature: float = Field(1.0, ge=0, description="of the sampling; 0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling; 1 is off")
    top_k: int = Field(0, ge=0, description="of how many likeliest tokens to draw; 0: all")
    system: str | None = Field(
        None, description="a system prompt for whoever answers; the demonstrations are without it"
    )
    shots: dict[str, list[Shot]] = Field(
        default_factory=dict,
        description="by domain, questions with answers that whoever answers sees as earlier turns, so that it falls in with their "
        "form (few-shot prompting); the demonstrations are without them",
    )
    thought: Literal["own", "answer"] = Field(
        "own",
        description="own: answers are kept as they are; answer: the whole answer becomes the thought, and what the verifier "
        "has read of it the answer. For whoever reasons in the answer, with no thought before it",
    )
    verify_timeout: float = Field(5.0, gt=0, description="seconds a verifier may take for one answer")
    error_budget: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of a verifier's verdicts that may be errors or timeouts, as in a stage of kind rl",
    )


class RejectStage(DemonstratingStage):
    """Rejection sampling: the model answers itself."""

    kind: Literal["reject"] = "reject"


class DistillStage(DemonstratingStage):
    """A teacher answers, behind any server that speaks OpenAI's API. Its key is read from the environment variable
    OPENAI_API_KEY."""

    kind: Literal["distill"] = "distill"
    url: str = Field(description="of the teacher's server, such as http://localhost:8000/v1")
    model: str | None = Field(None, description="the teacher's name there; empty: the only one that the server has")
    concurrent: int = Field(16, ge=1, description="questions at a time")

    @model_validator(mode="after")
    def url_is_one(self):
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url: {self.url!r} is no address of a server; write http://HOST:PORT/v1")
        return self
