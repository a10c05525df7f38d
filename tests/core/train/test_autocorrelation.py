"""Effective sample size: plain-loop oracles, worked cases, and the size of the test on unrelated fields."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from soilmoisture.core.errors import InputError
from soilmoisture.core.train.autocorrelation import (
    Correlograms,
    effective_sample_size,
)
from soilmoisture.core.train.correlation import corrected_p
from soilmoisture.core.train.space_time import (
    cell_anomalies,
    lag_one_samples,
    period_anomalies,
    space_time_sample,
)


def brute_force(x, y, width, height, bounds_of):
    """The formula with matrices filled pair by pair; `bounds_of(largest distance)` gives the classes."""
    cells = [(i, j) for i in range(x.shape[0]) for j in range(x.shape[1]) if math.isfinite(x[i, j] + y[i, j])]
    n = len(cells)
    distance = [[math.hypot((a[0] - b[0]) * height, (a[1] - b[1]) * width) for b in cells] for a in cells]
    bounds = bounds_of(max(max(row) for row in distance))

    def class_of(d):
        return next(k for k, upper in enumerate(bounds) if d <= upper * (1 + 1e-9))

    classes = [[class_of(d) for d in row] for row in distance]

    def matrix(field):
        values = [field[cell] for cell in cells]
        mean = sum(values) / n
        z = [value - mean for value in values]
        variance = sum(v * v for v in z) / n
        sums, counts = [0.0] * len(bounds), [0] * len(bounds)
        for i in range(n):
            for j in range(i):
                sums[classes[i][j]] += z[i] * z[j]
                counts[classes[i][j]] += 1
        result = np.eye(n)
        for i in range(n):
            for j in range(n):
                if i != j:
                    result[i, j] = sums[classes[i][j]] / counts[classes[i][j]] / variance
        return result

    centre = np.eye(n) - np.full((n, n), 1 / n)
    a, b = centre @ matrix(x), centre @ matrix(y)
    return 1 + np.trace(a) * np.trace(b) / np.trace(a @ b), n


def equal_classes(number):
    return lambda largest: [largest * (k + 1) / number for k in range(number)]


def growing_classes(cell):
    """One cell wide up to 12 cells, then a quarter wider each time: the rule for classes=None."""

    def bounds_of(largest):
        bounds, width = [], cell
        while not bounds or bounds[-1] < largest:
            if len(bounds) >= 12:
                width *= 1.25
            bounds.append((bounds[-1] if bounds else 0.0) + width)
        return bounds

    return bounds_of


def smooth_maps(rng, count, size, sigma):
    """Independent smooth fields of unit variance (count, size, size) without edge effects."""
    margin = 4 * sigma
    noise = rng.normal(size=(count, size + 2 * margin, size + 2 * margin))
    inner = gaussian_filter(noise, (0, sigma, sigma))[:, margin : margin + size, margin : margin + size]
    return inner * 2 * math.sqrt(math.pi) * sigma


def fading_maps(rng, periods, size, sigma, rho):
    """Smooth maps with AR(1) in time."""
    fresh = smooth_maps(rng, periods + 15, size, sigma)
    maps = [fresh[0]]
    for new in fresh[1:]:
        maps.append(rho * maps[-1] + math.sqrt(1 - rho**2) * new)
    return np.array(maps[-periods:])


@pytest.mark.parametrize("classes", [13, 5, 1, None])
@pytest.mark.parametrize(("width", "height"), [(1.0, 1.0), (7.36, 11.03), (0.25, 0.1)])
def test_equals_brute_force_with_gaps(classes, width, height):
    rng = np.random.default_rng(4)
    x = gaussian_filter(rng.normal(size=(9, 16)), 1.0)
    y = gaussian_filter(rng.normal(size=(9, 16)), 1.5) + 0.1 * rng.normal(size=(9, 16))
    x[rng.random(x.shape) < 0.15] = np.nan
    y[0, :] = np.nan
    y[:, :2] = np.nan
    bounds_of = growing_classes(math.sqrt(width * height)) if classes is None else equal_classes(classes)
    expected, n = brute_force(x, y, width, height, bounds_of)
    sample = Correlograms(width, height, classes).effective_sample(x, y)
    assert sample.n == n
    assert 3 < expected < n and not sample.clamped
    assert sample.value == pytest.approx(expected, rel=1e-10)
    assert effective_sample_size(x, y, width, height, classes) == sample.value


def test_growing_classes_reach_beyond_the_fine_ones():
    rng = np.random.default_rng(8)
    x, y = smooth_maps(rng, 2, 24, 3)[:, :6]
    expected, n = brute_force(x, y, 1.0, 1.0, growing_classes(1.0))
    assert math.hypot(5, 23) > 12
    assert 3 < expected < n
    assert effective_sample_size(x, y, 1.0, 1.0, None) == pytest.approx(expected, rel=1e-10)


def test_three_cells_by_hand():
    # Two classes, distances 1 and 2. x: I = 0, -1.5; y: I = -1, 0.5. Traces 3 and 3, of the product 2.5:
    # 1 + 9 / 2.5 = 4.6, more than there are cells.
    sample = Correlograms(1.0, 1.0, 2).effective_sample(np.array([[-1.0, 0.0, 1.0]]), np.array([[1.0, -2.0, 1.0]]))
    assert (sample.value, sample.n, sample.clamped) == (3.0, 3, True)


def test_clamped_at_both_ends():
    strip = np.arange(20.0)[None]
    assert brute_force(strip, strip, 1.0, 1.0, equal_classes(13))[0] < 3
    low = Correlograms(1.0, 1.0).effective_sample(strip, strip)
    ramp = np.add.outer(np.arange(12.0), np.arange(12.0))
    board = np.indices((12, 12)).sum(axis=0) % 2.0
    high = Correlograms(1.0, 1.0, None).effective_sample(board, ramp)
    assert (low.value, low.clamped) == (3.0, True)
    assert (high.value, high.clamped) == (144.0, True)


def test_constant_or_nearly_empty_maps_have_none():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(6, 6))
    assert math.isnan(effective_sample_size(field, np.full((6, 6), 0.3), 1.0, 1.0))
    few = np.full((6, 6), np.nan)
    few[0, :2] = 1.0, 2.0
    assert math.isnan(effective_sample_size(field, few, 1.0, 1.0))


def test_bad_input_is_a_sentence():
    field = np.zeros((4, 4))
    with pytest.raises(InputError, match="same shape"):
        effective_sample_size(field, np.zeros((4, 5)), 1.0, 1.0)
    with pytest.raises(InputError, match="cell size"):
        effective_sample_size(field, field, 0.0, 1.0)
    with pytest.raises(InputError, match="class"):
        effective_sample_size(field, field, 1.0, 1.0, 0)


def test_units_and_offsets_do_not_matter():
    x, y = smooth_maps(np.random.default_rng(1), 2, 20, 2)
    plain = effective_sample_size(x, y, 9.0, 9.0)
    assert effective_sample_size(300 + 0.02 * x, -5 * y, 9000.0, 9000.0) == pytest.approx(plain, rel=1e-9)


def test_a_million_cells():
    rng = np.random.default_rng(2)
    x, y = smooth_maps(rng, 1, 1000, 4)[0], smooth_maps(rng, 1, 1000, 4)[0]
    # A Gaussian of sigma 4 on white noise has the correlation exp(-d^2 / 64), its square sums to 32 pi cells.
    assert effective_sample_size(x, y, 1.0, 1.0, None) == pytest.approx(1e6 / (32 * math.pi), rel=0.1)


@pytest.mark.parametrize(("size", "sigma", "classes"), [(30, 3, 13), (30, 3, None), (90, 2, None)])
def test_size_on_unrelated_smooth_maps(size, sigma, classes):
    rng = np.random.default_rng(11)
    correlograms = Correlograms(1.0, 1.0, classes)
    naive = corrected = 0
    for _ in range(250):
        x, y = smooth_maps(rng, 2, size, sigma)
        r = float(np.corrcoef(x.ravel(), y.ravel())[0, 1])
        naive += corrected_p(r, x.size) < 0.05
        corrected += corrected_p(r, correlograms.effective_sample(x, y).value) < 0.05
    assert naive > 0.4 * 250
    assert 0.02 * 250 <= corrected <= 0.10 * 250


def test_wide_classes_hide_short_autocorrelation():
    # Why screening uses classes=None: 13 classes over 90 cells are nearly 10 cells wide.
    x, y = smooth_maps(np.random.default_rng(5), 2, 90, 2)
    wide, fine = (effective_sample_size(x, y, 1.0, 1.0, classes) for classes in (13, None))
    assert wide > 2 * fine
    # exp(-d^2 / 16) squared sums to 8 pi cells: 8100 / 8 pi = 322 independent cells.
    assert fine == pytest.approx(8100 / (8 * math.pi), rel=0.3)


def test_lag_one_by_hand():
    # Anomalies -1.5 -0.5 0.5 1.5: r1 = (0.75 - 0.25 + 0.75) / 5 = 0.25; twice: 4 (15/16) / (17/16).
    rising = np.array([1.0, 2.0, 3.0, 4.0])
    assert lag_one_samples(rising, rising) == pytest.approx(4 * (15 / 16) / (17 / 16), rel=1e-12)
    assert lag_one_samples(rising, np.array([1.0, -1.0, 1.0, -1.0])) == 4.0  # opposite signs: not above T
    assert lag_one_samples(np.arange(40.0), np.arange(40.0)) < 6
    assert lag_one_samples(np.array([1.0, 2.0]), np.array([3.0, 1.0])) == 2.0


def test_one_period_is_the_spatial_value():
    x, y = smooth_maps(np.random.default_rng(3), 2, 20, 2)
    sample = space_time_sample(x[None], y[None], Correlograms(1.0, 1.0, None))
    assert sample.value == pytest.approx(effective_sample_size(x, y, 1.0, 1.0, None), rel=1e-12)


def test_space_time_formula_in_loops():
    rng = np.random.default_rng(9)
    x, y = fading_maps(rng, 4, 12, 1, 0.6), fading_maps(rng, 4, 12, 1, 0.6)
    x += np.array([0.0, 1.0, -0.5, 0.3])[:, None, None]
    y += np.array([0.5, -1.0, 1.0, 0.2])[:, None, None]
    x[1, :3] = np.nan
    valid = np.isfinite(x)
    sums, patterns, means = {}, {}, {}
    for name, stack in (("x", x), ("y", y)):
        means[name] = [stack[t][valid[t]].mean() for t in range(4)]
        maps = [stack[t] - means[name][t] for t in range(4)]
        sums[name] = [(maps[t][valid[t]] ** 2).sum() for t in range(4)]
        for t in range(4):
            for s in range(4):
                both = valid[t] & valid[s]
                a, b = maps[t][both], maps[s][both]
                patterns[name, t, s] = (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())
    freedom = [
        brute_force(x[t], np.where(valid[t], y[t], np.nan), 2.0, 1.0, growing_classes(math.sqrt(2.0)))[0] - 1
        for t in range(4)
    ]
    u = [math.sqrt(sums["x"][t] * sums["y"][t] / freedom[t]) for t in range(4)]
    variance = sum(u[t] * u[s] * patterns["x", t, s] * patterns["y", t, s] for t in range(4) for s in range(4))
    assert variance > sum(value**2 for value in u)
    between = {}
    for name in "xy":
        all_values = (x if name == "x" else np.where(valid, y, np.nan))[valid]
        between[name] = ((all_values - all_values.mean()) ** 2).sum() - sum(sums[name])
    series = lag_one_samples(np.array(means["x"]), np.array(means["y"]))
    variance += between["x"] * between["y"] / (series - 1)
    total = (between["x"] + sum(sums["x"])) * (between["y"] + sum(sums["y"]))
    sample = space_time_sample(x, y, Correlograms(2.0, 1.0, None))
    assert not sample.clamped
    assert sample.value == pytest.approx(1 + total / variance, rel=1e-9)


def test_repeated_maps_are_worth_one():
    x, y = smooth_maps(np.random.default_rng(6), 2, 20, 2)
    once = effective_sample_size(x, y, 1.0, 1.0, None)
    correlograms = Correlograms(1.0, 1.0, None)
    many_x, many_y = np.repeat(x[None], 9, axis=0), np.repeat(y[None], 9, axis=0)
    assert space_time_sample(many_x, many_y, correlograms).value == pytest.approx(once, rel=1e-9)
    # Period means that differ add only the few samples of a series of means.
    shifts = np.array([0.0, 9, 3, 5, -2, 8, -7, 1, 4])[:, None, None]
    sample = space_time_sample(many_x + shifts, many_y + shifts[::-1], correlograms)
    assert sample.value < 9


def test_a_static_factor_counts_as_one_map():
    rng = np.random.default_rng(7)
    ground = smooth_maps(rng, 1, 20, 2)
    moisture = fading_maps(rng, 10, 20, 2, 0.3)
    correlograms = Correlograms(1.0, 1.0, None)
    stack = np.repeat(ground, 10, axis=0)
    sample = space_time_sample(stack, moisture, correlograms, static=True)
    expected = effective_sample_size(ground[0], moisture.mean(axis=0), 1.0, 1.0, None)
    assert sample.n == 4000
    assert sample.value == pytest.approx(expected, rel=1e-9)
    assert space_time_sample(stack, moisture, correlograms).value > 1.5 * sample.value


def _seasons(rng, periods):
    level = [0.0]
    for _ in range(periods + 15):
        level.append(0.6 * level[-1] + 0.8 * rng.normal())
    return np.array(level[-periods:])[:, None, None]


def _case(name, rng):
    if name == "fading":
        return fading_maps(rng, 8, 24, 3, 0.7), fading_maps(rng, 8, 24, 3, 0.7)
    if name == "lasting pattern, weather and season":
        return tuple(
            smooth_maps(rng, 1, 24, 3) + 0.7 * fading_maps(rng, 8, 24, 3, 0.3) + _seasons(rng, 8) for _ in range(2)
        )
    return np.repeat(smooth_maps(rng, 1, 24, 3), 8, axis=0), smooth_maps(rng, 1, 24, 3) + 0.3 * fading_maps(
        rng, 8, 24, 3, 0.3
    )


@pytest.mark.parametrize(
    ("name", "anomalies"),
    [
        ("fading", None),
        ("fading", cell_anomalies),
        ("lasting pattern, weather and season", None),
        ("lasting pattern, weather and season", period_anomalies),
        ("static", None),
    ],
)
def test_size_on_unrelated_series_of_maps(name, anomalies):
    rng = np.random.default_rng(21)
    correlograms = Correlograms(1.0, 1.0, None)
    naive = corrected = 0
    for _ in range(120):
        x, y = _case(name, rng)
        if anomalies is not None:
            x, y = anomalies(x), anomalies(y)
        r = float(np.corrcoef(x.ravel(), y.ravel())[0, 1])
        sample = space_time_sample(x, y, correlograms, static=name == "static")
        naive += corrected_p(r, x.size) < 0.05
        corrected += corrected_p(r, sample.value) < 0.05
    assert naive > 0.4 * 120
    # A static factor is treated with caution (see space_time_sample), so its test may reject less often.
    assert (0.0 if name == "static" else 0.01) * 120 <= corrected <= 0.10 * 120


def test_anomalies_of_what_does_not_vary_are_zero():
    stack = np.broadcast_to(0.1 * np.arange(12.0).reshape(3, 4), (7, 3, 4)) + 273.15
    assert np.all(cell_anomalies(stack) == 0)
    uniform = np.broadcast_to(0.1 * np.arange(7.0)[:, None, None], (7, 3, 4)) + 273.15
    assert np.all(period_anomalies(uniform) == 0)
    gap = uniform.copy()
    gap[2] = np.nan
    gap[3, 0, 0] = np.nan
    assert np.isnan(period_anomalies(gap)).sum() == 13
