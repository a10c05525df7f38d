"""Dated images of several bands, gathered from layers and brought to the same bands in the same order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...raster.grid import open_raster
from ...raster.periods import Period, period_in_name
from ...raster.stack import TARGET, Stack


@dataclass(frozen=True)
class Image:
    """One date: where its bands are (layer, 1-based number), by name in the order of the layers."""

    period: Period
    bands: dict[str, tuple[Stack, int]]

    @property
    def layer(self) -> str:
        return ", ".join(dict.fromkeys(stack.name for stack, _ in self.bands.values()))


def gather(stacks: Sequence[Stack], side: str, notes: list[str]) -> list[Image]:
    """The images of `side` ("fine", "coarse") in order of time.

    Bands without a date beside dated ones are left out, and those that hold quality and the like. Raises InputError for
    undated layers and repeated images.
    """
    if not stacks:
        raise InputError(f"Give the {side} layers.")
    found: dict[Period, dict[str, tuple[Stack, int]]] = {}
    undated: list[str] = []
    for stack in stacks:
        of_file = None if stack.periods else _period_of_file(stack)
        if not stack.periods and of_file is None:
            raise InputError(
                f"The {side} layer {stack.name} has no date: write it in the layer's name or in the description of its "
                "bands, such as 2020-04-02."
            )
        for number, band in enumerate(stack.bands, 1):
            if band.role not in ("", TARGET):
                continue
            period = band.period or of_file
            if period is None:
                undated.append(band.name)
                continue
            bands = found.setdefault(period, {})
            if band.name in bands:
                first = bands[band.name][0]
                where = f"both in {stack.name}" if first is stack else f"in {first.name} and {stack.name}"
                raise InputError(
                    f"The {side} image of {period.label} is there twice ({where}, band {band.name!r}): give one "
                    "image per date."
                )
            bands[band.name] = (stack, number)
    if undated:
        notes.append(f"Bands of the {side} layers without a date are left out: {', '.join(dict.fromkeys(undated))}.")
    return [Image(period, found[period]) for period in sorted(found)]


def common_bands(
    fine: Sequence[Image], coarse: Sequence[Image], wanted: Sequence[str], notes: list[str]
) -> tuple[list[str], list[str], list[Image], list[Image]]:
    """Names and units of the bands to fuse, and the images with those bands only, in that order.

    Bands are matched by name, and by their order only where no name is on both sides. Raises InputError for names that
    are missing and for numbers that differ.
    """
    shared = [name for name in fine[0].bands if any(name in image.bands for image in coarse)]
    if not shared:
        fine, coarse = _by_order(fine, coarse, notes)
        shared = list(fine[0].bands)
    names = list(wanted) or shared
    for side, images in (("fine", fine), ("coarse", coarse)):
        for image in images:
            lost = [name for name in names if name not in image.bands]
            if lost:
                raise InputError(
                    f"The {side} image of {image.period.label} ({image.layer}) has no band {lost[0]!r}; it has "
                    f"{', '.join(list(image.bands)[:12])}. Add the band, or name the bands to fuse."
                )
        left = [name for name in dict.fromkeys(n for image in images for n in image.bands) if name not in names]
        if left and not wanted:
            notes.append(f"Bands that only the {side} layers have are left out: {', '.join(left)}.")
    units = [next((u for image in fine if (u := _unit(image, name))), "") for name in names]
    return names, units, *([_only(image, names) for image in images] for images in (fine, coarse))  # type: ignore


def _by_order(fine: Sequence[Image], coarse: Sequence[Image], notes: list[str]) -> tuple[list[Image], list[Image]]:
    for side, images in (("fine", fine), ("coarse", coarse)):
        for image in images:
            layers = list(dict.fromkeys(stack.name for stack, _ in image.bands.values()))
            if len(layers) > 1 and any(len(one.bands) < len(image.bands) for one in images):
                raise InputError(
                    f"The {side} image of {image.period.label} seems to be there twice ({', '.join(layers[:4])}): give "
                    "one image per date."
                )
            if len(layers) > 1:
                raise InputError(
                    f"There are {len(layers)} {side} layers of {image.period.label} ({', '.join(layers[:4])}), and no "
                    "band has the same name among fine and coarse layers: give one image per date, or name the bands "
                    "in their descriptions (red, nir, ...)."
                )
    counts = {
        (side, len(image.bands)): image for side, images in (("fine", fine), ("coarse", coarse)) for image in images
    }
    if len({count for _, count in counts}) > 1:
        (one, first), (other, second) = _two_that_differ(counts)
        raise InputError(
            f"{first.layer} has {len(first.bands)} bands and {second.layer} has {len(second.bands)}, and no band has "
            f"the same name in {one} and {other} layers: name the bands in their descriptions (red, nir, ...)."
        )
    number = len(fine[0].bands)
    names = _names(fine, number)
    if number > 1:
        notes.append("No band has the same name in fine and coarse layers: bands are matched by their order.")
    return tuple(  # type: ignore[return-value]
        [Image(image.period, dict(zip(names, image.bands.values()))) for image in images] for images in (fine, coarse)
    )


def _two_that_differ(counts: dict[tuple[str, int], Image]) -> list[tuple[str, Image]]:
    found: list[tuple[str, Image]] = []
    for (side, _), image in counts.items():
        if not found or len(image.bands) != len(found[0][1].bands):
            found.append((side, image))
    return found[:2]


def _period_of_file(stack: Stack) -> Period | None:
    """The date in the name of the file that a subdataset lies in (`NETCDF:"lst_2020-04-02.nc":lst`)."""
    if not re.match(r"[A-Za-z][A-Za-z0-9_]{2,}:", stack.path):
        return None
    files = open_raster(stack.path).GetFileList() or []
    return period_in_name(Path(files[0]).stem) if files else None


def _names(fine: Sequence[Image], number: int) -> list[str]:
    """Of the fine layers where they agree; a band without a description is called after its layer, which has a date."""
    names = list(fine[0].bands)
    if any(list(image.bands) != names for image in fine) or any(re.search(r"_band\d+$", name) for name in names):
        return [f"band_{k}" for k in range(1, number + 1)] if number > 1 else ["fused"]
    return names


def _unit(image: Image, name: str) -> str:
    stack, number = image.bands[name]
    return stack.bands[number - 1].unit


def _only(image: Image, names: Sequence[str]) -> Image:
    return Image(image.period, {name: image.bands[name] for name in names})
