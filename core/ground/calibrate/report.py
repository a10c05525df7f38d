"""The report of a calibration: the verdict on unseen stations first, then all methods, the change, the error."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural, typeset
from ...report.effect_charts import EffectPanel, effects
from .application import MEANING
from .convolution import Network
from .methods import BEST, CNN, METHODS, NONE
from .results import CalibrationResult, score_values
from .sections import basis, learning, on_the_map
from .verdict import verdict


def calibration_report(result: CalibrationResult) -> Report:
    """One page; `data` is `result.metrics()`, `main_table` all methods with all scores."""
    tone, text = verdict(result)
    sections = [_methods(result), _before_after(result), on_the_map(result), _error(result)]
    if result.curves.phase1:
        sections.append(learning(result))
    sections.append(basis(result))
    return Report(
        title="Calibration with stations",
        subtitle=f"{result.product} ({result.cell_size}) at {plural(result.rows.stations, 'station')}, "
        f"{plural(len(result.periods), 'period')}",
        verdict=typeset(text),
        tone=tone,
        key_figures=_key_figures(result),
        sections=sections,
        details=_details(result),
        data=result.metrics(),
        main_table=methods_table(result),
    )


def methods_table(result: CalibrationResult) -> Table:
    """All methods with every score, for spreadsheets."""
    rows = [{"method": one.name, **score_values(one)} for one in result.scores]
    rows += [{"method": name, "not_tried": why} for name, why in result.refused.items()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows], "All methods on unseen stations.")


def _key_figures(result: CalibrationResult) -> list[KeyFigure]:
    plain, best = result.of(NONE).score, result.headline
    note = "method chosen inside each fold" if best.nested else result.chosen
    figures = [
        KeyFigure("RMSE at unseen stations (m³/m³)", fmt(best.score.rmse), f"{fmt(plain.rmse)} without; {note}"),
        KeyFigure("ubRMSE (m³/m³)", fmt(best.score.ubrmse), f"{fmt(plain.ubrmse)} without"),
        KeyFigure("bias (m³/m³)", fmt(best.score.bias, signed=True), f"{fmt(plain.bias, signed=True)} without"),
        KeyFigure("R over all pairs", fmt(best.score.r, 2), f"{fmt(plain.r, 2)} without"),
        KeyFigure(
            "stations",
            fmt(result.rows.stations),
            f"{plural(len(result.rows), 'pair')}, held out in {plural(result.folds, 'fold')}",
        ),
    ]
    return figures


def _methods(result: CalibrationResult) -> Section:
    shown = [one for one in result.scores if one.name != NONE]
    blocks: list[Any] = [
        Text(
            "Every method is fitted without some stations and predicts those; so each number below is of stations the "
            "fit has not seen, and all methods are compared on the same pairs and folds. A calibration that is only "
            "scored where it was fitted always looks good."
        )
    ]
    known = [one for one in shown if np.isfinite(one.gain.low)]
    if known:
        svg = charts.difference_ci(
            [one.name for one in known],
            [-one.gain.value for one in known],
            [-one.gain.high for one in known],
            [-one.gain.low for one in known],
            "Difference of RMSE (m³/m³)",
            "negative",
            digits=4,
        )
        blocks.append(
            Figure(
                svg,
                "RMSE at unseen stations minus that of the product as it is, with 95\u00a0% intervals from resamples "
                "of whole stations. Blue is better, amber worse, grey cannot be told from no difference.",
                "; ".join(f"{one.name}: {fmt(-one.gain.value, 4, signed=True)}" for one in known),
            )
        )
    rows = [
        [_label(one.name, result), one.score.rmse, one.score.ubrmse, one.score.bias, one.score.r]
        + [one.r_station, one.r_space, one.period_rmse]
        for one in result.scores
    ]
    applied = next((k for k, one in enumerate(result.scores) if one.name == result.chosen), None)
    blocks.append(
        Table(
            ["Method", "RMSE", "ubRMSE", "Bias", "R", "R in time", "R in space", "RMSE, periods out"],
            rows,
            "Scores at held-out stations; RMSE, ubRMSE and bias in m³/m³. The method applied is set off.",
            highlight=applied,
            notes="R in time: mean of the stations' own R. R in space: mean over periods of R over stations. Shifting "
            "or stretching all values alike (mean bias, linear, mean-std) cannot change a station's own R. RMSE, "
            "periods out: runs of periods are held out instead of stations; a lower number there means that the "
            "method knows the stations, not that it is good elsewhere.",
            digits=[0, 4, 4, 4, 2, 2, 2, 4],
        )
    )
    if result.wanted == BEST:
        text = (
            "The best method must beat the product, and the mean bias, by more than a standard error; otherwise the "
            "simpler one is taken. The lowest of several scores is too good, since the same stations chose it. "
        )
        if result.nested:
            counts = {name: result.nested.count(name) for name in dict.fromkeys(result.nested)}
            listed = ", ".join(
                f"{name} {count} times" if count > 1 else f"{name} once" for name, count in counts.items()
            )
            text += (
                f"The row '{BEST}' is free of that: in each of {len(result.nested)} folds the method was chosen by the "
                f"other folds alone ({listed}). The verdict uses it."
            )
        else:
            text += "With fewer than three folds no such test of the choice is possible: take the score as optimistic."
        blocks.append(Text(text))
    if result.refused:
        blocks.append(
            Text("Not tried:\n" + "\n".join(f"- {name}: {typeset(why)}" for name, why in result.refused.items()))
        )
    return Section("Which method helps at stations it has not seen?", blocks)


def _before_after(result: CalibrationResult) -> Section:
    best = result.headline
    svg = charts.scatter_pair(
        [
            ("Product", result.rows.y, result.rows.z),
            ("Calibrated, station held out", result.rows.y, best.predicted),
        ],
        "Station",
        "Map",
        "m³/m³",
    )
    caption = (
        "Map against stations before and after; on the right each value comes from a fit that did not see its station."
    )
    alt = f"RMSE {fmt(result.of(NONE).score.rmse)} before, {fmt(best.score.rmse)} after"
    return Section("Before and after", [Figure(svg, caption, alt)])


def _error(result: CalibrationResult) -> Section:
    errors, applied = result.calibration.errors, result.applied
    reach = max(errors.farthest, result.map_km) * 1.3
    x = np.linspace(0, max(reach, 1e-3), 60)
    panel = EffectPanel("", x, errors.deviation(x), rug=np.quantile(result.test_km, np.linspace(0, 1, 40)))
    panel.xlabel = "Distance to the nearest station (km)"
    blocks: list[Any] = [
        Text(
            "The standard deviation written with the map comes from the differences at held-out stations. It is that "
            "of a station's value from the map: what a spot differs from its pixel is part of it. It may grow with "
            f"distance; {fmt(errors.closest, 1)} to {fmt(errors.farthest, 1)} km were tested. Beyond, nobody knows: "
            "the line goes on until it reaches what the product itself differs by."
            + (
                " The spread of the five networks is added where it exceeds the usual one."
                if _is_network(result)
                else ""
            )
        ),
        Figure(
            effects([panel], "Standard deviation (m³/m³)"),
            "Standard deviation of the calibrated map by distance to the nearest station. Marks below are the tested "
            f"distances (median {fmt(errors.near, 1)} km); the middle of the map's pixels is {fmt(result.map_km, 1)} "
            "km from a station.",
            f"{fmt(float(errors.deviation(np.zeros(1))[0]))} m³/m³ at a station, "
            f"{fmt(float(errors.deviation(np.array([errors.farthest]))[0]))} at {fmt(errors.farthest, 1)} km",
        ),
    ]
    total = max(1, sum(applied.codes.values()))
    rows = [
        [code, text, percent(applied.codes.get(code, 0) / total)]
        for code, (text, _) in MEANING.items()
        if applied.codes.get(code)
    ]
    blocks.append(Table(["Code", "Quality", "Pixels and dates"], rows, "Codes of the quality layer.", digits=0))
    return Section("How sure is a pixel?", blocks)


def _label(name: str, result: CalibrationResult) -> str:
    return f"{name} (nested)" if name == BEST else f"{name} (applied)" if name == result.chosen else name


def _is_network(result: CalibrationResult) -> bool:
    return isinstance(result.calibration.correction, Network)


def _details(result: CalibrationResult) -> dict[str, Any]:
    low, high = result.calibration.bounds
    settings = result.settings
    return {
        "Product": f"{result.product}, {result.cell_size}, {plural(len(result.periods), 'period')}",
        "Method asked for": result.wanted,
        "Method applied": result.chosen,
        "Factors": ", ".join(settings["factors"]) or "none",
        "Gridded product to learn from": ", ".join(settings["gridded"])
        or ("the product itself" if CNN in [one.name for one in result.scores] else "not used"),
        "Bounds (m³/m³)": f"{low:g} to {high:g}",
        "Methods compared": ", ".join(one.name for one in result.scores if one.name in METHODS),
        "Seed": settings["seed"],
    }
