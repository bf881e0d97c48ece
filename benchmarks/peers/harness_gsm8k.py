"""GSM8K by lm-evaluation-harness: its hf backend on a checkpoint, or its chat client against a server.

Prints one JSON line on stdout: its two scores, seconds, and the answers in the order of the file. The task is its own gsm8k with
other data, prompt and budget: zero-shot through the chat template, greedy, until the model ends; filters (strict-match,
flexible-extract) and metric are its own. `seconds` holds asking and scoring, not the import and the loading of the model.
"""

import argparse
import json
import time
from pathlib import Path

import lm_eval
import torch
import yaml
from lm_eval.api.registry import get_model
from result import claim_stdout, cpu_seconds

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path, required=True, help="JSON lines with question and answer")
parser.add_argument("--prompt", required=True, help="the user's words, with {question}")
parser.add_argument("--model", help="directory in Hugging Face form, for the hf backend")
parser.add_argument("--url", help="a server's address up to /v1, for the chat client")
parser.add_argument("--name", help="the server's name for the model")
parser.add_argument("--max-tokens", type=int, required=True)
parser.add_argument("--batch", type=int, default=1, help="with hf: rows at a time; with a server: requests at a time")
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

stdout = claim_stdout()
torch.set_num_threads(args.threads)
task = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k.yaml").read_text())
for name in ("dataset_name", "training_split", "fewshot_split", "tag"):
    del task[name]
task |= {
    "task": "gsm8k_given",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": str(args.data)}},
    "doc_to_text": args.prompt.replace("{question}", "{{question}}"),
    "num_fewshot": 0,
    "generation_kwargs": {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": args.max_tokens},
}
if args.url:  # a field of Ponder's server: what repeats itself is sampled to the end, as by the hf backend
    task["generation_kwargs"]["end_loops"] = False
    model = get_model("local-chat-completions")(
        model=args.name,
        base_url=f"{args.url}/chat/completions",
        num_concurrent=args.batch,
        tokenized_requests=False,
        timeout=3600,
    )
else:
    model = get_model("hf")(pretrained=args.model, dtype=args.dtype, device="cpu", batch_size=args.batch)

start, used = time.perf_counter(), cpu_seconds()
found = lm_eval.simple_evaluate(
    model, tasks=[task], apply_chat_template=True, log_samples=True, bootstrap_iters=0, cache_requests=False
)
result = {"peer": "lm-evaluation-harness", "version": lm_eval.__version__, "batch": args.batch}
result |= {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - used}
result |= {name: value for name, value in found["results"]["gsm8k_given"].items() if name.startswith("exact_match,")}
strict = [sample for sample in found["samples"]["gsm8k_given"] if sample["filter"] == "strict-match"]
flexible = [sample for sample in found["samples"]["gsm8k_given"] if sample["filter"] == "flexible-extract"]
result["answers"] = [
    {"text": one["resps"][0][0], "strict": one["exact_match"], "flexible": other["exact_match"]}
    for one, other in zip(*(sorted(part, key=lambda s: s["doc_id"]) for part in (strict, flexible)), strict=True)
]
print(json.dumps(result), file=stdout)
