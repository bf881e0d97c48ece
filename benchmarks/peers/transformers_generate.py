"""Sampling throughput of `model.generate` in transformers: one batch of prompts, the same number of new tokens each.

Prints one JSON line on stdout. Chosen log-probabilities are not computed, in the peer's favour.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from result import claim_stdout, peak_rss_gb, read_prompts, time_runs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="directory in Hugging Face form")
parser.add_argument("--requests", type=Path, required=True, help='JSON file, {"prompts": [[token ids], ...]}')
parser.add_argument("--out-tokens", type=int, required=True, help="new tokens for each sample")
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--group", type=int, default=1, help="samples for each prompt")
args = parser.parse_args()

stdout = claim_stdout()
torch.set_num_threads(args.threads)
model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=args.dtype).eval()
model.generation_config.eos_token_id = None  # nothing ends early, and no processor has to mask the end token

prompts = read_prompts(args.requests)
width = max(map(len, prompts))
input_ids = torch.tensor([[0] * (width - len(ids)) + ids for ids in prompts])
attention_mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])


@torch.inference_mode()
def generate() -> int:
    output = model.generate(
        input_ids,
        attention_mask=attention_mask,
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        max_new_tokens=args.out_tokens,
        num_return_sequences=args.group,
        pad_token_id=0,
        use_cache=True,
    )
    assert output.shape == (len(prompts) * args.group, width + args.out_tokens), output.shape
    return len(prompts) * args.group * args.out_tokens


result = {"peer": "transformers", "version": transformers.__version__, **time_runs(generate)}
result |= {"peak_rss_gb": peak_rss_gb(), "dtype": args.dtype, "threads": args.threads, "group": args.group}
print(json.dumps(result), file=stdout)
