"""Two steps of TRL's GRPOTrainer on a tiny random model, rewarded by the math verifier. Prints one line of JSON.

Run by an interpreter that has trl and what Ponder needs. Everything is made here: no model or data set is loaded.
"""

import json
import logging
import math
import pickle
import sys
import tempfile
from importlib.metadata import version

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from ponder.verifiers.adapters.trl import reward_function

# Half of the words are answers, so a random model is sometimes right. The last task's reference is unusable.
WORDS = ["<pad>", "<eos>", "Add", "?", *(f"\\boxed{{{n}}}" for n in range(3)), "\\boxed{\\frac{4}{2}}", "so", "hence"]
REFERENCES = ["0", "1", "2", ""]
CHAT = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


def main() -> None:
    logging.getLogger("ponder").setLevel(logging.ERROR)
    report = {"trl": version("trl"), "torch": version("torch")}
    for form in ("text", "messages"):
        report[form] = train(form)
    sys.stdout.write(json.dumps(report) + "\n")


def train(form: str) -> dict:
    """What the trainer saw and logged in two steps."""
    tokenizer = tiny_tokenizer()
    reward = pickle.loads(pickle.dumps(reward_function("math", reference="solution", eos_token_ids=[1])))
    seen = []

    class Recorded:
        __name__ = reward.__name__

        def __call__(self, completions, solution, **columns):
            rewards = reward(completions=completions, solution=solution, **columns)
            seen.extend(zip(solution, completions, columns["completion_ids"], rewards, strict=True))
            return rewards

    prompt = "Add ?" if form == "text" else [{"role": "user", "content": "Add ?"}]
    rows = [{"prompt": prompt, "solution": reference} for reference in REFERENCES]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        trainer = GRPOTrainer(
            model=tiny_model(),
            reward_funcs=[Recorded()],
            args=GRPOConfig(
                output_dir=directory,
                max_steps=2,
                per_device_train_batch_size=64,
                num_generations=16,
                max_completion_length=6,
                logging_steps=1,
                learning_rate=1e-2,
                report_to=[],
                use_cpu=True,
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        before = [p.detach().clone() for p in trainer.model.parameters()]
        trainer.train()
        moved = sum(float((a - b).abs().sum()) for a, b in zip(before, trainer.model.parameters(), strict=True))
    logs = [row for row in trainer.state.log_history if "reward" in row]
    given = [r for _, _, _, r in seen if r is not None]
    return {
        "steps": trainer.state.global_step,
        "rewards": len(seen),
        "correct": given.count(1.0),
        "zero": given.count(0.0),
        "none": len(seen) - len(given),
        "references_of_none": sorted({reference for reference, _, _, r in seen if r is None}),
        "cut_off_scored_zero": all(r in (0.0, None) for _, _, ids, r in seen if ids[-1] != 1),
        "cut_off": sum(ids[-1] != 1 for _, _, ids, _ in seen),
        "logged_mean": [round(row["rewards/math/mean"], 4) for row in logs],
        "logged_no_verdict": [row["rewards/math/no_verdict"] for row in logs],
        "losses_finite": all(math.isfinite(row["loss"]) for row in logs),
        "weights_moved": math.isfinite(moved) and moved > 0,
    }


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = CHAT
    return tokenizer


def tiny_model() -> LlamaForCausalLM:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), pad_token_id=0, eos_token_id=1, **sizes))


if __name__ == "__main__":
    main()
