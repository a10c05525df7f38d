"""From files as downloaded to the stacks that a model is trained on, in one model of the designer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.raster.stack import Stack

gdal.UseExceptions()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Hourly ERA5-Land soil moisture of two days, MODIS NDVI of 8 days in two tiles, and an elevation model."""
    folder = tmp_path / "down loads"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(folder / "era5_land_202108.nc", "w") as out:
        for name, size in (("time", 96), ("latitude", 8), ("longitude", 10)):
            out.createDimension(name, size)
        out.createVariable("time", "i4", ("time",))[:] = 24 * 44407 + np.arange(96)  # from 2021-08-01 00:00
        out["time"].units = "hours since 1900-01-01 00:00:00.0"
        out.createVariable("latitude", "f4", ("latitude",))[:] = 45.0 - 0.1 * np.arange(8)
        out.createVariable("longitude", "f4", ("longitude",))[:] = 10.0 + 0.1 * np.arange(10)
        moist = out.createVariable("swvl1", "f4", ("time", "latitude", "longitude"), zlib=True)
        moist.units = "m**3 m**-3"
        moist[:] = rng.uniform(0.1, 0.4, (96, 8, 10))
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    for name, values, size, kind in (
        ("MOD13A2.A2021209.h18v04.061.2021300123456.1_km_16_days_NDVI.tif", (2000, 9000), 0.01, gdal.GDT_Int16),
        ("n44_e010_1arc_v3.tif", (100, 900), 0.01, gdal.GDT_Int16),
    ):
        dataset = gdal.GetDriverByName("GTiff").Create(str(folder / name), 110, 90, 1, kind)
        dataset.SetGeoTransform((9.95, size, 0, 45.05, 0, -size))
        dataset.SetProjection(reference.ExportToWkt())
        dataset.GetRasterBand(1).WriteArray(rng.integers(*values, (90, 110)).astype(np.int16))
        dataset.FlushCache()
    return folder


def test_downloads_become_stacks_in_the_designer(provider: Any, tmp_path: Path, downloads: Path) -> None:
    import processing
    from qgis.core import (
        QgsProcessing,
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
        QgsProcessingModelParameter,
        QgsProcessingParameterMultipleLayers,
    )

    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("downloads", "tests")
    for name in ("moisture", "vegetation", "elevation"):
        files = QgsProcessingParameterMultipleLayers(name, name, QgsProcessing.SourceType.TypeFile)
        model.addModelParameter(files, QgsProcessingModelParameter(name))

    def child(name: str, algorithm: str, **values: Any) -> Any:
        made = QgsProcessingModelChildAlgorithm(f"soilmoisture:{algorithm}")
        made.setChildId(name)
        for key, value in values.items():
            made.addParameterSources(key, value if isinstance(value, list) else [source.fromStaticValue(value)])
        return made

    for name in ("moisture", "vegetation", "elevation"):
        model.addChildAlgorithm(
            child(f"import_{name}", "importproduct", INPUT=[source.fromModelParameter(name)], QUALITY="all")
        )
    daily = child(
        "daily",
        "compositeperiods",
        LAYERS=[source.fromChildOutput("import_moisture", "OUTPUT")],
        PERIOD="day",
        UTC_OFFSET=8,
    )
    model.addChildAlgorithm(daily)
    terrain = child("terrain", "terrainfactors", DEM=[source.fromChildOutput("import_elevation", "OUTPUT")])
    model.addChildAlgorithm(terrain)
    grid = child(
        "grid",
        "resampletogrid",
        TARGET=[source.fromChildOutput("daily", "OUTPUT")],
        FACTORS=[
            source.fromChildOutput("import_vegetation", "OUTPUT"),
            source.fromChildOutput("terrain", "OUTPUT"),
        ],
        RATIO=5,
    )
    outputs = {}
    for name in ("FINE", "COARSE"):
        outputs[name.lower()] = output = QgsProcessingModelOutput(name.lower())
        output.setChildId("grid")
        output.setChildOutputName(name)
        output.setDescription(name.lower())
    grid.setModelOutputs(outputs)
    model.addChildAlgorithm(grid)
    path = tmp_path / "downloads.model3"
    assert model.toFile(str(path))
    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(str(path))
    loaded.initAlgorithm()
    result = processing.run(
        loaded,
        {
            "moisture": [str(downloads / "era5*.nc")],
            "vegetation": [str(downloads / "MOD13A2*")],
            "elevation": [str(downloads / "n44_e010_1arc_v3.tif")],
            "fine": str(tmp_path / "fine.tif"),
            "coarse": str(tmp_path / "coarse.tif"),
        },
        context=QgsProcessingContext(),
        feedback=QgsProcessingFeedback(False),
    )
    with Stack.open(result["coarse"]) as coarse:
        # Local days of UTC+8: the three whole ones; the first and the last of five are cut by the download.
        labels = [period.label for period in coarse.target_periods if period]
        assert set(labels) >= {"2021-08-02", "2021-08-03", "2021-08-04"}
        assert {"ndvi", "slope"} <= set(coarse.factor_names)
        with netCDF4.Dataset(downloads / "era5_land_202108.nc") as source_file:
            hours = source_file["swvl1"][16:40]  # 2 August local is 16:00 UTC of the 1st to 16:00 UTC of the 2nd
        row = round((45.0 - coarse.grid.y_centres()[0]) / 0.1)
        col = round((coarse.grid.x_centres()[0] - 10.0) / 0.1)
        period = next(p for p in coarse.target_periods if p and p.label == "2021-08-02")
        values = coarse.read(coarse.index(coarse.required_target(), period))
        rows, cols = values.shape
        np.testing.assert_allclose(values, hours.mean(axis=0)[row : row + rows, col : col + cols], rtol=1e-5)
