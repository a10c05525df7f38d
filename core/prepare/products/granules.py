"""The file, or the files of one variable each, that hold a product at one time and place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from .container import Container
from .recipe import Recipe


@dataclass
class Granule:
    """Files of one granule: path of each, by the name of the one array it holds (empty for files of many arrays).

    parts: what the file name says (`product`, `date`, `version`, `tile`).
    """

    name: str
    recipe: Recipe
    parts: Mapping[str, str]
    members: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> str:
        return next(iter(self.members.values()))

    @contextmanager
    def open(self) -> Iterator[OpenGranule]:
        """Its arrays; files are opened as they are asked for and closed together."""
        opened = OpenGranule(self)
        try:
            yield opened
        finally:
            opened.close()


class OpenGranule:
    """Finds and reads arrays in whichever file of a granule holds them."""

    def __init__(self, granule: Granule) -> None:
        self.granule = granule
        self._open: dict[str, Container] = {}

    def container(self, path: str | None = None) -> Container:
        path = path or self.granule.first
        if path not in self._open:
            self._open[path] = Container.open(path)
        return self._open[path]

    def find(self, patterns: str) -> tuple[Container, str] | None:
        """The container and the path of the array that fits one of the patterns (`|` between them)."""
        if "" in self.granule.members:
            container = self.container()
            found = container.find(patterns)
            return (container, found) if found else None
        for pattern in patterns.split("|"):
            for name, path in self.granule.members.items():
                if fnmatch(name.lower(), pattern.lower()) or pattern.lower() == f"*{name.lower()}":
                    container = self.container(path)
                    # Axes and grid mappings of a netCDF file stand beside its one raster.
                    return container, next(key for key, info in container.arrays.items() if len(info.shape) >= 2)
        return None

    @property
    def known(self) -> list[str]:
        """Names of the arrays, for messages."""
        if "" in self.granule.members:
            return list(self.container().arrays)
        return list(self.granule.members)

    def close(self) -> None:
        for container in self._open.values():
            container.close()
        self._open = {}


def granules_of(files: Sequence[tuple[str, Recipe, Mapping[str, str]]]) -> list[Granule]:
    """Gather (path, recipe, groups of its name) into granules, quality files beside the given ones included."""
    found: dict[tuple[str, str], Granule] = {}
    for path, recipe, parts in files:
        array = parts.get("array") or ""
        bare = _without(Path(path).name, array)
        key = (str(Path(path).parent), bare)
        if key not in found:
            rest = {name: text for name, text in parts.items() if name != "array"}
            found[key] = Granule(Path(path).name, recipe, rest)
        found[key].members.setdefault(array, path)
    for (folder, bare), granule in found.items():
        if "" not in granule.members:
            _add_quality_files(granule, folder, bare)
    return list(found.values())


def _add_quality_files(granule: Granule, folder: str, bare: str) -> None:
    """The quality layers of a granule usually lie beside it, whether they were chosen or not."""
    wanted = {
        pattern
        for variable in granule.recipe.variables.values()
        for rule in variable.quality
        for pattern in rule.array.split("|")
    }
    if not wanted or folder.startswith("/vsi"):
        return
    for path in sorted(Path(folder).iterdir()):
        for expression in granule.recipe.files.names:
            match = re.search(expression, path.name, re.IGNORECASE)
            array = (match.groupdict().get("array") or "") if match else ""
            if array and _without(path.name, array) == bare and any(fnmatch(array.lower(), p.lower()) for p in wanted):
                granule.members.setdefault(array, str(path))


def _without(name: str, array: str) -> str:
    return name if not array else name[: name.rindex(array)] + "*" + name[name.rindex(array) + len(array) :]
