"""The numbers of a downscaling run for programs: over all periods and of each."""

from __future__ import annotations

from typing import Any

from ..model.model import Model
from ..report import Table
from .results import Downscaling, PeriodResult

_NAMES = (
    "period",
    "pixels",
    "gaps",
    "model_only",
    "clipped",
    "conserved_cells",
    "uncovered_cells",
    "left_over_max",
    "left_over_rms",
    "detail_deviation",
    "coarse_deviation",
    "fine_mean",
    "outside_area",
    "mean_width",
    "widened_by",
)


def all_columns(result: Downscaling) -> Table:
    """A row per period, for the CSV file."""
    rows = [list(_period_data(period).values()) for period in result.periods]
    return Table(list(_NAMES), rows, "Every number of every period.")


def numbers_of(result: Downscaling, model: Model, totals: dict[str, Any], share: float) -> dict[str, Any]:
    """Over all and per period, for the JSON file; the algorithm reads its outputs from it."""
    return {
        "gain": result.gain,
        "gain_used": result.gain,  # as the algorithm's output is called
        "gain_estimated": result.gain_estimated,
        "share_expected": share,
        "share_explained": model.gain.share_explained,
        **totals,
        "periods": len(result.periods),
        "skipped": list(result.skipped),
        "outside_training": dict(result.outside_training),
        "footprint_km": result.footprint_km,
        **result.trust.data,
        "per_period": [_period_data(period) for period in result.periods],
        "notes": list(result.notes),
    }


def _period_data(period: PeriodResult) -> dict[str, Any]:
    values = (
        period.label,
        period.pixels,
        period.gaps,
        period.model_only,
        period.clipped,
        period.conserved_cells,
        period.uncovered_cells,
        period.left_over,
        period.left_over_rms,
        period.detail,
        period.coarse_deviation,
        period.fine_mean,
        period.outside_area,
        period.width,
        period.scale,
    )
    return dict(zip(_NAMES, values))
