"""Stacked models: sums of parts of every kind, in one model file, and read without any training package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.boosted import BoostedPredictor, RegressionTree
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.model.network import NetworkPredictor
from soilmoisture.core.model.stacked import StackedPredictor
from soilmoisture.core.model.svr import SupportVectorPredictor

ROOT = Path(__file__).resolve().parents[3]


def parts() -> list[Any]:
    rng = np.random.default_rng(0)
    tree = RegressionTree(
        np.array([1, -1, -1]),
        np.array([0.5, 0, 0], np.float32),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([0.0, 0.1, 0.3]),
    )
    boosted = BoostedPredictor.from_trees([tree, tree], 0.1, 0.5, 2)
    network = NetworkPredictor(
        [rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 4, 1))],
        [rng.normal(size=(3, 4)), rng.normal(size=(3, 1))],
        np.zeros(2),
        np.ones(2),
        0.2,
        0.1,
    )
    machine = SupportVectorPredictor(rng.normal(size=(5, 2)), rng.normal(size=5), 0.1, 0.5, np.zeros(2), np.ones(2))
    forest = ForestPredictor.from_arrays(boosted.trees.arrays())
    return [LinearPredictor(np.array([0.1, -0.2]), 0.3), forest, machine, boosted, network]


def stack() -> StackedPredictor:
    return StackedPredictor(parts(), np.array([0.5, 0.2, 0.1, 0.3, 0.4]), 0.05)


def model_of(predictor: Any) -> Model:
    return Model(
        learner="stacking",
        title="Stacking",
        factors=(Factor("ndvi", "1", 0.0, 1.0, 0.5, 0.1), Factor("lst", "K", 270.0, 320.0, 300.0, 9.0)),
        target="soil_moisture",
        target_unit="m3/m3",
        target_range=(0.0, 0.5),
        form=Form("values"),
        trend=None,
        predictor=predictor,
        gain=DetailGain(1.0, 1.0, 0.1, 0.5, 3),
    )


X = np.random.default_rng(3).normal(size=(200, 2))


def test_a_weighted_sum() -> None:
    ours = stack()
    expected = [
        0.05 + sum(weight * part.predict(row[None])[0] for weight, part in zip(ours.weights, ours.parts)) for row in X
    ]
    np.testing.assert_allclose(ours.predict(X), expected, rtol=0, atol=1e-7)
    assert ours.factors == 2


@pytest.mark.parametrize("number", range(6))
def test_every_kind_comes_back_from_a_model_file_as_it_was(tmp_path: Path, number: int) -> None:
    predictor = [*parts(), stack()][number]
    save_model(model_of(predictor), tmp_path / "m.smdl")
    save_model(load_model(tmp_path / "m.smdl"), tmp_path / "again.smdl")
    np.testing.assert_array_equal(load_model(tmp_path / "m.smdl").predict(X), predictor.predict(X))
    assert (tmp_path / "m.smdl").read_bytes() == (tmp_path / "again.smdl").read_bytes()


def test_files_are_applied_without_any_training_package(tmp_path: Path) -> None:
    save_model(model_of(stack()), tmp_path / "m.smdl")
    np.save(tmp_path / "x.npy", X)
    program = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
for name in ("sklearn", "lightgbm", "xgboost", "scipy", "joblib", "numba"):
    sys.modules[name] = None  # importing it fails
root, model, x, y = sys.argv[1:]
spec = spec_from_file_location("soilmoisture", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["soilmoisture"] = module_from_spec(spec)
import numpy as np
from soilmoisture.core.model.modelfile import load_model
np.save(y, load_model(model).predict(np.load(x)))
"""
    paths = [str(path) for path in (ROOT, tmp_path / "m.smdl", tmp_path / "x.npy", tmp_path / "y.npy")]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Support vectors are summed in single precision, which compiled code rounds otherwise than matrix products do.
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), stack().predict(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": [], "weights": np.zeros(0)}, "do not fit together"),
        ({"weights": np.zeros(4)}, "do not fit together"),
        ({"weights": np.array([1, 1, 1, 1, np.nan])}, "do not fit together"),
        ({"intercept": np.inf}, "do not fit together"),
        ({"parts": [*parts()[:4], LinearPredictor(np.zeros(3), 0.0)]}, "do not fit together"),
        ({"parts": [*parts()[:4], stack()]}, "do not fit together"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"parts": parts(), "weights": np.ones(5), "intercept": 0.0, **changes}
    with pytest.raises(InputError, match=message):
        StackedPredictor(**given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kinds", [0, 1, 2, 3, 99]),
        ("kinds", [0, 1, 2, 3, -1]),
        ("kinds", [0.0, 1, 2, 3, 4]),
        ("kinds", [0, 1, 2, 3]),
        ("kinds", [[0, 1, 2, 3, 4]]),
        ("kinds", [1, 0, 2, 3, 4]),
        ("kinds", [0] * 101),
        ("weights", [1, 1, 1, 1, 1]),
        ("intercept", []),
        ("0/coefficients", [np.nan, 1.0]),
        ("1/left", [0, -1, -1, 1, -1, -1]),
    ],
)
def test_arrays_that_are_no_stack_are_refused(name: str, value: list[Any]) -> None:
    with pytest.raises((InputError, KeyError, ValueError, IndexError)):
        StackedPredictor.from_arrays({**stack().arrays(), name: np.asarray(value)})
