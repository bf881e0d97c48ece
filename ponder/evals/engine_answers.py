"""Answers of a model whose engine takes token ids: the local one, or vLLM."""

from ponder.agents.turn.ends import FinishReason
from ponder.agents.turn.generation import Generation
from ponder.agents.turn.lengths import Lengths
from ponder.agents.turn.planning import plan_turn
from ponder.chat.deltas import Delta
from ponder.chat.parser import OutputParser, parsed_output
from ponder.chat.renderer import Renderer
from ponder.chat.thinking import ThinkingPolicy
from ponder.engine.protocol import SamplingParams
from ponder.engine.stream import StreamEngine
from ponder.evals.asking import NoReply, Question, Reply
from ponder.verifiers.response import Response


class EngineAnswers:
    """An `Answerer`. The turn is planned as the server plans it, without its defaults: the protocol says how to sample."""

    def __init__(self, engine: StreamEngine, renderer: Renderer, concurrent: int = 64):
        self.engine, self.renderer, self.concurrent = engine, renderer, concurrent
        self.lengths = Lengths(engine.context, engine.rope_factors, engine.longest)

    async def answer(self, question: Question) -> Reply:
        sampling = question.sampling
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            stop_ids=self.renderer.stop_ids,
        )
        deltas: list[Delta] = []
        try:
            plan = plan_turn(
                self.renderer,
                self.lengths,
                question.messages,
                tools=question.tools,
                policy=self._policy(question.budget),
                rescues=False,
                params=params,
                max_tokens=sampling.max_tokens,
                seed=question.seed,
            )
            parser = OutputParser(self.renderer, plan.prompt.thinking_open, question.tools)
            generation = Generation(self.engine, self.renderer, plan, parser, "eval")
            async for piece in generation.pieces():
                deltas += piece.deltas
        except (ValueError, RuntimeError) as error:
            raise NoReply(str(error)) from error
        parsed, answer = parsed_output(deltas, parser), generation.answer
        response = Response(
            reasoning=parsed.reasoning,
            content=parsed.content,
            thinking_closed=parsed.thinking_closed,
            truncated=answer.finish_reason is FinishReason.LENGTH,
            tool_calls=tuple({"name": call.name, "arguments": call.arguments} for call in parsed.tool_calls),
            tokens=len(answer.ids),
        )
        return Reply(
            response, str(answer.finish_reason), len(plan.prompt.ids), len(answer.ids), answer.reasoning_tokens
        )

    @staticmethod
    def _policy(budget: int | None) -> ThinkingPolicy:
        """Without a budget a thought that finds no end is cut off, as by the protocols' own scripts: nothing ends it for the
        model, and no loop is broken."""
        return ThinkingPolicy(answer_reserve=0) if budget is None else ThinkingPolicy(budget=budget)

    @property
    def knows_thinking(self) -> bool:
        """Whether its tokenizer or its template has tags of thoughts. One without may have learned to write them."""
        return self.renderer.knows_thinking

    def refuse_without_tools(self, name: str, question: Question) -> None:
        """ValueError where a question gives functions to call, and the model's template shows none."""
        if question.tools and not self.renderer.shows_tools:
            raise ValueError(
                f"{name} gives functions to call, and the chat template of {self.renderer.origin} shows a model none: "
                f"evaluate a model whose template does, or leave {name} out of --bench"
            )

    async def close(self) -> None:
        await self.engine.close()
