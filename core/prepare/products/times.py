"""Which periods a file holds, and where in its arrays each one is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from ...raster.periods import Period, period_in_name
from .container import ArrayInfo, BadFile, Container
from .dates import Stamp, read_any_date, read_date
from .dimensions import bare_name, matches, step_indices
from .period_lengths import END, period_at, since_midnight
from .recipe import Recipe, TimeRule, Variable
from .time_axis import axis_periods

_DAY = dt.timedelta(days=1)
_UNNAMED = re.compile(r"(phony_)?dim_?\d+")
# What files of the Earth Observing System and of SMAP say of their time, whether a recipe asks or not.
_WELL_KNOWN = (
    ("RANGEBEGINNINGDATE", "RANGEENDINGDATE"),
    ("Metadata/Extent/rangeBeginningDateTime", "Metadata/Extent/rangeEndingDateTime"),
)


@dataclass(frozen=True)
class Step:
    """One time of an array: its period (None for what has no date) and the index in every dimension but rows and
    columns.

    others: indices to look at, in order, where no value is at `index` (the later releases of an `expver` dimension).
    minus: for values that add up from midnight (stamped at their end), the step before, whose values are subtracted.
    cut: that step is needed but the file does not hold it, so that nothing is known.
    """

    period: Period | None
    index: Mapping[str, int]
    others: tuple[Mapping[str, int], ...] = ()
    minus: Step | None = None
    cut: bool = False


def time_steps(
    container: Container,
    info: ArrayInfo,
    recipe: Recipe,
    groups: Mapping[str, str],
    variable: Variable | None = None,
) -> list[Step]:
    """The times of an array, in the order of the file, by the first rule of the recipe that finds a date.

    Raises BadFile where none does, where a date does not exist, where name and content disagree (a renamed file), and
    for dimensions that neither the recipe nor the time explains.
    """
    found: list[tuple[str, str, list[Period]]] = []  # kind of rule, dimension, periods
    missing = None
    accumulated = variable is not None and variable.accumulated
    for rule in recipe.times:
        if accumulated and rule.kind == "axis":
            rule = replace(rule, stamp=END, length="hour")
        try:
            one = _by_rule(container, info, rule, groups)
        except _NotTold as error:
            missing = str(error)
            continue
        except ValueError as error:
            raise BadFile(container.path, str(error)) from error
        if one and not any(kind == rule.kind for kind, _, _ in found):
            found.append((rule.kind, *one))
    # The date in a name cannot stand for several steps.
    found.sort(key=lambda one: len(one[2]) < 2)
    if found:
        _check_agreement(container, recipe, found)
        _, dimension, periods = found[0]
    elif missing is None and any(rule.kind == "static" for rule in recipe.times):
        dimension, periods = "", []
    else:
        why = f" ({missing})" if missing else ""
        remedy = (
            f"write the date into its name, such as 20210803, in the place where files of {recipe.title} have it"
            if recipe.files.names
            else "write a date such as 20210803 into its name, or give the date ('static' if it holds for all time)"
        )
        raise BadFile(container.path, f"it has no date in its name or inside{why}: {remedy}")
    indices = step_indices(container, info, recipe, variable, dimension, len(periods))
    dated: list[Period | None] = [*periods] or [None]
    steps = [Step(period, first, tuple(others)) for period, (first, *others) in zip(dated, indices)]
    try:
        return _differences(steps) if accumulated else steps
    except ValueError as error:
        raise BadFile(container.path, str(error)) from error


class _NotTold(Exception):
    """A rule found a time but not how long its period is: the next rule may know."""


def _by_rule(
    container: Container, info: ArrayInfo, rule: TimeRule, groups: Mapping[str, str]
) -> tuple[str, list[Period]] | None:
    """The dimension (empty for one time) and the periods; None where the rule finds no date."""
    period: Period | None
    if rule.kind == "given":
        period = _given(rule.format)
    elif rule.kind == "name":
        period = _named(container, rule, groups)
    elif rule.kind == "attributes":
        period = _declared(container, rule.start, rule.end, rule, groups)
    elif rule.kind == "axis":
        return _on_axis(container, info, rule, groups)
    else:
        return None
    return ("", [period]) if period else None


def _given(text: str) -> Period:
    """What the user says: a date or month, or the first and the last day with `/` between them."""
    found = [period_in_name(part.strip()) for part in text.split("/")]
    if not 1 <= len(found) <= 2 or None in found:
        raise InputError(f"The date {text!r} is not like 2021-08-03, 2021-08 or 2021-08-03/2021-08-10.")
    first, last = found[0], found[-1]
    assert first is not None and last is not None
    return Period(first.start, last.end)


def _named(container: Container, rule: TimeRule, groups: Mapping[str, str]) -> Period | None:
    if not rule.format:
        return period_in_name(container.name)
    text = groups.get("date")
    try:
        stamp = read_date(text, rule.format) if text else None
    except ValueError as error:
        raise ValueError(f"the date in its name does not exist: {error}") from error
    if stamp is None:
        return None
    return _period(stamp, _length(rule, container, groups), rule)


def _declared(
    container: Container, start: str, end: str, rule: TimeRule | None, groups: Mapping[str, str]
) -> Period | None:
    first, last = (_attribute_date(container, name, rule.format if rule else "") for name in (start, end))
    if first is None:
        return None
    if last is None:
        return _period(first, _length(rule, container, groups), rule) if rule else None
    begin = first.moment.replace(second=0, microsecond=0)
    # A last day belongs to the period, and a last second such as 23:59:59 ends its minute.
    stop = last.moment + _DAY if last.whole_day else last.moment
    stop = stop if stop == stop.replace(second=0, microsecond=0) else _next_minute(stop)
    if stop <= begin:
        raise ValueError(f"it says that it begins on {begin} and ends on {stop}")
    return Period(begin, stop)


def _next_minute(moment: dt.datetime) -> dt.datetime:
    return moment.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)


def _attribute_date(container: Container, pattern: str, form: str) -> Stamp | None:
    if not pattern:
        return None
    name = next((name for name in container.attributes if matches(name, pattern)), None)
    if name is None:
        return None
    text = str(container.attributes[name]).strip()
    try:
        stamp = read_date(text, form) if form else read_any_date(text)
    except ValueError as error:
        raise ValueError(f"its attribute {name} is wrong: {error}") from error
    if stamp is None:
        raise ValueError(f"its attribute {name} is {text!r}, which is no date that can be read")
    return stamp


def _on_axis(
    container: Container, info: ArrayInfo, rule: TimeRule, groups: Mapping[str, str]
) -> tuple[str, list[Period]] | None:
    dimension = next((name for name in info.dims if matches(name, rule.axis)), "")
    array = (dimension and container.find(bare_name(dimension))) or container.find(rule.axis)
    if not array:
        return None
    axis = container.arrays[array]
    size = int(np.prod(axis.shape, dtype=int))
    if not dimension:
        # Without names of dimensions an axis belongs to the first dimension of its length.
        unnamed = [(name, count) for name, count in zip(info.dims[:-2], info.shape) if _UNNAMED.fullmatch(name)]
        dimension = next((name for name, count in unnamed if count == size > 1), "")
    if size == 0 or len(axis.shape) > 1 or (size > 1 and not dimension):
        return None
    length = _length(rule, container, groups)
    periods = axis_periods(container, axis, length, rule)
    if periods is None:
        raise _NotTold(f"the length of its one time step on {bare_name(array)} is not told")
    return dimension, periods


def _length(rule: TimeRule, container: Container, groups: Mapping[str, str]) -> str:
    if isinstance(rule.length, str):
        return rule.length
    product = groups.get("product") or ""
    for text in (product, container.name):
        for expression, length in rule.length.items():
            if text and re.search(expression, text, re.IGNORECASE):
                return length
    raise ValueError(f"the recipe does not say how long the periods of {product or container.name} are")


def _period(stamp: Stamp, length: str, rule: TimeRule) -> Period:
    # A date alone is the day on which a period ends, and that day belongs to it.
    moment = stamp.moment + _DAY if stamp.whole_day and rule.stamp == END else stamp.moment
    return period_at(moment, length, rule.stamp)


def _check_agreement(container: Container, recipe: Recipe, found: Sequence[tuple[str, str, list[Period]]]) -> None:
    spans = [(kind, Period(min(p.first for p in periods), max(p.last for p in periods))) for kind, _, periods in found]
    if "attributes" not in [kind for kind, _ in spans]:
        for start, end in _WELL_KNOWN:
            try:
                told = _declared(container, start, end, None, {})
            except ValueError:
                told = None
            if told:
                spans.append(("attributes", told))
    named = [span for kind, span in spans if kind == "name"]
    inside = [span for kind, span in spans if kind != "name"]
    for name in named:
        for content in inside:
            # Half a period of tolerance: some products name the middle of what they are made from.
            overlap = name.overlap_days(content)
            if overlap < 0.45 * min(name.days, content.days) and not name.first <= content.first < name.last:
                raise BadFile(
                    container.path,
                    f"its name says {name.label}, but inside it says {content.label}: it was renamed or is damaged, so "
                    "download it again",
                )


def _differences(steps: Sequence[Step]) -> list[Step]:
    ends = [step.period.last for step in steps if step.period is not None]
    differences: list[Step] = []
    for step, (period, number) in zip(steps, since_midnight(ends)):
        fresh = period.first.time() == dt.time(0)
        before = None if number is None else steps[number]
        differences.append(Step(period, step.index, step.others, before, cut=before is None and not fresh))
    return differences
