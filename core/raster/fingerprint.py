"""What a run rests on, as a short key: two calls share their finished parts only where their results would be equal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from .grid import open_raster

KEY_LENGTH = 16
_DEEPEST = 10  # virtual rasters of virtual rasters


def run_key(what: str, content: Mapping[str, Any], inputs: Iterable[str | Path]) -> str:
    """16 hexadecimal digits.

    what: name and version of the computation. content: options, periods, grids, digests: plain values, dataclasses of
    them, arrays. inputs: rasters, of which the grid and what is said of the bands count, and name, size and time of
    change of all files behind them.
    """
    document = {
        "what": what,
        "version": _plugin_version(),
        "numpy": np.__version__,
        "content": _plain(content),
        "inputs": [source_files(path) for path in inputs],
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def source_files(path: str | Path) -> list[list[Any]]:
    """[name, bytes, time of change in ns] of every file a raster is made of; virtual rasters are followed, and have a
    fourth item as the raster itself: what they say of their bands.
    """
    found: dict[str, list[Any]] = {}
    _follow(str(path), found, 0)
    return [found[name] for name in sorted(found)]


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Of names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        if array.size:
            total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def absolute(path: str) -> str:
    """The same raster for a program that works in another folder; what is no file's name stays as it is."""
    return os.path.abspath(path) if os.path.exists(path) else path


def _follow(path: str, found: dict[str, list[Any]], depth: int) -> None:
    dataset = open_raster(path)
    files, said = dataset.GetFileList() or [], _said(dataset)
    del dataset
    # A subdataset's address or XML, which is no file, counts by itself.
    found[path] = [*(_stat(path) or [path, 0, 0]), said]
    for name in files:
        # Programs that show a raster keep statistics in this one; what else it says was read with the bands.
        if name in found or name.endswith(".aux.xml"):
            continue
        entry = _stat(name)
        found[name] = entry or [name, 0, 0]
        if entry and name != path and name.lower().endswith(".vrt") and depth < _DEEPEST:
            _follow(name, found, depth + 1)


def _said(dataset: gdal.Dataset) -> list[Any]:
    """Everything but the pixels, without statistics, which come and go."""
    bands = [dataset.GetRasterBand(number + 1) for number in range(dataset.RasterCount)]
    return [
        [str(number) for number in dataset.GetGeoTransform()],
        dataset.GetProjection(),
        _lasting(dataset),
        [
            [
                band.GetDescription(),
                band.GetUnitType(),
                *(str(one) for one in (band.GetNoDataValue(), band.GetScale() or 1.0, band.GetOffset() or 0.0)),
                band.GetMaskFlags(),
                _lasting(band),
            ]
            for band in bands
        ],
    ]


def _lasting(of: Any) -> dict[str, str]:
    return {name: text for name, text in (of.GetMetadata() or {}).items() if not name.startswith("STATISTICS_")}


def _stat(name: str) -> list[Any] | None:
    if not name.startswith("/vsi"):
        try:
            state = os.stat(name)
        except (OSError, ValueError):
            return None
        return [os.path.abspath(name), state.st_size, state.st_mtime_ns]
    remote = gdal.VSIStatL(name)
    return None if remote is None else [name, remote.size, remote.mtime * 10**9]


def _plain(value: Any) -> Any:
    """JSON for what options are made of. Raises TypeError for anything else."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value).hex()
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (date, datetime, Path)):
        return str(value)
    if isinstance(value, np.ndarray):
        return digest({"": value})
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"": type(value).__name__, **named}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_plain(one) for one in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
    raise TypeError(f"{type(value).__name__} has no part in a key")


@lru_cache(maxsize=1)
def _plugin_version() -> str:
    try:
        text = (Path(__file__).resolve().parents[2] / "metadata.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    return next((line[8:].strip() for line in text.splitlines() if line.startswith("version=")), "")
