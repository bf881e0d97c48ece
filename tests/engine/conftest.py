"""A tokenizer and a compiler of grammars for it, as the tests of structured output share them."""

import pytest
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerFast

from ponder.chat.birth import train_tokenizer
from ponder.engine.grammar import GrammarCompiler

GRAMMAR_VOCAB = 400  # the tokenizer has fewer: as in many checkpoints, the last rows stand for nothing


@pytest.fixture(scope="session")
def tokenizer():
    texts = [f'{{"name": "Z\\u00fcrich {n}", "tags": ["a", "b"], "size": {n}.5}} yes no maybe' for n in range(50)]
    return train_tokenizer(texts, 380)


@pytest.fixture(scope="session")
def stops(tokenizer):
    return frozenset({tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")})


@pytest.fixture(scope="session")
def compiler(tokenizer, stops):
    return GrammarCompiler(tokenizer, stops, GRAMMAR_VOCAB)


@pytest.fixture(scope="session")
def theirs(tokenizer):
    """The tokenizer as vLLM makes it for its grammars: it knows one stop id, and our added tokens only by their form."""
    return from_tokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>"), GRAMMAR_VOCAB)
