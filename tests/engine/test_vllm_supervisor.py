"""A vLLM server of ours that ends by itself, and what comes after it."""

import pytest

from ponder.engine import vllm_supervisor
from ponder.engine.vllm_process import start_vllm
from ponder.engine.vllm_profile import connect_vllm
from ponder.engine.vllm_supervisor import SupervisedVllm
from tests.engine.test_vllm_process import left_of, python, started_by  # noqa: F401 (a fixture)
from tests.sandbox.waiting import wait_until


def supervised(python, *does: str) -> SupervisedVllm:  # noqa: F811
    """`does`: of each start, the last of all further ones."""
    starts = iter(does)
    state = {"now": ""}

    def start(progress):
        state["now"] = next(starts, state["now"])
        environment = {"FAKE": state["now"], "MARK": str(python)}
        return start_vllm(python.parent, python, environment=environment, progress=progress)

    return SupervisedVllm(start)


def kill(python, server: SupervisedVllm) -> None:  # noqa: F811
    keeper = server._server._keeper.pid
    (process,) = (one for one in started_by(python) if one.ppid() == keeper)
    process.kill()


def test_a_server_that_is_killed_is_started_again_at_another_address(python, caplog):  # noqa: F811
    server = supervised(python, "")
    first = server._server
    for _ in range(2):
        before = server.profile
        kill(python, server)
        wait_until(lambda before=before: server.profile != before)
        assert server.failure() is None and not server.starts_again
        assert connect_vllm(server.profile.url, api_key=server.profile.api_key) == server.profile
    assert not first.directory.exists() and len(started_by(python)) == 3, "nothing of the ones before is left"
    told = [record.message.partition(";")[0] for record in caplog.records]
    assert told == ["vLLM ended with exit code 137", "vLLM answers again"] * 2
    server.close()
    assert not left_of(python) and server.failure() is None


@pytest.mark.parametrize("then", ["once", "dies"])
def test_one_that_never_lasts_is_given_up(python, monkeypatch, then):  # noqa: F811
    monkeypatch.setattr(vllm_supervisor, "WAITS_S", (0.0, 0.0))
    server = supervised(python, "once", then)
    server._thread.join()
    assert server.failure() == "vLLM ended, or did not start, 3 times in a row: see why, and restart Ponder"
    assert not server.starts_again
    server.close()


def test_one_that_lasted_is_started_again_however_often_it_ends(python, monkeypatch):  # noqa: F811
    monkeypatch.setattr(vllm_supervisor, "WAITS_S", (0.0,))
    monkeypatch.setattr(vllm_supervisor, "LASTS_S", 0.0)
    server = supervised(python, "")
    for _ in range(3):
        before = server.profile
        kill(python, server)
        wait_until(lambda before=before: server.profile != before)
    server.close()


def test_told_to_end_while_it_is_started_again(python):  # noqa: F811
    server = supervised(python, "", "hangs")
    kill(python, server)
    wait_until(lambda: server.starts_again)
    assert server.failure() == "vLLM ended with exit code 137; it is being started again"
    wait_until(lambda: len(started_by(python)) >= 2)
    server.close()
    assert not left_of(python) and not server._thread.is_alive()
