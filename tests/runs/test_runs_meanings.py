"""What metrics mean: the table, its patterns, and the page that is made from it."""

from pathlib import Path
from typing import get_args

import pytest

from ponder.recipe.load import parse_recipe
from ponder.runs.meanings import METRICS, SECTIONS, STATUSES, check_names, metric_of, page
from ponder.verifiers.verdict import Status
from tests.integration.micro import RECIPE as MICRO


def test_the_page_is_what_the_table_says():
    written = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert written.read_text(encoding="utf-8") == page(), "docs/metrics.md is stale: make docs"


def test_statuses_are_those_of_verdicts():
    assert set(STATUSES) == set(get_args(Status))


@pytest.mark.parametrize(
    "name, of",
    [
        ("reward/mean", "reward/mean"),
        ("reward/math", "reward/DOMAIN"),
        ("reward/a/b \n c", "reward/DOMAIN"),
        ("status/unparseable", "status/STATUS"),
        ("verifier/function_calls/error", "verifier/NAME/error"),
        ("part/math", "part/NAME"),
        ("eval/accuracy/code", "eval/accuracy/DOMAIN"),
        *(
            (name, None)
            for name in ("reward/", "status/perfect", "verifier/a/b/error", "part/a/b", "passrate", "", "lr ")
        ),
    ],
)
def test_families_are_known_by_their_pattern(name: str, of: str | None):
    assert metric_of(name) == (METRICS[of] if of else None)


def test_no_name_is_there_twice_and_all_are_said_in_whole_words():
    assert len(METRICS) == sum(map(len, SECTIONS.values()))
    for name, metric in METRICS.items():
        assert metric.unit and metric.meaning[0].islower() | metric.meaning.startswith(("SFT", "RL")), name
        assert "|" not in metric.meaning and not metric.meaning.endswith("."), name


def test_unknown_names_are_refused():
    check_names(["loss", "reward/any domain"])
    with pytest.raises(AssertionError, match="without a meaning: los"):
        check_names(["loss", "los"])


@pytest.mark.parametrize("named", [{"mean": {}}, {"sums": {"domain": "std"}}])
def test_no_domain_takes_the_name_of_a_metric_of_all(named: dict):
    """`reward/mean` is the mean of all answers: a domain of that name would write over it."""
    sources = {name: MICRO["sources"]["sums"] | changes for name, changes in named.items()}
    with pytest.raises(ValueError, match=r"a domain cannot be called '(mean|std)', since reward/"):
        parse_recipe(MICRO | {"sources": sources})
