"""A model that Ponder serves as a judge, over its own HTTP API."""

from tests.shared.born import give_birth
from tests.shared.serve_process import ServeProcess
from tests.verifiers.judge_model.asking import judge_all, judging, said, task


def test_a_newborn_model_talks_nonsense_and_each_verdict_is_an_error(tmp_path):
    give_birth(tmp_path / "newborn", context=8192)
    with ServeProcess(tmp_path / "newborn") as server:
        with judging(server, model=None, max_tokens=24, timeout_s=60.0) as verification:
            verdicts = judge_all(verification, [(task(), said("Hello.")), (task(), said("Goodbye."))])
        assert [(verdict.status, verdict.score) for verdict in verdicts] == [("error", None)] * 2
        for verdict in verdicts:
            assert "cut off at 24 tokens" in verdict.reason or "does not end with a JSON object" in verdict.reason
