"""`StreamEngine.check`: the refusal that `stream` would give, before anything begins, from every engine alike."""

import dataclasses

import pytest

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.thread import ThreadedEngine
from ponder.engine.vllm import VllmEngine
from ponder.engine.vllm_profile import VllmProfile
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random

PARAMS = SamplingParams(max_tokens=10)
GOOD = Request("it", (1, 2, 3), PARAMS, seed=0)


@pytest.fixture(scope="module", params=["local", "vllm"])
def check(request):
    if request.param == "vllm":  # nothing is asked of the server
        yield VllmEngine([VllmProfile("http://127.0.0.1:9", "m", context=64)], vocab_size=16).check
        return
    config = ModelConfig("qwen2", 16, 32, 64, 2, 2, 1, 16, True, False, False, True, 1e-6, 64, RopeConfig())
    engine = ThreadedEngine(LocalEngine(build_random(config, 1)))
    yield engine.check
    with engine.changed:
        engine.closing = True
        engine.changed.notify()
    engine.thread.join()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": ()}, "the prompt is empty"),
        ({"prompt": (1,) * 64}, "shorten the prompt"),
        ({"prompt": (1,) * 60}, "set max_tokens to 4 or less"),
        ({"prompt": (16,)}, "token id outside"),
        ({"rope_factor": 2.0}, "rope_factor 2 is not offered"),
        ({"params": dataclasses.replace(PARAMS, logit_bias=((16, 1.0),))}, "token id outside"),
    ],
)
def test_what_can_never_run_is_refused(check, change, message):
    check(GOOD)
    with pytest.raises(ValueError, match=message):
        check(dataclasses.replace(GOOD, **change))
