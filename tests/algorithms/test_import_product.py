"""Importing product files through `processing.run`, on real granules and on files made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.raster.stack import Stack

gdal.UseExceptions()


@pytest.fixture
def chirps(tmp_path: Path) -> list[str]:
    """Two months of rain as CHIRPS names and stores them, the second with a hole."""
    paths = []
    for month in (7, 8):
        path = tmp_path / f"chirps-v2.0.2021.{month:02}.tif"
        values = np.arange(30, dtype=np.float32).reshape(5, 6) * month
        values[0, 0] = -9999 if month == 8 else values[0, 0]
        dataset = gdal.GetDriverByName("GTiff").Create(str(path), 6, 5, 1, gdal.GDT_Float32)
        dataset.SetGeoTransform((110, 0.05, 0, 35, 0, -0.05))
        dataset.SetProjection('GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
                              'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]')  # fmt: skip
        dataset.GetRasterBand(1).WriteArray(values)
        dataset.FlushCache()
        paths.append(str(path))
    return paths


def test_files_become_a_dated_layer_and_a_report(run: Any, tmp_path: Path, chirps: list[str]) -> None:
    result = run(
        "importproduct",
        INPUT=chirps,
        OUTPUT=str(tmp_path / "rain.tif"),
        REPORT=str(tmp_path / "rain.html"),
        METRICS=str(tmp_path / "rain.json"),
    )
    assert result["BANDS"] == 2 and result["SKIPPED"] == 0 and result["VALID_SHARE"] == pytest.approx(59 / 60)
    with Stack.open(result["OUTPUT"]) as stack:
        assert [band.label for band in stack.bands] == ["precipitation 2021-07", "precipitation 2021-08"]
        assert stack.bands[0].unit == "mm"
        np.testing.assert_array_equal(stack.read(1), np.arange(30).reshape(5, 6) * 7)
        assert np.isnan(stack.read(2)[0, 0])
    dataset = gdal.Open(result["OUTPUT"])
    assert dataset.GetRasterBand(1).GetMetadataItem("SOURCE_PRODUCT")
    numbers = json.loads((tmp_path / "rain.json").read_text())
    assert "2 files became 2 bands of precipitation" in numbers["verdict"]
    assert numbers["verdict"].split(";")[0] in (tmp_path / "rain.html").read_text(encoding="utf-8")


def test_an_extent_in_another_system_cuts_the_layer(run: Any, tmp_path: Path, chirps: list[str]) -> None:
    run(
        "importproduct",
        INPUT=chirps,
        OUTPUT=str(tmp_path / "rain.tif"),
        EXTENT="110.06,110.14,34.86,34.94 [EPSG:4326]",
        FIRST="2021-08-01",
    )
    with Stack.open(tmp_path / "rain.tif") as stack:
        assert stack.grid.extent() == pytest.approx((110.05, 34.85, 110.15, 34.95)) and len(stack.bands) == 1
        np.testing.assert_array_equal(stack.read(1), (np.arange(30).reshape(5, 6) * 8)[1:3, 1:3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"INPUT": ["{folder}/nothing-*.h5"]}, "No file fits"),
        ({"VARIABLE": "rain"}, "has no variable 'rain'; it has precipitation"),
        ({"PRODUCT": "modis_lst"}, "looks like CHIRPS"),
        ({"FIRST": "August"}, "'August' is not a date"),
        ({"FILL": "none"}, "not numbers"),
        ({"OUTPUT": "{folder}/rain.nc"}, "Results are GeoTIFF files"),
        ({"RECIPE": "{folder}/absent.json"}, "absent.json"),
        ({"PRODUCT": "generic", "CRS": "EPSG:99999999", "SCALE": 0}, "A scale of 0"),
        ({"POROSITY": 0.4, "POROSITY_MAP": "{folder}/chirps-v2.0.2021.07.tif"}, "give one of them"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Any, tmp_path: Path, chirps: list[str], change: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"INPUT": chirps, "OUTPUT": str(tmp_path / "rain.tif")}
    for name, value in change.items():
        text = [part.format(folder=tmp_path) for part in value] if isinstance(value, list) else value
        given[name] = text.format(folder=tmp_path) if isinstance(text, str) else text
    with pytest.raises(Exception, match=message) as caught:
        run("importproduct", **given)
    assert "Traceback" not in str(caught.value) and not (tmp_path / "rain.tif").exists()


def test_real_granules_come_in_by_folder(run: Any, tmp_path: Path, shared_data: Path) -> None:
    result = run(
        "importproduct",
        INPUT=[str(shared_data / "native_products" / "smap")],
        OUTPUT=str(tmp_path / "smap.tif"),
        QUALITY="all",
    )
    with Stack.open(result["OUTPUT"]) as stack:
        assert stack.bands[0].name.startswith("soil_moisture") and stack.bands[0].unit == "m3/m3"
        assert stack.grid.crs_name == "EPSG:6933" and stack.grid.cell_width == pytest.approx(36032.22, abs=0.01)


def test_a_layer_that_is_loaded_has_its_dates(provider: Any, tmp_path: Path, chirps: list[str]) -> None:
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback, QgsProject

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilmoisture:importproduct")
    context = QgsProcessingContext()
    project = QgsProject()
    context.setProject(project)
    from qgis.core import QgsProcessingOutputLayerDefinition

    output = QgsProcessingOutputLayerDefinition(str(tmp_path / "rain.tif"), project)
    results, ok = algorithm.run({"INPUT": chirps, "OUTPUT": output}, context, QgsProcessingFeedback())
    assert ok
    details = context.layersToLoadOnCompletion()[results["OUTPUT"]]
    from qgis.core import QgsRasterLayer

    layer = QgsRasterLayer(results["OUTPUT"], details.name)
    details.postProcessor().postProcessLayer(layer, context, QgsProcessingFeedback())
    assert layer.temporalProperties().isActive() and "precipitation" in details.name
