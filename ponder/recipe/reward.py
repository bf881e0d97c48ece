"""How a recipe composes a reward from verifiers: gate, product, weighted sum, in one another as deep as wanted.

    reward:
      gate: [format, {verifier: length, reference: {max_tokens: 400}}]
      then: task

    reward: {python: my_rewards.py:score}

    reward: {reward_model: runs/taste/checkpoints/taste-000100/reward_model}

`task` is the task's own verifier, `python` a function of the user's (ponder.recipe.python_function), `judge` a model that
grades (ponder.recipe.judge), `reward_model` a model that scores (ponder.verifiers.reward_model). A gate gives 0 unless all of its checks are
`correct`, and else the verdict of `then`.
Gate correctness on form, rather than add the two: where form adds to the score, long wrong answers in good form win.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationInfo, field_validator, model_validator

from ponder.recipe.judge import JudgedBy
from ponder.recipe.python_function import PythonFunction
from ponder.recipe.strict import Strict

RowName = Literal["math", "choice", "instructions", "function_calls", "code"]  # those that rows of files may be for
CheckName = Literal[RowName, "reasoning_gym", "format", "length"]
VerifierName = Literal[CheckName, "python", "environment", "judge", "reward_model"]


class Check(Strict):
    """One verifier by name, with a reference of its own in place of the task's."""

    verifier: CheckName = Field(description="the name of a verifier")
    reference: Any = Field(None, description="what it compares with, such as {max_words: 200} of length")

    @model_validator(mode="after")
    def reference_fits(self):
        if self.verifier == "length":
            check_length_bounds(self.reference)
        elif self.verifier == "format":
            check_format_settings(self.reference)
        elif self.reference is None:
            raise ValueError(f"{self.verifier} needs a `reference` here; the task's own verifier is written: task")
        return self


class ModelScore(Strict):
    """The score of a reward model (docs/reward_models.md): no answer is `correct` by it, so it is no check of a gate."""

    reward_model: str = Field(min_length=1, description="the directory of the reward model")

    @field_validator("reward_model")
    @classmethod
    def lasting(cls, value: str, info: ValidationInfo) -> str:
        """As an absolute path, so that a run can be resumed from anywhere."""
        return value if info.context is None else str(Path(value).expanduser().absolute())


class Gate(Strict):
    """0 unless every check of `gate` is correct; else what `then` says."""

    gate: list["Reward"] = Field(min_length=1, description="what must be correct")
    then: "Reward" = Field(description="what the score is then")

    @model_validator(mode="after")
    def checks_can_be_correct(self):
        if any(isinstance(check, ModelScore) for check in self.gate):
            raise ValueError(
                "a reward model says of no answer that it is correct, so a gate of it would be shut for good: put it under `then`"
            )
        return self


class Product(Strict):
    """The product of the scores; parts run at the same time."""

    product: list["Reward"] = Field(min_length=2, description="the parts")


class Share(Strict):
    weight: float = Field(gt=0, allow_inf_nan=False, description="relative to the others of the sum")
    of: "Reward" = Field(description="the part")


class WeightedSum(Strict):
    """The mean of the scores by weight, so that it stays in [0, 1]."""

    sum: list[Share] = Field(min_length=2, description="the parts with their weights")


def _form(value: Any) -> str:
    """Which form a value has, by its fields; the tags stand in `<>` so that paths of errors can leave them out."""
    if isinstance(value, str):
        return "<name>"
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    for field in ("gate", "product", "sum", "python", "judge", "reward_model"):
        if field in fields:
            return f"<{field}>"
    return "<check>"


Reward = Annotated[
    Annotated[Literal["task", "format"], Tag("<name>")]
    | Annotated[Check, Tag("<check>")]
    | Annotated[PythonFunction, Tag("<python>")]
    | Annotated[JudgedBy, Tag("<judge>")]
    | Annotated[ModelScore, Tag("<reward_model>")]
    | Annotated[Gate, Tag("<gate>")]
    | Annotated[Product, Tag("<product>")]
    | Annotated[WeightedSum, Tag("<sum>")],
    Discriminator(_form),
]
for model in (Gate, Product, Share, WeightedSum):
    model.model_rebuild()
REWARD: TypeAdapter = TypeAdapter(Reward)


def _named(value: Any) -> str:
    if isinstance(value, JudgedBy) or (isinstance(value, dict) and "judge" in value):
        return "<judge>"
    return "<python>" if isinstance(value, dict | PythonFunction) else "<name>"


# What the rows of a source are judged by: a verifier's name, a function, or a model that grades.
RowVerifier = Annotated[
    Annotated[RowName, Tag("<name>")]
    | Annotated[PythonFunction, Tag("<python>")]
    | Annotated[JudgedBy, Tag("<judge>")],
    Discriminator(_named),
]
GymVerifier = Annotated[
    Annotated[Literal["math", "reasoning_gym"], Tag("<name>")] | Annotated[PythonFunction, Tag("<python>")],
    Discriminator(_named),
]


def functions_of(reward: Any) -> list[PythonFunction]:
    """All functions of the user's that a reward asks, or a source's verifier."""
    return [leaf for leaf in leaves_of(reward) if isinstance(leaf, PythonFunction)]


def leaves_of(reward: Any) -> list[Any]:
    """The parts of a reward that are no compositions, or a source's verifier as the only one."""
    match reward:
        case Gate(gate=checks, then=then):
            return [leaf for part in (*checks, then) for leaf in leaves_of(part)]
        case Product(product=factors):
            return [leaf for part in factors for leaf in leaves_of(part)]
        case WeightedSum(sum=shares):
            return [leaf for share in shares for leaf in leaves_of(share.of)]
    return [reward]


LENGTH_BOUNDS = (
    *("min_words", "max_words", "min_characters", "max_characters"),  # of the answer
    *("min_tokens", "max_tokens"),  # of the whole response, thinking included
)


def check_length_bounds(reference: Any) -> None:
    """ValueError unless `reference` is {bound: whole number} with bounds of LENGTH_BOUNDS, at least one."""
    if not isinstance(reference, dict) or not reference:
        raise ValueError(f"length needs bounds as its reference, such as {{max_words: 200}}, not {reference!r}")
    for name, bound in reference.items():
        if name not in LENGTH_BOUNDS:
            raise ValueError(f"length has no bound {name!r}; there are {', '.join(LENGTH_BOUNDS)}")
        if not isinstance(bound, int) or isinstance(bound, bool) or bound < 0:
            raise ValueError(f"length: {name} must be a whole number of at least 0, not {bound!r}")
    for unit in ("words", "characters", "tokens"):
        low, high = reference.get(f"min_{unit}", 0), reference.get(f"max_{unit}")
        if high is not None and low > high:
            raise ValueError(f"length: min_{unit} ({low}) cannot exceed max_{unit} ({high})")


def check_format_settings(reference: Any) -> None:
    """ValueError unless `reference` is None or {"thinking": true or false}."""
    if reference is None:
        return
    if not isinstance(reference, dict) or reference.keys() - {"thinking"}:
        raise ValueError(f"format takes {{thinking: true}} or {{thinking: false}} as its reference, not {reference!r}")
    if not isinstance(reference.get("thinking"), bool):
        raise ValueError(f"format: thinking must be true or false, not {reference.get('thinking')!r}")
