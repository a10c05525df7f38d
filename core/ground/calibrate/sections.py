"""Sections of a calibration's report: the change on the map, how the network learnt, what the scores rest on."""

from __future__ import annotations

import numpy as np
from osgeo import osr

from ...report import Figure, Section, Table, Text, charts, fmt, percent, plural, typeset
from ...report.effect_charts import EffectPanel, effects
from ...report.html import Block
from ..metrics import Floats
from .methods import CNN, NONE
from .results import CalibrationResult


def on_the_map(result: CalibrationResult) -> Section:
    applied, best = result.applied, result.headline
    cell = tuple(
        1000 * size * length / max(1, shown)
        for size, length, shown in zip(result.cell_km, _full_shape(result), applied.correction.shape[::-1])
    )
    blocks: list[Block] = []
    if result.chosen != NONE:
        svg = charts.difference_map(
            applied.correction, "Calibrated minus product", cell_sizes=[(cell[0], cell[1])], label="Mean change"
        )
        blocks.append(
            Figure(
                svg,
                "What calibration adds, mean over all dates: blue is made wetter, brown drier. Sharp edges or spots "
                "around single stations are a sign of too much trust in them.",
                f"Mean change {fmt(float(np.nanmean(applied.correction)), 4, signed=True)} m³/m³",
            )
        )
    stations, first, number = np.unique(result.rows.station, return_index=True, return_inverse=True)
    before, after = (
        np.sqrt(np.bincount(number, (values - result.rows.y) ** 2) / np.bincount(number))
        for values in (result.rows.z, best.predicted)
    )
    reference = osr.SpatialReference()
    reference.ImportFromWkt(result.crs_wkt)
    x, y = _metres(result.x[stations], result.y[stations], reference)
    names = [str(result.names[k]) for k in stations]
    gain = before - after
    svg = charts.station_map(x, y, gain, "Lower RMSE (m³/m³)", names, geographic=bool(reference.IsGeographic()))
    better = int((gain > 0).sum())
    blocks.append(
        Figure(
            svg,
            f"RMSE of each station before minus after, the station held out: at {better} of "
            f"{plural(len(stations), 'station')} the calibrated value is closer. Blue is better, brown worse.",
            f"better at {better} of {len(stations)} stations",
        )
    )
    if applied.clipped:
        low, high = result.calibration.bounds
        blocks.append(
            Text(
                f"{percent(applied.clipped / max(1, applied.pixels))} of all pixels and dates were held at the bounds "
                f"{low:g} and {high:g} m³/m³."
            )
        )
    if applied.without_factor:
        blocks.append(
            Text(
                f"{fmt(applied.without_factor)} pixels and dates have a product value but lack a factor: they are "
                "without a value now."
            )
        )
    return Section("What was changed, and where it helps", blocks)


def learning(result: CalibrationResult) -> Section:
    """Learning curves of the network's two phases."""
    curves = result.curves
    gridded = result.settings["gridded"]
    what = (
        f"how the gridded product ({', '.join(gridded)}) differs from this one, from the surroundings of a pixel"
        if gridded
        else "how much a pixel of the product differs from its surroundings, with the pixel and its neighbours hidden"
    )
    blocks: list[Block] = [
        Text(
            f"First, without any station, five networks learn {what}. An error of 1 is that of knowing nothing. Then "
            "the convolutions are kept as they are, and the last layers are moved slowly towards what stations measure "
            "more or less than the product; each network stops when a fifth of the stations, which it does not see, "
            "no longer gains."
        ),
        _curve(
            curves.phase1,
            1,
            "Round over the pixels",
            "Relative error",
            "Phase 1, on the gridded product: error of each network at pixels it does not see (faint), and their mean.",
        ),
    ]
    if curves.phase2:
        blocks.append(
            _curve(
                curves.phase2,
                10,
                "Step",
                "RMSE (m³/m³)",
                "Phase 2, on stations: error of each network at the stations that stop it (faint), and their mean. A "
                "curve that does not fall says that the network found nothing beyond the mean bias.",
            )
        )
    refused = result.refused.get(CNN)
    return Section("How the network learnt", blocks if not refused else [Text(refused)])


def _curve(lines: list[list[float]], step: int, xlabel: str, ylabel: str, caption: str) -> Figure:
    length = max(len(line) for line in lines)
    x = step * np.arange(length).astype(float)
    # A network that has stopped stays where it is.
    full = np.array([[*line, *[line[-1]] * (length - len(line))] for line in lines])
    panel = EffectPanel("", x, full.mean(axis=0), list(full), limits=(0.0, max(float(x[-1]), 1.0)))
    panel.xlabel = xlabel
    alt = f"from {fmt(full[:, 0].mean(), 4)} to {fmt(full.min(axis=1).mean(), 4)}"
    return Figure(effects([panel], ylabel), caption, alt)


def basis(result: CalibrationResult) -> Section:
    """Folds, distances, what was left out."""
    stations = result.rows.stations
    text = (
        f"{plural(stations, 'station')} with {plural(len(result.rows), 'pair')} were dealt to "
        f"{plural(result.folds, 'fold')}. "
    )
    if result.groups < stations:
        text += (
            f"Stations close to each other count as one of {plural(result.groups, 'cluster')} and are held out "
            "together: otherwise a neighbour gives the answer away. "
        )
    tested = float(np.median(result.test_km))
    text += (
        f"A held-out station is {fmt(tested, 1)} km (median) from the nearest one of the fit, a pixel of the map "
        f"{fmt(result.map_km, 1)} km."
    )
    if result.map_km > 2 * tested:
        text += (
            " Most of the map is farther from stations than the test was: expect less there than the scores promise."
        )
    blocks: list[Block] = [Text(text)]
    if result.dropped:
        rows = [[reason, count] for reason, count in result.dropped.items()]
        blocks.append(Table(["Why", "Observations"], rows, "Observations that found no pair."))
    blocks.append(
        Text(
            "One relation holds for all dates: a calibration made on these dates can be applied to others. The station "
            "values are points, the map is pixels; a part of every difference is that, and no calibration removes it."
        )
    )
    if result.notes:
        blocks.append(Text("Notes:\n" + "\n".join(f"- {typeset(note)}" for note in result.notes)))
    return Section("What the scores rest on", blocks)


def _full_shape(result: CalibrationResult) -> tuple[int, int]:
    """Columns and rows that the thinned picture stands for."""
    return result.applied.grid_shape[1], result.applied.grid_shape[0]


def _metres(x: Floats, y: Floats, reference: osr.SpatialReference) -> tuple[Floats, Floats]:
    unit = 1.0 if reference.IsGeographic() else (reference.GetLinearUnits() or 1.0)
    return x * unit, y * unit
