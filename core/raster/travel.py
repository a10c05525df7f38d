"""Arguments of a part's function as text, for processes that hold this package under another name.

Plain values, dates, paths, arrays and dataclasses of this package only: what comes back can run no code of its own.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

_ROOT = __name__.rsplit(".", 2)[0]  # the package `core`, whatever it is called here


def pack(value: Any) -> bytes:
    """`value` as JSON. Raises TypeError for what is no plain value."""
    return json.dumps(_packed(value), separators=(",", ":")).encode()


def unpack(text: bytes) -> Any:
    """What `pack` was given."""
    return _unpacked(json.loads(text))


def name_of(function: Callable[..., Any]) -> str:
    """Of a module-level function or class of this package, such as `raster.grid:Grid`."""
    module, name = function.__module__, function.__qualname__
    if not module.startswith(_ROOT + ".") or "." in name:
        raise TypeError(f"{module}.{name} is not defined at the top of a module of {_ROOT}")
    return f"{module[len(_ROOT) + 1 :]}:{name}"


def named(name: str) -> Any:
    """What `name_of` named, of this process's own package."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"{_ROOT}.{module}"), attribute)


def _packed(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list):
        return [_packed(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_packed(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_packed(key), _packed(item)] for key, item in value.items()]}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufSUM":
        array = np.asarray(value)
        text = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        return {"array": [array.dtype.str, list(array.shape), text], "scalar": isinstance(value, np.generic)}
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    if isinstance(value, Path):
        return {"path": str(value)}
    if is_dataclass(value) and not isinstance(value, type):
        held = {field.name: _packed(getattr(value, field.name)) for field in fields(value)}
        return {"class": name_of(type(value)), "fields": held}
    raise TypeError(f"{type(value).__name__} is no plain value and cannot be sent to another computer")


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_unpacked(item) for item in value["tuple"])
    if "dict" in value:
        return {_unpacked(key): _unpacked(item) for key, item in value["dict"]}
    if "array" in value:
        kind, shape, text = value["array"]
        array = np.frombuffer(base64.b64decode(text), np.dtype(kind)).reshape(shape).copy()
        return array[()] if value["scalar"] else array
    if "datetime" in value:
        return dt.datetime.fromisoformat(value["datetime"])
    if "date" in value:
        return dt.date.fromisoformat(value["date"])
    if "path" in value:
        return Path(value["path"])
    made = named(value["class"])
    if not (isinstance(made, type) and is_dataclass(made)):
        raise TypeError(f"{value['class']} is no dataclass")
    result = object.__new__(made)
    for name, held in value["fields"].items():
        object.__setattr__(result, name, _unpacked(held))
    return result
