"""ponder eval: benchmarks by their protocols, and what can be done with their results."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup


class _RunsUnlessNamed(TyperGroup):
    """`ponder eval MODEL` is `ponder eval run MODEL`: what is no command's name is a model."""

    def parse_args(self, ctx, args):
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunsUnlessNamed,
    no_args_is_help=True,
    help="Benchmarks by their protocols: ponder eval MODEL --bench gsm8k,math500. MODEL is a checkpoint, a run, an id of "
    "the Hugging Face hub, or the address of an OpenAI-compatible server.",
)
DRAWN = 10_000  # tasks of a recipe's mixture that are looked at beside its files
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="an evaluation, as --to has named it")]


@app.command("run")
def run(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="a checkpoint, a run, an id of the hub, or a server's address (.../v1)"),
    ],
    bench: Annotated[
        str, typer.Option(help="names with commas between them (ponder eval list), or a YAML file of your own")
    ],
    protocol: Annotated[
        str | None, typer.Option(help="whose protocol: qwq, greedy, ...; each benchmark has a default")
    ] = None,
    data: Annotated[list[Path] | None, typer.Option(help="a directory with the benchmarks' files (repeatable)")] = None,
    to: Annotated[Path | None, typer.Option(help="where the answers are kept; the same command goes on there")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="most problems of each benchmark, evenly spaced")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="20 problems of each, one sample")] = False,
    samples: Annotated[int | None, typer.Option(min=1, max=1024, help="instead of the protocol's")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="instead of the protocol's")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="instead of the protocol's")] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TOKENS", help="most tokens of thought; several, such as 0,128,512,2048, are compared"),
    ] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same answers")] = 0,
    engine: Annotated[
        str, typer.Option(metavar="local|vllm", help="of a checkpoint: Ponder's own, or vLLM (docs/vllm.md)")
    ] = "local",
    vllm_python: Annotated[
        Path | None,
        typer.Option(help="the Python of the environment that vLLM is installed in: it is started and ended"),
    ] = None,
    vllm_url: Annotated[str | None, typer.Option(help="instead: a vLLM server that runs, with this checkpoint")] = None,
    vllm_key_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="holds the API key of --vllm-url; else VLLM_API_KEY does"),
    ] = None,
    vllm_arg: Annotated[
        list[str] | None,
        typer.Option(help="for the vLLM that is started, such as --vllm-arg=--dtype=float32 (repeatable)"),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="quicker; a rerun may then give other numbers (a checkpoint's engine is exact)"),
    ] = False,
    memory: Annotated[str | None, typer.Option(help="most for weights, keys and values, such as 4GB")] = None,
    name: Annotated[
        str | None, typer.Option("--model", help="a server's name for the model; not needed where it has only one")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="holds the server's key; else OPENAI_API_KEY")
    ] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="questions at a time")] = None,
    price: Annotated[
        tuple[float, float], typer.Option(help="of a million tokens of prompt and of answer, to be told the cost")
    ] = (0.0, 0.0),
    json: Annotated[bool, typer.Option("--json", help="print the scores as JSON")] = False,
) -> None:
    """Ask a model the problems of benchmarks, judge its answers, and report. Killed, the same command goes on.

    Exit code 1 where a question had no answer: the same command asks it again."""
    import sys

    from ponder.clients.evaluate import Asking, evaluate
    from ponder.evals.evaluate import QUICK_ROWS, Wanted, parse_budgets
    from ponder.evals.report import write_reports
    from ponder.evals.running import Prices
    from ponder.server.start.engine_choice import EngineChoice
    from ponder.server.start.memory import parse_bytes

    wanted = Wanted(
        benches=tuple(part.strip() for part in bench.split(",") if part.strip()),
        variant=protocol,
        data=tuple(data or ()),
        rows=min(rows or QUICK_ROWS, QUICK_ROWS) if quick else rows,
        samples=1 if quick else samples,
        max_tokens=max_tokens,
        temperature=temperature,
        budgets=parse_budgets(budget) if budget is not None else (),
        seed=seed,
    )
    choice = EngineChoice(
        kind=engine,
        python=vllm_python,
        urls=(vllm_url,) if vllm_url else (),
        key_file=vllm_key_file,
        arguments=tuple(vllm_arg or ()),
        exact=engine == "local" and not fast,
        memory=parse_bytes(memory) if memory else None,
    )
    asking = Asking(choice, name, api_key_file, concurrent, Prices(*price))
    directory, evaluation = evaluate(model, wanted, to, asking, lambda line: print(line, file=sys.stderr, flush=True))
    write_reports(directory, evaluation, as_json=json)
    if any(sample.failure for sample in evaluation.samples):
        raise typer.Exit(1)


@app.command("list")
def listing() -> None:
    """The benchmarks, and whose protocols there are."""
    from ponder.evals.loading import known

    for name, title, variants in known():
        print(f"{name:<14} {title}  ({', '.join(variants)})")


@app.command("report")
def report(
    directory: Directory, json: Annotated[bool, typer.Option("--json", help="print the scores as JSON")] = False
) -> None:
    """Compute the scores of an evaluation from what it has stored, and write its reports anew."""
    from ponder.evals.report import write_reports
    from ponder.evals.store import read

    write_reports(directory, read(directory), as_json=json)


@app.command("diff")
def diff(
    first: Directory,
    second: Directory,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """What has become better and worse from one evaluation to another, problem by problem, with a paired test."""
    from ponder.evals.report import print_diff
    from ponder.evals.store import read

    print_diff(read(first), read(second), as_json=json)


@app.command("contamination")
def contamination(
    recipe: Annotated[Path, typer.Argument(help="a recipe: the tasks of its stages")],
    bench: Annotated[str, typer.Argument(help="a benchmark's name")],
    data: Annotated[list[Path] | None, typer.Option(help="a directory with the benchmark's file")] = None,
) -> None:
    """Look for a benchmark's problems among the tasks that a recipe trains on. Exit code 1 where there are any."""
    from itertools import chain

    from ponder.evals.contamination import contamination as look
    from ponder.evals.data import load_problems
    from ponder.evals.loading import load_protocol
    from ponder.evals.report import print_hits
    from ponder.recipe.load import load_recipe
    from ponder.training.contamination import trained_rows
    from ponder.training.data import load_tasks

    problems = load_problems(load_protocol(bench), tuple(data or ())).tasks
    loaded = load_recipe(recipe)
    pool = load_tasks(loaded)
    # Of sources that are generated without end a beginning stands for the whole.
    tasks = chain(trained_rows(loaded, pool), pool.train.draw(0, DRAWN) if pool.generated else ())
    if print_hits(look(tasks, problems), bench):
        raise typer.Exit(1)
