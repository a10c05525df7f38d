"""The report of factor screening: what is kept and why, and how sure each correlation is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report import KeyFigure, Report, Section, Table, fmt, fmt_p, plural, typeset
from .correlation import benjamini_hochberg
from .factor_list import to_json_dict
from .factor_score import FactorScore
from .screening import ScreeningResult
from .screening_sections import (
    BASES,
    PLACES,
    certainty,
    decisions,
    leading,
    naive_p,
    passing,
    place,
    repetition,
    scatter,
    space_and_time,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        Section("Kept and dropped", decisions(result, ordered)),
        Section("How sure are the correlations?", certainty(result, ordered)),
        Section("In space and in time", space_and_time(result, ordered)),
        Section("Factors against the target", scatter(result, ordered, target, factors, units or {})),
        Section("Factors that repeat each other", repetition(result, ordered)),
    ]
    return Report(
        title="Factor screening",
        subtitle=f"{plural(len(ordered), 'factor')} for {result.target}",
        verdict=typeset(verdict),
        tone=tone,
        key_figures=_key_figures(result, ordered),
        sections=sections,
        details=_details(result),
        data=to_json_dict(result),
        main_table=_main_table(ordered),
    )


def _verdict(result: ScreeningResult, ordered: Sequence[FactorScore]) -> tuple[str, str]:
    best, total, kept = leading(result, ordered), len(ordered), len(result.kept)
    tests = [score for score in ordered if not math.isnan(score.deciding_p)]
    evidence = (
        f"{best.name}, r {fmt(best.deciding_r, 2)} {place(best)}, corrected p {fmt_p(best.deciding_p)} with an "
        f"effective n of {fmt(best.deciding_n_effective, 0)} of {fmt(best.n)}"
    )
    if not passing(result, ordered):
        adjusted = f", and {fmt_p(best.p_adjusted)} with {len(tests)} tests allowed for" if len(tests) > 1 else ""
        how = "on request" if any(score.kept and not score.warning for score in ordered) else "as the last resort"
        none = "The only factor does not pass" if total == 1 else f"None of {total} factors passes"
        text = f"{none}; kept {how}: {', '.join(result.kept)}."
        if best.strength > 0:
            text += f" Strongest: {evidence}{adjusted}."
        return "bad", f"{text}\n{_way_out(result, tests)}"
    text = f"{kept} of {plural(total, 'factor')} {'is' if kept == 1 else 'are'} kept; strongest: {evidence}."
    alpha = result.settings["alpha"]
    naive = sum(naive_p(score) <= alpha for score in tests)
    sure = sum(score.p_adjusted <= alpha for score in tests)
    text += (
        f"\nWere every value independent, {naive} of {len(tests)} would have p \u2264 {alpha:g}; with the effective n, "
        f"and the number of tests allowed for, {sure} {'has' if sure == 1 else 'have'}."
    )
    repeated = sum(not score.kept and score.reason.startswith("dropped: variance inflation") for score in ordered)
    if repeated:
        text += f" {plural(repeated, 'factor')} that {'repeats' if repeated == 1 else 'repeat'} others went."
    return "neutral" if result.warnings else "good", text


def _way_out(result: ScreeningResult, tests: Sequence[FactorScore]) -> str:
    """What to do where nothing passes: differences in space may be clear where a season drowns them."""
    least, alpha, basis = (result.settings[name] for name in ("min_abs_r", "alpha", "basis"))
    for other in ("contrasts", "within_period") if basis in ("pooled", "within_cell") else ():
        p_values = benjamini_hochberg(np.array([getattr(score, f"p_{other}") for score in tests]))
        clear = [s.name for s, p in zip(tests, p_values) if p <= alpha and abs(getattr(s, f"r_{other}")) >= least]
        if clear:
            return (
                f"Judged {PLACES[other]}, {len(clear)} would pass ({', '.join(clear)}), and that is what downscaling "
                "needs: change what the factors are judged by."
            )
    return "These data do not prove that any factor tells where the soil is wet; compare the map with stations."


def _key_figures(result: ScreeningResult, ordered: Sequence[FactorScore]) -> list[KeyFigure]:
    best = leading(result, ordered)
    inflation = [score.vif_kept for score in ordered if score.kept and not math.isnan(score.vif_kept)]
    largest = fmt(max(inflation, default=math.nan), 1)
    return [
        KeyFigure("factors kept", fmt(len(result.kept)), f"of {len(ordered)}"),
        KeyFigure(f"r of {best.name}", fmt(best.deciding_r, 2), f"the strongest, {place(best)}"),
        KeyFigure("its effective n", fmt(best.deciding_n_effective, 0), f"of {fmt(best.n)} values"),
        KeyFigure("its corrected p", fmt_p(best.deciding_p), f"naive {fmt_p(naive_p(best))}"),
        KeyFigure("largest VIF of the kept", largest, f"limit {result.settings['max_vif']:g}"),
    ]


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
        "Correlation that decides": BASES[settings["basis"]],
        "Always kept": ", ".join(settings["always_keep"]) or "none",
        "Width of the neighbourhood (cells)": settings["window"],
        "Seed": settings["seed"],
    }


def _main_table(ordered: Sequence[FactorScore]) -> Table:
    rows = [dataclasses.asdict(score) for score in ordered]
    return Table(list(rows[0]), [list(row.values()) for row in rows], "All numbers of each factor.")
