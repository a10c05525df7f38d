"""What a validation against stations found: scores per station, over all pairs, against the coarse source."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from .comparison import PairedTest, StationBootstrap
from .matching import Pairs
from .metrics import Agreement, IdentityCheck
from .spatial import InsideCell, SpatialAgreement


@dataclass(frozen=True)
class StationRow:
    """One station; x, y in the CRS of the observations. `gain` is r of the product minus r of each baseline.

    `used` stations (enough pairs, every r exists) enter the summaries over stations.
    """

    station: str
    x: float
    y: float
    n: int
    n_effective: float
    used: bool
    scores: dict[str, Agreement]
    gain: dict[str, float]

    def flat(self) -> dict[str, str | int | float]:
        """Columns by the names of QA4SM; baselines carry the suffix _smooth or _coarse."""
        row: dict[str, str | int | float] = {
            "station": self.station,
            "x": self.x,
            "y": self.y,
            "n_obs": self.n,
            "n_eff": self.n_effective,
            "used": int(self.used),
        }
        for source, score in self.scores.items():
            suffix = "" if source == "product" else f"_{source}"
            columns = {
                "R": score.r,
                "R_low": score.r_ci[0],
                "R_high": score.r_ci[1],
                "rho": score.spearman,
                "BIAS": score.bias,
                "RMSD": score.rmse,
                "urmsd": score.ubrmse,
                "MAE": score.mae,
                "KGE": score.kge,
                "slope": score.slope,
            }
            row.update({name + suffix: value for name, value in columns.items()})
        row.update({f"dR_{source}": value for source, value in self.gain.items()})
        return row


@dataclass(frozen=True)
class StationSummary:
    """Scores over the used stations, by metric: a mean over stations is not the pooled score."""

    stations: int
    mean: dict[str, float]
    median: dict[str, float]
    lower_quartile: dict[str, float]
    upper_quartile: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """Product against one baseline on the same pairs; `wilcoxon_p` is of the stations' differences in r."""

    paired: PairedTest
    bootstrap: StationBootstrap
    median_station_gain: float
    wilcoxon_p: float
    gdown: float


@dataclass(frozen=True)
class Verdict:
    """`tone` is good, neutral or bad; `sentence` says whether downscaling helped."""

    tone: str
    sentence: str


@dataclass(frozen=True)
class ProductValidation:
    """All scores of one product. Dicts keyed by source hold "product" and, with a baseline, "smooth" and "coarse"."""

    product: str
    cell_size: str
    pairs: Pairs
    periods: tuple[str, ...]
    station_count: int
    n_effective: float
    pooled: dict[str, Agreement]
    stations: tuple[StationRow, ...]
    station_summary: dict[str, StationSummary]
    r_classes: dict[str, tuple[int, ...]]
    identity: dict[str, IdentityCheck]
    spatial: SpatialAgreement | None
    inside_cell: InsideCell | None
    comparison: dict[str, Comparison]
    verdict: Verdict
    dropped: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PointValidation:
    """Results of a run, one entry of `products` per product, all against the same observations."""

    products: tuple[ProductValidation, ...]
    observation_count: int
    station_count: int
    first_date: str
    last_date: str
    crs_wkt: str
    dropped: dict[str, int]
    notes: tuple[str, ...]
    min_pairs: int
    seed: int
    design: str

    @property
    def verdict(self) -> Verdict:
        """Of the first product."""
        return self.products[0].verdict

    def metrics(self) -> dict[str, object]:
        """Everything but the single pairs, ready for JSON: NaN becomes None."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in ("pairs", "crs_wkt")}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
