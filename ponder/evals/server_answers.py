"""Answers of a server that speaks OpenAI's API."""

from typing import Any

from ponder.engine.openai import OpenAiEngine
from ponder.engine.openai_http import OpenAiFailure
from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.openai_wire import TextSampling
from ponder.evals.asking import NoReply, Question, Reply
from ponder.verifiers.response import Response, split_response

CONCURRENT = 16
NO_TOOLS = (
    ". This question gives functions to call: if the server takes no tools, start it so that it does (vLLM: "
    "--enable-auto-tool-choice and --tool-call-parser; llama.cpp: --jinja), or leave this benchmark out of --bench"
)


class ServerAnswers:
    """An `Answerer`. Rate limits and failures are waited out as `Patience` says.

    Args:
        is_ponder: it is Ponder's own server, which unless told otherwise ends thoughts in time for an answer, and loops
    """

    def __init__(
        self,
        profile: OpenAiProfile,
        concurrent: int = CONCURRENT,
        patience: Patience = Patience(),  # noqa: B008 (frozen)
        is_ponder: bool = False,
    ):
        self.concurrent, self.is_ponder = concurrent, is_ponder
        self.engine = OpenAiEngine(profile, concurrent=concurrent, patience=patience)

    async def answer(self, question: Question) -> Reply:
        sampling = question.sampling
        fields: dict[str, Any] = {}
        if sampling.top_k and sampling.temperature:
            fields["top_k"] = sampling.top_k
        if question.tools:
            fields["tools"] = list(question.tools)
        if question.budget is not None:
            fields["thinking_budget"] = question.budget
        if self.is_ponder:
            fields["end_loops"] = False
            if question.budget is None:
                fields["answer_reserve"] = 0
        asked = TextSampling(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=question.seed % 2**31,  # many servers take no more
            fields=fields,
        )
        try:
            answer = await self.engine.chat(question.messages, asked)
        except ValueError as error:
            raise NoReply(f"{error}{NO_TOOLS if question.tools else ''}") from error
        except OpenAiFailure as error:
            raise NoReply(str(error)) from error
        # A server without a parser of thoughts leaves them in the text.
        split = split_response(answer.text, truncated=answer.finish_reason == "length")
        response = Response(
            reasoning=answer.reasoning or split.reasoning,
            content=split.content,
            thinking_closed=split.thinking_closed,
            truncated=split.truncated,
            tool_calls=answer.tool_calls,
            tokens=answer.usage.completion,
        )
        usage = answer.usage
        return Reply(response, answer.finish_reason, usage.prompt, usage.completion, usage.reasoning)

    async def close(self) -> None:
        await self.engine.close()
