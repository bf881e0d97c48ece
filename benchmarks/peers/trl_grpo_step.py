"""Seconds per optimizer step of TRL's GRPOTrainer: P prompts x G completions of exactly N tokens, CPU.

Prints one JSON line on stdout. A step is sampling, rewards, forward, backward and AdamW; the first one is a warm-up.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
import trl
from datasets import Dataset
from result import claim_stdout, peak_rss_gb, read_prompts
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="directory in Hugging Face form, with a tokenizer")
parser.add_argument("--prompts", type=Path, required=True, help='JSON file, {"prompts": [text or [token ids], ...]}')
parser.add_argument("--group", type=int, required=True, help="completions for each prompt")
parser.add_argument("--prompts-per-step", type=int, required=True)
parser.add_argument("--max-new", type=int, required=True, help="tokens of each completion")
parser.add_argument("--steps", type=int, default=4, help="optimizer steps, the first of which is not counted")
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--autocast", action="store_true", help="bfloat16 arithmetic over float32 weights (bf16=True)")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

stdout = claim_stdout()
torch.set_num_threads(args.threads)
# Not AutoTokenizer: for model_type qwen2 it builds a byte-level tokenizer, whatever tokenizer.json says.
tokenizer = PreTrainedTokenizerFast.from_pretrained(args.model, padding_side="left")
prompts = [p if isinstance(p, str) else tokenizer.decode(p) for p in read_prompts(args.prompts)]
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=args.dtype)

sampling_seconds: list[float] = []
completion_lengths: list[int] = []
step_ends: list[float] = []
untimed_generate = model.generate


def timed_generate(*positional, **named):
    start = time.perf_counter()
    output = untimed_generate(*positional, **named)
    sampling_seconds.append(time.perf_counter() - start)
    return output


def share_of_even_tokens(completion_ids: list[list[int]], **_) -> list[float]:
    completion_lengths.extend(map(len, completion_ids))
    return [sum(token % 2 == 0 for token in ids) / len(ids) for ids in completion_ids]


class StepClock(TrainerCallback):
    def on_step_end(self, *_, **__):
        step_ends.append(time.perf_counter())


model.generate = timed_generate
samples = args.prompts_per_step * args.group
with tempfile.TemporaryDirectory() as scratch:
    # Chosen from what each option costs, in TRL's favour; alternatives were not timed against each other.
    # Whole step in one batch: fewest calls. No gradient checkpointing: no forward pass twice. beta 0: no reference
    # model. One generation per optimizer step: TRL then skips the extra pass for old log-probabilities.
    # min_new_tokens bans the end token, so every completion runs to --max-new.
    config = trl.GRPOConfig(
        output_dir=scratch,
        use_cpu=True,
        bf16=args.autocast,
        num_generations=args.group,
        per_device_train_batch_size=samples,
        gradient_accumulation_steps=1,
        max_completion_length=args.max_new,
        generation_kwargs={"min_new_tokens": args.max_new},
        temperature=1.0,
        top_k=0,
        max_steps=args.steps,
        gradient_checkpointing=False,
        beta=0.0,
        report_to="none",
        logging_steps=args.steps,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=share_of_even_tokens,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[StepClock()],
    )
    trainer.train()

step_seconds = [end - start for start, end in itertools.pairwise(step_ends)]
assert len(sampling_seconds) == args.steps, "one call of generate for each step"
result = {
    "peer": "trl",
    "version": trl.__version__,
    "seconds_per_step": round(min(step_seconds), 3),
    "seconds_per_step_median": round(statistics.median(step_seconds), 3),
    "sampling_s": round(statistics.median(sampling_seconds[1:]), 3),
    "sampled_tokens_per_step": sum(completion_lengths) // args.steps,
    "mean_completion_tokens": round(statistics.mean(completion_lengths), 1),
    "peak_rss_gb": peak_rss_gb(),
    "dtype": "autocast" if args.autocast else args.dtype,
    "threads": args.threads,
}
print(json.dumps(result), file=stdout)
