"""SandboxFusion's /run_code, request and response, so that recipes written for it can point here.

Fields as in its server (https://github.com/bytedance/SandboxFusion): verl, open-instruct and others speak this form.
"""

import base64
import binascii
from typing import Literal

from pydantic import BaseModel, Field

from ponder.sandbox.job import Execution, ExecutionResult, Limits, Refused
from ponder.sandbox.languages import find_language


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


class CommandRunResult(BaseModel):
    status: Literal["Finished", "Error", "TimeLimitExceeded"]
    execution_time: float | None = None
    return_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None


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
        except binascii.Error as error:
            raise Refused(f"files.{name}: not base64: {error}") from None
    return Execution(
        source=asked.code,
        language=asked.language,
        stdin=asked.stdin or "",
        files=files,
        fetch_files=asked.fetch_files,
        limits=Limits(timeout_s=min(asked.run_timeout, most.timeout_s), memory_mb=memory_mb),
    )


def to_response(result: ExecutionResult, language: str) -> RunCodeResponse:
    if result.outcome == "infrastructure_error":
        return RunCodeResponse(status="SandboxError", message=result.reason)
    if result.outcome == "compile_error":
        failed = CommandRunResult(status="Finished", return_code=1, stderr=result.compile_output or result.reason)
        # Where there is no compiler, the interpreter's complaint is the run's.
        place = "compile_result" if find_language(language).compile else "run_result"
        return RunCodeResponse(status="Failed", message="", **{place: failed})
    timed_out = result.outcome == "timeout"
    ran = CommandRunResult(
        status="TimeLimitExceeded" if timed_out else "Finished",
        execution_time=result.seconds,
        return_code=None if timed_out else (1 if result.exit_code is None else result.exit_code),
        stdout=result.stdout.decode("utf-8", "replace"),
        stderr=result.stderr.decode("utf-8", "replace"),
    )
    files = {name: base64.b64encode(data).decode() for name, data in result.files.items()}
    passed = result.outcome == "passed"
    message = "" if passed or result.outcome == "runtime_error" else result.reason
    return RunCodeResponse(status="Success" if passed else "Failed", message=message, run_result=ran, files=files)
