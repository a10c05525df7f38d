"""Dates that are already fused: parts of a run that was stopped, and outputs of an earlier run with the same inputs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ...errors import InputError
from ...raster.grid import open_raster
from ...raster.stack import Band
from .bands import Image
from .options import FusionOptions
from .plan import Group
from .streaming import Source

KEY = "FUSION_KEY"
_VERSION = 1  # of the method: raise it where the same inputs give other values
Place = tuple[str, int, Mapping[str, str]]  # file, 1-based band, its metadata


def key_of(group: Group, image: Image, names: Sequence[str], source: Source, options: FusionOptions) -> str:
    """What a fused date rests on, in short: inputs as they are on disk, grid and options."""
    content = [
        _VERSION,
        asdict(options),
        source.method,
        source.factor,
        source.grid.transform,
        source.grid.shape,
        list(names),
        [(_identity(pair.fine), _identity(pair.coarse)) for pair in group.pairs],
        _identity(image),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


class Kept:
    """Finds fused bands by key and name in the files of earlier runs."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._places: dict[tuple[str, str], Place] = {}
        for path in files:
            self.add(path)

    def add(self, path: Path) -> None:
        if not path.is_file():
            return
        # What is no raster is no result of an earlier run.
        with contextlib.suppress(InputError):
            dataset = open_raster(path)
            for number in range(1, dataset.RasterCount + 1):
                band = dataset.GetRasterBand(number)
                metadata = band.GetMetadata() or {}
                if KEY in metadata:
                    self._places[metadata[KEY], band.GetDescription()] = (str(path), number, metadata)

    def place(self, key: str, name: str) -> Place:
        return self._places[key, name]

    def has(self, key: str, bands: Iterable[Band]) -> bool:
        return all((key, band.name) in self._places for band in bands)


def parts_folder(output: str | Path) -> Path:
    """Beside the output: where finished dates wait for the others."""
    path = Path(output)
    return path.with_name(f"{path.stem}_parts")


def remove_parts(folder: Path) -> None:
    """Remove what this module has written there, and the folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        for path in folder.glob("part-*.tif*"):
            path.unlink()
        folder.rmdir()


def _identity(image: Image) -> list[tuple[str, int, float, int]]:
    found = []
    for stack, number in image.bands.values():
        changed, size = 0.0, 0
        with contextlib.suppress(OSError):  # a subdataset has no file of its own name
            status = os.stat(stack.path)
            changed, size = status.st_mtime, status.st_size
        found.append((os.path.abspath(stack.path), number, changed, size))
    return found
