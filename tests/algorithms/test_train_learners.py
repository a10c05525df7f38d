"""Boosted trees, networks and stacks through `processing.run`, up to the fine map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.model.modelfile import load_model
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.raster.support import Support

QUICK: dict[str, dict[str, Any]] = {
    "trainlightgbm": {"TREES": 40},
    "trainxgboost": {"TREES": 40},
    "trainneuralnetwork": {"NETWORKS": 2, "MOST_ROUNDS": 20, "HIDDEN_LAYERS": "16"},
    "trainstacking": {"LEARNERS": ["linear", "cart"]},
}
PACKAGES = {"trainlightgbm": "lightgbm", "trainxgboost": "xgboost"}


@pytest.mark.parametrize("name", QUICK)
def test_models_train_and_downscale(run: Any, folder: Path, grids: dict[str, Any], name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    trained = run(
        name,
        COARSE=grids["COARSE"],
        TRAIN_ON="contrasts",
        VALIDATION=["blocks"],
        MODEL=str(folder / f"{name}.smdl"),
        METRICS=str(folder / f"{name}.json"),
        **QUICK[name],
    )
    assert trained["SHARE_EXPLAINED"] > 0.1 and json.loads(Path(trained["METRICS"]).read_text())["verdict"]
    model = load_model(trained["MODEL"])
    assert f"train{model.learner}" == name
    made = run(
        "downscale",
        MODEL=trained["MODEL"],
        FINE=grids["FINE"],
        COARSE=grids["COARSE"],
        OUTPUT=str(folder / f"{name}.tif"),
    )
    with Stack.open(made["OUTPUT"]) as product, Stack.open(grids["COARSE"]) as coarse:
        field = product.read(1)
        target = coarse.read(coarse.index("soil_moisture", product.bands[0].period))
        mean, share = Support(product.grid, coarse.grid).mean(field)
        inside = np.isfinite(target) & (share > 0.999)
        np.testing.assert_allclose(mean[inside], target[inside], atol=1e-4)


@pytest.mark.parametrize("name", PACKAGES)
def test_an_absent_package_is_named_and_the_algorithm_stays(
    provider: Any, run: Any, folder: Path, grids: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from qgis.core import QgsProcessingContext

    from soilmoisture.core import packages
    from soilmoisture.core.errors import InputError
    from soilmoisture.core.train.samples import read_coarse
    from soilmoisture.core.train.training import Options, train

    real = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda one: None if one == PACKAGES[name] else real(one))
    possible, reason = provider.algorithm(name).canExecute()
    assert not possible and PACKAGES[name] in reason and "pip install" in reason
    with pytest.raises(InputError) as raised:
        train(read_coarse(grids["COARSE"]), Options(PACKAGES[name]))
    assert str(raised.value) == reason
    stacking = provider.algorithm("trainstacking")
    assert stacking.canExecute()[0]
    chosen = {
        "COARSE": grids["COARSE"],
        "LEARNERS": ["linear", PACKAGES[name]],
        "MODEL": str(folder / "absent.smdl"),
    }
    assert stacking.checkParameterValues(chosen, QgsProcessingContext()) == (False, reason)


@pytest.mark.parametrize("name", ["trainstacking", "comparemodels"])
def test_unknown_learners_are_refused_with_the_known_ones_in_the_help(
    provider: Any, folder: Path, grids: dict[str, Any], name: str
) -> None:
    from qgis.core import QgsProcessingContext

    algorithm = provider.algorithm(name)
    given = {"COARSE": grids["COARSE"], "MODEL": str(folder / "unknown.smdl")}
    for wrong in ("foo", 0, ["foo", "linear"], [0, 1], "linear,foo"):
        possible, reason = algorithm.checkParameterValues({**given, "LEARNERS": wrong}, QgsProcessingContext())
        assert not possible and reason, wrong
    right = {**given, "LEARNERS": ["linear", "cart"]}
    assert algorithm.checkParameterValues(right, QgsProcessingContext())[0]
    text = algorithm.parameterDefinition("LEARNERS").help()
    assert all(one in text for one in ("linear", "randomforest", "neuralnetwork", "xgboost"))


def test_helps_state_the_range_that_is_allowed(provider: Any) -> None:
    from qgis.core import QgsProcessingParameterNumber

    for algorithm in provider.algorithms():
        if algorithm.groupId() != "train":
            continue
        for one in algorithm.parameterDefinitions():
            if isinstance(one, QgsProcessingParameterNumber) and one.maximum() < 1e6:
                assert f"{one.maximum():g}" in one.help(), (algorithm.id(), one.name())


def test_choices_that_cannot_be_meant(run: Any, folder: Path, grids: dict[str, Any]) -> None:
    from qgis.core import QgsProcessingException

    given = {"COARSE": grids["COARSE"], "MODEL": str(folder / "none.smdl")}
    with pytest.raises(QgsProcessingException, match="at least two"):
        run("trainstacking", LEARNERS=["linear"], **given)
    with pytest.raises(QgsProcessingException, match="Hidden layers"):
        run("trainneuralnetwork", HIDDEN_LAYERS="wide", **given)
    assert not (folder / "none.smdl").exists()
