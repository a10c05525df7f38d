"""Neural networks as arrays against plain loops and scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.network import NetworkPredictor

Array = NDArray[np.float64]


def made(**changes: Any) -> NetworkPredictor:
    """Two members, two factors, hidden layers of 3 and 2."""
    rng = np.random.default_rng(0)
    arguments: dict[str, Any] = {
        "weights": [rng.normal(size=shape) for shape in ((2, 2, 3), (2, 3, 2), (2, 2, 1))],
        "biases": [rng.normal(size=shape) for shape in ((2, 3), (2, 2), (2, 1))],
        "x_mean": np.array([290.0, 0.4]),
        "x_scale": np.array([10.0, 0.1]),
        "y_mean": 0.25,
        "y_scale": 0.05,
    }
    return NetworkPredictor(**{**arguments, **changes})


def by_loops(network: NetworkPredictor, row: Array) -> float:
    results = []
    for member in range(len(network.weights[0])):
        layer = [(row[k] - network.x_mean[k]) / network.x_scale[k] for k in range(len(row))]
        for number, (weight, bias) in enumerate(zip(network.weights, network.biases)):
            outputs = [
                math.fsum(
                    [*(layer[i] * float(weight[member, i, o]) for i in range(len(layer))), float(bias[member, o])]
                )
                for o in range(weight.shape[2])
            ]
            layer = outputs if number == len(network.weights) - 1 else [max(0.0, value) for value in outputs]
        results.append(layer[0])
    return network.y_mean + network.y_scale * sum(results) / len(results)


def test_predictions_as_written_out() -> None:
    x = np.random.default_rng(1).normal(size=(50, 2)) * [10.0, 0.1] + [290.0, 0.4]
    network = made()
    np.testing.assert_allclose(network.predict(x), [by_loops(network, row) for row in x], rtol=0, atol=1e-7)
    again = NetworkPredictor.from_arrays(network.arrays())
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    assert network.factors == 2 and network.predict(x[:0]).shape == (0,)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_network_of_scikit_learn() -> None:
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    theirs = MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=50, random_state=0, tol=0).fit(
        x, np.sin(x[:, 0]) + x[:, 1]
    )
    ours = NetworkPredictor(
        [one[None] for one in theirs.coefs_],
        [one[None] for one in theirs.intercepts_],
        np.zeros(3),
        np.ones(3),
        0.0,
        1.0,
    )
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=0, atol=3e-6)


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_threads_do_not_change_a_bit(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(size=(10_001, 2)) * [10.0, 0.1] + [290.0, 0.4]
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    expected = made().predict(x)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    np.testing.assert_array_equal(made().predict(x), expected)


def test_wild_values_stay_numbers() -> None:
    assert np.isfinite(made().predict(np.array([[1e300, -1e300], [-1e308, 1e308]]))).all()


WEIGHTS = [np.zeros((2, 2, 3)), np.zeros((2, 3, 1))]
BIASES = [np.zeros((2, 3)), np.zeros((2, 1))]


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": [], "biases": []},
        {"weights": WEIGHTS[:1], "biases": BIASES[:1]},  # three outputs
        {"weights": WEIGHTS, "biases": BIASES[:1]},
        {"weights": [WEIGHTS[0], np.zeros((2, 2, 1))], "biases": BIASES},  # layers that do not meet
        {"weights": [WEIGHTS[0], np.zeros((1, 3, 1))], "biases": BIASES},
        {"weights": [np.zeros((2, 3)), WEIGHTS[1]], "biases": BIASES},
        {"weights": [np.zeros((0, 2, 1))], "biases": [np.zeros((0, 1))]},
        {"weights": [np.full((2, 2, 3), np.nan), WEIGHTS[1]], "biases": BIASES},
        {"weights": WEIGHTS, "biases": [np.full((2, 3), 1e300), BIASES[1]]},
        {"weights": WEIGHTS, "biases": [np.zeros((2, 3, 1)), BIASES[1]]},
        {"x_mean": np.zeros(3)},
        {"x_mean": np.zeros((2, 1))},
        {"x_scale": np.array([1.0, 0.0])},
        {"x_scale": np.array([1.0, np.inf])},
        {"x_scale": np.ones(3)},
        {"y_mean": np.nan},
        {"y_scale": np.inf},
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_numbers_that_are_no_network_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="do not fit together"):
        made(**changes)


@pytest.mark.parametrize("name", ["weights0", "biases1", "x_mean", "x_scale", "y"])
def test_arrays_that_lack_something_are_refused(name: str) -> None:
    arrays = dict(made().arrays())
    del arrays[name]
    with pytest.raises((InputError, KeyError)):
        NetworkPredictor.from_arrays(arrays)
    with pytest.raises((InputError, ValueError)):
        NetworkPredictor.from_arrays({**made().arrays(), name: np.arange(2)})
