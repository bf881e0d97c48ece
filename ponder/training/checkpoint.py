"""Checkpoints: a Hugging Face model as it is (law 10), with the trainer's own state beside it (law 5)."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ponder.chat.renderer import Renderer
from ponder.model.decoder import Decoder
from ponder.model.weights import DTYPES, load_decoder, read_safetensors, save_decoder, write_safetensors
from ponder.runs.run import Run
from ponder.training.learner import Learner

STATE_FILE = "ponder_state.json"
# In a directory of their own: vLLM takes every file of tensors beside the model's for a part of the model.
OPTIMIZER_FILE = "resume/optimizer.safetensors"
WEIGHTS_FILE = "resume/weights.safetensors"


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


def save_checkpoint(
    run: Run,
    progress: Progress,
    decoder: Decoder,
    renderer: Renderer,
    learner: Learner | None = None,
    dtype: str | None = None,
) -> Path:
    """
    Args:
        dtype: of the model in the checkpoint; None: that of the one that came in. Where it does not hold the learner's
            weights exactly, these lie beside it, for a resume
    """
    with run.checkpoint(progress.stage, progress.step) as directory:
        dtype = dtype or decoder.config.dtype
        save_decoder(decoder, directory, dtype)
        (directory / WEIGHTS_FILE).parent.mkdir()
        if dtype != "float32" and DTYPES[dtype] != decoder.dtype:
            exact = {name: weights.detach().to("cpu", copy=True) for name, weights in decoder.named_parameters()}
            write_safetensors(exact, directory / WEIGHTS_FILE)
        renderer.save(directory)
        generation = directory / "generation_config.json"
        if not generation.exists():  # a checkpoint that came with one keeps it
            generation.write_text(json.dumps(generation_config(renderer), indent=2) + "\n", encoding="utf-8")
        if learner is not None:
            learner.save_state(directory / OPTIMIZER_FILE)
        (directory / STATE_FILE).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
    return run.path / "checkpoints" / f"{progress.stage}-{progress.step:06d}"


def load_weights(checkpoint: Path, dtype: str, device: str) -> Decoder:
    """The decoder of a checkpoint as it was in the run that saved it, bit for bit.

    Args:
        dtype: the learner's
    """
    decoder = load_decoder(checkpoint, dtype, device)
    if (checkpoint / WEIGHTS_FILE).is_file():
        read_safetensors(dict(decoder.named_parameters()), checkpoint / WEIGHTS_FILE)
    return decoder


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
