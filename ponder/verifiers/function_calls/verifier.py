"""The function-call verifier: whether a response makes the calls that a reference lists, by BFCL's rules.

The reference has BFCL's form, `[{name: {parameter: [accepted values]}}]`, and so have the tools, or OpenAI's form. As
many calls as the reference lists must be made, in any order. They are matched as BFCL's AST checker does: each call of
the reference in turn takes the first call not yet taken that agrees with it (ponder.verifiers.function_calls.types says when
an argument agrees). An empty reference says that no call is right.
"""

import json
from dataclasses import dataclass
from typing import Any

from ponder.chat.call_forms import CALL_FORMS, Call, MalformedCall, call_of_json, read_calls
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task
from ponder.verifiers.function_calls.types import TYPES, Parameter, disagreement, shown
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict

MAX_REASON = 600  # characters


@dataclass(frozen=True)
class Expected:
    """One call of the reference: the tool's name, its schema, and the accepted values of each parameter."""

    name: str
    tool: dict
    accepted: dict[str, list]


def decide(task: Task, response: Response) -> Verdict:
    """The verdict on the calls of a response: those its parser found, else those its text holds.

    `task.metadata["call_form"]`, where present, names the one form in which the text may hold calls (CALL_FORMS of
    ponder.chat.call_forms, or "auto"). ValueError, saying what to write, for tools, a reference or a form that are not
    like that.
    """
    tools = tools_by_name(task.tools)
    expected = expected_calls(task.reference, tools)
    reference = json.dumps(task.reference, ensure_ascii=False)[:MAX_REASON]
    try:
        calls = calls_of(task, response, tools)
    except MalformedCall as error:
        return Verdict("unparseable", 0.0, f"a call cannot be read: {error}", reference=reference)
    reason = mismatch(calls, expected)
    parsed = ", ".join(f"{call.name[:80]!r}: {shown(call.arguments)}" for call in calls[:20])[:MAX_REASON]
    if reason is None:
        return Verdict(
            "correct", 1.0, "every call agrees" if calls else "makes no call, as is right", parsed, reference
        )
    return Verdict("wrong", 0.0, reason[:MAX_REASON], parsed, reference)


def calls_of(task: Task, response: Response, tools: dict[str, dict]) -> list[Call]:
    """The calls of a response to a task. MalformedCall for one that is begun and cannot be read; ValueError for a form
    that there is not."""
    form = task.metadata.get("call_form", "auto")
    if form != "auto" and form not in CALL_FORMS:
        raise ValueError(unknown_name("call_form", str(form), ("auto", *CALL_FORMS)))
    if not response.tool_calls:
        return read_calls(response.content, {name: parameters(tool) for name, tool in tools.items()}, form)
    # What the chat parser could not read it leaves in the content, markers and all.
    if "<tool_call>" in response.content:
        raise MalformedCall("the content still holds a <tool_call> block that is no call")
    return [call_of_json(call) for call in response.tool_calls]


def mismatch(calls: list[Call], expected: list[Expected]) -> str | None:
    """Why the calls are not the expected ones, in words; None if they are."""
    if len(calls) != len(expected):
        named = ", ".join(shown(call.name) for call in calls[:4]) or "none"
        return f"expected {len(expected) or 'no'} call{'s' * (len(expected) != 1)}, got {len(calls)}: {named}"
    left = list(range(len(calls)))
    for number, one in enumerate(expected, 1):
        reasons = []
        for index in left:
            reason = call_mismatch(calls[index], one)
            if reason is None:
                left.remove(index)
                break
            reasons.append(reason if len(calls) == 1 else f"call {index + 1}: {reason}")
        else:
            none_agrees = "" if len(calls) == 1 else f"no call agrees with call {number} of the reference; "
            return none_agrees + "; ".join(reasons)
    return None


def call_mismatch(call: Call, expected: Expected) -> str | None:
    """Why a call is not the expected one, in words; None if it is."""
    name = expected.name
    if call.name != name:
        return f"calls {shown(call.name)}, not {name!r}"
    for parameter in required(expected.tool):
        if parameter not in call.arguments:
            return f"{name}: {parameter!r} is required and missing"
    properties = parameters(expected.tool)
    for parameter, value in call.arguments.items():
        if parameter not in properties:
            return f"{name}: {shown(parameter)} is no parameter of it"
        if parameter not in expected.accepted:
            return f"{name}: {parameter!r} should be left out, got {shown(value)}"
        schemas = parameter_schemas(name, parameter, properties[parameter])
        reasons = [disagreement(value, schema, expected.accepted[parameter]) for schema in schemas]
        if None not in reasons:
            return f"{name}: {parameter!r}: {reasons[0]}"
    for parameter, accepted in expected.accepted.items():
        if parameter not in call.arguments and "" not in accepted:
            return f"{name}: {parameter!r} is missing, expected {shown(accepted)}"
    return None


def tools_by_name(tools: Any) -> dict[str, dict]:
    """The tools in BFCL's form, `{"name", "description", "parameters"}`, whichever of the two forms they came in."""
    found: dict[str, dict] = {}
    for index, tool in enumerate(tools):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError(
                f'tools[{index}] is {shown(tool)}; write {{"name": ..., "description": ..., "parameters": ...}}, or '
                '{"type": "function", "function": ...} around it'
            )
        found.setdefault(function["name"], function)
    return found


def expected_calls(reference: Any, tools: dict[str, dict]) -> list[Expected]:
    """The calls of a reference, each with its tool.

    A name with dots may stand for a tool offered with underscores in their place, as OpenAI's API demands.
    """
    if reference is None:
        return []
    if not isinstance(reference, list | tuple):
        raise ValueError(f"the reference is {shown(reference)}; write a list of {{name: {{parameter: [accepted]}}}}")
    calls = []
    for index, item in enumerate(reference):
        where = f"reference[{index}]"
        if not isinstance(item, dict) or len(item) != 1 or not isinstance(next(iter(item.values())), dict):
            raise ValueError(
                f"{where} is {shown(item)}; write {{name: {{parameter: [accepted values]}}}}, one name each"
            )
        ((name, accepted),) = item.items()
        offered = name if name in tools else name.replace(".", "_")
        if offered not in tools:
            raise ValueError(f"{where} calls {name!r}, which is not among the tools: {shown(list(tools))}")
        for parameter, values in accepted.items():
            if not isinstance(values, list):
                raise ValueError(f"{where}: {parameter!r} holds {shown(values)}; write a list of accepted values")
        calls.append(Expected(offered, tools[offered], accepted))
    return calls


def parameters(tool: dict) -> dict[str, Any]:
    """The schemas of a tool's parameters by name; none where the tool takes no arguments."""
    schema = tool.get("parameters") or {}
    properties = schema.get("properties") or {} if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        raise ValueError(f'the parameters of {tool["name"]!r} must be {{"type": "object", "properties": {{...}}}}')
    return properties


def required(tool: dict) -> list[str]:
    """The names of the parameters that a call of the tool must give."""
    names = (tool.get("parameters") or {}).get("required") or []
    if not isinstance(names, list):
        raise ValueError(f"'required' of {tool['name']!r} is {shown(names)}; write a list of parameter names")
    return names


def parameter_schemas(name: str, parameter: str, schema: Any) -> list[Parameter]:
    """What the schema says of a parameter's type: one, or with a list of types or `anyOf` several, of which any will do.

    Without `items`, an array may hold anything.
    """
    if not isinstance(schema, dict):
        raise ValueError(f"{name}: the schema of {parameter!r} is {shown(schema)}; write {{'type': ...}}")
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list) and options and "type" not in schema:
            return [one for option in options[:20] for one in _one_level(name, parameter, option)]
    return _one_level(name, parameter, schema)


def _one_level(name: str, parameter: str, schema: Any) -> list[Parameter]:
    if not isinstance(schema, dict):
        raise ValueError(f"{name}: the schema of {parameter!r} holds {shown(schema)}; write {{'type': ...}}")
    kinds = schema.get("type")
    return [
        _one_type(name, parameter, kind, schema) for kind in (kinds if isinstance(kinds, list) and kinds else [kinds])
    ]


def _one_type(name: str, parameter: str, kind: Any, schema: dict) -> Parameter:
    items = schema.get("items")
    item_kind = items.get("type") if isinstance(items, dict) and kind in ("array", "tuple") else None
    for given in (kind, item_kind) if item_kind is not None else (kind,):
        if not isinstance(given, str) or given not in TYPES:
            raise ValueError(f"{name}: {parameter!r} has type {shown(given)}; write one of {', '.join(TYPES)}")
    return Parameter(kind, item_kind)


def reference_text(task: Task) -> str | None:
    """The calls that a reference asks for, in Hermes form: a response with this text is correct. None where no response
    is: BFCL has rows that require a parameter and accept no value for it, and some that name one which the tool has not."""
    calls = []
    for expected in expected_calls(task.reference, tools_by_name(task.tools)):
        known = parameters(expected.tool)
        accepted = {name: values for name, values in expected.accepted.items() if name in known and _given(values)}
        if any(name not in accepted for name in required(expected.tool)):
            return None
        arguments = {name: _example(values) for name, values in accepted.items()}
        calls.append(json.dumps({"name": expected.name, "arguments": arguments}, ensure_ascii=False))
    return "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls) or "No function is needed for this."


def _given(accepted: list) -> bool:
    return any(value != "" for value in accepted)


def _example(accepted: list) -> Any:
    """The first accepted value; of a dict's accepted values, the first of each key."""
    return _plain(next(value for value in accepted if value != ""))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _example(values) for key, values in value.items() if _given(values)}
    return [_plain(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value
