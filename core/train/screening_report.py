"""The report of factor screening: what is kept and why, and how sure each correlation is."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, fmt_p
from ..report.html import Block
from .correlation import corrected_p, fisher_interval
from .factor_list import to_json_dict
from .factor_score import FactorScore
from .screening import ScreeningResult
from .space_time import cell_anomalies, period_anomalies

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PANELS = 6
_POINTS = 20_000  # a panel cannot show more
_WHERE = {"pooled": "over all", "within_period": "in space", "within_cell": "in time"}
_BASES = {
    "strongest": "over all cells and periods, or within the periods if stronger there",
    "pooled": "over all cells and periods",
    "within_period": "within the periods: differences in space",
    "within_cell": "within the cells: changes in time",
}


def screening_report(
    result: ScreeningResult,
    target: NDArray[np.float64],
    factors: Mapping[str, NDArray[np.float64]],
    *,
    units: Mapping[str, str] | None = None,
) -> Report:
    """One page about `result`; `target` and `factors` are the arrays that were screened, for the scatter plots.

    `units` by name of factor or target go to the axes. `data` is the content of the factor list, `main_table`
    has all numbers of each factor.
    """
    ordered = sorted(result.scores, key=lambda score: (not score.kept, -score.strength))
    tone, verdict = _verdict(result, ordered)
    sections = [
        Section("Kept and dropped", _decisions(result, ordered)),
        Section("How sure are the correlations?", _certainty(result, ordered)),
        Section("In space and in time", _views(result, ordered)),
        Section("Factors against the target", _scatter(result, ordered, target, factors, units or {})),
        Section("Factors that repeat each other", _repetition(result, ordered)),
    ]
    return Report(
        title="Factor screening",
        subtitle=f"{len(ordered)} {_plural('factor', len(ordered))} for {result.target}",
        verdict=_typeset(verdict),
        tone=tone,
        key_figures=_key_figures(result, ordered),
        sections=sections,
        details=_details(result),
        data=to_json_dict(result),
        main_table=_main_table(ordered),
    )


def _verdict(result: ScreeningResult, ordered: Sequence[FactorScore]) -> tuple[str, str]:
    best, total = ordered[0], len(ordered)
    evidence = (
        f"r {fmt(best.deciding_r, 2)} {_place(best)}, corrected p {fmt_p(best.deciding_p)} with an effective n of "
        f"{fmt(_effective(best), 0)} of {fmt(best.n)} values"
    )
    if best.warning:  # the fallback: nothing passed
        return "bad", (
            f"No factor passes; {best.name} is kept only because it is the strongest of {total}: {evidence}.\n"
            "A model trained on it will hardly do better than smooth interpolation of the coarse field."
        )
    kept = len(result.kept)
    text = f"{kept} of {total} {_plural('factor', total)} {'is' if kept == 1 else 'are'} kept; "
    text += f"strongest: {best.name}, {evidence}."
    tested = [score for score in ordered if not math.isnan(score.deciding_p)]
    alpha = result.settings["alpha"]
    naive = sum(corrected_p(score.deciding_r, score.n) <= alpha for score in tested)
    sure = sum(score.p_adjusted <= alpha for score in tested)
    text += (
        f"\nCounting every value as independent, {naive} of {len(tested)} would pass p \u2264 {alpha:g}; with the "
        f"effective n and the number of tests allowed for, {sure} {'does' if sure == 1 else 'do'}."
    )
    return "neutral" if result.warnings else "good", text


def _key_figures(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[KeyFigure]:
    best = ordered[0]
    inflation = [score.vif_kept for score in ordered if score.kept and not math.isnan(score.vif_kept)]
    limit = f"limit {result.settings['max_vif']:g}"
    naive = fmt_p(corrected_p(best.deciding_r, best.n))
    return [
        KeyFigure("factors kept", fmt(len(result.kept)), f"of {len(ordered)}"),
        KeyFigure(f"r of {best.name}", fmt(best.deciding_r, 2), f"the strongest, {_place(best)}"),
        KeyFigure("its effective n", fmt(_effective(best), 0), f"of {fmt(best.n)} values"),
        KeyFigure("its corrected p", fmt_p(best.deciding_p), f"naive {naive}"),
        KeyFigure("largest VIF of the kept", fmt(max(inflation, default=math.nan), 1), limit),
    ]


def _decisions(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    blocks: list[Block] = []
    if result.warnings:
        blocks.append(Text("Please check:\n" + "\n".join(f"- {_typeset(text)}" for text in result.warnings)))
    settings = result.settings
    rows = [[score.name, score.kept, _typeset(_why(score))] for score in ordered]
    rule = (
        f"A factor passes with |r| of at least {settings['min_abs_r']:g} and an adjusted p of at most "
        f"{settings['alpha']:g}; of those that pass, the weaker of two that repeat each other goes until every "
        f"variance inflation is at most {settings['max_vif']:g}."
    )
    return [*blocks, Table(["Factor", "Kept", "Why"], rows, "What was decided, the strongest first.", notes=rule)]


def _certainty(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    best, ranks = ordered[0], result.settings["statistic"] == "spearman"
    naive = fmt_p(corrected_p(best.deciding_r, best.n))
    tests = sum(not math.isnan(score.deciding_p) for score in ordered)
    text = (
        "Cells next to each other are alike, and a wet week wets all cells at once. The naive p value counts every "
        "value as independent news, and so calls nearly any two smooth maps related. The effective n is the number of "
        "independent values that carry as much, estimated from how target and factor resemble themselves over "
        "distance and from date to date (Dutilleul 1993); intervals and corrected p values rest on it. "
        f"For {best.name}, {fmt(best.n)} values count as {fmt(_effective(best), 0)}, and the p value of {naive} "
        f"becomes {fmt_p(best.deciding_p)}.\n\n"
        f"{tests} {_plural('factor', tests)} also {'means one test' if tests == 1 else f'mean {tests} tests'}: of "
        "unrelated factors one in twenty falls below p = 0.05 by chance. The adjusted p (Benjamini and Hochberg 1995) "
        "allows for that.\n\n"
        "The screening has seen all cells. A model that is later scored on the same cells profits from the choice made "
        "here, and its scores come out slightly too good."
    )
    rows: list[list[Any]] = []
    for score in ordered:
        size = _effective(score)
        low, high = fisher_interval(score.deciding_r, size, ranks=ranks)
        interval = None if math.isnan(low) else f"{fmt(low, 2)}\u00a0to\u00a0{fmt(high, 2)}"
        p_values = [corrected_p(score.deciding_r, score.n), score.deciding_p, score.p_adjusted]
        where = _WHERE.get(score.basis)
        rows.append([score.name, where, score.deciding_r, interval, score.n, size, *(fmt_p(p) for p in p_values)])
    columns = ["Factor", "Where", "r", "95\u00a0% interval", "n", "Effective n", "Naive p", "Corrected p", "Adjusted p"]
    notes = f"r is {'Spearman’s' if ranks else 'Pearson’s'}. Over all: cells and periods together; in space: "
    notes += "differences from the mean of each period; in time: from the mean of each cell."
    static = [score.name for score in ordered if score.static]
    if static and result.settings["periods"] > 1:
        notes += f" Static factors count as one map, however many periods repeat it: {', '.join(static)}."
    return [Text(text), Table(columns, rows, "The correlation that decides.", notes=notes, digits=[0, 0, 2, 0, 0, 0])]


def _views(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    text = (
        "Downscaling lives on differences in space. A factor that goes with the target in time only tells when it is "
        "wet, not where."
    )
    least = result.settings["min_abs_r"]
    blind = [score.name for score in ordered if score.kept and abs(score.r_within_period) < least]
    if blind:
        text += f" Kept, but with |r| below {least:g} in space: {', '.join(blind)}."
    rows = [
        [score.name, score.r, score.rho, score.r_within_period, score.r_within_cell]
        + [score.partial_r, score.mutual_information]
        for score in ordered
    ]
    columns = ["Factor", "Pearson", "Spearman", "In space", "In time", "Partial r", "Mutual information"]
    notes = (
        "Pearson and Spearman: over all cells and periods. Partial r: given the other kept factors. Mutual information "
        "(nats) also sees relations that are not straight lines; 0 means none. Empty: static, or too few periods."
    )
    return [Text(text), Table(columns, rows, "Other views of the same relation.", notes=notes, digits=2)]


def _scatter(
    result: ScreeningResult,
    ordered: Sequence[FactorScore],
    target: NDArray[np.float64],
    factors: Mapping[str, NDArray[np.float64]],
    units: Mapping[str, str],
) -> list[Block]:
    """A figure for each kind of correlation that decided, since each shows other differences."""
    chosen = [score for score in ordered if score.kept and score.name in factors][:_PANELS]
    blocks: list[Block] = []
    for basis in dict.fromkeys(score.basis for score in chosen):
        anomalies = {"within_period": period_anomalies, "within_cell": cell_anomalies}.get(basis)
        mean = {"within_period": "period", "within_cell": "cell"}.get(basis)
        minus = f" minus {mean} mean" if mean else ""
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
            labels.append(_with_unit(score.name, units) + minus)
        svg = charts.scatter_pair(panels, labels, _with_unit(result.target, units) + minus, line="median")
        caption = "The kept factors that are strongest" if len(chosen) < len(result.kept) else "The kept factors"
        caption += f", {_BASES[basis]}. Amber: median of the target and its middle half along the factor."
        if thinned:
            caption += f" A random {fmt(_POINTS)} of the values are drawn."
        blocks.append(Figure(svg, caption, f"{result.target} against {', '.join(name for name, _, _ in panels)}"))
    return blocks


def _repetition(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[Block]:
    by_name = {score.name: score for score in result.scores}
    alpha = result.settings["alpha"]
    marks = np.zeros(result.correlation.shape, dtype=bool)
    for k, name in enumerate(result.names[1:], 1):
        marks[0, k] = marks[k, 0] = by_name[name].p_corrected <= alpha
    heat = charts.heatmap(result.correlation, result.names, marks, target=result.target)
    caption = (
        f"Pearson's r over the {fmt(result.rows)} values with all factors, the target first. A dot marks a correlation "
        f"with the target whose corrected p, over all cells and periods, is at most {alpha:g}; between factors nothing is "
        "tested."
    )
    text = (
        "Variance inflation (VIF) tells how well the other factors predict this one: 1 if they know nothing of it, 10 if "
        "they tell 90\u00a0% of it. Factors that repeat each other share their importance, and a linear model cannot tell "
        f"them apart. The condition number of the {_plural('factor', len(result.names) - 1)}' correlations is "
        f"{_large(result.condition_number)}."
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


def _details(result: ScreeningResult) -> dict[str, Any]:
    settings = result.settings
    return {
        "Target": result.target,
        "Periods": settings["periods"],
        "Values with target and all factors": fmt(result.rows),
        "Smallest |r|": settings["min_abs_r"],
        "Largest adjusted p": settings["alpha"],
        "Largest variance inflation": settings["max_vif"],
        "Statistic": {"pearson": "Pearson", "spearman": "Spearman"}[settings["statistic"]],
        "Correlation that decides": _BASES[settings["basis"]],
        "Always kept": ", ".join(settings["always_keep"]) or "none",
        "Seed": settings["seed"],
    }


def _main_table(ordered: Sequence[FactorScore]) -> Table:
    rows = [dataclasses.asdict(score) for score in ordered]
    return Table(list(rows[0]), [list(row.values()) for row in rows], "All numbers of each factor.")


def _effective(score: FactorScore) -> float:
    sizes = {
        "pooled": score.n_effective,
        "within_period": score.n_effective_within_period,
        "within_cell": score.n_effective_within_cell,
    }
    return sizes.get(score.basis, math.nan)


def _place(score: FactorScore) -> str:
    return {"within_period": "in space", "within_cell": "in time"}.get(score.basis, "over all cells and periods")


def _why(score: FactorScore) -> str:
    text = re.sub(r"^(kept|dropped): ", "", score.reason)
    return text[:1].upper() + text[1:]


def _typeset(text: str) -> str:
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)


def _large(value: float) -> str:
    """A number that may be huge, where digits mean nothing."""
    return fmt(value, 1) if not value >= 1e4 else "above 10,000"


def _with_unit(name: str, units: Mapping[str, str]) -> str:
    return f"{name} ({units[name]})" if units.get(name) else name


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
