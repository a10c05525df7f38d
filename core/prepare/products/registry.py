"""The recipes that are known, and which of them a file belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from ...errors import InputError
from .container import BadFile, Container
from .dimensions import matches
from .recipe import Recipe
from .recipe_reader import read_recipe

__all__ = ["detect", "load_recipes", "match", "read_recipe"]

Groups = dict[str, str]

_FOLDER = Path(__file__).parent / "recipes"
_ONE_ARRAY_FORMATS = ("HDF4", "HDF5", "netCDF")
_MODIS = re.compile(r"(M[COY]D|VNP|VJ1)\w+")


def load_recipes(folders: Iterable[str | Path] = ()) -> dict[str, Recipe]:
    """Built-in recipes by id, then those of the user's folders (and files), in the order in which files are tried.

    Raises InputError for a folder that is not there, for a mistake in a recipe, and for an id that is taken.
    """
    recipes = dict(_built_in())
    for folder in folders:
        folder = Path(folder)
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else [folder]
        if not folder.exists() or not paths:
            raise InputError(f"There is no recipe in {folder}: give a JSON file, or a folder that holds some.")
        for path in paths:
            recipe = read_recipe(path)
            if recipe.id in recipes:
                raise InputError(f"The recipe {path.name}: its id {recipe.id!r} is taken already; give it another one.")
            recipes[recipe.id] = recipe
    return recipes


def detect(container: Container, recipes: Mapping[str, Recipe]) -> tuple[Recipe, Groups]:
    """The recipe that fits the file's name, checked against what the file holds, else the one that fits what it holds.

    Also gives the named groups of the name. Raises BadFile where name and content disagree, and where no recipe or
    more than one fits.
    """
    named = [(recipe, groups) for recipe in recipes.values() if (groups := _groups(container, recipe)) is not None]
    fitting = [(recipe, groups) for recipe, groups in named if _disagreement(container, recipe, groups) is None]
    if len(fitting) > 1:
        # Who writes a recipe for a known product means it.
        fitting = [one for one in fitting if one[0].id not in _built_in()] or fitting
    if len(fitting) > 1:
        # Names that several families share; bands of a GeoTIFF may have names as well.
        fitting = [one for one in fitting if all(container.find(array) for array in one[0].files.arrays)] or fitting
    if named and not fitting:
        recipe, groups = named[0]
        holds = [other.title for other in recipes.values() if _holds(container, other)]
        seems = f"; what it holds is {' or '.join(holds)}" if holds else ""
        raise BadFile(
            container.path,
            f"its name says {recipe.title}, but {_disagreement(container, recipe, groups)}{seems}: it was renamed, is "
            "incomplete, or was changed by another program",
        )
    if not named:
        fitting = [(recipe, {}) for recipe in recipes.values() if _holds(container, recipe)]
    if not fitting:
        raise BadFile(
            container.path,
            "it was not recognised as any known product: choose the product, or 'generic' and name variable and scale",
        )
    if len(fitting) > 1:
        titles = " and ".join(recipe.title for recipe, _ in fitting)
        raise BadFile(container.path, f"it fits {titles}: choose the product")
    return fitting[0]


def match(container: Container, recipe: Recipe) -> Groups:
    """The named groups of the file's name for a recipe that the user chose; none for a renamed file.

    Raises BadFile where the file holds something else.
    """
    groups = _groups(container, recipe)
    wrong = _disagreement(container, recipe, groups or {})
    if groups is None and wrong is None and not _judges_content(container, recipe):
        wrong = "neither its name nor anything inside tells so"
    if wrong is None:
        return groups or {}
    others = [
        other.title
        for other in _built_in().values()
        if other.id != recipe.id and (_groups(container, other) is not None or _holds(container, other))
    ]
    if others:
        raise BadFile(
            container.path,
            f"it looks like {' or '.join(others[:2])}, not {recipe.title} ({wrong}): choose 'auto' or that product",
        )
    raise BadFile(
        container.path,
        f"it does not look like {recipe.title}: {wrong}; give it the name it was downloaded under, or import it as "
        "'generic'",
    )


@lru_cache(maxsize=1)
def _built_in() -> Mapping[str, Recipe]:
    recipes: dict[str, Recipe] = {}
    for path in sorted(_FOLDER.glob("*.json")):
        recipe = read_recipe(path)
        if recipe.id in recipes:
            raise InputError(f"The recipe {path.name}: its id {recipe.id!r} is taken already; give it another one.")
        recipes[recipe.id] = recipe
    return recipes


def _groups(container: Container, recipe: Recipe) -> Groups | None:
    for expression in recipe.files.names:
        found = re.search(expression, container.name, re.IGNORECASE)
        if found:
            return {name: text for name, text in found.groupdict().items() if text is not None}
    return None


def _disagreement(container: Container, recipe: Recipe, groups: Groups) -> str | None:
    """What in the file does not fit the recipe, None where nothing speaks against it."""
    if container.format in _ONE_ARRAY_FORMATS and not groups.get("array"):
        absent = next((pattern for pattern in recipe.files.arrays if container.find(pattern) is None), None)
        if absent:
            return f"it has no array {absent}"
    for pattern, expression in recipe.files.attributes.items():
        told = [text for name, text in container.attributes.items() if matches(name, pattern)]
        if told and not any(re.search(expression, str(text), re.IGNORECASE) for text in told):
            return f"its attribute {pattern} is {str(told[0])[:60]!r}"
    product = groups.get("product", "").upper()
    if _MODIS.fullmatch(product):
        inside = str(container.attributes.get("SHORTNAME", "")).upper()
        if _MODIS.fullmatch(inside) and product != inside:
            return f"inside it says {inside}"
    return None


def _judges_content(container: Container, recipe: Recipe) -> bool:
    return bool(recipe.files.attributes or (recipe.files.arrays and container.format in _ONE_ARRAY_FORMATS))


def _holds(container: Container, recipe: Recipe) -> bool:
    """Whether arrays and attributes alone tell that the file is of the family."""
    if not _judges_content(container, recipe) or any(container.find(one) is None for one in recipe.files.arrays):
        return False
    return all(
        any(
            matches(name, pattern) and re.search(text, str(value), re.IGNORECASE)
            for name, value in container.attributes.items()
        )
        for pattern, text in recipe.files.attributes.items()
    )
