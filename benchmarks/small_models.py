"""The two small real models on seven benchmarks, greedy, as `ponder eval` asks them; prints the tables of docs/evals.md.

    python benchmarks/small_models.py DIR [DIR ...] --data DATA --to evals

DIR is SmolLM2-135M-Instruct or Qwen2.5-Coder-0.5B-Instruct (benchmarks/real_models.py brings them). Answers are kept in the
directory of --to, so that a second run goes on where the first one was stopped. Nothing here is measured in seconds: other work may run.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

# (benchmark, problems: None is all, longest answer): as much as two cores do in about an hour a model.
PLAN: dict[str, list[tuple[str, int | None, int]]] = {
    "SmolLM2-135M-Instruct": [
        ("gsm8k", None, 256),
        ("math500", 100, 512),
        ("humaneval", None, 512),
        ("mbpp", None, 512),
        ("ifeval", 100, 1024),
        ("bfcl", 100, 512),
        ("mmlu_stem", 100, 256),
    ],
    "Qwen2.5-Coder-0.5B-Instruct": [
        ("gsm8k", 100, 256),
        ("math500", 50, 512),
        ("humaneval", None, 512),
        ("mbpp", 100, 512),
        ("ifeval", 50, 1024),
        ("bfcl", 100, 512),
        ("mmlu_stem", 100, 256),
    ],
}


def asked(model: Path, bench: str, rows: int | None, tokens: int, data: Path, to: Path) -> dict | str:
    """The scores of one benchmark, or why it was refused."""
    command = [sys.executable, "-m", "ponder.cli.main", "eval", str(model), "--bench", bench, "--protocol", "greedy"]
    command += ["--max-tokens", str(tokens), "--data", str(data), "--to", str(to), "--json"]
    done = subprocess.run(
        [*command, *(() if rows is None else ("--rows", str(rows)))],
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)["scores"][0] if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def line(bench: str, score: dict | str) -> str:
    if isinstance(score, str):
        return f"| {bench} | - | refused: {score.removeprefix('ponder: ')} | | |"
    value, asked_of = score["avg"], score["asked"]
    cut_off = score["kinds"]["truncated"] / max(1, score["tokens"]["answers"])
    most = asked_of["protocol"]["sampling"]["max_tokens"]
    most = asked_of["changed"].get("max_tokens", [most, most])[1]
    shown = f"{100 * value['low']:.1f} to {100 * value['high']:.1f}"
    if not score["thin"]:
        shown = f"{100 * value['value']:.1f} ({shown})"
    if score["prompts_loose"]:
        shown += f"; loose {100 * score['prompts_loose']['value']:.1f}" if not score["thin"] else ""
    problems = f"{score['problems']:,} of {asked_of['rows_in_data']:,}"
    return f"| {bench} | {problems} | {shown} | {cut_off:.0%} of {most} | {score['tokens']['mean']:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("evals"))
    arguments = parser.parse_args()
    for model in arguments.models:
        if model.name not in PLAN:
            raise SystemExit(f"{model.name} has no plan here; there are {', '.join(PLAN)}")
    for model in arguments.models:
        dtype = json.loads((model / "config.json").read_text())
        print(f"\n{model.name}, {dtype.get('dtype') or dtype.get('torch_dtype')}, {date.today()}\n")
        print("| benchmark | problems | pass@1, % (95%) | cut off, of most tokens | tokens an answer |")
        print("| --- | --- | --- | --- | --- |")
        for bench, rows, tokens in PLAN[model.name]:
            to = arguments.to / f"{model.name}-{bench}"
            print(line(bench, asked(model, bench, rows, tokens, arguments.data, to)), flush=True)


if __name__ == "__main__":
    main()
