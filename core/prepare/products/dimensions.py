"""Which index of which dimension is read, for arrays that have more than rows and columns."""

from __future__ import annotations

from fnmatch import fnmatch
from itertools import product

import numpy as np

from .container import ArrayInfo, BadFile, Container
from .recipe import Recipe, Variable

Index = dict[str, int]


def bare_name(path: str) -> str:
    """The last part of a path inside a file."""
    return path.rsplit("/", 1)[-1]


def matches(name: str, patterns: str) -> bool:
    """Whether a name inside a file, with its path or its last part, fits one of the patterns (`|` between them)."""
    path = name.strip("/").lower()
    return any(fnmatch(path, one) or fnmatch(bare_name(path), one) for one in patterns.strip("/").lower().split("|"))


def step_indices(
    container: Container, info: ArrayInfo, recipe: Recipe, variable: Variable | None, time: str, steps: int
) -> list[list[Index]]:
    """For each of `steps` times along the dimension `time` (one without a name), the indices to read, first choice
    first.

    Dimensions named in `select` take the index given there, those in the recipe's `merge_dims` all of theirs in the
    order of their values, and of the rest those with one element are left out. Raises BadFile for what stays open.
    """
    select = variable.select if variable else {}
    fixed: Index = {}
    merged: dict[str, list[int]] = {}
    rest: list[tuple[str, int]] = []
    for place, (name, size) in enumerate(zip(info.dims, info.shape)):
        chosen = next((index for key, index in select.items() if key == str(place) or matches(name, key)), None)
        if name == time and time:
            if size != steps:
                raise BadFile(container.path, f"{info.path} has {size} steps of time, but the time axis has {steps}")
        elif chosen is not None:
            if chosen >= size:
                raise BadFile(
                    container.path, f"{info.path} has {size} elements along {name}, so there is no index {chosen}"
                )
            fixed[name] = chosen
        elif any(matches(name, pattern) for pattern in recipe.merge_dims):
            merged[name] = _by_value(container, name, size)
        else:
            rest.append((name, size))
    for name, size in list(rest):
        if len(rest) > _cells(recipe) and size == 1:
            fixed[name] = 0
            rest.remove((name, size))
    if len(rest) > 2:
        shown = ", ".join(f"{name} ({size})" for name, size in rest)
        raise BadFile(
            container.path,
            f"{info.path} has the dimensions {shown}: a recipe must 'select' one index in each that is neither rows, "
            "columns nor time",
        )
    choices = [fixed | dict(zip(merged, one)) for one in product(*merged.values())]
    return [[({time: step} if time else {}) | choice for choice in choices] for step in range(max(steps, 1))]


def _cells(recipe: Recipe) -> int:
    """Dimensions that place a value: one for lists of values with rows and columns."""
    return 1 if recipe.grid.kind == "ease2 indices" else 2


def _by_value(container: Container, name: str, size: int) -> list[int]:
    """Indices in ascending order of the coordinate: release 1 (final) of ERA5 comes before 5 (preliminary)."""
    array = container.find(bare_name(name))
    if array is None or container.arrays[array].shape != (size,):
        return list(range(size))
    values = np.asarray(container.read(array, (0,), (size,)))
    return [int(number) for number in np.argsort(values, kind="stable")]
