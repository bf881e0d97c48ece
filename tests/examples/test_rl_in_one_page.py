"""The page that teaches the loop: it fits a page, and what it trains learns."""

import importlib.util
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "examples" / "rl_in_one_page.py"


def test_it_learns_to_think(capsys):
    spec = importlib.util.spec_from_file_location("rl_in_one_page", PAGE)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    before = torch.get_num_threads()
    try:
        rates = page.main(steps=15)
    finally:
        torch.set_num_threads(before)
    assert len(rates) == 4 and rates[0] < 0.5 and rates[-1] > 0.75, "imitation has the teacher's faults, RL mends them"
    thinks = [int(line.split("thinks")[1].split("%")[0]) for line in capsys.readouterr().out.splitlines()]
    assert thinks[0] < 60 and thinks[-1] > 90, "nobody said that it should"


def test_it_is_a_page():
    assert len(PAGE.read_text().splitlines()) <= 150
