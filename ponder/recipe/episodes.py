"""What a recipe may say of episodes: tools that a model may call while it answers, environments, and their bounds."""

from typing import Literal

from pydantic import Field

from ponder.recipe.python_function import PythonFunction
from ponder.recipe.strict import Strict

ToolChoice = Literal["calculator", "python"] | PythonFunction
EnvironmentName = Literal["bookings", "find_and_fix", "hanoi"]
EnvironmentChoice = EnvironmentName | PythonFunction


class Episodes(Strict):
    """Bounds of an episode; its tokens are the stage's max_tokens, results of tools included."""

    turns: int = Field(8, ge=1, description="most turns of the model")
    calls: int = Field(32, ge=1, description="most calls")
    call_seconds: float = Field(30.0, gt=0, description="that one call may take")
    turn_seconds: float = Field(120.0, gt=0, description="that all calls of one turn may take together")
    result_tokens: int = Field(1000, ge=16, description="of a call's result; more is cut out of its middle")
    at_a_time: int = Field(256, ge=1, description="most episodes that are played at a time, each with tools of its own")
