"""Many faults in one message: each once, and like ones together."""

from ponder.tasks.faults import listed_faults


def test_what_is_alike_is_one_line():
    same = [f"rows.jsonl, line {n}: no field 'answer'" for n in (1, 2, 5, 6, 9, 1000)]
    other = "rows.jsonl, line 3: no field 'prompt'"
    assert listed_faults([*same[:2], other, *same[2:]], "rows cannot be read") == (
        "7 rows cannot be read:\n"
        "  rows.jsonl, lines 1, 2, 5, 6 and 2 more: no field 'answer'\n"
        "  rows.jsonl, line 3: no field 'prompt'"
    )


def test_a_few_alike_have_a_line_each_and_files_are_told_apart():
    faults = [f"{file}.parquet, row {n}: empty" for file in "ab" for n in range(4)]
    assert listed_faults(faults, "rows").splitlines()[1:] == [f"  {fault}" for fault in faults]
    more = [*faults, "b.parquet, row 9: empty"]
    assert listed_faults(more, "rows").splitlines()[-1] == "  b.parquet, rows 0, 1, 2, 3 and 1 more: empty"
    assert listed_faults(faults[:1], "rows") == faults[0]


def test_those_that_are_not_shown_are_counted():
    different = [f"a.jsonl, line {n}: {n} tokens" for n in range(25)]
    same = [f"a.jsonl, line {n}: empty" for n in range(100, 110)]
    lines = listed_faults([*different, *same], "rows").splitlines()
    assert lines[0] == "35 rows:" and len(lines) == 22 and lines[-1] == "  ... and 15 more"
    unplaced = ["a task, 'Q': wrong"] * 30
    assert listed_faults(unplaced, "tasks").splitlines()[-1] == "  ... and 10 more"
