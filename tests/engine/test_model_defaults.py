"""What a model's generation_config.json says of sampling, as `serve` and `generate` take it."""

import json

import pytest

from ponder.engine.model_defaults import sampling_defaults
from ponder.engine.protocol import SamplingParams


def test_its_values_else_the_guidelines(tmp_path):
    assert sampling_defaults(tmp_path) == SamplingParams()
    own = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1, "min_p": 0.05}
    write(tmp_path, own | {"eos_token_id": [1, 2], "do_sample": True, "max_new_tokens": 7})
    assert sampling_defaults(tmp_path) == SamplingParams(**own)
    write(tmp_path, {"temperature": None, "top_k": 0, "top_p": 1})
    assert sampling_defaults(tmp_path) == SamplingParams(top_k=0, top_p=1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"top_p": 2}, "top_p must be above 0"),
        ({"temperature": "hot"}, "temperature must be a number, got 'hot'"),
        ({"top_k": 1.5}, "top_k must be a number"),
        ({"top_k": True}, "top_k must be a number"),
        ({"repetition_penalty": [1]}, "repetition_penalty must be a number"),
        ([], "must be a JSON object"),
    ],
)
def test_what_is_refused_names_the_file(tmp_path, value, said):
    write(tmp_path, value)
    with pytest.raises(ValueError, match=said) as error:
        sampling_defaults(tmp_path)
    assert str(tmp_path / "generation_config.json") in str(error.value)


def write(directory, value):
    (directory / "generation_config.json").write_text(json.dumps(value))
