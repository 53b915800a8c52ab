# SPDX-License-Identifier: MIT
"""JSON documents: read, validated against schemas/, and turned into frozen dataclasses and back.

The dataclasses' fields carry the names of the JSON members, so that there is one list of them in code and one in the
schema; a test holds the two against each other.
"""

import collections.abc
import dataclasses
import enum
import functools
import json
import os
import types
import typing
from pathlib import Path
from typing import Any, Callable, Mapping, TypeVar

import jsonschema

from drmsqueeze_results.errors import ResultsError

T = TypeVar("T")
SCHEMAS = Path(__file__).parent / "schemas"


@functools.lru_cache(maxsize=None)
def _validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(document: Any, name: str, source: str, error: Callable[[str], ResultsError]) -> None:
    """Hold `document` against schemas/NAME.schema.json.

    Raises `error` with the source, the JSON pointer, what was expected and what was found, for the first violation.
    """
    found = sorted(_validator(name).iter_errors(document), key=lambda e: [str(part) for part in e.absolute_path])
    if found:
        first = found[0]
        pointer = "".join(f"/{part}" for part in first.absolute_path) or "/"
        raise error(f"{source}: {pointer}: {first.message}")


def read_json(path: Path, error: Callable[[str], ResultsError]) -> Any:
    """The JSON document in `path`; raises `error`, naming the file, where it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise error(f"{path}: {e.strerror or e}") from e
    except (ValueError, RecursionError) as e:
        raise error(f"{path}: not JSON: {e}") from e


def write_json(path: Path, document: Any, lasting: bool = False) -> None:
    """Write `document` so that a reader sees the old file or the new one, never half of it.

    With `lasting` it is on the disk when this returns: the machine may lose its power then.
    """
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
        if lasting:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if lasting:
        sync(path.parent)


def sync(path: Path) -> None:
    """Have a file, or a directory's list of names, on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(directory: Path) -> None:
    """Have a directory with all that is below it on the disk when this returns, and its own name."""
    for place, _, names in os.walk(directory):
        for name in names:
            if (path := Path(place) / name).is_file():
                sync(path)
        sync(Path(place))
    sync(directory.parent)


def to_plain(value: Any) -> Any:
    """Dataclasses, enums, mappings and tuples as what json.dumps takes."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def is_scalar(wanted: Any, value: Any) -> bool:
    """Whether `value` is a `wanted`; a whole number is a float too, a truth value is no number, and a number is not out of all bounds."""
    if wanted in (int, float):
        kinds = (int, float) if wanted is float else (int,)
        return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < 2**64
    return isinstance(value, wanted)


def _need(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"found {json.dumps(value)[:40]}, expected {'a list' if kind == (list, tuple) else 'an object'}")
    return value


def _convert(wanted: Any, value: Any) -> Any:
    if wanted in (bool, int, float, str) and not is_scalar(wanted, value):
        raise TypeError(f"found {json.dumps(value)[:40]}, expected {wanted.__name__}")
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(arg for arg in args if arg is not type(None)), value)
    if origin is tuple and args[-1] is Ellipsis:
        return tuple(_convert(args[0], item) for item in _need((list, tuple), value))
    if origin is collections.abc.Mapping:
        return {key: _convert(args[1], item) for key, item in _need(collections.abc.Mapping, value).items()}
    if dataclasses.is_dataclass(wanted):
        return from_plain(typing.cast(type, wanted), value)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return wanted(value)
    return value


def from_plain(cls: type[T], document: Mapping[str, Any]) -> T:
    """The dataclass `cls` from a document; members that `cls` does not have are left out.

    Raises KeyError, TypeError or ValueError for a document that is not of its shape.
    """
    _need(collections.abc.Mapping, document)
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(typing.cast(Any, cls))]
    return cls(**{name: _convert(hints[name], document[name]) for name in names if name in document})
