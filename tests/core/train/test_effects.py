"""Accumulated local effects of known functions, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled
from soilmoisture.core.progress import Progress
from soilmoisture.core.train.effects import effects
from soilmoisture.core.train.samples import Samples


def samples_of(x):
    n = len(x)
    return Samples(x, np.zeros(n), np.zeros(n, int), np.arange(n), np.zeros(n, int), np.ones(n), (1, n, 1))


def test_effects_of_an_additive_function_are_its_parts():
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, 4000)
    # The second factor hangs on the first, which partial dependence would not see through.
    samples = samples_of(np.column_stack([a, a + 0.2 * rng.normal(size=4000)]))
    rows = np.arange(4000)

    def predict(x):
        return np.sin(2 * x[:, 0]) + x[:, 1] ** 2

    visits = [(k, predict, rows[rows % 3 == k]) for k in range(3)]
    first, second = effects(samples, visits, ["a", "b"], ["a", "b"], Progress())
    for effect, part, x in ((first, lambda x: np.sin(2 * x), samples.x[:, 0]), (second, np.square, samples.x[:, 1])):
        wanted = part(effect.x) - part(x).mean()
        np.testing.assert_allclose(effect.effect, wanted, atol=0.03)
        np.testing.assert_allclose(effect.by_fold, np.broadcast_to(wanted, effect.by_fold.shape), atol=0.04)
        np.testing.assert_allclose(effect.deciles, np.quantile(x, np.linspace(0, 1, 11)))
        assert effect.middle == pytest.approx((np.quantile(x, 0.02), np.quantile(x, 0.98)))


def test_against_a_plain_loop():
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(200, 2)), 1)  # ties, as coarse factors have them

    def predict(x):
        return x[:, 0] * x[:, 1]

    found = effects(samples_of(x), [(0, predict, np.arange(200))], ["a", "b"], ["a"], Progress())[0]
    edges = sorted(set(np.quantile(x[:, 0], np.linspace(0, 1, 17))))
    steps, counts = [], []
    for k in range(len(edges) - 1):
        inside = [r for r in x if (edges[k] < r[0] <= edges[k + 1]) or (k == 0 and r[0] == edges[0])]
        steps.append(sum(edges[k + 1] * r[1] - edges[k] * r[1] for r in inside) / max(1, len(inside)))
        counts.append(len(inside))
    curve = [0.0]
    for step in steps:
        curve.append(curve[-1] + step)
    centre = np.mean([np.interp(v, edges, curve) for v in x[:, 0]])
    assert sum(counts) == 200
    np.testing.assert_allclose(found.x, edges)
    np.testing.assert_allclose(found.effect, np.array(curve) - centre)


def test_a_factor_with_one_value_has_no_curve():
    x = np.column_stack([np.ones(50), np.arange(50.0)])
    visits = [(0, lambda x: x[:, 1], np.arange(50))]
    assert [one.factor for one in effects(samples_of(x), visits, ["a", "b"], ["a", "b"], Progress())] == ["b"]


def test_a_fold_without_samples_somewhere_borrows_from_the_others():
    x = np.column_stack([np.linspace(0, 1, 400), np.zeros(400)])
    low, high = np.arange(200), np.arange(200, 400)
    found = effects(
        samples_of(x), [(0, lambda x: x[:, 0], low), (1, lambda x: x[:, 0], high)], ["a", "b"], ["a"], Progress()
    )[0]
    np.testing.assert_allclose(found.by_fold, [found.x - 0.5, found.x - 0.5], atol=1e-6)


def test_it_can_be_stopped():
    class Stopped(Progress):
        cancelled = True

    x = np.random.default_rng(0).random((50, 2))
    with pytest.raises(Cancelled):
        effects(samples_of(x), [(0, lambda x: x[:, 0], np.arange(50))], ["a", "b"], ["a"], Stopped())
