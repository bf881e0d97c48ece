"""To the Hugging Face hub, by its own library and the login that this has; one commit, so whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ponder.evals.release.checks import Check, one_line
from ponder.evals.release.contents import README

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"
# A repository that holds nothing else is new.
OF_ITS_OWN = (".gitattributes",)


def check_hub(repo: str) -> Check:
    """Whether somebody is logged in, and the repository is not there yet, or empty."""
    from huggingface_hub import HfApi, constants, errors, get_token

    if constants.is_offline_mode():
        return Check("hub", "failed", "HF_HUB_OFFLINE forbids to reach the hub: unset it, or give a directory to --to")
    if not get_token():
        return Check("hub", "failed", f"nobody is logged in to {constants.ENDPOINT}: {LOG_IN}")
    api = HfApi()
    try:
        with _told(repo):
            who = api.whoami()["name"]
            try:
                held = [name for name in api.list_repo_files(repo) if name not in OF_ITS_OWN]
            except errors.RepositoryNotFoundError:
                return Check("hub", "passed", f"logged in as {who}; {repo} is new")
    except (ValueError, OSError) as error:
        return Check("hub", "failed", str(error))
    if held:
        return Check(
            "hub",
            "failed",
            f"{constants.ENDPOINT}/{repo} is there and holds {one_line(held[0], 80)} ({len(held)} files), and files of two "
            "models must not lie together: name another repository, or empty that one first",
        )
    return Check("hub", "passed", f"logged in as {who}; {repo} is there, and empty")


def upload(directory: Path, repo: str, private: bool) -> str:
    """The address of the repository that holds the directory's files now.

    Raises:
        ValueError: the hub's own validation refuses the card. OSError: the hub did not take it. Nothing of it is there.
    """
    from huggingface_hub import HfApi, ModelCard, constants

    api = HfApi()
    with _told(repo):
        try:
            ModelCard.load(directory / README).validate()
        except ValueError as error:
            raise ValueError(
                f"{constants.ENDPOINT} refuses the card: {one_line(error)}; nothing was uploaded"
            ) from None
        api.create_repo(repo, private=private or None, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=directory, commit_message="A release by Ponder")
    return f"{constants.ENDPOINT}/{repo}"


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """What goes wrong with the hub, in one sentence with the remedy. That a repository is not there goes on."""
    from huggingface_hub import constants, errors

    host = constants.ENDPOINT
    try:
        yield
    except errors.RepositoryNotFoundError as error:
        raise OSError(
            f"{host} knows no {repo} that this login may write to: {LOG_IN} ({one_line(error, 160)})"
        ) from None
    except errors.HFValidationError as error:
        raise ValueError(f"{repo} is no id of the hub, which are OWNER/NAME: {one_line(error, 160)}") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise OSError(f"{host} does not accept this login for {repo}: {LOG_IN} ({one_line(error, 160)})") from None
        raise OSError(f"{host} has refused {repo}: {one_line(error, 240)}; nothing was uploaded") from None
    except (errors.HTTPError, ConnectionError, TimeoutError) as error:
        raise OSError(
            f"{host} cannot be reached ({one_line(error, 160)}): try again when it can, or give a directory to --to"
        ) from None
