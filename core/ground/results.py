"""What a validation against stations found: scores per station, over all pairs, against the coarse source."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np

from .anomaly_scores import AnomalyScores
from .comparison import Interval, PairedTest, StationBootstrap
from .groups import GroupScores
from .kinds_of_r import KindOfR, PeriodBlocks
from .matching import Pairs
from .metrics import NAN, Agreement
from .product_comparison import ProductComparison
from .qa4sm import qa4sm_row
from .significance import Significance
from .spatial import InsideCell, SpatialAgreement


@dataclass(frozen=True)
class StationRow:
    """One station; x, y in the CRS of the observations. `gain` is r of the product minus r of each baseline.

    `used` stations (enough pairs, every r exists) enter the summaries over stations; `why` tells of the others, and
    `status` by the codes of QA4SM (`STATUS`). `drawn` are intervals of R, bias and errors from blocks of time.
    """

    station: str
    x: float
    y: float
    n: int
    n_effective: float
    used: bool
    scores: dict[str, Agreement]
    gain: dict[str, float]
    status: int = 0
    why: str = ""
    significance: Significance = field(default_factory=Significance)
    drawn: dict[str, Interval] = field(default_factory=dict)
    anomaly_r: dict[str, float] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)

    def flat(self) -> dict[str, str | int | float]:
        """Columns by the names of QA4SM; baselines carry the suffix _smooth or _coarse, see `qa4sm_row`."""
        return qa4sm_row(self)


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
    spatial: SpatialAgreement | None
    inside_cell: InsideCell | None
    comparison: dict[str, Comparison]
    verdict: Verdict
    dropped: dict[str, int]
    notes: tuple[str, ...]
    kinds: tuple[KindOfR, ...] = ()
    anomaly: AnomalyScores = field(default_factory=AnomalyScores)
    blocks: PeriodBlocks = field(default_factory=PeriodBlocks)
    p_r: float = NAN
    groups: tuple[GroupScores, ...] = ()
    missing: tuple[StationRow, ...] = ()
    depth: str = ""


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
    comparison: ProductComparison | None = None

    @property
    def verdict(self) -> Verdict:
        """Of the first product."""
        return self.products[0].verdict

    def metrics(self) -> dict[str, object]:
        """Everything but the single pairs, ready for JSON: NaN becomes None."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain


# Single pairs, and what the stations' own entries say already.
_LEFT_OUT = ("pairs", "crs_wkt", "station_r")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in _LEFT_OUT}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
