"""The engine on a GPU that is not there (tests/shared/fake_cuda.py): no CPU tensor meets one of the GPU's, every dtype is
right, and a step waits for the device no more often than it has to. Numbers are not looked at."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from ponder.engine.build import SamplingEngine
from ponder.engine.kernels import FAST, SAFE
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request, SamplingParams, rl_sampling
from ponder.model.attention import score_sequences
from ponder.model.config import LoraConfig, ModelConfig, RopeConfig
from ponder.model.decoder import Decoder
from ponder.recipe.schema import EngineSettings
from tests.shared.fake_cuda import fake_cuda

VOCAB = 80
QWEN2 = ModelConfig("qwen2", VOCAB, 32, 48, 2, 4, 2, 8, True, False, False, False, 1e-6, 1024, RopeConfig())
QWEN3 = replace(QWEN2, family="qwen3", qkv_bias=False, qk_norm=True, tie_embeddings=True)
LORA = replace(QWEN2, lora=LoraConfig(4, 8.0))
DTYPES = (torch.float32, torch.bfloat16)
PLAIN = rl_sampling(3, frozenset())
EVERYTHING = SamplingParams(
    temperature=0.7,
    top_k=5,
    top_p=0.9,
    min_p=0.05,
    presence_penalty=0.5,
    repetition_penalty=1.1,
    frequency_penalty=0.5,
    max_tokens=3,
    logit_bias=((3, 1.0), (4, -1.0)),
    top_logprobs=3,
)
PARAMETERS = {
    "as it is": PLAIN,
    "greedy": replace(PLAIN, temperature=0.0),
    "temperature": replace(PLAIN, temperature=0.5),
    "top_k": replace(PLAIN, top_k=5),
    "top_p": replace(PLAIN, top_p=0.9),
    "min_p": replace(PLAIN, min_p=0.1),
    "presence": replace(PLAIN, presence_penalty=0.5),
    "frequency": replace(PLAIN, frequency_penalty=0.5),
    "repetition": replace(PLAIN, repetition_penalty=1.1),
    "logit bias": replace(PLAIN, logit_bias=((3, 1.0),)),
    "top_logprobs": replace(PLAIN, top_logprobs=4),
    "everything": EVERYTHING,
}


class EvenTokens:
    """A mask, on the CPU as they all are."""

    finished = False

    def allowed(self) -> torch.Tensor:
        return torch.arange(VOCAB) % 2 == 0

    def advance(self, token: int) -> None:
        pass


@pytest.fixture
def mode():
    with fake_cuda() as mode:
        yield mode


def on_gpu(config: ModelConfig, dtype: torch.dtype = torch.float32) -> Decoder:
    with torch.device("cuda"):
        return Decoder(config).to(dtype)


def prompt(length: int, start: int = 0) -> tuple[int, ...]:
    return tuple((start + i) % VOCAB for i in range(length))


def finish(engine: LocalEngine, requests: list[Request]) -> list[Completion]:
    done = list(engine.generate(requests))
    assert len(done) == len(requests)
    assert all(c.finish_reason == "length" and len(c.ids) == c.request.params.max_tokens for c in done)
    return done


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", [QWEN2, QWEN3, LORA], ids=["qwen2", "qwen3", "lora"])
@pytest.mark.parametrize("tile", [None, 16])
def test_decoder(mode, config, dtype, tile):
    decoder = on_gpu(config, dtype)
    first, second = score_sequences(decoder, [prompt(5), prompt(9)])
    assert (first.shape, first.dtype, first.device.type) == ((5, VOCAB), dtype, "cuda") and len(second) == 9
    hidden = torch.zeros(40, 32, device="cuda", dtype=dtype)
    assert decoder.logits(hidden, tile).shape == (40, VOCAB)
    assert mode.waits == 0


def test_a_cpu_tensor_on_a_path_is_found(mode):
    """The instrument itself: what torch would refuse on a GPU is refused here."""
    decoder = on_gpu(QWEN2)
    decoder.rotary.__class__.__call__, call = (
        lambda self, positions, longest, dtype, factors=None: (torch.zeros(len(positions), 1, 8),) * 2,
        decoder.rotary.__class__.__call__,
    )
    try:
        with pytest.raises(RuntimeError, match="same device"):
            score_sequences(decoder, [prompt(5)])
    finally:
        decoder.rotary.__class__.__call__ = call


@pytest.mark.parametrize("name", PARAMETERS)
def test_sampler(mode, name):
    """A batch whose rows have these parameters alone, and one in which another row has others."""
    engine = LocalEngine(on_gpu(QWEN2), max_rows=32)
    params = PARAMETERS[name]
    for others in ([], [Request("other", prompt(9), PLAIN, 7)]):
        done = finish(engine, [Request(i, prompt(7), params, seed=i, answered=2) for i in range(3)] + others)
        assert all(len(c.top) == (3 if params.top_logprobs else 0) for c in done if c.request.id != "other")


@pytest.mark.parametrize("params", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_masks(mode, params):
    engine = LocalEngine(on_gpu(QWEN2))
    requests = [Request(i, prompt(7), params, i, mask=EvenTokens() if i % 2 else None) for i in range(3)]
    finish(engine, requests)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("forms", [None, SAFE, FAST], ids=["chosen", "safe", "fast"])
def test_shared_prompts_growth_and_leaving(mode, dtype, forms):
    """Groups with one prompt in a cache that grows, and sequences that are preempted and computed again."""
    engine = LocalEngine(on_gpu(QWEN3, dtype), token_budget=12 * 32, max_rows=40, forms=forms)
    engine.submit([Request("first", prompt(30), replace(PLAIN, max_tokens=12), 0)])
    engine.step()
    groups = [(prompt(20 + g, g), replace(PLAIN, max_tokens=70 + s)) for g in range(6) for s in range(3)]
    engine.submit([Request(i, *one, seed=i) for i, one in enumerate(groups)])
    sizes = set()
    while engine.busy:
        sizes.add(engine.cache.blocks)
        engine.step()
    assert len(sizes) > 1 and max(sizes) == 12 and engine.scheduler.preemptions
    assert engine.cache.keys[0].device.type == "cuda"


@pytest.mark.parametrize("dtype", DTYPES)
def test_chunks_prefixes_and_yarn(mode, dtype):
    """As in serving: a long prompt in chunks beside who runs, kept prefixes, and YaRN factors side by side."""
    decoder = on_gpu(QWEN2, dtype)
    engine = LocalEngine(decoder, 8192, 32, (1.0, 2.0), keep_prefixes=True, chunk_tokens=64)
    requests = [
        Request("whole", prompt(250), replace(PLAIN, max_tokens=12), 1),
        Request("long", prompt(300, 3), PLAIN, 2),
        Request("scaled", prompt(50, 5), PLAIN, 3, rope_factor=2.0),
        Request("scaled and long", prompt(150, 7), EVERYTHING, 4, rope_factor=2.0),
    ]
    finish(engine, requests)
    again = finish(
        engine,
        [
            Request("a turn more", (*prompt(300, 3), *[1] * 20), PLAIN, 5),
            *(Request(("twins", i), (*prompt(50, 5), 1, 1), PLAIN, i, rope_factor=2.0) for i in range(2)),
        ],
    )
    assert all(completion.cached_tokens for completion in again)
    engine.submit(requests)
    engine.step()
    for request in requests:
        engine.abort(request.id)
    assert not engine.busy
    engine.close()


def test_an_engine_of_another_dtype_than_the_learners(mode):
    decoder = on_gpu(LORA)
    sampling = SamplingEngine(decoder, EngineSettings(dtype="bfloat16"))
    assert sampling.workers == 0 and sampling.own.dtype == torch.bfloat16
    sampling.refresh()
    assert list(sampling.generate([Request(0, prompt(5), PLAIN, 0)]))
    with pytest.raises(ValueError, match=r"engine\.workers"):
        SamplingEngine(decoder, EngineSettings(workers=2))


@pytest.mark.parametrize("name", ["as it is", "everything"])
def test_a_decoding_step_waits_for_the_device_once(mode, name):
    """For its tokens and their log-probabilities together; and once for the likeliest others, where these are asked for."""
    engine = LocalEngine(on_gpu(QWEN2))
    engine.submit([Request(i, prompt(9), replace(PARAMETERS[name], max_tokens=50), i) for i in range(4)])
    engine.step()
    for _ in range(3):
        before = mode.waits
        engine.step()
        assert mode.waits - before == (2 if name == "everything" else 1)


def test_nothing_has_a_value(mode):
    """So that no test above passes by computing on the CPU."""
    assert all(isinstance(parameter, FakeTensor) for parameter in on_gpu(QWEN2).parameters())
