"""A reward model on preference pairs, such as LLMBar's: accuracy by file and category, calibration, and what length has to do with it.

    python benchmarks/reward_model_pairs.py MODEL FILE [FILE ...]
    python benchmarks/reward_model_pairs.py runs/reward_model/checkpoints/taste-000060/reward_model ../shared/data/preference/llmbar_*.json

MODEL is the directory of a reward model: one that a stage of kind reward_model has made, or a public one
(Qwen2ForSequenceClassification and the like). The files hold pairs in any form of docs/reward_models.md. Beside it stands the rule that
the longer answer is the better one, and 50% is chance. Rows that are no usable pair, or longer than the model's context, are counted and
said, and are in no figure.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from headline import headline
from rich.console import Console
from rich.table import Table

from ponder.evals.preferences import JudgedPair, accuracy, judge_pairs, summary
from ponder.runs.preferences import sentences
from ponder.runs.wording import percent, span
from ponder.tasks.faults import listed_faults
from ponder.tasks.files import find_files, read_file
from ponder.tasks.preferences import Pair, read_pairs
from ponder.verifiers.reward_model.model import RewardModel


def read(model: RewardModel, files: list[Path]) -> tuple[list[Pair], list[str]]:
    """The pairs that can be judged, and what is wrong with the others."""
    pairs, faults = [], []
    for file in files:
        found = read_pairs(read_file(file), category=file.stem)
        faults += found.faults
        for pair in found.pairs:
            try:
                for answer in (pair.chosen, pair.rejected):
                    model.ids([*pair.messages, answer], pair.tools)
                pairs.append(pair)
            except ValueError as error:
                faults.append(f"{pair.place}: {error}")
    return pairs, faults


def by_length(pair: JudgedPair) -> JudgedPair:
    """As the rule would judge it that the longer answer is the better one."""
    return replace(pair, chosen=float(pair.chosen_tokens), rejected=float(pair.rejected_tokens))


def shown(pairs: list[JudgedPair]) -> list[str]:
    found = accuracy(pairs)
    return [f"{percent(found['accuracy'])} ({span(found['interval'])})", f"{found['pairs']:,}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="the directory of a reward model")
    parser.add_argument("files", nargs="+", help="of preference pairs")
    arguments = parser.parse_args()
    console = Console()
    console.print(headline(), highlight=False)
    model = RewardModel.load(arguments.model, "float32")
    pairs, faults = read(model, find_files(arguments.files))
    if faults:
        console.print(listed_faults(faults, "rows are left out"), highlight=False, markup=False, soft_wrap=True)
    if not pairs:
        raise SystemExit("there are no pairs to judge")
    judged = judge_pairs(model, pairs)
    table = Table("pairs", "reward model (95%)", "the longer one", "how many")
    for name in ["all", *dict.fromkeys(pair.category for pair in judged)]:
        own = [pair for pair in judged if name in ("all", pair.category)]
        table.add_row(
            name, shown(own)[0], percent(accuracy([by_length(pair) for pair in own])["accuracy"]), shown(own)[1]
        )
    console.print(table)
    for line in sentences({"parts": {"all": summary(judged)}}):
        console.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
