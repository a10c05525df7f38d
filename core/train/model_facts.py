"""What a model file says of its training."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ..model.model import Factor
from ..raster.bands import SHARE_UNIT
from .samples import Array, CoarseData, Samples


def factors_seen(data: CoarseData, values: Samples) -> tuple[Factor, ...]:
    """Names and units with what training saw of each factor."""
    return tuple(
        Factor(name, unit, *_range(x, unit), float(x.mean()), float(x.std()))
        for name, unit, x in zip(data.names, data.units, values.x.T)
    )


def facts(data: CoarseData, choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices made, and when, where and with which libraries."""
    import sklearn

    return {
        **choices,
        "class_maps": data.class_maps,
        "periods": [p.label if p else "undated" for p in data.periods],
        "coarse_crs": data.grid.crs_name,
        "coarse_cell": [data.grid.cell_width, data.grid.cell_height],
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }


def mean_over_periods(maps: Array) -> Array:
    """Mean (rows, cols) of the finite values of `maps` (periods, rows, cols), NaN where there is none."""
    seen = np.isfinite(maps)
    count = seen.sum(axis=0)
    total = np.where(seen, maps, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _range(x: Array, unit: str) -> tuple[float, float]:
    # A pixel is often all of one class where no coarse cell is: for a share that is no extrapolation.
    return (0.0, 1.0) if unit == SHARE_UNIT else (float(x.min()), float(x.max()))
