"""Calibrate with stations in the Toolbox: from the built-in sample to a calibrated map, and again from the file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

SIMPLE = ["none", "mean bias", "linear", "kriging with external drift"]


@pytest.fixture(scope="module")
def calibrated(provider: Any, product: dict[str, Any], sample: dict[str, Any], folder: Path) -> dict[str, Any]:
    return _run(
        PRODUCT=[product["OUTPUT"]],
        POINTS=sample["STATIONS"],
        VALUE="value",
        DATE="date",
        STATION="station",
        COMPARE=SIMPLE,
        OUTPUT=str(folder / "calibrated.tif"),
        UNCERTAINTY=str(folder / "calibrated_sd.tif"),
        QUALITY=str(folder / "calibrated_quality.tif"),
        CALIBRATION=str(folder / "stations.smcal"),
        REPORT=str(folder / "calibration.html"),
        METRICS=str(folder / "calibration.json"),
        TABLE=str(folder / "calibration.csv"),
    )


def _run(**parameters: Any) -> dict[str, Any]:
    import processing
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback

    from soilmoisture.algorithms.ground.calibrate_stations import CalibrateStations

    return processing.run(
        CalibrateStations().create(), parameters, context=QgsProcessingContext(), feedback=QgsProcessingFeedback(False)
    )


def test_all_outputs_are_written_and_say_the_same(calibrated: dict[str, Any], product: dict[str, Any]) -> None:
    with open(calibrated["TABLE"], encoding="utf-8-sig") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream)}
    assert set(SIMPLE) <= set(rows)
    assert float(rows["none"]["rmse"]) == pytest.approx(calibrated["RMSE_PRODUCT"])
    data = json.loads(Path(calibrated["METRICS"]).read_text())["data"]
    assert data["chosen"] == calibrated["CHOSEN"]
    page = Path(calibrated["REPORT"]).read_text()
    assert "has not seen" in page and "no longer keeps" in page or calibrated["CHOSEN"] == "none"
    made, source = gdal.Open(calibrated["OUTPUT"]), gdal.Open(product["OUTPUT"])
    assert made.RasterCount == source.RasterCount
    assert made.GetMetadata()["CONSERVES_COARSE"] == "NO"
    for band in range(1, made.RasterCount + 1):
        assert made.GetRasterBand(band).GetDescription() == source.GetRasterBand(band).GetDescription()
        ours, theirs = (one.GetRasterBand(band).GetMetadata() for one in (made, source))
        assert ours["PERIOD_START"] == theirs["PERIOD_START"]


def test_a_calibration_file_gives_the_same_map_again(
    calibrated: dict[str, Any], product: dict[str, Any], folder: Path
) -> None:
    again = _run(
        PRODUCT=[product["OUTPUT"]],
        APPLY=calibrated["CALIBRATION"],
        OUTPUT=str(folder / "calibrated_again.tif"),
        METRICS=str(folder / "calibrated_again.json"),
    )
    np.testing.assert_array_equal(
        gdal.Open(again["OUTPUT"]).ReadAsArray(), gdal.Open(calibrated["OUTPUT"]).ReadAsArray()
    )
    assert again["CHOSEN"] == calibrated["CHOSEN"]


def test_the_cnn_is_refused_for_few_stations_with_what_else_there_is(
    product: dict[str, Any], sample: dict[str, Any], folder: Path
) -> None:
    from qgis.core import QgsProcessingException

    few = ", ".join(f"'S{number:02d}'" for number in range(1, 9))
    with pytest.raises(QgsProcessingException, match="at least 15 stations.*mean bias"):
        _run(
            PRODUCT=[product["OUTPUT"]],
            POINTS=f"{sample['STATIONS']}|subset=station in ({few})",
            VALUE="value",
            DATE="date",
            STATION="station",
            METHOD="CNN with transfer learning",
            OUTPUT=str(folder / "few.tif"),
        )


def test_every_parameter_has_help_and_few_are_in_front(provider: Any) -> None:
    from qgis.core import QgsProcessingParameterDefinition

    from soilmoisture.algorithms.ground.calibrate_stations import CalibrateStations

    algorithm = CalibrateStations().create()
    definitions = algorithm.parameterDefinitions()
    assert all(one.help() for one in definitions)
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    assert sum(not one.flags() & advanced for one in definitions) <= 12
