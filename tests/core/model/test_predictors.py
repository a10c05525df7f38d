"""Support vectors and linear models against scikit-learn, and the blocks they are applied in."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soilmoisture.core.errors import InputError
from soilmoisture.core.model import gaussian_sums
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.precision import in_double
from soilmoisture.core.model.predictor import in_threads
from soilmoisture.core.model.stacked import StackedPredictor
from soilmoisture.core.model.svr import SupportVectorPredictor

Array = NDArray[np.float64]


def machine(seed: int = 0) -> tuple[Any, SupportVectorPredictor, Array]:
    """A pipeline as scikit-learn has it (both x and y standardised), and the same as arrays."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(600, 5)) * [1e-4, 1.0, 10.0, 300.0, 1e5] + [0.0, 5.0, 0.0, 290.0, -1e6]
    y = 0.25 + 0.05 * np.tanh(x[:, 1] - 5) + 0.01 * rng.normal(size=600)
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SVR(C=10.0, epsilon=0.05)), transformer=StandardScaler()
    ).fit(x, y)
    scaler, svr = model.regressor_[0], model.regressor_[1]
    spread, level = float(model.transformer_.scale_[0]), float(model.transformer_.mean_[0])
    ours = SupportVectorPredictor(
        svr.support_vectors_,
        svr.dual_coef_[0] * spread,
        float(svr.intercept_[0]) * spread + level,
        float(svr._gamma),
        scaler.mean_,
        scaler.scale_,
    )
    return model, ours, rng.normal(size=(5000, 5)) * [2e-4, 2.0, 20.0, 600.0, 2e5] + [0.0, 5.0, 0.0, 290.0, -1e6]


def test_support_vectors_predict_as_scikit_learn() -> None:
    model, ours, x = machine()
    assert len(ours.weights) > 100 and ours.factors == 5
    assert ours.single
    spread = model.predict(x).std()
    assert np.abs(ours.predict(x) - model.predict(x)).max() <= 1e-4 * spread
    double = in_double(ours)
    np.testing.assert_allclose(double.predict(x), model.predict(x), rtol=0, atol=1e-9 * spread)
    np.testing.assert_array_equal(SupportVectorPredictor.from_arrays(ours.arrays()).predict(x), ours.predict(x))
    stack = in_double(StackedPredictor([ours, LinearPredictor(np.ones(5), 0.0)], np.array([1.0, 0.0]), 0.0))
    np.testing.assert_array_equal(stack.predict(x), double.predict(x))
    assert ours.predict(x[:0]).shape == (0,)


def test_far_from_every_vector_is_the_intercept() -> None:
    _, ours, x = machine()
    far = np.where(np.arange(5) == 1, 1e9, x[:3])
    assert ours.predict(far) == pytest.approx([ours.intercept] * 3, abs=1e-12)


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_threads_do_not_change_a_bit(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ours, x = machine()
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    expected = ours.predict(x)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    np.testing.assert_array_equal(ours.predict(x), expected)


def svm(**changes: Any) -> SupportVectorPredictor:
    arguments: dict[str, Any] = {
        "vectors": np.zeros((3, 2)),
        "weights": np.ones(3),
        "intercept": 0.1,
        "gamma": 0.5,
        "mean": np.zeros(2),
        "scale": np.ones(2),
    }
    return SupportVectorPredictor(**{**arguments, **changes})


def test_a_machine_by_hand() -> None:
    # Three vectors at 0, weight 1 each: 3 exp(-0.5 d^2) + 0.1.
    x = np.array([[0.0, 0.0], [1.0, 1.0]])
    assert svm().predict(x) == pytest.approx([3.1, 3 * np.exp(-1.0) + 0.1])
    empty = svm(vectors=np.zeros((0, 2)), weights=np.zeros(0))
    assert empty.predict(x) == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 1e-12, 0.1, 0.3, 1e4, 1e12, 1e20])
def test_any_width_of_the_kernel_and_any_distance(
    gamma: float, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against sums of differences, which nothing cancels in; single precision only where that is near enough."""
    if not compiled:
        monkeypatch.setattr(gaussian_sums, "compiled_loops", lambda: None)
    rng = np.random.default_rng(3)
    vectors, weights = rng.normal(size=(1500, 4)), rng.normal(size=1500)
    ours = svm(vectors=vectors, weights=weights, gamma=gamma, mean=np.zeros(4), scale=np.ones(4))
    near = vectors[:50] + rng.normal(size=(50, 4)) * rng.choice([0, 1e-9, 1e-3, 1.0], (50, 1))
    x = np.concatenate([near, near * 1e3, near * 1e9])
    squares = ((x[:, None, :] - vectors[None]) ** 2).sum(axis=2)
    expected = np.exp(-np.minimum(gamma * squares, 1e9)) @ weights
    found, double = ours.predict(x), in_double(ours).predict(x)
    assert ours.single or gamma not in (0.1, 0.3)
    assert np.isfinite(found).all() and np.isfinite(double).all()
    # Round-off of the squared distance is that of |s|^2: a kernel so narrow that it counts meets no second pixel.
    if gamma <= 1e4:
        assert np.abs(found - expected - 0.1).max() <= 1e-4 * expected.std() + 1e-12
        assert np.abs(double - expected - 0.1).max() <= 1e-8
    far = np.sign(near) * 1e300
    np.testing.assert_allclose(ours.predict(far), 0.1 + (weights.sum() if gamma == 0 else 0.0), rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": np.zeros(3)},
        {"vectors": np.zeros((3, 2, 1))},
        {"vectors": np.full((3, 2), np.nan)},
        {"weights": np.ones(2)},
        {"weights": np.array([1, np.inf, 1])},
        {"intercept": np.nan},
        {"gamma": np.inf},
        {"gamma": -1.0},
        {"mean": np.zeros(3)},
        {"scale": np.zeros(2)},
        {"scale": np.array([1.0, np.inf])},
        {"scale": np.array([1.0, np.nan])},
        {"scale": np.ones((2, 1))},
    ],
)
def test_numbers_that_are_no_machine_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="do not fit together"):
        svm(**changes)


def test_linear_predicts_as_written_out() -> None:
    rng = np.random.default_rng(0)
    x, coefficients = rng.normal(size=(50, 3)), np.array([0.5, -2.0, 1e-3])
    ours = LinearPredictor.from_arrays(LinearPredictor(coefficients, 0.25).arrays())
    expected = [sum(a * b for a, b in zip(row, coefficients)) + 0.25 for row in x]
    np.testing.assert_allclose(ours.predict(x), expected, rtol=1e-13)
    assert ours.factors == 3


@pytest.mark.parametrize(("coefficients", "intercept"), [([[1.0]], 0.0), ([np.nan], 0.0), ([1.0], np.inf), (1.0, 0.0)])
def test_linear_refuses_what_is_no_number(coefficients: Any, intercept: float) -> None:
    with pytest.raises(InputError, match="not plain numbers"):
        LinearPredictor(np.array(coefficients), intercept)


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 20, 101])
def test_blocks_cover_every_row_once_and_in_order(rows: int) -> None:
    sizes: list[int] = []
    lock = threading.Lock()

    def twice(block: Array) -> Array:
        with lock:
            sizes.append(len(block))
        return 2 * block[:, 0]

    x = np.arange(2.0 * rows).reshape(rows, 2)
    np.testing.assert_array_equal(in_threads(twice, x, 10), 2 * x[:, 0])
    assert sum(sizes) == rows and sorted(sizes)[1:] == [10] * (len(sizes) - 1)


def test_an_error_in_a_thread_is_raised() -> None:
    def fails(block: Array) -> Array:
        raise InputError("a sentence")

    with pytest.raises(InputError, match="a sentence"):
        in_threads(fails, np.zeros((100, 1)), 10)
