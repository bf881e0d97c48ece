"""Models of the Hugging Face hub, fetched into the hub's own cache: what a decoder needs and nothing else, so no pickles and
no code. The cache serves them from then on, with or without a network.
"""

import errno
import json
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ponder.model.directory import HUB_ID, INDEX_FILE, SINGLE_FILE, why_no_model

SMALL_FILES = (
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    INDEX_FILE,
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
_SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# How the cache lays a model out.
_SNAPSHOT = re.compile(r"/models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)/snapshots/(?P<commit>[0-9a-f]{40})$", re.ASCII)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class HubId:
    """`repo` as in "Qwen/Qwen3-8B"; `revision`: a branch, a tag or a commit, None for the newest."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def hub_id(given: str | Path) -> HubId | None:
    """The id of the hub that is meant, None where it is a path: it has another form, something is there, or (without an
    @revision) the directory that it would lie in is there."""
    match = HUB_ID.fullmatch(str(given))
    if match is None or Path(given).exists() or (match["revision"] is None and Path(given).parent.is_dir()):
        return None
    return HubId(match["repo"], match["revision"])


def hub_id_of_cached(directory: Path) -> HubId | None:
    """Which model of the hub a directory of its cache holds, with the commit; None where it is no such directory."""
    match = _SNAPSHOT.search(directory.as_posix())
    return match and HubId(f"{match['owner']}/{match['name']}", match["commit"])


def fetch(wanted: HubId, weights: bool = True) -> Path:
    """The directory of a model in the hub's cache, whose name is the commit; what the cache lacks of it is fetched, with
    progress on standard error.

    Args:
        weights: without them config, tokenizer, template and generation config come alone
    Raises:
        ValueError: there is no such model or revision, it is gated, or it is no whole model in safetensors.
        OSError: the hub cannot be reached and the cache lacks it, a file arrived cut, or the disk is full.
    """
    from huggingface_hub import snapshot_download

    directory = _small_files(wanted)
    found = HubId(wanted.repo, directory.name)
    sizes = _sizes(found)
    _refuse_other_forms(wanted, directory, sizes)
    _refuse_half(found, directory, [name for name in SMALL_FILES if name in sizes], sizes)
    if weights:
        files = _weight_files(wanted, directory, sizes)
        lacking = [name for name in files if not (directory / name).is_file()]
        if lacking:
            _refuse_full_disk(wanted, directory, sum(sizes.get(name, 0) for name in lacking))
            with _told(found, lacking):
                snapshot_download(found.repo, revision=found.revision, allow_patterns=lacking)
        _refuse_half(found, directory, files, sizes)
    return directory


def _small_files(wanted: HubId) -> Path:
    """The directory of the model's commit in the cache, with all but its weights; it is not there where there are none.
    Without a word: it takes a moment, and what they lack is said here."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import logging, tqdm

    class Silent(tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options | {"disable": True})

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with _told(wanted, ()):
            patterns = list(SMALL_FILES)
            return Path(
                snapshot_download(wanted.repo, revision=wanted.revision, allow_patterns=patterns, tqdm_class=Silent)
            )
    finally:
        logging.set_verbosity(level)


@contextmanager
def _told(wanted: HubId, lacking: Sequence[str]) -> Iterator[None]:
    """What goes wrong with the hub, in one sentence with the remedy. `lacking`: what the cache lacks, where it has the rest."""
    from huggingface_hub import constants, errors

    host = constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError:
        raise ValueError(
            f"{wanted.repo} is gated: accept its terms at {host}/{wanted.repo}, then log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"there is no directory {wanted}, and no model {wanted.repo} on {host}: check the spelling, or, for one that "
            "is private, log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise ValueError(
            f"{wanted.repo} has no revision {wanted.revision!r}: its branches, tags and commits are listed at "
            f"{host}/{wanted.repo}/commits/main; without @{wanted.revision} its newest is taken"
        ) from None
    except errors.HFValidationError as error:
        raise ValueError(f"{wanted} is no id of the hub, which are ORGANISATION/NAME: {_line(error)}") from None
    except errors.LocalEntryNotFoundError as error:
        raise ConnectionError(_why_not_reached(wanted, host, error, lacking)) from None
    except (errors.HTTPError, OSError) as error:
        if getattr(error, "errno", None) in _FULL:
            raise OSError(
                f"{wanted} could not be fetched, since the disk of {constants.HF_HUB_CACHE} is full: make room, or let "
                "HF_HOME name a directory elsewhere, and ask again; the files that have arrived whole stay"
            ) from None
        raise ConnectionError(
            f"{wanted} could not be fetched whole from {host} ({_line(error)}): ask again; the files that have arrived "
            "whole stay"
        ) from None


def _why_not_reached(wanted: HubId, host: str, error: Exception, lacking: Sequence[str]) -> str:
    from huggingface_hub import constants, errors

    if constants.is_offline_mode():
        why, remedy = "HF_HUB_OFFLINE forbids to fetch it", "unset that once"
    else:
        why, remedy = f"{host} cannot be reached ({_line(error.__cause__ or error)})", "try again when it can"
    has = "is not in this machine's cache"
    if lacking or isinstance(error, errors.IncompleteSnapshotError):
        has = f"is in this machine's cache without {', '.join(lacking[:3]) or 'all of its files'}"
        has += f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return f"{wanted} {has} ({constants.HF_HUB_CACHE}), and {why}: {remedy}, or give the directory of a model"


def _sizes(found: HubId) -> dict[str, int]:
    """Bytes by name of all files of a commit, as the cache noted them; {} where it has no note of that commit."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return {file.path: file.size for file in get_cached_repo_tree(found.repo, revision=found.revision)}
    except CachedRepoTreeNotFoundError:
        return {}


def _refuse_other_forms(wanted: HubId, directory: Path, sizes: Mapping[str, int]) -> None:
    why = why_no_model(directory) if directory.is_dir() else f"{directory} is not a model: it has no config.json"
    if why is None:
        return
    if ggufs := sorted(shlex.quote(_line(name)) for name in sizes if name.lower().endswith(".gguf")):
        why = (
            f"{wanted} holds GGUF files and no config.json; better take the original model, or fetch one of them "
            f"(hf download {wanted.repo} {ggufs[0]} --local-dir .) and import it: ponder model import {ggufs[0]} --to DIR"
        )
    raise ValueError(why.replace(str(directory), str(wanted)))


def _weight_files(wanted: HubId, directory: Path, sizes: Mapping[str, int]) -> list[str]:
    """Names of the files that hold the weights; all are of the hub's directory itself, and safetensors."""
    files = [SINGLE_FILE]
    if (directory / INDEX_FILE).is_file():
        try:
            files = sorted(set(json.loads((directory / INDEX_FILE).read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{INDEX_FILE} of {wanted} is damaged: it must hold a JSON object with a 'weight_map'"
            ) from None
        if wrong := [name for name in files if not (isinstance(name, str) and _SHARD.fullmatch(name))]:
            raise ValueError(f"{INDEX_FILE} of {wanted} names {wrong[0]!r}, which is no safetensors file beside it")
    if not sizes or not (absent := [name for name in files if name not in sizes]):
        return files
    if files != [SINGLE_FILE]:
        raise ValueError(
            f"{wanted} lacks {absent[0]}, which its {INDEX_FILE} names ({len(absent)} of {len(files)} shards): "
            "whoever uploaded it has not done so whole; take another revision"
        )
    if pickles := sorted((name for name in sizes if name.endswith(_PICKLES)), key=lambda name: ("/" in name, name)):
        raise ValueError(
            f"{wanted} holds pickled weights ({_line(pickles[0])}) and no safetensors; reading a pickle can run code: take a "
            f"revision or a copy with safetensors (the hub's own conversion is often at {wanted.repo}@refs/pr/1)"
        )
    raise ValueError(f"{wanted} has no weights: neither {SINGLE_FILE} nor {INDEX_FILE}; give another model")


def _refuse_full_disk(wanted: HubId, directory: Path, need: int) -> None:
    free = shutil.disk_usage(directory).free
    if need > free:
        raise OSError(
            f"{wanted} takes {need / 1e9:.1f} GB more, and the disk of {directory.parents[2]} has {free / 1e9:.1f} GB free: "
            "make room, or let HF_HOME name a directory elsewhere"
        )


def _refuse_half(found: HubId, directory: Path, files: Iterable[str], sizes: Mapping[str, int]) -> None:
    """Files in the cache that another program, or a crash, has cut or lost."""
    for name in files:
        path = directory / name
        has = path.stat().st_size if path.is_file() else None
        if has is None or (name in sizes and has != sizes[name]):
            state = "missing" if has is None else f"cut ({has:,} of {sizes[name]:,} bytes)"
            raise ValueError(
                f"{found} is half in this machine's cache: {name} is {state}; fetch that file again: "
                f"hf download {found.repo} {name} --revision {found.revision} --force-download"
            )


def _line(said: object) -> str:
    """What an error or a name of the hub's says: on one line, not without end, and nothing that steers a terminal."""
    words = " ".join(str(said).partition("\nFor more information")[0].split())
    text = "".join(letter for letter in words if letter.isprintable()) or type(said).__name__
    return text if len(text) <= 200 else text[:200] + "..."
