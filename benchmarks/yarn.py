"""What YaRN costs short texts and gives long ones: every request at one static factor, against a factor for each.

    python benchmarks/yarn.py [--steps 1000]

Trains a small model (0.2M parameters, some minutes on one core) on 128 positions: half on text (the source of Python's
standard library, as bytes), half on finding needles in it: there are 32 subjects with eight words each, as "red" and
"blue" are for colour; one word of each of eight subjects stands somewhere in the text, and is asked for later on. Then it
measures, at half to four times the trained length, the loss on held-out text and how often the word is named (one in
eight is chance). Nothing is tuned for long inputs, so the columns show what the scaling alone does. "per request" is
`smallest_factor`, what the engine does. The same sequences are used for all columns.
"""

import argparse
import math
import random
import sysconfig
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from headline import headline
from models import qwen2
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ponder.engine.yarn import DEFAULT_FACTORS, smallest_factor
from ponder.model.attention import PackedCausal
from ponder.model.decoder import Decoder, build_random

TRAINED = 128  # positions
LENGTHS = (TRAINED // 2, TRAINED, 2 * TRAINED, 4 * TRAINED)
NEEDLES, SUBJECTS, WORDS_EACH = 8, 32, 8
NEEDLE, ASK, FIRST_SUBJECT, FIRST_WORD = 256, 257, 258, 258 + SUBJECTS  # ids after those of bytes
VOCAB = FIRST_WORD + SUBJECTS * WORDS_EACH
ROWS = 64


def texts() -> tuple[bytes, bytes]:
    """To train on, and held out (every tenth file)."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    parts = [b"".join(f.read_bytes() for n, f in enumerate(files) if (n % 10 == 0) == held) for held in (False, True)]
    return parts[0], parts[1]


def plain(text: bytes, rows: int, length: int, rng: random.Random) -> Tensor:
    """Pieces of text # [rows, length]"""
    starts = [rng.randrange(len(text) - length) for _ in range(rows)]
    return torch.tensor([list(text[start : start + length]) for start in starts])


def needles(rng: random.Random) -> list[tuple[int, int]]:
    """Ids of subjects and of a word for each."""
    subjects = rng.sample(range(SUBJECTS), NEEDLES)
    return [(FIRST_SUBJECT + s, FIRST_WORD + s * WORDS_EACH + rng.randrange(WORDS_EACH)) for s in subjects]


def with_needles(text: bytes, rows: int, length: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """To train on: text over which needles (NEEDLE, word) and, later, questions for them (ASK, subject, word) are
    written, three for each; where the questions' words stand # [rows, length] each."""
    ids, answers = plain(text, rows, length, rng), torch.zeros(rows, length, dtype=torch.bool)
    for row in range(rows):
        cells = rng.sample(range(length // 3), 4 * NEEDLES)
        for number, (subject, word) in enumerate(needles(rng)):
            told, *asked = (3 * cell for cell in sorted(cells[4 * number : 4 * number + 4]))
            ids[row, told : told + 2] = torch.tensor([NEEDLE, word])
            for place in asked:
                ids[row, place : place + 3] = torch.tensor([ASK, subject, word])
                answers[row, place + 2] = True
    return ids, answers


def questions(text: bytes, rows: int, length: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """To measure: needles anywhere in the text, and one question at its end # [rows, length]; its words # [rows]"""
    ids, words = plain(text, rows, length, rng), torch.zeros(rows, dtype=torch.int64)
    for row in range(rows):
        for cell, (subject, word) in zip(rng.sample(range(length // 2 - 1), NEEDLES), needles(rng), strict=True):
            ids[row, 2 * cell : 2 * cell + 2] = torch.tensor([NEEDLE, word])
            ids[row, -2:] = torch.tensor([ASK, subject])
            words[row] = word
    return ids, words


def logits_of(decoder: Decoder, ids: Tensor, factor: float = 1.0) -> Tensor:
    """# [rows, length, vocab]"""
    attend = PackedCausal([ids.shape[1]] * len(ids))
    factors = None if factor == 1 else torch.full((ids.numel(),), decoder.rotary.index(factor))
    hidden = decoder(ids.flatten(), attend.positions, attend, attend.width, factors)
    return decoder.logits(hidden).unflatten(0, ids.shape)


def train(text: bytes, steps: int, console: Console) -> Decoder:
    config = qwen2(VOCAB, 64, 176, layers=2, heads=2, kv_heads=2)
    decoder = build_random(replace(config, max_positions=TRAINED), seed=0)
    optimizer = torch.optim.AdamW(decoder.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    rng, began = random.Random(0), time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        found, answers = with_needles(text, ROWS // 2, TRAINED, rng)
        ids = torch.cat((plain(text, ROWS // 2, TRAINED, rng), found))
        logits = logits_of(decoder, ids)[:, :-1]
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(ROWS, -1)
        on_text, on_needles = losses[: ROWS // 2].mean(), losses[ROWS // 2 :][answers[:, 1:]].mean()
        optimizer.zero_grad()
        (on_text + on_needles).backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            seconds = time.perf_counter() - began
            console.print(f"step {step + 1}: text {on_text:.3f}, needles {on_needles:.3f}  ({seconds:.0f} s)")
    return decoder.eval()


@torch.inference_mode()
def measure(decoder: Decoder, text: bytes, length: int, factor: float, rows: int) -> tuple[Tensor, Tensor]:
    """Of each row, the loss on the last half of a text, and whether the needle was found # [rows] each."""
    rng = random.Random(length)
    losses, found = [], []
    for _ in range(0, rows, ROWS):
        ids = plain(text, ROWS, length, rng)
        logits = logits_of(decoder, ids, factor)[:, length // 2 : -1]
        targets = ids[:, length // 2 + 1 :]
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
        losses.append(loss.mean(1))
        asked, words = questions(text, ROWS, length, rng)
        found.append((logits_of(decoder, asked, factor)[:, -1].argmax(-1) == words).float())
    return torch.cat(losses), torch.cat(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=512, help="sequences for each number of the table")
    options = parser.parse_args()
    console = Console(width=120)
    train_text, held_out = texts()
    decoder = train(train_text, options.steps, console)
    table = Table(
        title=f"trained on {TRAINED} positions; {options.rows} sequences for each number", title_justify="left"
    )
    columns = (*(f"static {factor:g}" for factor in DEFAULT_FACTORS), "per request")
    for name in ("length", "", *columns):
        table.add_column(name, justify="right" if name in columns else "left")
    for length in LENGTHS:
        chosen = smallest_factor(length, 0, TRAINED, DEFAULT_FACTORS)
        results = {factor: measure(decoder, held_out, length, factor, options.rows) for factor in DEFAULT_FACTORS}
        losses, gaps, found = [], [], []
        for factor in (*DEFAULT_FACTORS, chosen):
            loss, hits = results[factor]
            gap = loss - results[1.0][0]  # of the same texts, so its error is far smaller than that of the loss
            losses.append(f"{loss.mean():.3f}")
            gaps.append(f"{gap.mean():+.3f} ±{gap.std() / len(gap) ** 0.5:.3f}" if factor > 1 else "")
            share = hits.mean().item()
            found.append(f"{share:.1%} ±{(share * (1 - share) / len(hits)) ** 0.5:.1%}")
        table.add_row(f"{length} ({length / TRAINED:g}x)", "loss on text, nats/byte", *losses)
        table.add_row(f"per request: {chosen:g}", "- against static 1", *gaps)
        table.add_row("", "needles found", *found, end_section=True)
    console.print(headline())
    console.print(table)


if __name__ == "__main__":
    main()
