"""Whether transformers loads what goes out, and computes with it what our decoder does: the same tokens, the same logits."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import torch
from torch import Tensor

from ponder.chat.renderer import Renderer
from ponder.evals.release.checks import Check, one_line
from ponder.extras import how_to_install
from ponder.model.attention import score_sequences
from ponder.model.config import load_config
from ponder.model.decoder import Decoder
from ponder.model.describe import describe
from ponder.model.directory import base_of
from ponder.model.weights import DTYPES, load_decoder

MESSAGES = [{"role": "user", "content": "What is 12 + 30? Name the number, then say why."}]
GREEDY_TOKENS = 8
# Most difference of two logits, as a share of the largest: kernels sum in other orders, and in 16 bits each sum is rounded.
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2}


@dataclass(frozen=True)
class Computed:
    """What our decoder makes of a prompt.

    ids: of the prompt; logits: # [length, vocab], float32; greedy: the tokens that it would go on with
    dtype: that it computed in
    """

    ids: list[int]
    logits: Tensor
    greedy: list[int]
    dtype: str

    @property
    def tolerance(self) -> float:
        """Most difference of two logits."""
        return TOLERANCE[self.dtype] * max(1.0, self.logits.abs().max().item())


def compute(model: Path, tokenizer: Path) -> Computed:
    """The checkpoint by our own decoder, in float32 where memory allows it.

    Raises:
        ValueError: it does not load here, or has no tokenizer or chat template.
    """
    ids = Renderer.load(tokenizer).render(MESSAGES).ids
    config = load_config(base_of(model) or model)
    ids = ids[: max(1, config.max_positions - GREEDY_TOKENS)]
    needed = 5 * describe(config).parameters  # bytes in float32, with a quarter beside
    dtype = "float32" if needed < psutil.virtual_memory().available else config.dtype
    decoder = load_decoder(model, dtype)
    with torch.inference_mode():
        return Computed(ids, _logits(decoder, ids), _greedy(decoder, ids), dtype)


def _logits(decoder: Decoder, ids: list[int]) -> Tensor:
    return score_sequences(decoder, [ids])[0].float()


def _greedy(decoder: Decoder, ids: list[int]) -> list[int]:
    written: list[int] = []
    for _ in range(GREEDY_TOKENS):
        written.append(int(_logits(decoder, ids + written)[-1].argmax()))
    return written


def check_transformers(released: Path, ours: Computed, base: Path | None) -> list[Check]:
    """
    Args:
        released: the directory as it goes out
        base: of an adapter, where its model lies here
    """
    try:
        import transformers
    except ImportError:
        why = f"transformers is not installed here, and a release is what loads in it: {how_to_install('release')}"
        return [Check("transformers", "failed", why)]
    with _silent(transformers):
        checks = [_check_tokenizer(transformers, released, ours)]
        gc.collect()  # our own decoder is gone by now
        return [*checks, _check_model(transformers, released, ours, base)]


def _check_tokenizer(transformers: ModuleType, released: Path, ours: Computed) -> Check:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(released, local_files_only=True, trust_remote_code=False)
        theirs = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=True, return_dict=False)
    except Exception as error:  # whatever a tokenizer's files make it raise
        return Check("tokenizer", "failed", f"transformers' AutoTokenizer does not read it: {one_line(error)}")
    theirs = list(theirs)[: len(ours.ids)]
    if theirs != ours.ids:
        at = next((i for i, pair in enumerate(zip(theirs, ours.ids, strict=False)) if pair[0] != pair[1]), len(theirs))
        return Check(
            "tokenizer",
            "failed",
            f"transformers makes other tokens of a prompt than Ponder from token {at} on ({theirs[at : at + 3]}, not "
            f"{ours.ids[at : at + 3]}): whoever loads it asks another question; tokenizer.json, tokenizer_config.json and "
            "the chat template must be of one model",
        )
    return Check(
        "tokenizer", "passed", f"AutoTokenizer and its chat template make the same {len(theirs)} tokens of a prompt"
    )


def _check_model(transformers: ModuleType, released: Path, ours: Computed, base: Path | None) -> Check:
    name = "transformers"
    if base is not None:
        try:
            import peft
        except ImportError:
            return Check(name, "not checked", f"an adapter needs peft, which is not here: {how_to_install('release')}")
    try:
        transformers.AutoConfig.from_pretrained(base or released, local_files_only=True, trust_remote_code=False)
        model, loaded = transformers.AutoModelForCausalLM.from_pretrained(
            base or released,
            dtype=DTYPES[ours.dtype],
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
        if base is not None:
            model = peft.PeftModel.from_pretrained(model, released, local_files_only=True)
        with torch.inference_mode():
            logits = model.eval()(torch.tensor([ours.ids])).logits[0].float()
    except Exception as error:  # whatever config and weights make it raise
        return Check(name, "failed", f"it does not load in transformers {transformers.__version__}: {one_line(error)}")
    # What is there and not expected our own reader has refused, but for what is derived from the rest.
    kinds = ("missing_keys", "mismatched_keys", "error_msgs")
    wrong = [f"{len(of)} {kind.replace('_', ' ')}, first {_first(of)}" for kind in kinds if (of := loaded.get(kind))]
    made = "adapter on its base" if base is not None else "AutoModelForCausalLM"
    wrong += disagreement(ours, logits)
    if wrong:
        return Check(
            name, "failed", f"transformers {transformers.__version__} computes something else: {'; '.join(wrong)}"
        )
    far = (logits - ours.logits).abs().max().item()
    seen = (
        f"{transformers.__version__}, {made}: the same likeliest token at all {len(ours.ids)} positions, logits at most {far:.1e} "
        f"from Ponder's in {ours.dtype} (allowed: {ours.tolerance:.1e})"
    )
    return Check(name, "passed", seen)


def disagreement(ours: Computed, theirs: Tensor) -> list[str]:
    """In what another's logits # [length, vocab] differ from ours by more than rounding."""
    if theirs.shape != ours.logits.shape:
        return [f"logits of shape {tuple(theirs.shape)}, not {tuple(ours.logits.shape)}"]
    if not bool(torch.isfinite(theirs).all()):
        return ["logits that are NaN or infinite"]
    complaints = []
    apart = (theirs - ours.logits).abs().max().item()
    if apart > ours.tolerance:
        complaints.append(f"logits {apart:.2g} apart, and {ours.tolerance:.2g} is allowed in {ours.dtype}")
    mine, other = ours.logits.argmax(-1), theirs.argmax(-1)
    rows = torch.arange(len(mine))
    margin = ours.logits[rows, mine] - ours.logits[rows, other]
    if differ := (margin > 2 * ours.tolerance).nonzero().flatten().tolist():
        complaints.append(f"another likeliest token at {len(differ)} of {len(mine)} positions, first {differ[0]}")
    return complaints


def _first(names: Any) -> str:
    return one_line(sorted(map(str, names))[0], 100)


@contextmanager
def _silent(transformers: ModuleType) -> Iterator[None]:
    """Without its bars and remarks: what matters of them is looked at and said here."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
