"""Applicability and uncertainty as a user of QGIS asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.stack import Stack


def bands(path: str) -> Any:
    with Stack.open(path) as stack:
        return np.array([stack.read(number) for number in range(1, len(stack.bands) + 1)]), stack.bands


@pytest.fixture(scope="module")
def trusted(run: Any, folder: Path, grids: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    return run(
        "downscale",
        MODEL=model["MODEL"],
        FINE=grids["FINE"],
        COARSE=grids["COARSE"],
        LEVEL=0.8,
        OUTPUT=str(folder / "trusted.tif"),
        QUALITY=str(folder / "trusted_quality.tif"),
        APPLICABILITY=str(folder / "trusted_index.tif"),
        UNCERTAINTY=str(folder / "trusted_interval.tif"),
        REPORT=str(folder / "trusted.html"),
        METRICS=str(folder / "trusted.json"),
    )


def test_both_layers_and_their_numbers_are_given(trusted: dict[str, Any], product: dict[str, Any]) -> None:
    map_, _ = bands(trusted["OUTPUT"])
    np.testing.assert_array_equal(map_, bands(product["OUTPUT"])[0])
    index, index_bands = bands(trusted["APPLICABILITY"])
    interval, interval_bands = bands(trusted["UNCERTAINTY"])
    assert len(index) == len(map_) and len(interval) == 4 * len(map_)
    assert [band.name.rsplit("_", 1)[1] for band in interval_bands[:4]] == ["lower", "median", "upper", "width"]
    assert [band.period for band in interval_bands[::4]] == [band.period for band in index_bands]
    known = np.isfinite(interval[0::4])
    assert known.mean() > 0.5
    assert (interval[0::4][known] <= map_[known]).all() and (map_[known] <= interval[2::4][known]).all()
    numbers = json.loads(Path(trusted["METRICS"]).read_text())
    data = numbers.get("data", numbers)
    with Stack.open(trusted["APPLICABILITY"]) as stack:
        outside = index > float(stack.tags["THRESHOLD"])
    valid = np.isfinite(map_)
    assert trusted["SHARE_OUTSIDE"] == pytest.approx(outside[valid].mean(), abs=1e-3)
    assert trusted["MEAN_WIDTH"] == pytest.approx(np.nanmean(interval[3::4]), rel=1e-4)
    assert data["level"] == 0.8
    quality = bands(trusted["QUALITY"])[0]
    assert (outside[quality == 1]).all() and not (outside[quality == 0]).any()
    assert "how sure it is" in Path(trusted["REPORT"]).read_text()


def test_without_asking_nothing_is_written(run: Any, product: dict[str, Any]) -> None:
    assert not {"APPLICABILITY", "UNCERTAINTY", "SHARE_OUTSIDE", "MEAN_WIDTH"} & set(product)


def test_the_parameters_stay_few_and_the_new_ones_optional(provider: Any) -> None:
    from qgis.core import QgsProcessingParameterDefinition

    flag = QgsProcessingParameterDefinition.Flag
    definitions = {one.name(): one for one in provider.algorithm("downscale").parameterDefinitions()}
    assert sum(not one.flags() & flag.FlagAdvanced for one in definitions.values()) <= 12
    for name in ("APPLICABILITY", "UNCERTAINTY"):
        assert definitions[name].flags() & flag.FlagOptional and not definitions[name].createByDefault()
    assert definitions["LEVEL"].flags() & flag.FlagAdvanced and definitions["LEVEL"].defaultValue() == 0.9


def test_layers_are_styled_and_dated(run: Any, folder: Path, grids: dict[str, Any], model: dict[str, Any]) -> None:
    from qgis.core import (
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProject,
        QgsRasterLayer,
        QgsSingleBandPseudoColorRenderer,
    )

    context = QgsProcessingContext()
    project = QgsProject()
    context.setProject(project)
    paths = {name: str(folder / f"styled_{name}.tif") for name in ("OUTPUT", "APPLICABILITY", "UNCERTAINTY")}
    for name, path in paths.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
    run("downscale", context=context, MODEL=model["MODEL"], FINE=grids["FINE"], COARSE=grids["COARSE"], **paths)
    for name, band in (("APPLICABILITY", 1), ("UNCERTAINTY", 4)):
        layer = QgsRasterLayer(paths[name], name)
        details = context.layerToLoadOnCompletionDetails(paths[name])
        details.postProcessor().postProcessLayer(layer, context, QgsProcessingFeedback())
        renderer = layer.renderer()
        assert isinstance(renderer, QgsSingleBandPseudoColorRenderer) and renderer.usesBands() == [band]
        assert renderer.classificationMin() == 0 and renderer.classificationMax() > 0
        assert layer.temporalProperties().isActive() and name.title() in details.name
