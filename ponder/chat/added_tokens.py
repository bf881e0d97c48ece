"""A tokenizer that gets more tokens: a tag such as `<think>` becomes one token, as it is in Qwen3 and QwQ."""

import json
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer

from ponder.chat.renderer import Renderer


def add_tokens(renderer: Renderer, texts: Sequence[str]) -> tuple[Renderer, dict[int, list[int]]]:
    """The same tokenizer, for which each of the texts is one token: not special, so that it stays in decoded text, and
    found wherever its spelling stands. Texts that are tokens already keep their ids.

    Returns:
        the new renderer, and for each new id those that its text was made of before
    Raises:
        ValueError: a text that is empty, or has white space around it, which tokenizers treat in ways of their own.
    """
    missing = [text for text in dict.fromkeys(texts) if renderer.tokenizer.token_to_id(text) is None]
    if not missing:
        return renderer, {}
    made_of = [renderer.encode(text) for text in missing]
    for text, parts in zip(missing, made_of, strict=True):
        if text != text.strip() or not parts:
            raise ValueError(f"the token {text!r} cannot be added: it must have letters, and no white space around it")
    grown = Tokenizer.from_str(renderer.tokenizer.to_str())
    grown.add_tokens([AddedToken(text, special=False, normalized=False) for text in missing])
    ids = [grown.token_to_id(text) for text in missing]
    files = _with_tokens(renderer.files, dict(zip(ids, missing, strict=True)))
    return Renderer(files, renderer.origin), dict(zip(ids, made_of, strict=True))


def _with_tokens(files: dict[str, bytes], tokens: dict[int, str]) -> dict[str, bytes]:
    """The checkpoint's files with the tokens in each that lists them. tokenizer.json is edited, not written anew: what
    another version of the library wrote stays as it is."""
    entry = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    about = {number: {"content": text, **entry} for number, text in tokens.items()}
    tokenizer = json.loads(files["tokenizer.json"])
    listed = [*(tokenizer.get("added_tokens") or []), *({"id": number, **one} for number, one in about.items())]
    changed = {"tokenizer.json": tokenizer | {"added_tokens": listed}}
    config = json.loads(files.get("tokenizer_config.json", b"{}"))
    if config.get("added_tokens_decoder"):
        decoder = config["added_tokens_decoder"] | {str(number): one for number, one in about.items()}
        changed["tokenizer_config.json"] = config | {"added_tokens_decoder": decoder}
    if "added_tokens.json" in files:  # of tokenizers from before tokenizer.json
        changed["added_tokens.json"] = json.loads(files["added_tokens.json"]) | {t: n for n, t in tokens.items()}
    return files | {name: _written(content) for name, content in changed.items()}


def _written(content: dict) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
