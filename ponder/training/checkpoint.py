"""Checkpoints: a Hugging Face model as it is (law 10), with the trainer's own state beside it (law 5)."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from ponder.chat.renderer import Renderer
from ponder.model.adapter_files import Merge, save_adapter
from ponder.model.config import LoraConfig
from ponder.model.hub import hub_id_of_cached
from ponder.model.lora import initialise_adapters
from ponder.model.tensor_files import read_safetensors, write_safetensors
from ponder.model.weights import DTYPES, load_decoder, save_decoder
from ponder.recipe.schema import Model
from ponder.runs.run import Run
from ponder.training.learner import Learner
from ponder.training.master import MasterWeights
from ponder.training.precision import compute_dtype

STATE_FILE = "ponder_state.json"
# In a directory of their own: vLLM takes every file of tensors beside the model's for a part of the model.
OPTIMIZER_FILE = "resume/optimizer.safetensors"
WEIGHTS_FILE = "resume/weights.safetensors"
ADAPTER_DIRECTORY = "adapter"  # beside a merged model; transformers would put one in the same directory on it again
MERGED_FILE = "merged.json"


@dataclass
class Progress:
    """Where training stands; with the weights and the optimizer, all there is to resume from."""

    stage: str
    step: int = 0
    done: bool = False  # the stage has ended; what follows is the next stage
    cursor: int = 0  # tasks drawn from the mixture so far in this stage
    tokens: int = 0  # sampled or learned from so far in this stage
    seconds: float = 0.0  # spent in this stage
    accuracies: list[float] = field(
        default_factory=list
    )  # held-out (or mean scores: exits.measured), on the way, for target and plateau
    best: float | None = None  # what the best evaluation on the way measured
    best_step: int | None = None  # and the step after which it was
    verdicts: dict[str, list[list[int]]] = field(default_factory=dict)  # error_budget.Recent
    held_step: int | None = None  # the last one whose evaluation showed no fall of a guarded domain
    rolled_back: str | None = None  # why the stage ended with earlier weights


def save_checkpoint(
    run: Run,
    progress: Progress,
    weights: MasterWeights,
    renderer: Renderer,
    model: Model,
    learner: Learner | None = None,
    beside: Callable[[Path, Progress], None] | None = None,
) -> Path:
    """A checkpoint of where training stands. Where the model in it does not hold the masters exactly, these lie beside it, for a
    resume. `beside` writes what a stage has made beside the model."""
    dtype = model.save_dtype or weights.decoder.config.dtype
    adapters = model.lora is not None
    with run.checkpoint(progress.stage, progress.step) as directory:
        if adapters:
            _save_adapters(weights, directory, dtype, model)
        else:
            save_decoder(weights.decoder, directory, dtype, weights.parameters())
        (directory / WEIGHTS_FILE).parent.mkdir()
        if adapters or dtype != "float32":
            exact = {name: master.detach().to("cpu", copy=True) for name, master in weights.masters.items()}
            write_safetensors(exact, directory / WEIGHTS_FILE)
        renderer.save(directory)
        generation = directory / "generation_config.json"
        if not generation.exists():  # a checkpoint that came with one keeps it
            generation.write_text(json.dumps(generation_config(renderer), indent=2) + "\n", encoding="utf-8")
        if learner is not None:
            learner.save_state(directory / OPTIMIZER_FILE)
        if beside is not None:
            beside(directory, progress)
        (directory / STATE_FILE).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
    return run.path / "checkpoints" / f"{progress.stage}-{progress.step:06d}"


def load_weights(checkpoint: Path, model: Model, base: Path | None, device: str) -> MasterWeights:
    """The weights of a checkpoint as they were in the run that saved it, bit for bit.

    Args:
        base: of adapters, the directory of the model that they are put on
    """
    exact = checkpoint / WEIGHTS_FILE
    if base is None:
        decoder = load_decoder(checkpoint, "float32", device)
        if exact.is_file():
            read_safetensors(dict(decoder.named_parameters()), exact)
        return MasterWeights.of(decoder, DTYPES[compute_dtype(model, device)])
    weights = load_with_adapters(model, base, device)
    read_safetensors(dict(weights.masters), exact)
    weights.publish()
    return weights


@torch.no_grad()
def go_back(weights: MasterWeights, checkpoint: Path, model: Model) -> None:
    """Gives the weights, wherever they are read, the values of a checkpoint."""
    earlier = load_weights(checkpoint, model, weights.base, weights.decoder.device.type)
    for name, master in weights.masters.items():
        master.copy_(earlier.masters[name])
    weights.publish()


def load_with_adapters(model: Model, base: Path, device: str, seed: int = 0) -> MasterWeights:
    """The base of a recipe's model with adapters that change nothing yet."""
    decoder = load_decoder(base, compute_dtype(model, device), device, lora_of(model))
    return MasterWeights.of_adapters(decoder, initialise_adapters(decoder, seed), base)


def _save_adapters(weights: MasterWeights, directory: Path, dtype: str, model: Model) -> None:
    """A whole model, with the adapters merged into it in float32, and the adapters beside it; or these alone."""
    assert model.lora is not None and weights.base is not None
    config, parameters = weights.decoder.config, weights.parameters()
    beside = directory
    if model.lora.save == "merged":
        merge = Merge(config, parameters, DTYPES[dtype])
        save_decoder(weights.decoder, directory, dtype, parameters, merge)
        beside = directory / ADAPTER_DIRECTORY
        beside.mkdir()
        (beside / MERGED_FILE).write_text(json.dumps({"dtype": dtype, "lost": merge.lost}) + "\n", encoding="utf-8")
    of_hub = hub_id_of_cached(weights.base)
    named = (of_hub.repo, of_hub.revision) if of_hub else (str(weights.base.resolve()), None)
    save_adapter(config, parameters, beside, *named)


def lost_in_merging(checkpoint: Path) -> str | None:
    """What people should know where rounding changed a merged model's adapters by a hundredth or more."""
    path = checkpoint / ADAPTER_DIRECTORY / MERGED_FILE
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"lost": 0.0}
    if said["lost"] < 0.01:
        return None
    return (
        f"the adapters are merged into weights of {said['dtype']}: rounding moved what they change by {said['lost']:.0%}. "
        "For all of it: model.save_dtype: float32, or model.lora.save: adapter"
    )


def lora_of(model: Model) -> LoraConfig | None:
    return None if model.lora is None else LoraConfig(model.lora.rank, model.lora.alpha, tuple(model.lora.targets))


def load_progress(checkpoint: Path) -> Progress:
    path = checkpoint / STATE_FILE
    try:
        return Progress(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{checkpoint} cannot be resumed from: {STATE_FILE} is missing or damaged ({error})") from None


def generation_config(renderer: Renderer) -> dict:
    """What users' samplers should do by default: the QwQ guidelines."""
    return {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 40,
        "repetition_penalty": 1.0,
        "eos_token_id": sorted(renderer.stop_ids),
    }
