"""The page of a downscaling run: what the fine map adds to its coarse source, what it keeps, where to be careful."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..model.form import VALUES
from ..model.model import GOOD_SHARE, LITTLE_SHARE, Model
from ..raster.grid import Grid
from ..report import KeyFigure, Report, Section, fmt, inside, percent, plural, typeset
from .downscale import Downscaling, PeriodResult
from .downscale_numbers import all_columns, numbers_of
from .downscale_sections import keeps, outside_blocks, period_table, pictures, remarks, small
from .options import ADDITIVE, NONE
from .trust_sections import trust_figures, trust_sections, trust_verdict

_MANY_CLAMPED = 0.05
_MOSTLY = 0.5


def downscale_report(result: Downscaling, model: Model, conserve: str = ADDITIVE) -> Report:
    """The report of a downscaling run with the model that made it; `data` holds the numbers over all and per period.

    conserve: how the coarse values were kept, as in the options of the run.
    """
    totals = result.totals
    unit = typeset(model.target_unit)
    # Without conservation, detail learnt on differences comes on top of a smooth field that holds these already.
    twice = conserve == NONE and model.form.kind != VALUES and result.gain > 0
    share = math.nan if twice else model.gain.share_with(result.gain)
    fine, coarse = result.fine.cell_label, result.coarse.cell_label
    maps = pictures(result, model.target, unit)
    return Report(
        title=f"Downscaling to {fine}",
        subtitle=f"{model.target} from {coarse} to {fine} with {inside(model.title)}, {_span(result.periods)}",
        verdict="\n".join(_verdict(result, model, totals, share, unit, twice)),
        tone="neutral" if twice else _tone(result, totals, share),
        key_figures=_key_figures(result, model, totals, share, unit, twice),
        sections=[
            *([Section("The coarse and the fine map", maps)] if maps else []),
            Section("Period by period", [period_table(result, totals, unit)]),
            Section("Beyond what the model has seen", outside_blocks(result)),
            *trust_sections(result, model, totals, unit),
            *remarks(result),
        ],
        details=_details(result, model, fine, coarse),
        data=numbers_of(result, model, totals, share),
        main_table=all_columns(result),
    )


def _gap_share(totals: dict[str, Any]) -> float:
    """Share of the pixels in cells with a value that have none themselves."""
    inside = totals["gaps"] + totals["pixels"] - totals["model_only"]
    return totals["gaps"] / inside if inside else math.nan


def _tone(result: Downscaling, totals: dict[str, Any], share: float) -> str:
    if math.isnan(share) and result.footprint_km is not None:
        return "neutral"
    if result.gain == 0 or not share >= LITTLE_SHARE:
        return "bad"
    held = keeps(totals) or result.footprint_km is not None
    doubtful = _clamped(totals) > _MANY_CLAMPED or _too_rough(totals) or (totals["share_outside"] or 0.0) > _MOSTLY
    if doubtful:
        return "neutral"
    return "good" if share >= GOOD_SHARE and held else "neutral"


def _clamped(totals: dict[str, Any]) -> float:
    """Share of the pixels that are held at a bound."""
    return totals["clipped"] / totals["pixels"] if totals["pixels"] else 0.0


def _too_rough(totals: dict[str, Any]) -> bool:
    """Whether the detail varies more than the coarse values."""
    return bool(totals["detail_deviation"] > totals["coarse_deviation"] > 0)


def _verdict(
    result: Downscaling, model: Model, totals: dict[str, Any], share: float, unit: str, twice: bool
) -> list[str]:
    fine, coarse = result.fine.cell_label, result.coarse.cell_label
    kept = _kept(result, totals, coarse, unit)
    if result.gain == 0:
        why = (
            "the model explained nothing of the differences between neighbouring cells that it had not seen"
            if result.gain_estimated
            else "the detail gain was set to 0"
        )
        return [
            f"The {fine} map equals the smooth interpolation of the {coarse} values: {why}. It {kept}.",
            *_cautions(totals),
            *trust_verdict(result, model, totals, unit),
        ]
    lines = [
        f"The {fine} map {kept} and adds detail with a standard deviation of "
        f"{_amount(totals['detail_deviation'], unit)} to the smooth field; {_forecast(result, share, twice)}"
    ]
    if not result.gain_estimated:
        lines.append(
            f"The detail gain was set by hand to {fmt(result.gain, 2)}; the model's own estimate is "
            f"{fmt(model.gain.value, 2)} (standard error {fmt(model.gain.standard_error, 2)})."
        )
    worst = max(result.outside_training.items(), key=lambda item: item[1], default=("", 0.0))
    if worst[1] > 0.2:
        lines.append(
            f"Factor {worst[0]!r} lies outside the range seen in training in {percent(worst[1])} of the pixels: "
            "there the map is extrapolated."
        )
    if _too_rough(totals):
        lines.append(
            f"The detail varies more ({_amount(totals['detail_deviation'], unit)}) than the coarse values do "
            f"({_amount(totals['coarse_deviation'], unit)}): look at the map before using it."
        )
    lines += _cautions(totals)
    lines += trust_verdict(result, model, totals, unit)
    lines.append(
        "Whether the detail is right can only be told with stations or other fine data: validate the map with points."
    )
    return lines


def _cautions(totals: dict[str, Any]) -> list[str]:
    lines, gaps = [], _gap_share(totals)
    if gaps >= 0.1:
        lines.append(
            f"In {percent(gaps)} of the area with a coarse value a factor is missing, and so is the fine value."
        )
    held = _clamped(totals)
    if held > _MANY_CLAMPED:
        lines.append(f"{percent(held)} of the pixels are held at a physical bound.")
    return lines


def _kept(result: Downscaling, totals: dict[str, Any], coarse: str, unit: str) -> str:
    """The predicate that says how well the coarse values are conserved."""
    largest, rms, number = (totals[key] for key in ("left_over_max", "left_over_rms", "conserved_cells"))
    values = f"{fmt(number)} cell value{'' if number == 1 else 's'}"
    if not number:
        return f"has no {coarse} value to keep"
    if keeps(totals):
        return f"keeps every {coarse} value (largest difference {_amount(largest, unit)} in {values})"
    left = f"root mean square difference {small(rms)}, largest {_amount(largest, unit)} in {values}"
    if result.footprint_km is not None:
        return (
            f"keeps the {coarse} values, seen through a footprint of {result.footprint_km:g} km, to a tolerance "
            f"({left})"
        )
    return f"does not keep the {coarse} values ({left})"


def _forecast(result: Downscaling, share: float, twice: bool) -> str:
    if twice:
        return (
            "no share explained is forecast, as the model was trained on differences between cells: the smooth field "
            "holds each cell's difference already and, without conservation, the detail adds it a second time."
        )
    if not math.isfinite(share):
        return "held-out cells gave no reason to add it" + (
            ", but with a footprint wider than a cell they tell too little." if result.footprint_km is not None else "."
        )
    if share <= 0:
        return "with this gain the detail is forecast to do more harm than good."
    only = "only " if share < LITTLE_SHARE else ""
    return (
        f"the detail is forecast to explain {only}{percent(share)} of what differs between neighbouring "
        f"{result.coarse.cell_label} cells in blocks not seen in training."
    )


def _key_figures(
    result: Downscaling, model: Model, totals: dict[str, Any], share: float, unit: str, twice: bool
) -> list[KeyFigure]:
    of_unit = f" ({unit})" if unit else ""
    spread = totals["coarse_deviation"]
    relative = totals["detail_deviation"] / spread if spread > 0 else math.nan
    figures = [
        KeyFigure(
            "Detail gain",
            fmt(result.gain, 2),
            ("" if result.gain_estimated else "set by hand; ") + "estimated on held-out blocks: "
            f"{fmt(model.gain.value, 2)} ± {fmt(model.gain.standard_error, 2)}",
        ),
        KeyFigure(
            "Forecast share explained",
            percent(share),
            "withheld: without conservation differences between cells count twice"
            if twice
            else "of differences between neighbouring cells",
        ),
        KeyFigure(
            f"SD of the added detail{of_unit}",
            small(totals["detail_deviation"]),
            f"{percent(relative)} of the SD between coarse values",
        ),
        KeyFigure(
            f"Largest change of a coarse value{of_unit}",
            small(totals["left_over_max"]),
            "rounding only" if keeps(totals) else f"root mean square {small(totals['left_over_rms'])}",
        ),
        KeyFigure(
            "Pixels",
            fmt(totals["pixels"]),
            f"in {plural(len(result.periods), 'period')}; {percent(_gap_share(totals))} of the area are gaps",
        ),
        *trust_figures(result, totals, unit),
    ]
    return figures


def _details(result: Downscaling, model: Model, fine: str, coarse: str) -> dict[str, Any]:
    return {
        "Model": f"{model.title}, trained on {typeset(model.form.label)}",
        "Factors": ", ".join(model.factor_names),
        "Detail gain": f"{result.gain:.4g} ({'estimated in training' if result.gain_estimated else 'set by hand'})",
        "Fine grid": _grid_text(result.fine, fine),
        "Coarse grid": _grid_text(result.coarse, coarse),
        "Support": f"footprint of {result.footprint_km:g} km"
        if result.footprint_km is not None
        else "mean of the cell",
        "Periods": _span(result.periods),
    }


def _grid_text(grid: Grid, size: str) -> str:
    return (
        f"{grid.crs_name}, {grid.rows} × {grid.cols} cells of {grid.cell_width:.6g} × {grid.cell_height:.6g} ({size})"
    )


def _span(periods: Sequence[PeriodResult]) -> str:
    if len(periods) <= 1:
        return periods[0].label if periods else "no period"
    return f"{len(periods)} periods from {periods[0].label} to {periods[-1].label}"


def _amount(value: float, unit: str) -> str:
    return f"{small(value)} {unit}".rstrip()
