"""Models that grade by a rubric: where they are asked (`judges`), and what (a part of a reward, or a source's verifier).

judges:
  critic: {url: http://localhost:8000/v1, model: Qwen/Qwen3-8B}
sources:
  essays:
    verifier:
      judge: critic
      rubric:
        - {name: helpful, question: Does the answer do what is asked?, weight: 2}
        - {name: brief, question: Is it free of padding?}
"""

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from ponder.recipe.strict import Strict

NAME = r"^[a-z][a-z0-9_]{0,39}$"


class JudgeServer(Strict):
    """A model behind any server that speaks OpenAI's API, which grades answers."""

    url: str = Field(description="of its server, such as http://localhost:8000/v1")
    model: str | None = Field(None, description="its name there; empty: the only one that the server has")
    key: str = Field("OPENAI_API_KEY", description="the environment variable that holds the API key, if there is one")
    max_tokens: int = Field(
        2048, ge=1, description="longest answer of the judge, thinking included; one that is cut off is an error"
    )
    temperature: float = Field(0.0, ge=0, description="of its sampling; 0 is greedy")
    fields: dict[str, Any] = Field(
        {}, description="further fields of each request, by the server's own names, such as {reasoning_effort: low}"
    )
    timeout_s: float = Field(120.0, gt=0, description="seconds that an answer of the judge may take")
    concurrent: int = Field(8, ge=1, description="requests at a time")
    requests: int | None = Field(
        None,
        ge=1,
        description="most requests of a run, resumes included; used up, verdicts are errors; empty: no bound",
    )

    @field_validator("url")
    @classmethod
    def url_is_one(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("http", "https"):
            raise ValueError(f"{value!r} is no address of a server; write http://HOST:PORT/v1")
        return value


class RubricItem(Strict):
    name: str = Field(pattern=NAME, description="what reports and metrics call it")
    question: str = Field(min_length=1, description="what the judge is to answer with a number from 0 (no) to 10 (yes)")
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="relative to the other items")


class JudgedBy(Strict):
    """A judge's grades of an answer, by a rubric: the mean by weight, from 0 to 1."""

    judge: str = Field(description="one of the recipe's judges, by name")
    rubric: list[RubricItem] = Field(min_length=1, description="what the judge looks at")
    mode: Literal["pointwise", "pairwise"] = Field(
        "pointwise",
        description="pointwise: a grade for each item; pairwise: which is better by the rubric, the answer or the task's "
        "reference, asked in both orders: 1 or 0 where both agree, else 0.5",
    )
    drop: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the rubric's items that a step of training leaves out at random, never all of them, so that "
        "no single item is learned to please (Rubric Dropout, arXiv:2608.11669); evaluations ask them all",
    )

    @model_validator(mode="after")
    def items_differ(self):
        names = [item.name for item in self.rubric]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two items of the rubric are named {sorted(doubled)[0]!r}; give each its own name")
        if self.drop and len(names) < 2:
            raise ValueError("drop leaves out items of a rubric of several; this one has a single item")
        return self
