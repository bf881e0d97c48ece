"""Random small checkpoints of every family, made by transformers: the oracle and the files on disk."""

from pathlib import Path

import torch
import transformers

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SHAPE = {
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "eos_token_id": 159,
}


def _config(kind: str, **settings) -> transformers.PretrainedConfig:
    theta = settings.pop("theta", 10_000.0)
    rope = {"rope_theta": theta, **settings.pop("rope", {"rope_type": "default"})}
    return getattr(transformers, f"{kind}Config")(**SHAPE, rope_parameters=rope, **settings)


FAMILIES = {
    "qwen2": lambda: _config("Qwen2", theta=1e6),
    "qwen2-tied": lambda: _config("Qwen2", tie_word_embeddings=True),
    "qwen2-yarn": lambda: _config("Qwen2", theta=1e6, rope=YARN),
    "qwen3": lambda: _config("Qwen3", head_dim=24, theta=1e6),
    "qwen3-bias-tied": lambda: _config("Qwen3", head_dim=16, attention_bias=True, tie_word_embeddings=True),
    "qwen3-yarn": lambda: _config("Qwen3", head_dim=32, rope=YARN),
    "llama": lambda: _config("Llama"),
    "llama-3.1": lambda: _config("Llama", theta=5e5, rope=LLAMA3),
    "llama-bias": lambda: _config("Llama", attention_bias=True),
}


def make_checkpoint(name: str, directory: Path, seed: int = 0, **save) -> transformers.PreTrainedModel:
    """A float32 model of the family with random weights, norms and biases too; saved in `directory`."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(FAMILIES[name](), dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms and biases are born as constants, which would hide a mix-up
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.generation_config.eos_token_id = SHAPE["eos_token_id"]
    model.save_pretrained(directory, **save)
    return model


def static_yarn(model: transformers.PreTrainedModel, factor: float) -> transformers.PreTrainedModel:
    """The same weights with transformers' YaRN of `factor` over all positions the model knows."""
    config = model.config
    trained = config.max_position_embeddings
    config.rope_parameters = {
        "rope_type": "yarn",
        "rope_theta": config.rope_parameters["rope_theta"],
        "factor": factor,
        "original_max_position_embeddings": trained,
    }
    config.max_position_embeddings = int(trained * factor)
    scaled = type(model)(config).eval()
    scaled.load_state_dict(model.state_dict())
    return scaled
