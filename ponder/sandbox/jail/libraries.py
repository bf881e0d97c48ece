"""Values of numpy, pandas and sympy as data. These are loaded with the first such value."""

import re

from jail import values

# Kinds of numbers, texts and moments whose size is bounded by what is written; objects and records are none of them.
SYMBOLIC_DEPTH = 200
PLAIN_COLUMN = re.compile(r"u?int\d+|float\d+|bool|object|str|string|U?Int\d+|Float\d+|boolean|complex\d+")
MOMENT_COLUMN = re.compile(r"(datetime|timedelta)64\[\w{1,2}(, [\w/+:-]{1,40})?\]")
DTYPE = re.compile(r"[<>|=]?([biufcmM]\d{1,2}(\[\w{1,4}\])?|[US]\d{1,6}|O)")


def write_array(array, other):
    if not DTYPE.fullmatch(array.dtype.str):
        return None
    content = array.astype("i8").tolist() if array.dtype.kind in "mM" else array.tolist()
    return {"~array": [array.dtype.str, list(array.shape), values.to_data(content, other)]}


def read_array(inner, other):
    import numpy

    dtype, shape, content = inner
    if not DTYPE.fullmatch(dtype):
        raise ValueError("no array of that kind")
    content = values.from_data(content, other)
    if dtype == "|O" or dtype == "O":
        return _objects(content, tuple(shape))
    if "m" in dtype or "M" in dtype:
        return numpy.array(content, dtype="i8").reshape(shape).view(dtype)
    return numpy.array(content, dtype=dtype).reshape(shape)


def _objects(content, shape: tuple[int, ...]):
    """An array of objects, which numpy must not take apart."""
    import numpy

    flat = [content]
    for _ in shape:
        flat = [item for part in flat for item in part]
    made = numpy.empty(len(flat), dtype=object)
    for place, item in enumerate(flat):
        made[place] = item
    return made.reshape(shape)


def write_scalar(scalar, other):
    written = write_array(scalar.reshape(1), other)
    return None if written is None else {"~scalar": written["~array"]}


def read_scalar(inner, other):
    return read_array(inner, other)[0]


def write_dataframe(frame, other):
    columns = [_write_column(frame.iloc[:, place], other) for place in range(frame.shape[1])]
    index, names = write_index(frame.index, other), write_index(frame.columns, other)
    if None in columns or index is None or names is None:
        return None
    return {"~frame": [columns, index["~index"], names["~index"]]}


def read_frame(inner, other):
    import pandas

    columns, index, names = inner
    index = read_index(index, other)
    read = {place: _read_column(column, other, index) for place, column in enumerate(columns)}
    frame = pandas.DataFrame(read, index=index)
    frame.columns = read_index(names, other)
    return frame


def write_series(series, other):
    column, index = _write_column(series, other), write_index(series.index, other)
    return None if column is None or index is None else {
        "~series": [column, index["~index"], values.to_data(series.name, other)]
    }  # fmt: skip


def read_series(inner, other):
    column, index, name = inner
    series = _read_column(column, other, read_index(index, other))
    series.name = values.from_data(name, other)
    return series


def write_index(index, other):
    kind = type(index).__name__
    if kind == "RangeIndex":
        return {"~index": ["range", [index.start, index.stop, index.step], values.to_data(index.name, other)]}
    if kind == "MultiIndex":
        return {"~index": ["multi", values.to_data(index.tolist(), other), values.to_data(list(index.names), other)]}
    column = _write_column(index.to_series(), other)
    return None if column is None else {"~index": ["plain", column, values.to_data(index.name, other)]}


def read_index(inner, other):
    import pandas

    kind, content, name = inner
    name = values.from_data(name, other)
    if kind == "range":
        return pandas.RangeIndex(*content, name=name)
    if kind == "multi":
        return pandas.MultiIndex.from_tuples(values.from_data(content, other), names=name)
    column = _read_column(content, other, None)
    return pandas.Index(column, name=name)


def _write_column(column, other):
    """[dtype, values]; None for a dtype that is not carried."""
    dtype = str(column.dtype)
    if dtype.startswith("datetime64") or dtype.startswith("timedelta64"):
        return [
            dtype,
            [None if item is None else str(item) for item in column.astype(object).where(column.notna(), None)],
        ]
    if dtype == "category":
        return [dtype, values.to_data(column.astype(object).tolist(), other)]
    if PLAIN_COLUMN.fullmatch(dtype):
        missing = re.fullmatch(r"U?Int\d+|Float\d+|boolean|string", dtype)
        items = column.astype(object).where(column.notna(), None).tolist() if missing else column.tolist()
        return [dtype, values.to_data(items, other)]
    return None


def _read_column(inner, other, index):
    import pandas

    dtype, content = inner
    content = values.from_data(content, other)
    if not (PLAIN_COLUMN.fullmatch(dtype) or MOMENT_COLUMN.fullmatch(dtype) or dtype == "category"):
        raise ValueError("no column of that kind")
    if dtype.startswith("datetime64"):
        read = pandas.to_datetime(pandas.Series(content, index=index, dtype=object), utc=", " in dtype)
        return (
            read.dt.tz_convert(dtype[dtype.index(", ") + 2 : -1]).astype(dtype) if ", " in dtype else read.astype(dtype)
        )
    if dtype.startswith("timedelta64"):
        return pandas.to_timedelta(pandas.Series(content, index=index, dtype=object)).astype(dtype)
    return pandas.Series(content, index=index, dtype=object if dtype == "category" else dtype).astype(dtype)


def write_timestamp(moment, other):
    return {"~moment": [type(moment).__name__, str(moment), str(moment.tz) if getattr(moment, "tz", None) else None]}


def read_moment(inner, other):
    import pandas

    name, text, zone = inner
    if name == "Timedelta":
        return pandas.Timedelta(text)
    moment = pandas.Timestamp(text)
    return moment.tz_convert(zone) if zone else moment


def write_symbolic(value, depth: int = 0):
    """An expression of sympy as [class, parts]; None for what is not made of plain expressions."""
    if depth > SYMBOLIC_DEPTH:
        return None
    name = type(value).__name__
    match name:
        case "Symbol":
            return ["Symbol", value.name, {str(k): v for k, v in value._assumptions_orig.items()}]
        case "Integer" | "One" | "Zero" | "NegativeOne" | "Half" | "Rational":
            return ["Rational", hex(value.p), hex(value.q)]
        case "Float":
            return ["Float", str(value), value._prec]
    if not hasattr(value, "args") or not isinstance(value.args, tuple):
        return None
    parts = [write_symbolic(p, depth + 1) if type(p).__module__.startswith("sympy.") else None for p in value.args]
    return None if None in parts else [name, *parts]


def read_symbolic(inner):
    import sympy

    name, *parts = inner
    match name:
        case "Symbol":
            return sympy.Symbol(str(parts[0]), **{str(k): v is True for k, v in parts[1].items()})
        case "Rational":
            return sympy.Rational(int(parts[0], 16), int(parts[1], 16))
        case "Float":
            return sympy.Float(str(parts[0]), precision=int(parts[1]))
    kind = getattr(sympy, name, None) or getattr(sympy.core.numbers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, sympy.Basic)) or name.startswith("_"):
        raise ValueError(f"no expression: {str(name)[:40]}")
    return kind(*map(read_symbolic, parts))


values.LIBRARIES.update(
    {
        function.__name__: function
        for function in (
            read_array,
            read_frame,
            read_index,
            read_moment,
            read_scalar,
            read_series,
            write_array,
            write_dataframe,
            write_index,
            write_scalar,
            write_series,
            write_timestamp,
        )
    }
)
