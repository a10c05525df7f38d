"""Dates that are already fused: in outputs of an earlier run with the same inputs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ...errors import InputError
from ...raster.grid import open_raster
from .bands import Image
from .inspection import Contents
from .options import FusionOptions
from .plan import Group
from .streaming import Source

KEY = "FUSION_KEY"
COUNTS = "FUSION_COUNTS"  # pixels of each quality code, in the metadata of fused bands
PAIRS, SIMILAR_MEAN, CONVERSION_MEAN = "PAIRS", "SIMILAR_MEAN", "CONVERSION_MEAN"
QUALITY_BAND, SIMILAR_BAND = "fusion_quality", "similar_pixels"
CONVERSION, SHARE = "_conversion", "_first_pair"  # after a band's name
VERSION = 2  # of the method: raise it where the same inputs give other values
Place = tuple[str, int, Mapping[str, str]]  # file, 1-based band, its metadata


def key_of(
    group: Group, image: Image, names: Sequence[str], source: Source, options: FusionOptions, contents: Contents
) -> str:
    """What a fused date rests on, in short: the values of its images, grid and options.

    Values rather than files: a layer may be a catalogue of others, lie in an archive, or change in place.
    """

    def values(one: Image) -> list[str]:
        return [contents[stack.path, number].digest for stack, number in one.bands.values()]

    content = [
        VERSION,
        asdict(options),
        source.method,
        source.factor,
        source.grid.crs_wkt,
        source.grid.transform,
        source.grid.shape,
        list(names),
        [(pair.period.label, values(pair.fine), values(pair.coarse)) for pair in group.pairs],
        (image.period.label, values(image)),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def detail_bands(names: Sequence[str]) -> list[str]:
    """Per date: similar pixels, and of each band the conversion and the share of the first pair."""
    return [SIMILAR_BAND, *(name + kind for name in names for kind in (CONVERSION, SHARE))]


class Kept:
    """Finds fused bands by key and name in the files of earlier runs."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._places: dict[tuple[str, str], Place] = {}
        for path in files:
            self._add(path)

    def place(self, key: str, name: str) -> Place:
        return self._places[key, name]

    def has(self, key: str, names: Iterable[str]) -> bool:
        return all((key, name) in self._places for name in names)

    def _add(self, path: Path) -> None:
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
