"""A tokenizer's twin to which the spellings of added tokens are text."""

from tokenizers import Tokenizer


def without_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """It encodes only. It shares the vocabulary, and so takes no time to make."""
    plain = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        plain.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        plain.pre_tokenizer = tokenizer.pre_tokenizer
    return plain
