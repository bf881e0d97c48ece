"""A hand-written sampling loop, as a ceiling: one batch, equal lengths, preallocated cache, nothing but the arithmetic.

It shares no code with Ponder's engine. Prints one JSON line. Run by rollout_throughput.py.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--requests", type=Path, required=True)
parser.add_argument("--out-tokens", type=int, required=True)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--part", default="0/1", help="k/n: this process takes every n-th prompt from the k-th")
parser.add_argument("--packed", action="store_true", help="weights laid out for oneDNN's kernels, once")
args = parser.parse_args()

torch.set_num_threads(1)
dtype = getattr(torch, args.dtype)
config = json.loads((args.model / "config.json").read_text())
W = {name: tensor.to(dtype) for name, tensor in load_file(args.model / "model.safetensors").items()}
rope = config.get("rope_parameters") or config
L, H, KV = config["num_hidden_layers"], config["num_attention_heads"], config["num_key_value_heads"]
D = config.get("head_dim") or config["hidden_size"] // H
EPS, THETA = config["rms_norm_eps"], rope["rope_theta"]
head = W["model.embed_tokens.weight"] if config["tie_word_embeddings"] else W["lm_head.weight"]
fused = []
for i in range(L):
    p = f"model.layers.{i}."
    attention = [p + f"self_attn.{name}_proj" for name in "qkv"]
    fused.append(
        (
            W[p + "input_layernorm.weight"],
            torch.cat([W[a + ".weight"] for a in attention]),
            torch.cat([W[a + ".bias"] for a in attention]) if attention[0] + ".bias" in W else None,
            W[p + "self_attn.o_proj.weight"],
            W[p + "post_attention_layernorm.weight"],
            torch.cat([W[p + "mlp.gate_proj.weight"], W[p + "mlp.up_proj.weight"]]),
            W[p + "mlp.down_proj.weight"],
        )
    )

linear = F.linear
if args.packed:
    pack = torch.ops.mkldnn._reorder_linear_weight
    head = pack(head, 64)
    fused = [(n1, pack(q, 64), b, pack(o, 64), n2, pack(g, 64), pack(d, 64)) for n1, q, b, o, n2, g, d in fused]

    def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


part, parts = map(int, args.part.split("/"))
prompts = torch.tensor(json.loads(args.requests.read_text())["prompts"])[part::parts]
B, P = prompts.shape
S = P + args.out_tokens
angles = torch.outer(torch.arange(S).float(), THETA ** (-torch.arange(0, D, 2).float() / D))
cos, sin = torch.cat([angles.cos()] * 2, -1).to(dtype), torch.cat([-angles.sin(), angles.sin()], -1).to(dtype)


def forward(ids: torch.Tensor, start: int, keys: list, values: list) -> torch.Tensor:
    """ids [B, T] at positions start.. -> logits of the last position [B, vocab]"""
    T = ids.shape[1]
    x = W["model.embed_tokens.weight"][ids]
    c, s = cos[start : start + T, None], sin[start : start + T, None]
    mask = torch.full((T, start + T), float("-inf"), dtype=dtype).triu(start + 1) if T > 1 else None
    for i, (norm1, qkv_w, qkv_b, o_w, norm2, gate_up, down) in enumerate(fused):
        qkv = linear(F.rms_norm(x, norm1.shape, norm1, EPS), qkv_w, qkv_b).view(B, T, H + 2 * KV, D)
        qk, v = qkv[:, :, : H + KV], qkv[:, :, H + KV :]
        qk = qk * c + qk.roll(D // 2, -1) * s
        keys[i][:, :, start : start + T] = qk[:, :, H:].transpose(1, 2)
        values[i][:, :, start : start + T] = v.transpose(1, 2)
        q = qk[:, :, :H].transpose(1, 2).reshape(B, KV, H // KV * T, D) * D**-0.5
        scores = (q @ keys[i][:, :, : start + T].transpose(-1, -2)).view(B, KV, H // KV, T, start + T)
        if mask is not None:
            scores = scores + mask
        out = torch.softmax(scores, -1).view(B, KV, H // KV * T, start + T) @ values[i][:, :, : start + T]
        x = x + linear(out.view(B, H, T, D).transpose(1, 2).reshape(B, T, H * D), o_w)
        gate, up = linear(F.rms_norm(x, norm2.shape, norm2, EPS), gate_up).chunk(2, -1)
        x = x + linear(F.silu(gate) * up, down)
    norm = W["model.norm.weight"]
    return linear(F.rms_norm(x[:, -1], norm.shape, norm, EPS), head).float()


@torch.inference_mode()
def generate() -> int:
    keys, values = ([torch.zeros(B, KV, S, D, dtype=dtype) for _ in range(L)] for _ in range(2))
    logits, start, sampled = forward(prompts, 0, keys, values), P, 0
    for _ in range(args.out_tokens):
        probs = torch.softmax(logits, -1)
        cumulative = probs.cumsum(-1)
        token = torch.searchsorted(cumulative, torch.rand(B, 1) * cumulative[:, -1:]).clamp(max=probs.shape[1] - 1)
        probs.gather(1, token).log()
        sampled += B
        if start < S - 1:  # the last token is not fed back
            logits = forward(token, start, keys, values)
        start += 1
    return sampled


generate()
seconds = []
for _ in range(3):
    began = time.perf_counter()
    tokens = generate()
    seconds.append(time.perf_counter() - began)
print(json.dumps({"peer": f"hand-written loop ({parts} processes)", "sampled_tokens": tokens, "seconds": min(seconds)}))
