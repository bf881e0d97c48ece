"""Tables of the commands, as rich renderables."""

from rich.table import Table

from ponder.model.describe import LORA_RANK, Description


def model_tables(name: str, about: Description) -> list[Table]:
    config, rope = about.config, about.config.rope
    scaling = "" if rope.kind == "default" else f", {rope.kind} x{rope.factor:g} of {rope.original_max_positions:,}"
    bias = ", QKV bias" if config.qkv_bias else ""
    norm = ", q/k norm" if config.qk_norm else ""
    facts = _pairs(f"{name}: what it is")
    facts.add_row("architecture", f"{config.family}, {config.num_layers} layers, width {config.hidden_size:,}")
    facts.add_row(
        "attention", f"{config.num_heads} query / {config.num_kv_heads} KV heads of {config.head_dim}{bias}{norm}"
    )
    facts.add_row("MLP", f"SwiGLU, {config.intermediate_size:,}")
    facts.add_row("vocabulary", f"{config.vocab_size:,}, embeddings {'tied' if config.tie_embeddings else 'untied'}")
    facts.add_row("context", f"{config.max_positions:,} tokens, RoPE theta {rope.theta:,.0f}{scaling}")
    facts.add_row("parameters", f"{about.parameters:,} ({_short(about.parameters)})")
    without = about.parameters_without_embeddings
    facts.add_row("  without embeddings", f"{without:,} ({_short(without)})")

    memory = _pairs(f"{name}: what it takes, in {config.dtype}")
    memory.add_row("KV cache", f"{about.kv_bytes_per_token / 1024:g} KiB a token")
    memory.add_row("weights", _size(about.weight_bytes))
    memory.add_row("training, full (AdamW)", f"{_size(about.full_training_bytes)} and activations")
    lora = f"{_size(about.lora_training_bytes)} and activations ({_short(about.lora_parameters)} trained)"
    memory.add_row(f"training, LoRA rank {LORA_RANK}", lora)
    beside = _size(about.at_rest_bytes - about.weight_bytes)
    memory.add_row("serving on a CPU, at rest", f"{_size(about.at_rest_bytes)}, {beside} of it beside the weights")
    for length, size in about.serving_bytes.items():
        memory.add_row(f"serving one sequence of {length:,}", f"{_size(size)} for weights, keys and values")
    return [facts, memory]


def _pairs(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    return table


def _short(count: int) -> str:
    for unit, name in ((1e9, "e9"), (1e6, "e6"), (1e3, "e3")):
        if count >= unit:
            return f"{count / unit:.2f}{name}"
    return str(count)


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1024:.1f} KiB"
