"""All instructions by their names: the 25 of IFEval, and Ponder's own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ponder.verifiers.instructions import (
    arguments,
    case,
    consistency,
    framing,
    json_format,
    keywords,
    languages,
    layout,
    length,
)
from ponder.verifiers.instructions.arguments import Argument
from ponder.verifiers.instructions.checked import Checked


def _always(content: str, **arguments: Any) -> bool:
    return True


def _expressions_at_once(content: str, **arguments: Any) -> bool:
    """For instructions whose arguments are regular expressions."""
    texts = [value for value in arguments.values() if isinstance(value, str)]
    texts += [text for value in arguments.values() if isinstance(value, tuple) for text in value]
    return keywords.searched_at_once(content, *texts)


def _fit(**arguments: Any) -> None:
    """Any arguments that were read fit together."""


@dataclass(frozen=True)
class Instruction:
    """`check(content, **arguments)` says whether a text follows it; `arguments` are those of its `kwargs`.

    `at_once(content, **arguments)` says whether the check takes bounded time, and little; else it is for a worker
    process. `fit(**arguments)` raises ValueError for arguments that do not go together. `takes_prompt`: the prompt is an
    argument too. `official`: it is one of IFEval's, whose checker has the last word on it.
    """

    check: Callable[..., Checked]
    arguments: dict[str, Argument] = field(default_factory=dict)
    at_once: Callable[..., bool] = _always
    fit: Callable[..., None] = _fit
    takes_prompt: bool = False
    official: bool = True


def _number(example: int) -> Argument:
    return Argument(arguments.number, example)


def _bound(example: int) -> Argument:
    return Argument(arguments.number, example, required=False)


RELATION = Argument(arguments.relation, "at least")

INSTRUCTIONS: dict[str, Instruction] = {
    "keywords:existence": Instruction(
        keywords.existence,
        {"keywords": Argument(arguments.patterns, ["river", "bridge"])},
        at_once=_expressions_at_once,
    ),
    "keywords:frequency": Instruction(
        keywords.frequency,
        {"keyword": Argument(arguments.pattern, "river"), "frequency": _number(2), "relation": RELATION},
        at_once=_expressions_at_once,
    ),
    "keywords:forbidden_words": Instruction(
        keywords.forbidden_words,
        {"forbidden_words": Argument(arguments.patterns, ["river"])},
        at_once=_expressions_at_once,
    ),
    "keywords:letter_frequency": Instruction(
        keywords.letter_frequency,
        {"letter": Argument(arguments.letter, "q"), "let_frequency": _number(3), "let_relation": RELATION},
    ),
    "language:response_language": Instruction(
        languages.response_language, {"language": Argument(languages.language, "de")}
    ),
    "length_constraints:number_sentences": Instruction(
        length.number_sentences, {"num_sentences": _number(5), "relation": RELATION}
    ),
    "length_constraints:number_paragraphs": Instruction(layout.number_paragraphs, {"num_paragraphs": _number(3)}),
    "length_constraints:number_words": Instruction(
        length.number_words, {"num_words": _number(100), "relation": RELATION}
    ),
    "length_constraints:nth_paragraph_first_word": Instruction(
        length.nth_paragraph_first_word,
        {
            "num_paragraphs": _number(3),
            "nth_paragraph": _number(2),
            "first_word": Argument(arguments.unstripped, "river"),
        },
        fit=length.check_nth_paragraph,
    ),
    "detectable_content:number_placeholders": Instruction(layout.number_placeholders, {"num_placeholders": _number(2)}),
    "detectable_content:postscript": Instruction(
        layout.postscript,
        {"postscript_marker": Argument(layout.marker, "P.S.")},
        at_once=_expressions_at_once,
    ),
    "detectable_format:number_bullet_lists": Instruction(layout.number_bullet_lists, {"num_bullets": _number(3)}),
    "detectable_format:constrained_response": Instruction(layout.constrained_response),
    "detectable_format:number_highlighted_sections": Instruction(
        layout.number_highlighted_sections, {"num_highlights": _number(2)}
    ),
    "detectable_format:multiple_sections": Instruction(
        layout.multiple_sections,
        {"section_spliter": Argument(arguments.pattern, "SECTION"), "num_sections": _number(3)},
        at_once=_expressions_at_once,
    ),
    "detectable_format:json_format": Instruction(json_format.json_format),
    "detectable_format:title": Instruction(layout.title),
    "combination:two_responses": Instruction(layout.two_responses),
    "combination:repeat_prompt": Instruction(
        framing.repeat_prompt, {"prompt_to_repeat": Argument(arguments.text, "Write a poem.")}
    ),
    "startend:end_checker": Instruction(framing.end_checker, {"end_phrase": Argument(arguments.text, "That is all.")}),
    "startend:quotation": Instruction(framing.quotation),
    "change_case:capital_word_frequency": Instruction(
        case.capital_word_frequency, {"capital_frequency": _number(3), "capital_relation": RELATION}
    ),
    "change_case:english_capital": Instruction(case.english_capital),
    "change_case:english_lowercase": Instruction(case.english_lowercase),
    "punctuation:no_comma": Instruction(framing.no_comma),
    # Ponder's own.
    "language:consistent": Instruction(
        consistency.consistent,
        {"language": Argument(consistency.base_language, "de", required=False)},
        at_once=lambda content, **_: len(content) <= consistency.AT_ONCE,
        fit=consistency.check_language,
        takes_prompt=True,
        official=False,
    ),
    "length_constraints:bounds": Instruction(
        length.length_bounds,
        {
            "min_words": _bound(50),
            "max_words": _bound(100),
            "min_characters": _bound(300),
            "max_characters": _bound(600),
        },
        fit=length.check_bounds,
        official=False,
    ),
    "detectable_format:json_schema": Instruction(
        json_format.json_schema,
        {"schema": Argument(json_format.schema, {"type": "object"})},
        at_once=json_format.validated_at_once,
        official=False,
    ),
    "keywords:none_of": Instruction(keywords.none_of, {"words": Argument(arguments.texts, ["river"])}, official=False),
    "detectable_format:no_stray_tags": Instruction(layout.no_stray_tags, official=False),
}
