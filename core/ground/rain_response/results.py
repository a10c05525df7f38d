"""What the response to rain looks like: per place, and together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..metrics import Floats
from .rain import AUTO
from .response import EventResponse, LagCurve

AT_ONCE = 2  # lags at which changes of soil moisture have to answer: the step of the rain and the next
CURVES = ("SM and P", "change of SM and P", "SM and API")


@dataclass(frozen=True)
class RainOptions:
    """`threshold` (mm) and `dry_days` of events, `decay` of the API per day, `anomalies` and `min_share` as for maps.

    `lags`: 0 takes 10 for days and 3 for longer steps.
    """

    threshold: float = 10.0
    dry_days: int = 3
    decay: float = 0.9
    lags: int = 0
    min_pairs: int = 30
    anomalies: str = "auto"
    min_share: float = 0.3
    unit: str = AUTO
    seed: int = 0


@dataclass(frozen=True)
class PlaceResponse:
    """One place (station, cell or zone) in one soil moisture source; `raw` and `anomaly` by the names of CURVES."""

    source: str
    place: str
    x: float
    y: float
    n: int
    rain_known: int
    raw: dict[str, LagCurve]
    anomaly: dict[str, LagCurve]
    events: EventResponse | None

    def curve(self, name: str) -> LagCurve | None:
        """Of anomalies where there are, else as it is."""
        return self.anomaly.get(name) or self.raw.get(name)

    def best(self, name: str, lags: int | None = None) -> tuple[float, float, float]:
        """Highest r, its lag and its p, of all lags or the first `lags`."""
        curve = self.curve(name)
        lag = None if curve is None else curve.best_of(lags)
        if curve is None or lag is None:
            return math.nan, math.nan, math.nan
        return curve.r[lag], float(lag), curve.p[lag]

    @property
    def answering(self) -> str:
        """The curve that tells: changes by day; soil moisture itself by month, whose change has long dried out."""
        return CURVES[0] if self.events is None else CURVES[1]

    @property
    def answers(self) -> bool | None:
        """Whether soil moisture follows rain within a step (p < .05), None where too little is known."""
        curve = self.curve(self.answering)
        if curve is None or not any(math.isfinite(p) for p in curve.p[:AT_ONCE]):
            return None
        return any(r > 0 and p < 0.05 for r, p in zip(curve.r[:AT_ONCE], curve.p[:AT_ONCE]))

    def flat(self) -> dict[str, str | int | float]:
        row: dict[str, str | int | float] = {"source": self.source, "place": self.place, "n_obs": self.n}
        for name, short in zip(CURVES, ("P", "dSM", "API")):
            for kind, curves in (("", self.raw), ("_anomaly", self.anomaly)):
                curve = curves.get(name)
                lag = None if curve is None else curve.best
                row[f"R_{short}{kind}"] = math.nan if curve is None or lag is None else curve.r[lag]
                row[f"lag_{short}{kind}"] = math.nan if lag is None else float(lag)
                row[f"p_{short}{kind}"] = math.nan if curve is None or lag is None else curve.p[lag]
        row["events"] = 0 if self.events is None else self.events.events
        row["rise"] = math.nan if self.events is None else self.events.rise
        row["answered"] = math.nan if self.events is None else self.events.answered
        peak = None if self.events is None else self.events.peak
        row["peak_day"] = math.nan if peak is None else float(peak)
        return row


@dataclass(frozen=True)
class ExampleSeries:
    """One place to look at: dates (ISO), rain (mm) and soil moisture by source."""

    place: str
    dates: tuple[str, ...]
    rain: Floats
    moisture: dict[str, Floats]


@dataclass(frozen=True)
class RainResponse:
    """`step`: day or the length of the periods; `composites` (events, 16) by source, over all places."""

    sources: tuple[str, ...]
    rain: str
    unit: str
    step: str
    step_days: float
    span: tuple[str, str]
    what: str
    method: str
    places: tuple[PlaceResponse, ...]
    composites: dict[str, Floats]
    example: ExampleSeries | None
    without_rain: tuple[str, ...]
    rain_sentence: str
    crs_wkt: str
    notes: tuple[str, ...]
    options: RainOptions
    kinds: dict[str, str]

    def of(self, source: str) -> list[PlaceResponse]:
        return [place for place in self.places if place.source == source]
