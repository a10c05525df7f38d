"""Files of no known product: the user names the array, the file tells what it can of the rest."""

from __future__ import annotations

from collections.abc import Sequence

from ...raster.grid import EASE_COLUMNS
from .container import ArrayInfo, BadFile, Container
from .options import GENERIC, GenericRecipe
from .recipe import Files, GridRule, Recipe, TimeRule, Variable

_TIME = ("valid_time", "time", "t", "date")
_EAST = ("lon", "longitude", "x", "nav_lon", "rlon", "easting")
_NORTH = ("lat", "latitude", "y", "nav_lat", "rlat", "northing")


def generic_recipe(container: Container, variables: Sequence[str], options: GenericRecipe) -> Recipe:
    """A recipe for this file. Raises BadFile where an array, its place or its time is not to be found."""
    found = {name: _array(container, name) for name in variables}
    names = {array: _plain(name) for name, array in found.items()}
    first = container.arrays[next(iter(found.values()))]
    return Recipe(
        id=GENERIC,
        title=f"{container.format} file",
        files=Files(),
        grid=_grid(container, first, options),
        times=_times(container, first, options),
        variables={
            names[array]: Variable(
                names[array],
                str(container.arrays[array].attributes.get("long_name", name)),
                array,
                unit=options.unit or container.arrays[array].unit,
                scale=options.scale,
                offset=options.offset,
                fill=options.fill,
                valid=options.valid,
            )
            for name, array in found.items()
        },
        default=tuple(names.values()),
        checked="what the user said of it",
    )


def _array(container: Container, name: str) -> str:
    found = container.find(name)
    if found is None:
        rasters = [path for path, info in container.arrays.items() if len(info.shape) >= 2]
        listed = ", ".join(rasters[:15]) + (" ..." if len(rasters) > 15 else "")
        raise BadFile(container.path, f"it has no array {name!r}; it has {listed or 'none'}")
    return found


def _plain(name: str) -> str:
    return name.strip("/").rsplit("/", 1)[-1].replace(" ", "_")


def _grid(container: Container, info: ArrayInfo, options: GenericRecipe) -> GridRule:
    if info.grid is not None:
        return GridRule("own")
    x, y = _coordinate(container, _EAST), _coordinate(container, _NORTH)
    if x and y:
        return GridRule("coordinates", x=x, y=y, crs=options.crs or "EPSG:4326")
    if len(info.shape) >= 2 and info.shape[-1] in EASE_COLUMNS.values():
        return GridRule("ease2")
    raise BadFile(
        container.path,
        f"nothing in it tells where the cells of {info.path} lie: it has no georeference and no coordinates",
    )


def _coordinate(container: Container, names: Sequence[str]) -> str:
    for name in names:
        found = container.find(name)
        if found and len(container.arrays[found].shape) == 1:
            return found
    return ""


def _times(container: Container, info: ArrayInfo, options: GenericRecipe) -> tuple[TimeRule, ...]:
    if options.date.lower() == "static":
        return (TimeRule("static"),)
    if options.date:
        return (TimeRule("given", format=options.date),)
    axes = [TimeRule("axis", axis=name, length="axis") for name in _TIME if container.find(name)]
    return (*axes, TimeRule("name"), TimeRule("static"))
