"""From YAML to a protocol: those that come with Ponder, by name, and suites of one's own, by path."""

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ponder.evals.protocol import Protocol
from ponder.recipe.complaints import complaints
from ponder.recipe.yaml_text import read_yaml
from ponder.tasks.prompts import check_prompt
from ponder.tasks.suggest import unknown_name
from ponder.verifiers.table import VERIFIERS

PROTOCOLS = Path(__file__).parent / "protocols"
# Benchmarks that people ask for and that cannot be scored here: what is missing, and what to use instead.
LEFT_OUT = {
    "livebench": "LiveBench is judged by scorers of its own, one for each of its tasks, which no package holds and Ponder "
    "does not copy. Run LiveBench's own script (github.com/LiveBench/LiveBench, run_livebench.py) against `ponder serve`; "
    "for maths, code and instructions here, use math500, livecodebench and ifeval",
}
# What judges by a row alone; a function of one's own (python) is told by a recipe, not by a suite.
SCORERS = ("choice", "code", "format", "function_calls", "instructions", "length", "math")
OWN = "own"  # the variant of a suite without variants


def known() -> list[tuple[str, str, tuple[str, ...]]]:
    """(name, title, variants) of the benchmarks that come with Ponder, by name; the first variant is the default."""
    return [(name, tree["title"], tuple(tree["variants"])) for name, tree in sorted(_standard().items())]


def load_protocol(name_or_path: str | Path, variant: str | None = None) -> Protocol:
    """The protocol of a benchmark by its name, or of a YAML file (.yaml, .yml); `variant` is one of the file's, by default
    its first.

    A suite of one's own has the same fields: `data.file` is looked for beside the YAML file first, and `name`, `title`,
    `source` and `domain` may be left out, as may `variants`.

    Raises:
        ValueError: for an unknown name or variant, with what was probably meant, and for everything that is wrong with a
            file, with the path of the field and what to write.
    """
    name = str(name_or_path)
    if name.endswith((".yaml", ".yml")):
        return _own_suite(Path(name).expanduser(), variant)
    if name in LEFT_OUT:
        raise ValueError(LEFT_OUT[name])
    if name not in _standard():
        raise ValueError(
            unknown_name("benchmark", name, [*_standard(), *LEFT_OUT])
            + " A suite of your own is named by its file, NAME.yaml"
        )
    return _protocol(_standard()[name], variant, f"benchmark {name}")


@cache
def _standard() -> dict[str, dict[str, Any]]:
    return {file.stem: {"name": file.stem} | read_yaml(file.read_text("utf-8")) for file in PROTOCOLS.glob("*.yaml")}


def _own_suite(path: Path, variant: str | None) -> Protocol:
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no protocol at {path}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} must hold a mapping of fields (data:, verifier:, prompt: ...)")
    variants = tree.get("variants", {OWN: {}})
    if not isinstance(variants, dict) or not variants or not all(isinstance(v, dict | None) for v in variants.values()):
        raise ValueError(
            f"{path}: variants: must be a mapping of names to the fields that differ, such as {{greedy: {{sampling: {{temperature: 0}}}}}}"
        )
    defaults = {
        "name": path.stem,
        "title": str(tree.get("name", path.stem)),
        "source": f"a suite of one's own, {path.name}",
        "domain": verifier if isinstance(verifier := tree.get("verifier"), str) else "own",
    }
    protocol = _protocol(defaults | tree | {"variants": variants}, variant, str(path))
    files = tuple(
        str(beside.absolute()) if (beside := path.parent / file).is_file() else file for file in protocol.data.files
    )
    return protocol.model_copy(update={"data": protocol.data.model_copy(update={"file": files or None})})


def _protocol(tree: dict[str, Any], variant: str | None, where: str) -> Protocol:
    variants = tree["variants"]
    chosen = next(iter(variants)) if variant is None else variant
    if chosen not in variants:
        raise ValueError(f"{where}: {unknown_name('protocol', chosen, variants)}")
    shared = {name: value for name, value in tree.items() if name != "variants"}
    whole = _over(shared, variants[chosen] or {}) | {"variant": chosen}
    try:
        protocol = Protocol.model_validate(whole)
    except ValidationError as error:
        lines = complaints(whole, error.errors(), Protocol)
    else:
        lines = _faults(protocol)
        if not lines:
            return protocol
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    raise ValueError(f"{where} has {count}:\n" + "\n".join(f"  {line}" for line in lines))


def _faults(protocol: Protocol) -> list[str]:
    """What the schema cannot see, by the path of the field."""
    faults = []
    if protocol.verifier not in SCORERS:
        faults.append(f"verifier: {unknown_name('verifier', protocol.verifier, SCORERS)}")
    try:
        check_prompt(protocol.prompt)
    except ValueError as error:
        faults.append(f"prompt: {error}")
    if not protocol.data.files and protocol.data.hub is None:
        faults.append("data: say where the rows are: data: {file: NAME.jsonl}, or data: {hub: OWNER/NAME}")
    if protocol.window is not None:
        if protocol.window[0] > protocol.window[1]:
            faults.append("window: its first day comes after its last; write window: [FIRST, LAST]")
        if protocol.data.date is None:
            faults.append(
                "data.date: a window needs the name of the rows' field that holds the day, such as contest_date"
            )
    if protocol.shuffle_choices and protocol.verifier in SCORERS and not VERIFIERS[protocol.verifier].offers_choices:
        faults.append(f"shuffle_choices: only choice tasks have choices, and the verifier is {protocol.verifier}")
    return faults


def _over(shared: Any, changes: Any) -> Any:
    """`shared` with the changes of a variant, mapping by mapping."""
    if not isinstance(shared, dict) or not isinstance(changes, dict):
        return changes
    return shared | {name: _over(shared.get(name), value) for name, value in changes.items()}
