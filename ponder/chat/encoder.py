"""Text to ids: control tokens where a template wrote them, ordinary text where people did."""

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer

from ponder.chat.placeholders import Placeholders, spellings
from ponder.chat.plain_tokenizer import prefix_of, without_added_tokens

LONG_TEXT = 1 << 14  # characters


class Encoder:
    """A tokenizer, and what it takes for control tokens.

    `control`: their spellings: special tokens, and others that have the look of a tag. Checkpoints add ordinary words and
    runs of spaces, too; these are as harmless as any token. `prefix`: where a space is put before a text.
    """

    def __init__(self, tokenizer: Tokenizer):
        added = tokenizer.get_added_tokens_decoder()
        self.tokenizer = tokenizer
        self.special_ids = frozenset(token for token, about in added.items() if about.special)
        self._about = {about.content: about for about in added.values() if _is_control(about)}
        self.control = frozenset(self._about)
        self.control_ids = frozenset(token for token, about in added.items() if about.content in self.control)
        self._split = spellings(self.control)
        self.prefix = prefix_of(tokenizer)
        self._plain = without_added_tokens(tokenizer)
        self._unprefixed = without_added_tokens(tokenizer, prefix=False)

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Ids of a whole text; control tokens in it become their tokens. ValueError for text that is no Unicode.

        `special`: with what the tokenizer's post-processor puts around a text.
        """
        return _ids(self.tokenizer, text, special)

    def encode_hidden(self, text: str, hidden: Placeholders, begins: bool = True) -> list[int]:
        """Ids of a text in which the spellings that people wrote are hidden.

        `begins`: whether it is a whole text, and not the rest of one whose beginning is ids already.
        """
        ids: list[int] = []
        for at, piece in enumerate(self.pieces(text)):
            if at % 2:
                ids.append(self.tokenizer.token_to_id(piece))
                continue
            restored = hidden.restored(piece)
            first = begins and at == 0
            if self.prefix != "never" and not (first or (at and self.prefix == "always")):
                ids += _ids(self._unprefixed, restored)
            else:
                ids += self.encode(piece) if restored == piece else _ids(self._plain, restored)
        return ids

    def pieces(self, text: str) -> list[str]:
        """The text cut at its control tokens, so that every second piece is one of these; without the white space that
        they swallow, as some do."""
        pieces = self._split.split(text)
        for at in range(1, len(pieces), 2):
            about = self._about[pieces[at]]
            if about.lstrip:
                pieces[at - 1] = pieces[at - 1].rstrip()
            if about.rstrip:
                pieces[at + 1] = pieces[at + 1].lstrip()
        return pieces

    def normal(self, text: str) -> str:
        """The text in the form in which the tokenizer sees it: composed characters, for example."""
        return text if self.tokenizer.normalizer is None else self.tokenizer.normalizer.normalize_str(text)

    def decode(self, ids: Sequence[int], keep_special: bool = True) -> str:
        """Text of `ids`. `keep_special=False` leaves out special tokens like `<|im_end|>`; thinking tags stay."""
        if len(ids) < LONG_TEXT:
            return self.tokenizer.decode(list(ids), skip_special_tokens=not keep_special)
        return self.tokenizer.decode_batch([list(ids)], skip_special_tokens=not keep_special)[0]  # see _ids


def _is_control(about: AddedToken) -> bool:
    return about.special or (about.content.startswith("<") and about.content.endswith(">"))


def _ids(tokenizer: Tokenizer, text: str, special: bool = False) -> list[int]:
    try:
        if len(text) < LONG_TEXT:
            return tokenizer.encode(text, add_special_tokens=special).ids
        # A batch, though of one: `encode` keeps the interpreter's lock all the while, and a server would stand still.
        return tokenizer.encode_batch_fast([text], add_special_tokens=special)[0].ids
    except TypeError as error:
        raise ValueError("the text holds half of a surrogate pair (\\ud800-\\udfff); send whole characters") from error
