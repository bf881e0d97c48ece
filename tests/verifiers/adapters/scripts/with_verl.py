"""verl's reward managers and its Ray reward workers, scoring a batch with our compute_score. Prints one line of JSON.

Run by an interpreter that has verl and what Ponder needs. Everything is made here: no model or data set is loaded.
"""

import json
import sys
import tempfile
from importlib.metadata import version

import numpy as np
import ray
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.experimental.reward_loop.reward_loop import RewardLoopManager
from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager
from verl.workers.reward_manager.naive import NaiveRewardManager

# (data source, response, ground truth, extra_info); the second needs a worker process, the last has no usable reference.
ROWS = [
    ("sums", "so \\boxed{4}", "4", {}),
    ("sums", "\\boxed{\\frac{1}{2}}", "\\int_0^1 x\\,dx", {}),
    ("sums", "\\boxed{5}", "4", {}),
    ("sums", "no idea", "4", {}),
    ("rules", "no capitals here", '{"max_words": 5}', {}),
    ("broken", "\\boxed{4}", "", {}),
]
VERIFIERS = {"sums": "math", "rules": "length", "broken": "math"}


def main() -> None:
    report: dict = {"verl": version("verl"), "torch": version("torch"), "ray": version("ray")}
    with tempfile.TemporaryDirectory() as directory:
        tokenizer = tiny_tokenizer()
        tokenizer.save_pretrained(directory)

        report["naive"] = run_each(load_reward_manager(config_of(directory, "raise"), tokenizer))
        report["naive_zero"] = run_each(load_reward_manager(config_of(directory, "zero"), tokenizer))

        compute_score = get_custom_reward_fn(config_of(directory, "raise"))
        old = NaiveRewardManager(tokenizer, num_examine=0, compute_score=compute_score)(
            batch(tokenizer, ROWS[:5]), True
        )
        report["old_naive"] = old["reward_tensor"].sum(dim=1).tolist()

        # Processors only in name: the actors of the remote manager wait for one each.
        ray.init(num_cpus=8, include_dashboard=False)
        for name in ("naive", "remote"):
            report[f"ray_{name}"] = run_workers(config_of(directory, "zero", name), tokenizer)
        ray.shutdown()
    sys.stdout.write(json.dumps(report) + "\n")


def run_each(manager) -> list:
    """Scores and statuses, or the exception's name, of each row by itself, as verl's agent loop asks for them."""
    results = []
    for row in ROWS:
        try:
            result = manager.loop.run_until_complete(manager.run_single(batch(manager.tokenizer, [row])))
            results.append([result["reward_score"], result["reward_extra_info"]["status"]])
        except Exception as error:
            results.append(type(error).__name__)
    return results


def run_workers(config, tokenizer) -> dict:
    """What the Ray workers make of the whole batch; they are ended afterwards."""
    manager = RewardLoopManager(config)
    result = manager.compute_rm_score(batch(tokenizer, ROWS))
    for worker in manager.reward_loop_workers:
        ray.kill(worker)
    return {
        "scores": result.batch["rm_scores"].sum(dim=1).tolist(),
        "status": result.non_tensor_batch["status"].tolist(),
        "acc": result.non_tensor_batch["acc"].tolist(),
    }


def config_of(directory: str, on_error: str, manager: str = "naive"):
    """The part of verl's configuration that the reward reads."""
    model = {"tokenizer_path": directory, "path": directory}
    function = {
        "path": "pkg://ponder.verifiers.adapters.verl",
        "name": "compute_score",
        "reward_kwargs": {"verifier": VERIFIERS, "on_error": on_error},
    }
    reward = {
        "num_workers": 2,
        "custom_reward_function": function,
        "reward_manager": {"source": "register", "name": manager},
        "reward_model": {"enable": False},
        "sandbox_fusion": None,
    }
    return OmegaConf.create({"reward": reward, "actor_rollout_ref": {"model": model}})


def batch(tokenizer, rows: list) -> DataProto:
    """Rows as verl holds them after the rollout: right-padded responses, the rest as arrays of objects."""
    ids = [tokenizer(row[1])["input_ids"] for row in rows]
    responses = torch.zeros(len(rows), max(map(len, ids)), dtype=torch.long)
    for i, row in enumerate(ids):
        responses[i, : len(row)] = torch.tensor(row)
    prompts = torch.ones(len(rows), 2, dtype=torch.long)
    mask = torch.cat([torch.ones_like(prompts), (responses != 0).long()], dim=1)
    objects = {
        "data_source": [row[0] for row in rows],
        "reward_model": [{"ground_truth": row[2]} for row in rows],
        "extra_info": [dict(row[3]) for row in rows],
    }
    return DataProto.from_dict(
        tensors={"prompts": prompts, "responses": responses, "attention_mask": mask},
        non_tensors={name: np.array(values, dtype=object) for name, values in objects.items()},
    )


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    words = ["<pad>", "<unk>", *sorted({word for row in ROWS for word in row[1].split()})]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


if __name__ == "__main__":
    main()
