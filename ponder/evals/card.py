"""The card of a checkpoint: README.md in the hub's form, so that a checkpoint can be released as it lies.

The metadata is what huggingface_hub's own parser reads: licence, base model, data sets, and a model-index of scores. A score that is
only an interval (one answer to each of few problems) is in the text and not in the index, which has no place for intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ponder.evals.report_markdown import inline, markdown
from ponder.evals.score_words import interval
from ponder.evals.scores import BenchmarkScore, scores
from ponder.evals.store import Evaluation
from ponder.model.directory import HUB_ID
from ponder.runs.wording import printable

# Behind it nothing is a person's: a card that is made anew replaces what follows.
MARK = "<!-- What follows was written by ponder release. -->"


@dataclass(frozen=True)
class Release:
    """What a card states of a checkpoint.

    license: an identifier of the hub, such as apache-2.0; base_license: of the model that training started from
    base_model: its id on the hub, or what it is in words; None for a model that was born here, or where nobody knows
    data: training sources as people find them, each with its licence: {"openai/gsm8k": "mit"}
    hub_data: those of them that are data sets on the hub, by id
    recipe: the recipe's text, "" where there is none; lineage: of the run (ponder.runs.lineage), {} of none
    note: on the data, in words
    data_files: SHA-256 by name
    curves: name of the picture of the training beside the card, and what it shows in words
    checkpoint: of the run, by its name
    earlier: runs that the run began at, the newest first: {name: recipe's text}
    adapter: whether it is an adapter alone
    """

    name: str
    license: str
    base_model: str | None
    base_license: str | None
    data: dict[str, str]
    hub_data: tuple[str, ...]
    recipe: str
    lineage: dict[str, Any]
    note: str | None = None
    data_files: dict[str, str] = field(default_factory=dict)
    curves: tuple[str, str] | None = None
    checkpoint: str | None = None
    earlier: dict[str, str] = field(default_factory=dict)
    adapter: bool = False


def card(release: Release, evaluations: Sequence[Evaluation] = ()) -> str:
    """README.md as text.

    Raises:
        ValueError: a licence is not stated: that of the checkpoint, of its base model, or of training data.
    """
    _refuse_unstated(release)
    metadata: dict[str, Any] = {
        "license": release.license,
        "library_name": "peft" if release.adapter else "transformers",
        "pipeline_tag": "text-generation",
    }
    if release.lineage:  # else it is somebody else's model
        metadata["tags"] = ["ponder", "reasoning"]
    if release.base_model and HUB_ID.fullmatch(release.base_model):
        metadata["base_model"] = release.base_model.partition("@")[0]
        if release.adapter:
            metadata["base_model_relation"] = "adapter"
    if release.hub_data:
        metadata["datasets"] = list(release.hub_data)
    results = [result for evaluation in evaluations for result in _results(scores(evaluation))]
    if results:
        metadata["model-index"] = [{"name": release.name, "results": results}]
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n# {inline(release.name)}\n\n{sections(release, evaluations)}"


def sections(release: Release, evaluations: Sequence[Evaluation]) -> str:
    """What a card says below its title: where the checkpoint comes from, curves, scores, recipes."""
    parts = [f"{MARK}\n", _provenance(release)]
    if release.curves:
        picture, shown = release.curves
        parts.append(f"## Training\n\n![{inline(shown)}]({picture})\n\n{inline(shown)}.\n")
    if evaluations:
        parts.append("## Scores\n\n" + "\n".join(markdown(evaluation) for evaluation in evaluations))
    if release.recipe:
        parts.append(f"## Recipe\n\n{_fenced(release.recipe)}")
    for name, recipe in release.earlier.items():
        parts.append(f"## Recipe of {inline(name)}, which it began at\n\n{_fenced(recipe)}")
    return "\n".join(parts)


def _refuse_unstated(release: Release) -> None:
    lacking = [] if release.license else [f"the licence of {release.name}"]
    lacking += (
        [f"the licence of its base model {release.base_model}"]
        if release.base_model and not release.base_license
        else []
    )
    lacking += [f"the licence of the training data {source}" for source, licence in release.data.items() if not licence]
    if lacking:
        raise ValueError(
            f"a release must state {'; '.join(lacking)}. Find it where the model or the data is published."
        )


def _results(rows: list[BenchmarkScore]) -> list[dict[str, Any]]:
    """Of the hub's model-index. The interval stands in the metric's name."""
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"type": score.benchmark, "name": printable(score.name)},
            "metrics": [
                {
                    "type": "accuracy",
                    "name": f"{score.avg_name} (95%: {interval(score.avg)})",
                    "value": round(100 * score.avg.value, 2),
                }
            ],
        }
        for score in rows
        if score.avg is not None and not score.thin
    ]


def _provenance(release: Release) -> str:
    lineage = release.lineage
    parent, torch = lineage.get("parent") or {}, lineage.get("torch")
    facts = {
        "Licence": release.license,
        "Checkpoint": release.checkpoint,
        "Trained from": _start(release),
        "Weights of the start": parent.get("fingerprint"),
        "Training data": "; ".join(f"{source} ({licence})" for source, licence in release.data.items()) or None,
        "On the data": release.note,
        "Data files' SHA-256": "; ".join(f"{name} {digest}" for name, digest in release.data_files.items()) or None,
        "Recipe's SHA-256": lineage.get("recipe_sha256"),
        "Seed": lineage.get("seed"),
        "Made by": f"Ponder {lineage['ponder']}" if lineage.get("ponder") else None,
        "Started": lineage.get("started"),
        "Computed with": ", ".join(filter(None, [torch and f"torch {torch}", lineage.get("processor")])) or None,
        "Resumed": "; ".join(_resumption(one) for one in lineage.get("resumed", [])) or None,
    }
    lines = [f"| {name} | {inline(str(value))} |" for name, value in facts.items() if value is not None]
    return "\n".join(["| | |", "| --- | --- |", *lines]) + "\n"


def _resumption(one: dict[str, Any]) -> str:
    """When training went on, where, and with which other settings."""
    changed = [f"{name} {before} -> {now}" for name, (before, now) in one.get("changed", {}).items()]
    return f"{one.get('time')} at {one.get('stage')} {one.get('step')}" + (
        f" ({', '.join(changed)})" if changed else ""
    )


def _start(release: Release) -> str | None:
    """None where nobody knows: there is neither a base nor a run."""
    by_way = f", by way of {', '.join(reversed(release.earlier))}" if release.earlier else ""
    if release.base_model:
        return f"{release.base_model} ({release.base_license}){by_way}"
    return f"new random weights{by_way}" if release.lineage else None


def _fenced(text: str) -> str:
    """A block of code that no text inside can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}yaml\n{printable(text).rstrip()}\n{fence}\n"
