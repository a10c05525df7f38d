"""Fusion by `processing.run`: a stack, its quality and details, a report, and sentences for mistakes."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr

gdal.UseExceptions()
DAYS = {"2020-05-29": 150, "2020-06-18": 170, "2020-07-18": 200, "2020-09-16": 260}


@pytest.fixture(scope="module")
def fuse(run: Any) -> Any:
    return lambda **parameters: run("fuseestarfm", **parameters)


@pytest.fixture(scope="module")
def images(tmp_path_factory: Any) -> tuple[list[str], list[str]]:
    """Fine images of three days and coarse ones, of 8 x 8 pixels, of four: a crop that grows beside a forest."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    crop = np.kron(random.random((16, 16)) < 0.5, np.ones((3, 3), bool))
    texture = 0.02 * random.normal(size=crop.shape)
    fine, coarse = [], []
    for label, day in DAYS.items():
        season = np.exp(-(((day - 200) / 60) ** 2))
        now = np.where(crop, 0.2 + 0.6 * season, 0.6 + 0.15 * season) + texture
        coarse.append(_write(folder / f"coarse_{label}.tif", now.reshape(6, 8, 6, 8).mean(axis=(1, 3)), 240.0))
        if label != "2020-06-18":
            fine.append(_write(folder / f"fine_{label}.tif", now, 30.0))
    return fine, coarse


def _write(path: Path, values: np.ndarray, pixel: float) -> str:
    made = gdal.GetDriverByName("GTiff").Create(str(path), values.shape[1], values.shape[0], 1, gdal.GDT_Float32)
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32633)
    made.SetProjection(reference.ExportToWkt())
    made.SetGeoTransform((500000.0, pixel, 0, 5300000.0, 0, -pixel))
    made.GetRasterBand(1).SetDescription("ndvi")
    made.GetRasterBand(1).WriteArray(values)
    return str(path)


def test_it_fuses_and_reports(fuse: Any, images: Any, tmp_path: Path) -> None:
    fine, coarse = images
    result = fuse(
        FINE=fine,
        COARSE=coarse,
        VARIABLE="ndvi",
        WINDOW=25,
        OUTPUT=str(tmp_path / "fused.tif"),
        QUALITY=str(tmp_path / "quality.tif"),
        DETAILS=str(tmp_path / "details.tif"),
        REPORT=str(tmp_path / "fused.html"),
        METRICS=str(tmp_path / "fused.json"),
    )
    assert result["DATES_FUSED"] == 1 and result["FUSED_SHARE"] > 0.95 and 0 < result["RMSE_RATIO_LINEAR"] < 0.7
    made = gdal.Open(result["OUTPUT"])
    assert made.RasterCount == 1 and made.GetRasterBand(1).GetMetadataItem("PERIOD_START") == "2020-06-18"
    assert set(np.unique(gdal.Open(result["QUALITY"]).ReadAsArray())) <= {0, 2}
    assert gdal.Open(result["DETAILS"]).RasterCount == 3
    data = json.loads(Path(result["METRICS"]).read_text(encoding="utf-8"))["data"]
    assert data["method"] == "estarfm" and len(data["left_out"]) == 3
    assert "Image fusion" in Path(result["REPORT"]).read_text(encoding="utf-8")


def test_every_option(fuse: Any, images: Any, tmp_path: Path) -> None:
    fine, coarse = images
    result = fuse(
        FINE=fine,
        COARSE=coarse,
        METHOD="starfm",
        BANDS="ndvi",
        COARSE_FACTOR=1.0,
        WINDOW=11,
        CLASSES=3,
        HALVING_DISTANCE=4,
        CONVERSION="pooled",
        SIGNIFICANCE=0.01,
        UNCERTAINTY=0.2,
        MINIMUM=0.0,
        MAXIMUM=0.9,
        ZERO_BIAS=True,
        RESAMPLING="nearest",
        DATES="2020-06",
        EVALUATE=False,
        OUTPUT=str(tmp_path / "fused.tif"),
    )
    assert "RMSE_RATIO_LINEAR" not in result and "QUALITY" not in result
    assert gdal.Open(result["OUTPUT"]).ReadAsArray().max() <= 0.9


def test_mistakes_are_sentences(fuse: Any, images: Any, tmp_path: Path) -> None:
    from qgis.core import QgsProcessingException

    fine, coarse = images
    for changed, words in (
        ({"COARSE": coarse[:2]}, "no coarse image"),
        ({"FINE": coarse, "COARSE": fine}, "no coarse image"),
        ({"DATES": "last summer"}, "no date"),
        ({"WINDOW": 10}, "odd"),
        ({"MINIMUM": 0.6}, "valid range"),
        ({"UNCERTAINTY": float("nan")}, "uncertainty"),
        ({"DATES": "2020-06-20/2020-06-01"}, "later date first"),
    ):
        with pytest.raises(QgsProcessingException, match=words):
            fuse(**{"FINE": fine, "COARSE": coarse, "OUTPUT": str(tmp_path / "out.tif"), **changed})


def test_a_failed_run_lets_go_of_what_it_held(
    fuse: Any, images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QGIS keeps the error that ends a run for ever; open rasters must not be kept with it."""
    from qgis.core import QgsProcessingException

    from soilmoisture.core.errors import InputError
    from soilmoisture.core.prepare.fusion import fusion

    held: list[Any] = []

    def fail(*_: Any, **__: Any) -> None:
        raster = np.ones(3)
        held.append(weakref.ref(raster))
        raise InputError(f"{raster.size} reasons")

    monkeypatch.setattr(fusion, "fuse_layers", fail)
    fine, coarse = images
    with pytest.raises(QgsProcessingException, match="3 reasons"):
        fuse(FINE=fine, COARSE=coarse, OUTPUT=str(tmp_path / "out.tif"))
    assert len(held) == 1 and held[0]() is None


def test_a_cancelled_run_leaves_nothing(run: Any, fuse: Any, images: Any, tmp_path: Path) -> None:
    from qgis.core import QgsProcessingException, QgsProcessingFeedback

    feedback = QgsProcessingFeedback(False)
    feedback.cancel()
    fine, coarse = images
    with pytest.raises(QgsProcessingException, match="cancelled"):
        run("fuseestarfm", feedback=feedback, FINE=fine, COARSE=coarse, OUTPUT=str(tmp_path / "fused.tif"))
    assert not list(tmp_path.iterdir())


def test_it_is_a_good_citizen_of_the_toolbox() -> None:
    from qgis.core import QgsProcessingParameterDefinition

    from soilmoisture.algorithms.prepare.fuse_estarfm import FuseEstarfm

    algorithm = FuseEstarfm().create()
    shown = 0
    for parameter in algorithm.parameterDefinitions():
        assert len(parameter.help()) > 10 and parameter.name() == parameter.name().upper()
        shown += not parameter.flags() & QgsProcessingParameterDefinition.Flag.FlagAdvanced
    assert shown <= 12 and (algorithm.name(), algorithm.groupId()) == ("fuseestarfm", "prepare")


def test_results_are_dated_and_coloured(images: Any) -> None:
    from qgis.core import QgsRasterLayer

    from soilmoisture.algorithms.styling import quality
    from soilmoisture.core.prepare.fusion.fusion_sections import QUALITY
    from soilmoisture.core.raster.periods import period_in_name

    layer = QgsRasterLayer(images[0][0], "quality")
    quality([period_in_name("2020-06-18")], QUALITY)(layer)
    assert layer.renderer().type() == "paletted" and layer.temporalProperties().isActive()
