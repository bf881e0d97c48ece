"""`ponder release` through the real command line."""

import json
import sys

import pytest

from ponder.cli.main import main
from tests.evals.release.made import DATA, run
from tests.integration.micro import ponder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "small").path


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """The command in this process, which spares its start: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def given(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ponder", "release", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return given


def test_a_run_is_released(trained, tmp_path):
    data = [word for source, licence in DATA.items() for word in ("--data", f"{source}={licence}")]
    done = ponder("release", trained, "--to", "out", "--license", "MIT", *data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" passed ") == 9 and done.stdout.count(" not checked ") == 2
    assert f"Released: {tmp_path / 'out'} (8 files, " in done.stdout and "failed" not in done.stdout
    assert done.stderr == "loading the model here and in transformers\n", "no library's remarks, no bars"


def test_all_that_is_missing_is_said_at_once(trained, command, tmp_path):
    code, out, error = command(trained, "--to", "out")
    assert code == 2 and error.splitlines()[-1] == "ponder: not released: licence, training data"
    flat = " ".join(out.split())
    assert "--license SPDX" in flat and "--data rows.jsonl=LICENCE" in flat and "transformers passed" in flat
    assert not list(tmp_path.iterdir())


def test_json_says_the_same(trained, command, tmp_path):
    code, out, _ = command(trained, "--to", "out", "--json")
    value = json.loads(out)
    assert code == 2 and value["released"] is False and value["at"] is None
    statuses = {check["name"]: check["status"] for check in value["checks"]}
    assert (
        statuses["licence"] == "failed" and statuses["transformers"] == "passed" and statuses["vLLM"] == "not checked"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", "--to", "out"), "nowhere is neither a checkpoint"),
        (("RUN", "--to", "out", "--data", "gsm8k"), "write it as SOURCE=LICENCE"),
    ],
)
def test_what_cannot_be_begun_is_refused(trained, command, words, said):
    code, out, error = command(*(trained if word == "RUN" else word for word in words))
    assert code == 2 and not out and said in error
