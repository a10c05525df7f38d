"""A multilayer perceptron (Rumelhart et al. 1986, doi:10.1038/323533a0), averaged over several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.network import NetworkPredictor
from ...progress import Progress
from .base import Array, Learner, Settings
from .rows import Mask, Rows, hold_outs, level_and_spread

_HUGE = 1e300  # a factor that does not vary in training is divided by it, and so has no say
_PATIENCE = 15  # rounds over the rows without gain after which a member stops
_QUICK_MEMBERS = 2
_STEPS = 100  # of gradient descent per round, so that many rows cost no more than their matrix products


class NetworkEnsemble:
    """Networks on standardised factors and target; each holds other blocks out and keeps the round that suits them.

    Without blocks (or with a single one) nothing tells when to stop: a quarter of the rounds is run.
    """

    def __init__(self, hidden: Sequence[int], penalty: float, members: int, rounds: int, seed: int) -> None:
        self.hidden, self.penalty, self.members, self.rounds, self.seed = tuple(hidden), penalty, members, rounds, seed

    def fit(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None = None,
        block: NDArray[np.intp] | None = None,
        progress: Progress | None = None,
    ) -> NetworkEnsemble:
        from threadpoolctl import threadpool_limits

        progress = progress or Progress()
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight / weight.mean()
        self.x_mean, scale = x.mean(axis=0), x.std(axis=0)
        self.x_scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(self.x_mean)), scale, _HUGE)
        self.y_mean, self.y_scale = level_and_spread(y, weight)
        none = np.zeros(len(y), np.intp)
        rows = Rows(
            ((x - self.x_mean) / self.x_scale).astype(np.float32),
            ((y - self.y_mean) / (self.y_scale or 1.0)).astype(np.float32),
            weight,
            none if block is None else block,
        )
        trials = hold_outs(rows.block, max(2, self.members), self.seed)
        self.networks = []
        # Products of small matrices: threads would wait for each other, and change the last bits.
        with threadpool_limits(1, "blas"):
            for member in range(self.members):
                held = trials[member % len(trials)] if trials else None
                step = progress.part(member / self.members, (member + 1) / self.members)
                self.networks.append(self._member(rows, held, self.seed + member, step))
        return self

    def predict(self, x: Array) -> Array:
        z = ((x - self.x_mean) / self.x_scale).astype(np.float32)
        return self.y_mean + self.y_scale * np.mean([one.predict(z) for one in self.networks], axis=0)

    def export(self) -> NetworkPredictor:
        depth = len(self.networks[0].coefs_)
        return NetworkPredictor(
            [np.stack([one.coefs_[layer] for one in self.networks]) for layer in range(depth)],
            [np.stack([one.intercepts_[layer] for one in self.networks]) for layer in range(depth)],
            self.x_mean,
            self.x_scale,
            self.y_mean,
            self.y_scale,
        )

    def _member(self, rows: Rows, held: Mask | None, seed: int, progress: Progress) -> Any:
        from sklearn.neural_network import MLPRegressor

        seen = rows if held is None else rows.select(~held)
        out = None if held is None else rows.select(held)
        network = MLPRegressor(
            hidden_layer_sizes=self.hidden,
            alpha=self.penalty,
            batch_size=int(np.clip(len(seen.y) // _STEPS, min(32, len(seen.y)), 1024)),
            learning_rate_init=1e-3,
            random_state=seed,
        )
        # Weights of samples came late to the library; without them each row counts the same.
        weighted = (
            {"sample_weight": seen.weight} if "sample_weight" in signature(network.partial_fit).parameters else {}
        )
        rounds = self.rounds if out is not None else max(1, self.rounds // 4)
        best, kept, since = np.inf, None, 0
        for number in range(rounds):
            progress.check()
            network.partial_fit(seen.x, seen.y, **weighted)
            progress.set((number + 1) / rounds)
            if out is None:
                continue
            error = float(np.average((network.predict(out.x) - out.y) ** 2, weights=out.weight))
            since += 1
            if error < best:
                best, since = error, 0
                kept = [one.copy() for one in network.coefs_], [one.copy() for one in network.intercepts_]
            elif since >= _PATIENCE:
                break
        if kept is not None:
            network.coefs_, network.intercepts_ = kept
        return network


def _build(settings: Settings, seed: int, quick: bool) -> NetworkEnsemble:
    members = min(settings["members"], _QUICK_MEMBERS) if quick else settings["members"]
    return NetworkEnsemble(_hidden(settings["hidden"]), settings["penalty"], members, settings["rounds"], seed)


def _hidden(given: Any) -> tuple[int, ...]:
    """Widths of the hidden layers from `64, 64` or a list. Raises InputError."""
    parts = given.replace(";", ",").split(",") if isinstance(given, str) else given
    try:
        widths = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        widths = ()
    if not 1 <= len(widths) <= 6 or not all(1 <= width <= 2048 for width in widths):
        raise InputError(f"Hidden layers are one to six widths from 1 to 2048, such as 64, 64: not {given!r}.")
    return widths


LEARNER = Learner(
    "neuralnetwork",
    "Neural network",
    {"hidden": "64, 64", "penalty": 1e-4, "members": 5, "rounds": 200},
    _build,
    NetworkEnsemble.export,
    uses_blocks=True,
    space={"hidden": ["16", "32", "64", "32, 32", "64, 64", "64, 64, 32"], "penalty": (1e-5, 1.0, True)},
)
