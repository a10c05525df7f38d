"""Files of no known product: the user names the array, the file tells what it can of the rest."""

from __future__ import annotations

from collections.abc import Sequence

from ...raster.grid import EASE_COLUMNS, wkt_of
from .container import ArrayInfo, BadFile, Container
from .options import GENERIC, GenericRecipe
from .recipe import Files, GridRule, Recipe, TimeRule, Variable

_TIME = ("valid_time", "time", "t", "date")
_EAST = ("lon", "longitude", "x", "nav_lon", "rlon", "easting")
_NORTH = ("lat", "latitude", "y", "nav_lat", "rlat", "northing")


def generic_recipe(container: Container, variables: Sequence[str], options: GenericRecipe) -> Recipe:
    """A recipe for this file.

    Without variables its only raster is taken. Raises BadFile where an array, its place or its time is not to be found.
    """
    found = {name: _array(container, name) for name in variables or [_only_raster(container)]}
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


def _only_raster(container: Container) -> str:
    rasters = [path for path, info in container.arrays.items() if len(info.shape) >= 2 and info.dtype != "str"]
    if len(rasters) == 1:
        return rasters[0]
    listed = ", ".join(rasters[:15]) + (" ..." if len(rasters) > 15 else "")
    raise BadFile(container.path, f"it has the arrays {listed}: name the variable" if rasters else "it has no raster")


def _plain(name: str) -> str:
    return name.strip("/").rsplit("/", 1)[-1].replace(" ", "_")


def _grid(container: Container, info: ArrayInfo, options: GenericRecipe) -> GridRule:
    if info.grid is not None:
        return GridRule("own")
    x, y = _coordinate(container, _EAST), _coordinate(container, _NORTH)
    if x and y:
        return GridRule("coordinates", x=x, y=y, crs=wkt_of(options.crs or "EPSG:4326"))
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
    axes = [name for name in _TIME if container.find(name)]
    if options.date:
        steps = max((size for name, size in zip(info.dims[:-2], info.shape) if name.strip("/") in axes), default=1)
        if steps > 1:
            raise BadFile(container.path, f"it has {steps} dates of its own: leave the date out")
        return (TimeRule("static") if options.date.lower() == "static" else TimeRule("given", format=options.date),)
    return (
        *(TimeRule("axis", axis=name, length="axis") for name in axes),
        TimeRule("name"),
        # A single step without bounds: the usual file per day.
        *(TimeRule("axis", axis=name, length="day") for name in axes),
    )
