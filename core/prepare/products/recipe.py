"""What the plugin knows about a family of products: where its variables are, what they mean, which pixels are good.

Recipes are data (JSON files in `recipes/`, or a user's own); `docs/recipes.md` describes every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BEST, GOOD, ALL = "best", "good", "all"
STRICTNESS = (BEST, GOOD, ALL)

# How files of one family and time that cover the same cells come together.
REFUSE, FIRST, MEAN = "refuse", "first", "mean"


@dataclass(frozen=True)
class Files:
    """How files of the family are recognised.

    names: regular expressions searched in the file name, ignoring case, with the optional groups `product`, `date`,
    `version`, `tile` and `array` (the variable that a file of one variable holds: files that differ in it alone are
    one granule). arrays: patterns of arrays that must all be there where the name is not known. attributes: global
    attributes and the expressions found in them.
    """

    names: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GridRule:
    """Where the cells lie.

    kind: `own` (the georeference that GDAL reads), `coordinates` (1-D arrays x and y in `crs`), `ease2` (a whole global
    EASE-Grid 2.0, its cell size told by the shape), `ease2 indices` (arrays `row` and `column` give the place of each
    value on the EASE-Grid of `cell_km`; for half orbits and windows). latitude, longitude: arrays that the result is
    checked against.
    """

    kind: str = "own"
    x: str = ""
    y: str = ""
    crs: str = "EPSG:4326"
    row: str = ""
    column: str = ""
    cell_km: int = 0
    latitude: str = ""
    longitude: str = ""


@dataclass(frozen=True)
class TimeRule:
    """When the values hold. A recipe lists rules in order; the first that finds a date wins.

    kind: `name` (the group `date` of the file name, read by `format`; `|` between alternatives), `attributes` (global
    attributes `start` and `end`, or `start` alone), `axis` (the array `axis` in CF units), `static`.
    length: `hour`, `3 hours`, `6 hours`, `12 hours`, `day`, `4 days`, `5 days`, `8 days`, `16 days`, `dekad`, `month`,
    `year`, `axis` (told by the spacing of the axis); or a mapping from a regular expression found in the group
    `product` (or the file name) to one. 4-day, 8-day and 16-day periods restart each 1 January, 5-day ones with each
    month.
    stamp: whether the date is the `start`, the `centre` or the `end` of its period.
    """

    kind: str
    format: str = ""
    start: str = ""
    end: str = ""
    axis: str = ""
    length: str | Mapping[str, str] = "day"
    stamp: str = "start"


@dataclass(frozen=True)
class QualityRule:
    """Which pixels one quality array lets through.

    bits: first and last bit (0 is the lowest) of the field that is looked at; None for the whole value. keep: for each
    strictness the codes that are kept, or a range {"min": .., "max": ..} of values (after `scale` and `offset`); a
    strictness that is not named does not look at the rule. fill: values that mean no quality; the file's own where
    empty. missing: whether pixels whose quality itself is missing are kept.
    """

    name: str
    array: str
    bits: tuple[int, int] | None
    keep: Mapping[str, tuple[int, ...] | Mapping[str, float]]
    scale: float = 1.0
    offset: float = 0.0
    fill: tuple[float, ...] = ()
    missing: bool = False


@dataclass(frozen=True)
class Variable:
    """One variable of a family.

    array: patterns (fnmatch, `|` between alternatives) of the array, matched with its full path or its last part.
    scale, offset: from stored to physical values, None to take the file's own (`scale_factor`, `add_offset`; 1 and 0
    without). factor: turns the scaled values into `unit` (1000 from m to mm), for files that are packed each in its
    own way. fill: stored values that mean no data, beside the file's own. valid: lowest and highest stored value.
    stored_unit: units that the file may declare, empty for any. select: index in dimensions that are neither space nor
    time. accumulated: values add up from midnight (ERA5-Land) and are turned into steps. quality: the rules that apply.
    """

    name: str
    title: str
    array: str
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    factor: float = 1.0
    fill: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    stored_unit: tuple[str, ...] = ()
    depth: str = ""
    select: Mapping[str, int] = field(default_factory=dict)
    accumulated: bool = False
    categorical: bool = False
    quality: tuple[QualityRule, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """A family of products.

    merge: what happens to files of one time and place. merge_dims: dimensions along which the first value that is
    there counts (`expver` of ERA5-Land). checked: on what the recipe was tried.
    """

    id: str
    title: str
    files: Files
    grid: GridRule
    times: tuple[TimeRule, ...]
    variables: Mapping[str, Variable]
    default: tuple[str, ...]
    version: str = ""
    merge: str = REFUSE
    merge_dims: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    checked: str = ""
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
