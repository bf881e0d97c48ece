"""SandboxFusion's /run_code, request and response, so that recipes written for it can point here.

Fields as in its server (https://github.com/bytedance/SandboxFusion): verl and others speak this form.
"""

import base64
from typing import Literal

from pydantic import BaseModel, Field

from ponder.sandbox.job import Execution, ExecutionResult, Limits, Outcome, Refused
from ponder.sandbox.languages import find_language
from ponder.sandbox.runs import COMPILE_SECONDS


class RunCodeRequest(BaseModel):
    """Fields of SandboxFusion that have no meaning here are accepted and ignored, as its clients send them."""

    code: str
    language: str
    stdin: str | None = None
    compile_timeout: float = Field(10, gt=0)
    run_timeout: float = Field(10, gt=0)
    memory_limit_MB: int = -1
    files: dict[str, str | None] = Field({}, description="base64, by relative name")
    fetch_files: list[str] = []
    args: list[str] = Field([], description="for the program's command line")


class CommandRunResult(BaseModel):
    """`return_code` is null past the time limit; the texts are always there, as clients join them."""

    status: Literal["Finished", "Error", "TimeLimitExceeded"]
    execution_time: float = 0.0
    return_code: int | None = None
    stdout: str = ""
    stderr: str = ""


class RunCodeResponse(BaseModel):
    status: Literal["Success", "Failed", "SandboxError"]
    message: str
    compile_result: CommandRunResult | None = None
    run_result: CommandRunResult | None = None
    executor_pod_name: str | None = None
    files: dict[str, str] = Field({}, description="base64")


def to_execution(asked: RunCodeRequest, most) -> Execution:
    """Times and memory above what this sandbox gives are cut to it. Raises Refused for what cannot be run."""
    find_language(asked.language)
    memory_mb = most.memory_mb if asked.memory_limit_MB <= 0 else max(16, min(asked.memory_limit_MB, most.memory_mb))
    files = {}
    for name, data in asked.files.items():
        if data is None:
            continue
        try:
            files[name] = base64.b64decode(data, validate=True)
        except ValueError as error:  # also binascii's own
            raise Refused(f"files.{name[:100]}: not base64: {error}") from None
    return Execution(
        source=asked.code,
        language=asked.language,
        stdin=asked.stdin or "",
        files=files,
        fetch_files=asked.fetch_files,
        args=asked.args,
        compile_timeout_s=asked.compile_timeout,
        limits=Limits(timeout_s=min(asked.run_timeout, most.timeout_s), memory_mb=memory_mb),
    )


def what_was_cut(asked: RunCodeRequest, most) -> str:
    """Which limits of a request are above what this sandbox gives, for people; empty where none is."""
    cut = [
        f"{name} {wanted:g} was cut to {given:g}"
        for name, wanted, given in (
            ("run_timeout", asked.run_timeout, most.timeout_s),
            ("memory_limit_MB", asked.memory_limit_MB, most.memory_mb),
            ("compile_timeout", asked.compile_timeout, COMPILE_SECONDS),
        )
        if wanted > given and name in asked.model_fields_set
    ]
    return f"{', '.join(cut)}: the most that this sandbox gives" if cut else ""


def to_response(result: ExecutionResult, language: str, cut: str = "") -> RunCodeResponse:
    """`cut` says which limits were cut; it is told in the message."""
    if result.outcome == "infrastructure_error":
        return RunCodeResponse(status="SandboxError", message=result.reason)
    compiled = None
    if find_language(language).compile:
        compiled = _ran(
            result.compile_outcome or "compile_error", result.compile_seconds, None, "", result.compile_output
        )
    if result.outcome == "compile_error" and compiled is not None:
        return RunCodeResponse(status="Failed", message=cut, compile_result=compiled)
    if result.outcome == "compile_error":  # where there is no compiler, the interpreter's complaint is the run's
        ran = _ran("compile_error", result.seconds, 1, "", result.compile_output or result.reason)
    else:
        stdout, stderr = (data.decode("utf-8", "replace") for data in (result.stdout, result.stderr))
        ran = _ran(result.outcome, result.seconds, result.exit_code, stdout, stderr)
    explained = result.outcome in ("passed", "runtime_error", "compile_error")
    return RunCodeResponse(
        status="Success" if result.outcome == "passed" else "Failed",
        message="; ".join(filter(None, ("" if explained else result.reason, cut))),
        compile_result=compiled,
        run_result=ran,
        files={name: base64.b64encode(data).decode() for name, data in result.files.items()},
    )


def _ran(outcome: Outcome, seconds: float, exit_code: int | None, stdout: str, stderr: str) -> CommandRunResult:
    if outcome == "timeout":
        return CommandRunResult(status="TimeLimitExceeded", execution_time=seconds, stdout=stdout, stderr=stderr)
    code = (0 if outcome == "passed" else 1) if exit_code is None else exit_code
    return CommandRunResult(status="Finished", execution_time=seconds, return_code=code, stdout=stdout, stderr=stderr)
