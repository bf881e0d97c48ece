"""The README.md of a release: made of what is known, or a person's own with that behind it; and read by the hub's own parser."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ponder.evals.card import MARK, Release, card, sections
from ponder.evals.release.checks import Check, one_line, outcome
from ponder.evals.release.contents import README
from ponder.evals.release.licences import LICENCES
from ponder.evals.release.provenance import Provenance, without_homes
from ponder.evals.release.wanted import Wanted
from ponder.evals.store import Evaluation
from ponder.model.directory import ADAPTER_FILE, HUB_ID
from ponder.runs.run import Run

CURVES = "curves.png"
MOST_CARD = 4 * 2**20  # bytes; what is larger, the hub shows nobody
_DATA_SET = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


@dataclass(frozen=True)
class OwnCard:
    """The checkpoint's own README.md: its text, None where there is none; its metadata; and why it cannot be read."""

    text: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unreadable: str | None = None


def own_card(path: Path) -> OwnCard:
    try:
        text = path.read_text(encoding="utf-8")
        return OwnCard(text, _metadata(text, path))
    except FileNotFoundError:
        return OwnCard()
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        return OwnCard(unreadable=str(error))


def make_card(wanted: Wanted, view: Path, known: Provenance, evaluations: Sequence[Evaluation], own: OwnCard) -> Check:
    """Writes README.md and the picture of the curves into the view, where all is stated; and has it read."""
    if own.unreadable:
        return Check("card", "failed", own.unreadable)
    if known.of_license or known.of_data or known.of_base:
        return Check("card", "not checked", "it is made when licences and data are stated")
    run = known.runs[0] if known.runs else None
    about = Release(
        name=wanted.name,
        license=known.license,
        base_model=known.base,
        base_license=known.base_license,
        data=known.data,
        hub_data=known.hub_data,
        recipe=run.recipe_text if run else "",
        lineage=run.lineage if run else {},
        note=wanted.stated.note,
        data_files=known.data_files,
        curves=_curves(run, view) if run else None,
        checkpoint=wanted.checkpoint.resolve().name if run else None,
        earlier={earlier.name: earlier.recipe_text for earlier in known.runs[1:]},
        adapter=(wanted.checkpoint / ADAPTER_FILE).is_file(),
    )
    (view / README).write_text(_text(about, evaluations, own.text, run is not None), encoding="utf-8")
    return _check(view / README, own.text is not None)


def _curves(run: Run, view: Path) -> tuple[str, str] | None:
    """The picture of the run's training, laid into the view, and what it says; None of a run that has not begun."""
    from ponder.runs.curves import draw_curves
    from ponder.runs.summary import build_report, headline

    report = build_report(run)
    if not report["stages"]:
        return None
    (view / CURVES).write_bytes(draw_curves(run, report))
    return CURVES, headline(report)


def _text(release: Release, evaluations: Sequence[Evaluation], own: str | None, from_run: bool) -> str:
    """What a person wrote in a README.md of the checkpoint stays, and what is known is set behind it. Without a run to tell of,
    what an earlier release has told stays, too."""
    if own is None:
        return without_homes(card(release, evaluations))
    if MARK in own and not from_run:
        return own
    written = own.partition(MARK)[0].rstrip()
    return f"{written}\n\n{without_homes(sections(release, evaluations))}"


def _metadata(text: str, where: Path) -> dict[str, Any]:
    """The metadata of a card, by huggingface_hub's own parser.

    Raises:
        ValueError: it does not read it.
    """
    from huggingface_hub import ModelCard
    from huggingface_hub.utils import logging

    if len(text) > MOST_CARD:
        raise ValueError(f"{where} is larger than {MOST_CARD >> 20} MiB")
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # that there is no metadata is said here
    try:
        return ModelCard(text).data.to_dict()
    except Exception as error:  # of YAML and of the parser, each its own
        raise ValueError(
            f"{where} is not read by huggingface_hub's parser ({one_line(error)}): it must begin with a block of YAML between "
            "two lines of ---, such as license: apache-2.0"
        ) from None
    finally:
        logging.set_verbosity(level)


def _check(path: Path, own: bool) -> Check:
    """The file as it goes out: parsed, and held to what the hub asks of the fields."""
    from huggingface_hub import ModelCard

    try:
        data = _metadata(path.read_text(encoding="utf-8"), path)
        ModelCard.load(path)
    except ValueError as error:
        return Check("card", "failed", str(error))
    complaints = list(_complaints(data))
    results = sum(len(model.get("results", [])) for model in data.get("model-index", []))
    whose = "the checkpoint's own README.md" if own else "README.md made from what is known"
    return outcome("card", complaints, f"{whose}, read by huggingface_hub's parser; {results} scores in its index")


def _complaints(data: Mapping[str, Any]) -> Iterator[str]:
    """What the hub would refuse, as far as it can be known without it."""
    licence = data.get("license")
    if licence == "other":
        if not data.get("license_name") or not data.get("license_link"):
            yield "license: other needs license_name and license_link beside it in README.md"
    elif licence not in LICENCES:
        yield f"README.md says license: {licence}, which is none of the hub's: write one such as apache-2.0 at its head"
    for base in _listed(data.get("base_model")):
        if not isinstance(base, str) or not HUB_ID.fullmatch(base) or "@" in base:
            yield f"base_model must be an id of the hub, OWNER/NAME, not {base!r}"
    for name in _listed(data.get("datasets")):
        if not isinstance(name, str) or not _DATA_SET.fullmatch(name):
            yield f"datasets must be ids of the hub, OWNER/NAME, not {name!r}"
    if not all(isinstance(tag, str) for tag in _listed(data.get("tags"))):
        yield "tags must be a list of words"


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
