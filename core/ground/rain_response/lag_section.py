"""The section of the report on correlations by lag."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...report import Figure, Table
from ..metrics import Floats
from ..rasters.departures import NONE
from ..rasters.plots import line_chart
from .results import CURVES, RainResponse

_OTHER_HOURS = (
    " A peak at 1 rather than 0 often only says that the day of the rain ends at another hour than that of the soil "
    "moisture."
)


def lag_blocks(result: RainResponse) -> list[Any]:
    """Correlations by lag, of anomalies where there are, and the table of the highest."""
    blocks: list[Any] = []
    unit = "days" if result.step == "day" else result.step + "s" if result.step == "month" else "steps"
    kinds = (("anomaly", "Anomalies"),) if result.method != NONE else (("raw", "Values"),)
    for kind, title in kinds:
        lines: dict[str, tuple[Any, Any]] = {}
        bands: dict[str, tuple[Any, Any, Any]] = {}
        hollow: dict[str, Any] = {}
        for source in result.sources:
            for name in CURVES:
                own = [c for p in result.of(source) if (c := getattr(p, kind).get(name)) is not None]
                if not own:
                    continue
                table = np.array([c.r for c in own], dtype=np.float64)
                if not np.isfinite(table).any():
                    continue
                label = f"{source}: {name}" if len(result.sources) > 1 else name
                lags = np.arange(table.shape[1])
                lines[label] = (lags, _quantile(table, 0.5))
                significant = np.array([[p < 0.05 for p in c.p] for c in own]).mean(axis=0)
                hollow[label] = significant < 0.5
                if len(own) > 2:
                    bands[label] = (lags, _quantile(table, 0.25), _quantile(table, 0.75))
        if lines:
            blocks.append(
                Figure(
                    line_chart(
                        lines,
                        f"Lag ({unit} after the rain)",
                        "R",
                        bands,
                        hollow,
                        True,
                        whole=True,
                        per_style=len(CURVES) if result.step == "day" else len(CURVES) - 1,
                    ),
                    f"{title}: median correlation over the places with rain so many {unit} earlier; shaded: half of "
                    "the places; hollow points: not significant (p ≥ 0.05) at half of the places or more. Changes "
                    "should peak at lag 0 or 1 and fall to 0; soil moisture itself keeps its correlation longer, "
                    f"since it remembers.{_OTHER_HOURS if result.step == 'day' else ''}",
                    f"Correlation by lag, {title.lower()}",
                )
            )
    rows = []
    for source in result.sources:
        for kind, title in (("anomaly", "anomalies"), ("raw", "values")):
            for name in CURVES:
                own = [
                    c for p in result.of(source) if (c := getattr(p, kind).get(name)) is not None and c.best is not None
                ]
                if own:
                    best = [c.best or 0 for c in own]
                    rows.append(
                        [
                            source,
                            title,
                            name,
                            len(own),
                            float(np.median([c.r[b] for c, b in zip(own, best)])),
                            float(np.median(best)),
                            100 * float(np.mean([c.p[b] < 0.05 for c, b in zip(own, best)])),
                        ]
                    )
    blocks.append(
        Table(
            ["Source", "Of", "What", "Places", "Median R", "Median lag", "Significant (%)"],
            rows,
            "Highest correlation over the lags. P: rain of the step; API: antecedent precipitation index.",
            digits=[0, 0, 0, 0, 2, 0, 0],
            notes="p values use the effective number of pairs, since both series remember; the highest of several lags "
            "is a little too good by choice.",
        )
    )
    return blocks


def _quantile(table: Floats, share: float) -> Floats:
    return np.array([np.quantile(c[np.isfinite(c)], share) if np.isfinite(c).any() else math.nan for c in table.T])
