"""The `ponder` command. Heavy libraries are imported inside the commands, so that help answers at once."""

import sys

import typer

from ponder import __version__
from ponder.cli import agent, chat, doctor, model, release, report, sandbox, serve, train, verify
from ponder.cli import eval as evals

app = typer.Typer(
    name="ponder",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn a base language model into a reasoning model with reinforcement learning, and talk to it.",
)
app.command("train")(train.train)
app.command("resume")(train.resume)
app.command("report")(report.report)
app.command("release")(release.release)
app.command("chat")(chat.chat)
app.command("agent")(agent.agent)
app.command("generate")(chat.generate)
app.command("serve")(serve.serve)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(evals.app, name="eval")
app.add_typer(model.app, name="model")
app.add_typer(sandbox.app, name="sandbox")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        print(f"ponder {__version__}")
        raise typer.Exit()


def main() -> None:
    """Exit codes: 0 done, 2 the user's input was refused, 3 a run has paused itself, 1 anything else, 130 interrupted."""
    try:
        app()
    except (ValueError, OSError) as error:
        # ValueError is how every room refuses input, OSError how the machine does (disk full, no permission).
        print(f"ponder: {_told(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ValueError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _told(error: ValueError | OSError) -> str:
    """The machine's own errors in the form of all others: what, and what is wrong with it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error)


if __name__ == "__main__":
    main()
