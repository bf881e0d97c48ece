"""The processor, as `ponder doctor`, lineages and benchmarks name it."""

import subprocess
import sys

import torch

from ponder.runs import processor as named
from ponder.runs.lineage import last_processor, new_lineage
from ponder.runs.machine import examine

INFO = {
    "model name": "A Processor @ 2 GHz",
    "cpu family": "6",
    "model": "143",
    "flags": "fpu avx2 avx512f avx512bw avx512_bf16 amx_tile amx_bf16 amx_int8",
}


def test_name_and_abilities(monkeypatch):
    monkeypatch.setattr(named, "_cpuinfo", lambda: INFO)
    assert named.processor() == "A Processor @ 2 GHz (family 6, model 143): avx2, avx512, avx512_bf16, amx_bf16"
    monkeypatch.setattr(named, "_cpuinfo", lambda: {**INFO, "flags": "fpu sse2"})
    assert named.processor().endswith(": none of avx2, avx512, avx512_bf16, amx_bf16")


def test_no_cpuinfo_is_no_failure(monkeypatch):
    monkeypatch.setattr(named, "_cpuinfo", dict)
    assert named.processor() and named.abilities() == ()


def test_it_is_this_processor():
    assert ("avx2" in named.abilities()) == torch.cpu._is_avx2_supported()
    (check,) = (check for check in examine() if check.name == "processor")
    assert check.good and check.found == named.processor()


def test_the_last_that_computed_steps_of_a_run():
    lineage = new_lineage("name: x", seed=1)
    assert lineage["processor"] == last_processor(lineage) == named.processor()
    resumed = {**lineage, "resumed": [{"time": "t", "processor": "another"}, {"time": "t"}]}
    assert last_processor(resumed) == "another"
    assert last_processor({"resumed": []}) is None, "a run of an earlier version"


def test_benchmarks_name_it():
    line = "import sys; sys.path.insert(0, 'benchmarks'); from headline import headline; print(headline('quick'))"
    said = subprocess.run([sys.executable, "-c", line, "--rounds", "3"], capture_output=True, text=True, check=True)
    first, command = said.stdout.splitlines()
    assert first.endswith(f"{named.processor()}, quick") and command.endswith("--rounds 3")
