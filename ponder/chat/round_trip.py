"""Whether a prompt is in its ids what it is in its text. Not every difference is a loss, so ids are not encoded again:

- what people wrote of control tokens (`<|im_end|>`) is ordinary text in the ids, and would be control tokens then;
- tokenizers see text in a normal form (composed characters), and give that back;
- those of SentencePiece's kind put a space before a text, and write spaces as U+2581;
- some control tokens swallow the white space beside them.
"""

from collections.abc import Callable, Sequence

from ponder.chat.encoder import Encoder
from ponder.chat.placeholders import Placeholders
from ponder.chat.token_bytes import spaces_are_marked

SHOWN = 24  # characters on either side of the place


def round_trip_difference(
    encoder: Encoder, bytes_of: Callable[[int], bytes], ids: Sequence[int], text: str, hidden: Placeholders
) -> str | None:
    """The first difference between `ids` and the `text` that they are to stand for, in words; None where there is none.

    `text` is the template's, with its control tokens in it, and with placeholders for those that people wrote.
    """
    pieces = encoder.pieces(text)
    controls, runs = _split(ids, encoder.control_ids)
    written = pieces[1::2]
    given = [encoder.tokenizer.id_to_token(token) for token in controls]
    if given != written:
        at = _first_difference(given, written)
        text_before = hidden.restored(pieces[2 * at])[-SHOWN:]
        return f"in or after {text_before!r} comes {_named(given, at)}, and the chat template has {_named(written, at)}"
    for piece, run in zip(pieces[::2], runs, strict=True):
        wanted = _comparable(encoder.normal(hidden.restored(piece)), encoder)
        got = _comparable(b"".join(map(bytes_of, run)).decode("utf-8", "replace"), encoder)
        if wanted != got:
            at = _first_difference(wanted, got)
            around = slice(max(0, at - SHOWN), at + SHOWN)
            return f"{wanted[around]!r} comes back as {got[around]!r}"
    return None


def _split(ids: Sequence[int], control: frozenset[int]) -> tuple[list[int], list[list[int]]]:
    """The control tokens, and the runs of other tokens around them."""
    controls: list[int] = []
    runs: list[list[int]] = [[]]
    for token in ids:
        if token in control:
            controls.append(token)
            runs.append([])
        else:
            runs[-1].append(token)
    return controls, runs


def _comparable(text: str, encoder: Encoder) -> str:
    if spaces_are_marked(encoder.tokenizer):
        text = text.replace("\u2581", " ")
    return text if encoder.prefix == "never" else text.removeprefix(" ")


def _first_difference(one: Sequence, other: Sequence) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _named(tokens: Sequence[str], at: int) -> str:
    return repr(tokens[at]) if at < len(tokens) else "no control token"
