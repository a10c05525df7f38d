"""The methods of calibration, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...packages import required
from ...progress import Progress
from ..metrics import Floats
from . import boosting, drift_kriging, gwr, scaling
from .convolution import Network
from .rows import Rows

Numbers = NDArray[np.intp]
BEST = "best by cross-validation"
NONE, MEAN_BIAS, LINEAR, MEAN_STD, CDF = "none", "mean bias", "linear", "mean-std", "CDF matching"
BOOSTING, GWR, KED, CNN = (
    "gradient boosting",
    "geographically weighted regression",
    "kriging with external drift",
    "CNN with transfer learning",
)


class Correction(Protocol):
    """A fitted method. `surface` is what depends on place alone, so that it is computed once for all dates."""

    kind: str

    def surface(self, east: Floats, north: Floats) -> Floats | None: ...

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats: ...

    def arrays(self) -> Mapping[str, NDArray[Any]]: ...


@dataclass(frozen=True)
class Task:
    """What a fit gets beside its rows: the cluster of each row's station, a seed, and the pre-trained network."""

    group: Numbers
    seed: int
    progress: Progress
    network: Network | None = None


@dataclass(frozen=True)
class Method:
    """fewest: stations that it needs. why: what that number is for."""

    name: str
    fewest: int
    fit: Callable[[Rows, Task], Correction]
    package: str = ""

    def refusal(self, rows: Rows) -> str:
        """Why the method is not for these stations, empty where it is."""
        if rows.stations < self.fewest:
            return f"it needs at least {self.fewest} stations, there are {rows.stations}"
        try:
            if self.package:
                required(self.package)
        except InputError as error:
            return str(error).rstrip(".")
        return ""


def _finetuned(rows: Rows, task: Task) -> Correction:
    from .network_training import finetune

    assert task.network is not None
    return finetune(task.network, rows, task.group, task.seed, task.progress)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(NONE, 0, lambda rows, task: scaling.unchanged(rows)),
        Method(MEAN_BIAS, 2, lambda rows, task: scaling.mean_bias(rows)),
        Method(LINEAR, 5, lambda rows, task: scaling.linear(rows)),
        Method(MEAN_STD, 5, lambda rows, task: scaling.mean_and_deviation(rows)),
        Method(CDF, 5, lambda rows, task: scaling.match_cdf(rows)),
        Method(
            BOOSTING,
            10,
            lambda rows, task: boosting.fit_boosting(rows, task.group, task.seed, task.progress),
            "sklearn",
        ),
        Method(GWR, 10, lambda rows, task: gwr.fit_local_lines(rows)),
        Method(KED, 10, lambda rows, task: drift_kriging.fit_drift_kriging(rows)),
        Method(CNN, 15, _finetuned, "torch"),
    )
}
SIMPLE = (NONE, MEAN_BIAS)
