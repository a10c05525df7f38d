"""The sections of a screening report: decisions, certainty, space and time, scatter plots, collinearity."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.form import map_contrasts
from ..report import Figure, Table, Text, charts, fmt, fmt_p, plural, typeset
from ..report.html import Block
from .correlation import benjamini_hochberg, corrected_p, fisher_interval
from .factor_score import FactorScore
from .screening import NEAR, ScreeningResult
from .space_time import cell_anomalies, period_anomalies

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASES = {
    "strongest": "the surest of: over all cells and periods, within the periods, between neighbouring cells",
    "contrasts": "between neighbouring cells: differences from the cells around",
    "pooled": "over all cells and periods",
    "within_period": "within the periods: differences in space",
    "within_cell": "within the cells: changes in time",
}
PLACES = {
    "contrasts": "between neighbouring cells",
    "pooled": "over all cells and periods",
    "within_period": "in space",
    "within_cell": "in time",
}
_SHORT = {
    "contrasts": "neighbours",
    "pooled": "over\u00a0all",
    "within_period": "in\u00a0space",
    "within_cell": "in\u00a0time",
}
_PANELS = 6
_POINTS = 20_000  # a panel cannot show more


def passing(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[FactorScore]:
    """The kept factors that meet both limits; the rest are kept on request, or as the last resort."""
    least, alpha = result.settings["min_abs_r"], result.settings["alpha"]
    return [score for score in ordered if score.kept and score.strength >= least and score.p_adjusted <= alpha]


def leading(result: ScreeningResult, ordered: Sequence[FactorScore]) -> FactorScore:
    """The strongest factor that passes, else the strongest of all."""
    passed = passing(result, ordered)
    return passed[0] if passed else max(ordered, key=lambda score: score.strength)


def naive_p(score: FactorScore) -> float:
    """The p value of the deciding correlation if every value counted as independent."""
    return corrected_p(score.deciding_r, score.n)


def place(score: FactorScore) -> str:
    """Where the correlation that decides was taken."""
    return PLACES.get(score.basis, "")


def decisions(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    blocks: list[Block] = []
    # That nothing passed is said in the verdict already.
    resort = [f"{score.name}: " for score in ordered if score.kept and score.warning]
    warnings = [typeset(text) for text in result.warnings if not text.startswith(tuple(resort))]
    if warnings:
        blocks.append(Text("Please check:\n" + "\n".join(f"- {text}" for text in warnings)))
    settings = result.settings
    rows = [[score.name, score.kept, typeset(_why(score))] for score in ordered]
    rule = (
        f"A factor passes with |r| of at least {settings['min_abs_r']:g} and an adjusted p of at most "
        f"{settings['alpha']:g}; of those that pass, the weaker of two that repeat each other goes until every "
        f"variance inflation is at most {settings['max_vif']:g}."
    )
    return [*blocks, Table(["Factor", "Kept", "Why"], rows, "What was decided, the strongest first.", notes=rule)]


def certainty(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    best, ranks = leading(result, ordered), result.settings["statistic"] == "spearman"
    naive, corrected = fmt_p(naive_p(best)), fmt_p(best.deciding_p)
    tests = sum(not math.isnan(score.deciding_p) for score in ordered)
    text = (
        "Cells next to each other are alike, and a wet week wets all cells at once. The naive p value counts every "
        "value as independent news, and so calls nearly any two smooth maps related. The effective n is the number of "
        "independent values that carry as much, estimated from how target and factor resemble themselves over "
        "distance and from date to date (Dutilleul 1993); intervals and corrected p values rest on it. "
        f"For {best.name}, {fmt(best.n)} values count as {fmt(best.deciding_n_effective, 0)}"
        f"{f', and p rises from {naive} to {corrected}' if naive != corrected else ''}.\n\n"
        f"{plural(tests, 'factor')} {'is one test' if tests == 1 else f'are {tests} tests'}: of unrelated factors one "
        "in twenty falls below p = 0.05 by chance. The adjusted p (Benjamini and Hochberg 1995) allows for that.\n\n"
        "The screening has seen all cells. A model that is later scored on the same cells profits from the choice made "
        "here, and its scores come out slightly too good."
    )
    rows: list[list[Any]] = []
    for score in ordered:
        size = score.deciding_n_effective
        low, high = fisher_interval(score.deciding_r, size, ranks=ranks)
        interval = None if math.isnan(low) else f"{fmt(low, 2)}\u00a0to\u00a0{fmt(high, 2)}"
        p_values = [naive_p(score), score.deciding_p, score.p_adjusted]
        where = _SHORT.get(score.basis)
        rows.append([score.name, where, score.deciding_r, interval, score.n, size, *(fmt_p(p) for p in p_values)])
    columns = ["Factor", "Where", "r", "95\u00a0% interval", "n", "Effective n", "Naive p", "Corrected p", "Adjusted p"]
    notes = f"r is {'Spearman’s' if ranks else 'Pearson’s'}. Over all: cells and periods together; in space: "
    notes += (
        "differences from the mean of each period; in time: from the mean of each cell; neighbours: from the mean of "
    )
    notes += "the cells around."
    if result.settings["basis"] == "strongest":
        notes += " Corrected p is multiplied by the number of such views, of which the surest was taken."
    static = [score.name for score in ordered if score.static]
    if static and result.settings["periods"] > 1:
        notes += f" Static factors count as one map, however many periods repeat it: {', '.join(static)}."
    return [Text(text), Table(columns, rows, "The correlation that decides.", notes=notes, digits=[0, 0, 2, 0, 0, 0])]


def space_and_time(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    text = (
        "Downscaling lives on differences in space, between neighbouring cells above all. A factor that goes with the "
        "target in time only tells when it is wet, not where."
    )
    least = result.settings["min_abs_r"]
    blind = [s.name for s in ordered if s.kept and max(abs(s.r_within_period), abs(s.r_contrasts)) < least]
    if blind:
        text += f" Kept, but with |r| below {least:g} both in space and between neighbours: {', '.join(blind)}."
    rows = [
        [score.name, score.r, score.rho, score.r_within_period, score.r_contrasts, score.r_within_cell]
        + [score.partial_r, score.mutual_information]
        for score in ordered
    ]
    columns = ["Factor", "Pearson", "Spearman", "In space", "Neighbours", "In time", "Partial r", "Mutual information"]
    notes = (
        "Pearson and Spearman: over all cells and periods. Partial r: given the other kept factors. Mutual information "
        "(nats) also sees relations that are not straight lines; 0 means none."
    )
    if result.settings["basis"] in NEAR:
        notes += " These two are of differences from the cells around."
    notes += " Empty: static, or too few periods."
    return [Text(text), Table(columns, rows, "Other views of the same relation.", notes=notes, digits=2)]


def scatter(
    result: ScreeningResult,
    ordered: Sequence[FactorScore],
    target: NDArray[np.float64],
    factors: Mapping[str, NDArray[np.float64]],
    units: Mapping[str, str],
) -> list[Block]:
    """A figure for each kind of correlation that decided, since each shows other differences."""
    chosen = [score for score in ordered if score.kept and score.strength > 0 and score.name in factors][:_PANELS]
    if not chosen:
        return [Text("No kept factor varies together with the target.")]
    window = result.settings["window"]
    differences = {
        "within_period": (period_anomalies, "the mean of the period"),
        "within_cell": (cell_anomalies, "the mean of the cell"),
        "contrasts": (lambda maps: map_contrasts(maps, window), "the mean of the cells around"),
    }
    blocks: list[Block] = []
    for basis in dict.fromkeys(score.basis for score in chosen):
        anomalies, mean = differences.get(basis, (None, ""))
        shown = "difference" if mean else ""
        panels, labels, thinned = [], [], False
        for score in chosen:
            if score.basis != basis:
                continue
            y = np.asarray(target, dtype=np.float64)
            x = np.broadcast_to(np.asarray(factors[score.name], dtype=np.float64), y.shape)
            valid = np.isfinite(x) & np.isfinite(y)
            if anomalies:
                x, y = (anomalies(np.where(valid, values, np.nan)) for values in (x, y))
            x, y = x[valid], y[valid]
            if x.size > _POINTS:
                some = np.random.default_rng(result.settings["seed"]).choice(x.size, _POINTS, replace=False)
                x, y, thinned = x[some], y[some], True
            panels.append((score.name, x, y))
            labels.append(_with_unit(shown, units.get(score.name)))
        ylabel = _with_unit(f"{result.target} {shown}".strip(), units.get(result.target))
        svg = charts.scatter_pair(panels, labels, ylabel, line="median")
        caption = "The kept factors that are strongest" if len(chosen) < len(result.kept) else "The kept factors"
        caption = caption if len(result.kept) > 1 else "The kept factor"
        caption += f", {PLACES[basis]}. Amber: median of the target and its middle half along the factor."
        if mean:
            caption += f" Both axes show the difference from {mean}."
        if thinned:
            caption += f" A random {fmt(_POINTS)} of the values are drawn."
        blocks.append(Figure(svg, caption, f"{result.target} against {', '.join(name for name, _, _ in panels)}"))
    return blocks


def repetition(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    by_name = {score.name: score for score in result.scores}
    alpha = result.settings["alpha"]
    marks = np.zeros(result.correlation.shape, dtype=bool)
    near = result.settings["basis"] in NEAR
    scores = [by_name[name] for name in result.names[1:]]
    p_values = benjamini_hochberg(np.array([s.p_contrasts if near else s.p_corrected for s in scores]))
    marks[0, 1:] = marks[1:, 0] = p_values <= alpha
    heat = charts.heatmap(result.correlation, result.names, marks, target=result.target)
    what = "differences from the cells around" if near else "values"
    caption = (
        f"Pearson's r of the {fmt(result.rows)} {what} with all factors, the target first. Dot: the corrected p of "
        f"this correlation with the target, adjusted for the number of factors, is at most {alpha:g}. Between factors "
        "nothing is tested."
    )
    text = (
        "Variance inflation (VIF) tells how well the other factors predict a factor: 1 if they know nothing of it, 10 "
        "if they tell 90\u00a0% of its variance. Factors that repeat each other share their importance, and a linear "
        "model cannot tell them apart. The condition number of the factors' correlations, largest over smallest "
        f"eigenvalue, is {_large(result.condition_number, 0)}."
    )
    rows = [[s.name, s.kept, _large(s.vif_all), _large(s.vif_kept)] for s in ordered if not math.isnan(s.vif_all)]
    columns = ["Factor", "Kept", "VIF among all", "VIF among the kept"]
    table = Table(columns, rows, "Variance inflation.")
    return [Figure(heat, caption, _strongest_pair(result)), Text(text), table]


def _strongest_pair(result: ScreeningResult) -> str:
    between = np.abs(np.triu(result.correlation[1:, 1:], 1))
    if between.size < 4:
        return "Correlation matrix of the target and one factor"
    i, j = np.unravel_index(int(between.argmax()), between.shape)
    return f"Correlation matrix; the factors most alike are {result.names[1 + i]} and {result.names[1 + j]}"


def _why(score: FactorScore) -> str:
    text = re.sub(r"^(kept|dropped): ", "", score.reason)
    return text if text.startswith(("r =", "|r|")) else text[:1].upper() + text[1:]


def _large(value: float, digits: int = 1) -> str:
    """A number that may be huge, where digits mean nothing."""
    return fmt(value, digits) if not value >= 1e4 else "above 10,000"


def _with_unit(label: str, unit: str | None) -> str:
    return f"{label} ({unit})".strip() if unit else label
