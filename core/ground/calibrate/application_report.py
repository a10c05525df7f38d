"""The report of a calibration that was applied to other dates."""

from __future__ import annotations

from ...report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural, typeset
from ...report.html import Block
from .application import BEYOND, MEANING, Applied
from .calibration_file import Calibration
from .inputs import Inputs


def application_report(calibration: Calibration, applied: Applied, inputs: Inputs, source: str) -> Report:
    """What was changed; scores are those of the dates and stations that the calibration was made with."""
    facts = calibration.facts
    dates = plural(len(inputs.readings), "date")
    verdict = (
        f"A calibration by {calibration.method} was applied to {dates}; nothing here tests it on them. At stations it "
        f"had not seen its RMSE was {fmt(facts.get('rmse_unseen_stations'), 4)} m3/m3, "
        f"{fmt(facts.get('rmse_of_the_product'), 4)} without."
    )
    total = max(1, sum(applied.codes.values()))
    if applied.codes.get(BEYOND, 0) > 0.5 * total:
        verdict += " Most of this map is farther from those stations than was tested."
    rows = [[code, text, percent(applied.codes.get(code, 0) / total)] for code, (text, _) in MEANING.items()]
    step = max(1, inputs.grid.rows // max(1, applied.correction.shape[0]))
    cell = tuple(step * size for size in inputs.grid.ground_cell_size())
    svg = charts.difference_map(applied.correction, "Calibrated minus product", cell_sizes=[(cell[0], cell[1])])
    blocks: list[Block] = [
        Figure(svg, "What calibration adds, mean over all dates: blue is made wetter, brown drier."),
        Table(["Code", "Quality", "Pixels and dates"], rows, "Codes of the quality layer.", digits=0),
        Text("The calibrated map no longer keeps the means of the coarse product it came from."),
    ]
    return Report(
        title="Calibration applied",
        subtitle=f"{inputs.product.name}, {dates}",
        verdict=typeset(verdict),
        key_figures=[
            KeyFigure("mean change (m³/m³)", fmt(applied.mean_change, 4, signed=True), ""),
            KeyFigure("stations behind it", fmt(facts.get("stations")), f"{fmt(facts.get('pairs'))} pairs"),
        ],
        sections=[Section("What was changed", blocks)],
        details={"Calibration": source, "Method": calibration.method, "Factors": ", ".join(calibration.factors)},
        data={
            "method": calibration.method,
            "facts": dict(facts),
            "clipped": applied.clipped,
            "pixels": applied.pixels,
            "without_factor": applied.without_factor,
            "quality": {str(code): count for code, count in applied.codes.items()},
        },
    )
