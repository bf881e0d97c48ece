"""A release, in the order of its making: what goes out, what is stated, what is checked, and then written, whole or not at all.

All checks look at a view: a directory of links to just those files that go out, with the card beside them. So what is checked
is what is written, and what is refused has written nothing.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ponder.evals.card import MARK
from ponder.evals.release.adapter import named_as_found
from ponder.evals.release.card_making import make_card, own_card
from ponder.evals.release.checks import Check, outcome
from ponder.evals.release.contents import README, Contents, contents
from ponder.evals.release.hub import check_hub, upload
from ponder.evals.release.loading import check_transformers, compute
from ponder.evals.release.provenance import provenance
from ponder.evals.release.scores_found import evaluations_of
from ponder.evals.release.vllm_check import check_vllm
from ponder.evals.release.wanted import Outcome, Wanted
from ponder.evals.release.writing import GGUF_TYPES, SUMS, finish, write
from ponder.model.directory import ADAPTER_FILE, base_of, tokenizer_directory
from ponder.model.weights import open_checkpoint
from ponder.runs.run import Run
from ponder.runs.summary import build_report

Say = Callable[[str], None]


def release(wanted: Wanted, say: Say) -> Outcome:
    """Checks all, and writes where nothing speaks against it.

    Raises:
        SaveError: the disk is full. OSError: the hub has not taken it. In both cases nothing is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="ponder-release-") as temporary:
        view = Path(temporary) / (wanted.name if wanted.name.strip(".") else "release")
        view.mkdir()
        found = contents(wanted.checkpoint)
        checks = _checks(wanted, found, view, say)
        if any(check.status == "failed" for check in checks):
            return Outcome(tuple(checks), None, {}, found.left)
        if wanted.repo is None:
            files = write(wanted, view, say)
            at = str(wanted.directory)
        else:
            files = finish(wanted, view, view, say)
            say(f"uploading {sum(files.values()):,} bytes")
            at = upload(view, wanted.repo, wanted.private)
    return Outcome((*checks, Check("checksums", "passed", f"{SUMS}, of {len(files) - 1} files")), at, files, found.left)


def _checks(wanted: Wanted, found: Contents, view: Path, say: Say) -> list[Check]:
    """All of them, whatever those before have said. Afterwards the view holds the release, but for checksums and GGUF."""
    whole = f"{len(found.files)} files, {sum(p.stat().st_size for p in found.files.values() if p.is_file()):,} bytes"
    stays = f"; what stays: {', '.join(found.left)}" if found.left else ""
    own = own_card(wanted.checkpoint / README)
    tells = MARK in (own.text or "") or bool(own.metadata.get("datasets"))
    known = provenance(wanted.checkpoint, wanted.stated, own.metadata.get("license"), tells)
    named = [f"{source} ({licence})" for source, licence in known.data.items()]
    data = "; ".join([*named, *filter(None, [wanted.stated.note])]) or ("as its README.md says" if tells else "none")
    evaluations, scores = evaluations_of(
        wanted.checkpoint, wanted.evaluations, known.runs[0].path if known.runs else None
    )
    checks = [
        Check("checkpoint", "passed", _which(wanted.checkpoint, known.runs)),
        _check_target(wanted),
        outcome("files", found.complaints, whole + stays),
        outcome("licence", known.of_license, known.license),
        outcome("training data", known.of_data, data),
    ]
    if known.base or known.of_base:
        checks.append(outcome("base model", known.of_base, f"{known.base} ({known.base_license})"))
    if not found.complaints:
        alone = ADAPTER_FILE in found.files
        _lay(found, view, known.base if alone else known.under_adapters)
    checks += [scores, make_card(wanted, view, known, evaluations, own)]
    if found.complaints:
        return [*checks, Check("transformers", "not checked", "the files come first")]
    checks += _loading_checks(wanted, view, say)
    return [*checks, _check_gguf(wanted, view)] if wanted.gguf else checks


def _which(checkpoint: Path, runs: Sequence[Run]) -> str:
    """The checkpoint that goes out, and the run's best where that is another."""
    best = build_report(runs[0])["best"] if runs else None
    if best is None or Path(best["checkpoint"]).name == checkpoint.resolve().name:
        return str(checkpoint)
    return (
        f"{checkpoint}; the best of those kept is {best['checkpoint']} (held-out {best['measure']} {best['value']:.3f}), which "
        "is released when it is named"
    )


def _check_target(wanted: Wanted) -> Check:
    if wanted.repo is not None:
        return check_hub(wanted.repo)
    to = wanted.directory
    if to.exists() and not to.is_dir():
        return Check("target", "failed", f"{to} is a file: give --to a directory that is not there yet")
    held = sorted(path.name for path in to.iterdir()) if to.is_dir() else []
    if held:
        return Check("target", "failed", f"{to} is there and holds {held[0]}: give another --to, or empty it first")
    return Check("target", "passed", str(to))


def _lay(found: Contents, view: Path, under: str | None) -> None:
    """Links to the files; an adapter's config names its base as others find it. The card is made by itself."""
    for name, path in found.files.items():
        place = view / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.name == ADAPTER_FILE:
            place.write_text(named_as_found(path, under), encoding="utf-8")
        elif name != README:
            place.symlink_to(path.resolve())


def _loading_checks(wanted: Wanted, view: Path, say: Say) -> list[Check]:
    checkpoint, base = wanted.checkpoint, base_of(wanted.checkpoint)
    say("loading the model here and in transformers")
    try:
        if base is None:
            open_checkpoint(view)
        ours = compute(checkpoint if base else view, tokenizer_directory(checkpoint) if base else view)
    except ValueError as error:
        later = [Check(name, "not checked", "that Ponder loads it comes first") for name in ("transformers", "vLLM")]
        return [Check("Ponder", "failed", str(error).replace(str(view), str(checkpoint))), *later]
    checks = check_transformers(view, ours, base)
    if any(check.status == "failed" for check in checks):
        return [*checks, Check("vLLM", "not checked", "transformers comes first")]
    return [*checks, check_vllm(view, ours, wanted.vllm_python, base is not None, say)]


def _check_gguf(wanted: Wanted, view: Path) -> Check:
    from ponder.model.gguf.exporting import plan_export

    assert wanted.gguf is not None
    try:
        remarks = plan_export(view).remarks(GGUF_TYPES[wanted.gguf])
    except ValueError as error:
        return Check("GGUF", "failed", str(error).replace(str(view), str(wanted.checkpoint)))
    return Check("GGUF", "passed", "; ".join([wanted.gguf_name, *remarks]))
