"""Reads a recipe file and says every mistake in it in one sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from .period_lengths import AXIS, LENGTHS, STAMPS
from .recipe import FIRST, MEAN, REFUSE, STRICTNESS, Files, GridRule, QualityRule, Recipe, TimeRule, Variable
from .recipe_json import Part, read_json, shown

_TOP = "id title sources checked notes version merge merge_dims files grid times default quality variables".split()
_FILES = ("names", "arrays", "attributes")
_GRID = "kind x y crs row column cell_km latitude longitude".split()
_TIME = "kind format start end axis length stamp".split()
_QUALITY = "name array bits keep scale offset fill missing".split()
_VARIABLE = (
    "title array unit scale offset factor fill valid stored_unit depth select accumulated categorical quality note"
).split()
_GRID_KINDS = ("own", "coordinates", "ease2", "ease2 indices")
_TIME_KINDS = ("name", "attributes", "axis", "static")
_NAME_GROUPS = ("product", "date", "version", "tile", "array")


def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a JSON file. Raises InputError with file, key and what to do for the first mistake in it."""
    return _recipe(read_json(Path(path)))


def _recipe(top: Part) -> Recipe:
    top.known(_TOP, ("id", "title", "files", "times", "variables"))
    name = top.text("id")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise top.wrong("id", f"must be lower-case letters, digits and _, starting with a letter, not {name!r}")
    quality = {key: _quality(top.part("quality"), key) for key in top.part("quality").content}
    variables = {key: _variable(top.part("variables"), key, quality) for key in top.part("variables").content}
    if not variables:
        raise top.wrong("variables", "names no variable")
    default = top.texts("default") or (next(iter(variables)),)
    for one in default:
        if one not in variables:
            raise top.wrong("default", f"names {one!r}, which is no variable; there are {', '.join(variables)}")
    files = _files(top.part("files"))
    return Recipe(
        name,
        top.text("title"),
        files,
        _grid(top.part("grid")),
        _times(top, files),
        variables,
        default,
        top.text("version"),
        top.text("merge", REFUSE, (REFUSE, FIRST, MEAN)),
        top.texts("merge_dims"),
        top.texts("sources"),
        top.text("checked"),
        top.texts("notes"),
        top.content,
    )


def _files(part: Part) -> Files:
    part.known(_FILES)
    names = tuple(part.expression("names", one) for one in part.texts("names"))
    for one in names:
        unknown = [group for group in re.compile(one).groupindex if group not in _NAME_GROUPS]
        if unknown:
            raise part.wrong("names", f"has a group {unknown[0]!r}; known groups are {', '.join(_NAME_GROUPS)}")
    arrays = part.texts("arrays")
    inside = part.part("attributes")
    attributes = {key: inside.expression(key, text) for key, text in inside.content.items()}
    if not names and not arrays and not attributes:
        raise part.wrong("names", "is missing, and so are arrays and attributes: nothing tells the files")
    return Files(names, arrays, attributes)


def _grid(part: Part) -> GridRule:
    part.known(_GRID)
    kind = part.text("kind", "own", _GRID_KINDS)
    for key in ("row", "column", "cell_km"):
        if kind == "ease2 indices" and key not in part.content:
            raise part.wrong(key, f"is missing: a grid of the kind {kind!r} needs it")
    cell = part.number("cell_km", 0)
    if cell not in (0, 1, 3, 9, 25, 36):
        raise part.wrong("cell_km", f"must be 1, 3, 9, 25 or 36, not {cell:g}")
    texts = {key: part.text(key) for key in ("x", "y", "row", "column", "latitude", "longitude")}
    return GridRule(kind=kind, crs=part.text("crs", GridRule.crs), cell_km=int(cell), **texts)


def _times(top: Part, files: Files) -> tuple[TimeRule, ...]:
    rules = top.content["times"]
    if not isinstance(rules, list) or not rules:
        raise top.wrong("times", 'must be a list of rules such as [{"kind": "static"}]')
    return tuple(_time(Part(top.file, f"times[{number}]", rule), files) for number, rule in enumerate(rules))


def _time(part: Part, files: Files) -> TimeRule:
    part.known(_TIME, ("kind",))
    kind = part.text("kind", choices=_TIME_KINDS)
    needed = {"attributes": "start", "axis": "axis"}.get(kind)
    if needed and needed not in part.content:
        raise part.wrong(needed, f"is missing: a rule of the kind {kind!r} needs it")
    form = part.text("format")
    unknown = re.sub(r"%[YymdjHMSDP%]", "", form)
    if "%" in unknown:
        raise part.wrong("format", f"holds {form!r}; known are %Y %y %m %d %j %H %M %S, %D (dekad) and %P (pentad)")
    if kind == "name" and form and not any("(?P<date>" in name for name in files.names):
        raise part.wrong("kind", "reads the group `date` of the file name, but no expression in files.names has one")
    length: str | Mapping[str, str] = "day"
    if isinstance(part.content.get("length"), dict):
        inside = part.part("length")
        length = {inside.expression(key, key): inside.text(key, choices=_lengths(kind)) for key in inside.content}
    elif "length" in part.content:
        length = part.text("length", choices=_lengths(kind))
    stamp = part.text("stamp", "start", STAMPS)
    return TimeRule(kind, form, part.text("start"), part.text("end"), part.text("axis"), length, stamp)


def _lengths(kind: str) -> tuple[str, ...]:
    return (*LENGTHS, AXIS) if kind == "axis" else tuple(LENGTHS)


def _quality(rules: Part, key: str) -> QualityRule:
    part = rules.part(key)
    part.known(_QUALITY, ("array", "keep"))
    bits = part.pair("bits")
    if bits and not all(isinstance(bit, int) and 0 <= bit <= 31 for bit in bits):
        raise part.wrong("bits", "must be whole numbers from 0 (the lowest bit) to 31")
    scale = part.number("scale", 1)
    if scale == 0:
        raise part.wrong("scale", "must not be 0")
    keep = {name: _keep(part.part("keep"), name, bits) for name in part.part("keep").content}
    unknown = [name for name in keep if name not in STRICTNESS]
    if unknown or not keep:
        raise part.wrong("keep", f"must say what is kept for one or more of {', '.join(STRICTNESS)}")
    return QualityRule(
        part.text("name", key),
        part.text("array"),
        bits,
        keep,
        scale,
        part.number("offset", 0),
        part.numbers("fill"),
        part.flag("missing"),
    )


def _keep(part: Part, key: str, bits: tuple[int, int] | None) -> tuple[int, ...] | Mapping[str, float]:
    if isinstance(part.content[key], dict):
        limits = part.part(key)
        limits.known(("min", "max"))
        if not limits.content:
            raise limits.wrong("min", "is missing, and so is max")
        if bits:
            raise part.wrong(key, "must be a list of codes, since the rule looks at bits")
        return {name: limits.number(name, 0) for name in limits.content}
    codes = part.numbers(key)
    largest = 2 ** (bits[1] - bits[0] + 1) - 1 if bits else math.inf
    for code in codes:
        if not isinstance(code, int) or (bits and not 0 <= code <= largest):
            span = f" from 0 to {largest}, which {bits[1] - bits[0] + 1} bits can hold" if bits else ""
            raise part.wrong(key, f"must list whole numbers{span}, not {code}")
    if not codes:
        raise part.wrong(key, "keeps nothing; leave it out where the rule is not looked at")
    return tuple(int(code) for code in codes)


def _variable(variables: Part, name: str, quality: Mapping[str, QualityRule]) -> Variable:
    if not re.fullmatch(r"[A-Za-z0-9_.\-]+", name):
        raise variables.wrong(name, "must be letters, digits, _ - and . without spaces or commas")
    part = variables.part(name)
    part.known(_VARIABLE, ("array",))
    for rule in part.texts("quality"):
        if rule not in quality:
            raise part.wrong(
                "quality", f"names {rule!r}, which is not defined; there are {', '.join(quality) or 'none'}"
            )
    scale = None if part.content.get("scale") is None else part.number("scale", 1)
    factor = part.number("factor", 1)
    if scale == 0 or factor == 0:
        raise part.wrong("scale" if scale == 0 else "factor", "must not be 0")
    select = part.part("select").content
    for dimension, index in select.items():
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise part.wrong(f"select.{dimension}", f"must be a whole number from 0 upwards, not {shown(index)}")
    return Variable(
        name=name,
        title=part.text("title", name),
        array=part.text("array"),
        unit=part.text("unit"),
        scale=scale,
        offset=None if part.content.get("offset") is None else part.number("offset", 0),
        factor=factor,
        fill=part.numbers("fill"),
        valid=part.pair("valid"),
        stored_unit=part.texts("stored_unit"),
        depth=part.text("depth"),
        select=select,
        accumulated=part.flag("accumulated"),
        categorical=part.flag("categorical"),
        quality=tuple(quality[rule] for rule in part.texts("quality")),
        note=part.text("note"),
    )
