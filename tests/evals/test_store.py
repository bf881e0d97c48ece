"""What an evaluation leaves on disk: whole after any kill, one writer, and never two evaluations in one place."""

import errno
import json
import os
from dataclasses import replace

import pytest

from ponder.evals.store import MANIFEST, PROBLEMS, SAMPLES, Store, read
from tests.evals.sums import a_manifest, a_protocol, a_sample, problems

PROTOCOL = a_protocol(samples=2)


def written(directory, samples, manifest=None):
    store = Store(directory, manifest or a_manifest(PROTOCOL), problems(PROTOCOL))
    for sample in samples:
        store.add(sample)
    store.close()
    return store


def test_it_is_read_as_it_was_written_in_the_order_of_the_problems(tmp_path):
    first, second, third = problems(PROTOCOL)
    text = "\ud800 half a pair, \u2028 and a line end\n"
    samples = [a_sample(third), a_sample(first, 1, content=text), a_sample(first, 0), a_sample(second)]
    written(tmp_path, samples)
    found = read(tmp_path)
    assert found.manifest == a_manifest(PROTOCOL) and found.problems == [first, second, third]
    assert found.samples == [samples[2], samples[1], samples[3], samples[0]]


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_line_that_a_kill_has_torn_is_asked_again_and_nothing_else(tmp_path, cut):
    first, second, _ = problems(PROTOCOL)
    written(tmp_path, [a_sample(first), a_sample(second)])
    path = tmp_path / SAMPLES
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(tmp_path).samples == [a_sample(first)]
    store = written(tmp_path, [a_sample(second, content="again")])
    assert set(store.done) == {("sums", first.id, 0), ("sums", second.id, 0)}
    assert [sample.content for sample in read(tmp_path).samples] == ["4", "again"]


def test_what_had_no_answer_is_not_done_and_gives_way_to_an_answer(tmp_path):
    first = problems(PROTOCOL)[0]
    nothing = a_sample(first, status="error", failure="503")
    assert not written(tmp_path, [nothing]).done
    assert read(tmp_path).samples == [nothing]
    written(tmp_path, [a_sample(first), nothing])
    assert read(tmp_path).samples == [a_sample(first)]


def test_another_evaluation_in_its_place_is_refused_and_says_what_differs(tmp_path):
    manifest = a_manifest(PROTOCOL)
    written(tmp_path, [], manifest)
    written(tmp_path, [], replace(manifest, started="later", processor="another"))
    with pytest.raises(ValueError, match="differs in seed"):
        written(tmp_path, [], replace(manifest, seed=1))
    with pytest.raises(ValueError, match="differs in sums"):
        written(tmp_path, [], a_manifest(PROTOCOL, rows=2))
    with pytest.raises(ValueError, match="differs in sums"):
        written(tmp_path, [], a_manifest(a_protocol(samples=3)))


def test_one_writes_at_a_time(tmp_path):
    store = Store(tmp_path, a_manifest(PROTOCOL), problems(PROTOCOL))
    with pytest.raises(ValueError, match="another process"):
        Store(tmp_path, a_manifest(PROTOCOL), problems(PROTOCOL))
    store.close()
    written(tmp_path, [])


def test_broken_files_are_named_with_their_line(tmp_path):
    with pytest.raises(ValueError, match=r"no eval\.json"):
        read(tmp_path)
    first = problems(PROTOCOL)[0]
    written(tmp_path, [a_sample(first), a_sample(first, 1)])
    path = tmp_path / SAMPLES
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0][:-5], lines[1], ""]))
    with pytest.raises(ValueError, match=r"samples\.jsonl, line 1.*not JSON"):
        read(tmp_path)
    row = json.loads(lines[0])
    del row["seed"]
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"samples\.jsonl, line 1: .*seed"):
        read(tmp_path)
    path.write_text("")
    (tmp_path / PROBLEMS).unlink()
    with pytest.raises(ValueError, match=r"problems\.jsonl is missing"):
        read(tmp_path)
    (tmp_path / MANIFEST).write_text('{"model": 1}')
    with pytest.raises(ValueError, match=r"eval\.json: this is no evaluation"):
        read(tmp_path)


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    first, second, _ = problems(PROTOCOL)
    store = Store(tmp_path, a_manifest(PROTOCOL), problems(PROTOCOL))
    store.add(a_sample(first))
    real, room = os.write, [20, 0]

    def write(descriptor, data):
        if not (left := room.pop(0)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:left])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="could not save"):
        store.add(a_sample(second))
    monkeypatch.undo()
    store.add(a_sample(second))
    store.close()
    assert len(read(tmp_path).samples) == 2
