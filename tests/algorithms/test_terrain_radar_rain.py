"""Terrain factors, radar factors and antecedent rain through `processing.run`."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

GRID = ease_grid(1, 3000, 27000, 40, 50)
DAYS = [day(dt.date(2021, 7, 1) + dt.timedelta(days=k)) for k in range(62)]


def write(path: Path, bands: list[Band], values: np.ndarray) -> str:
    with StackWriter(path, GRID, bands) as out:
        for number, one in enumerate(values, 1):
            out.write(number, one)
    return str(path)


@pytest.fixture
def dem(tmp_path: Path) -> str:
    y, x = np.mgrid[:40, :50]
    heights = 800 + 60 * np.sin(x / 6) * np.cos(y / 7) - 4.0 * y
    return write(tmp_path / "dem.tif", [Band("elevation", None, "m")], heights[None])


@pytest.fixture
def scenes(tmp_path: Path) -> str:
    rng = np.random.default_rng(1)
    periods = [day(dt.date(2021, 7, 3)), day(dt.date(2021, 7, 15))]
    bands = [Band(name, period, "dB") for period in periods for name in ("vv", "vh")]
    return write(tmp_path / "s1.tif", bands, np.stack([rng.normal(m, 1, GRID.shape) for m in (-10, -17, -9, -16)]))


@pytest.fixture
def rain(tmp_path: Path) -> str:
    values = np.random.default_rng(2).gamma(0.3, 9.0, (len(DAYS), *GRID.shape))
    return write(tmp_path / "rain.tif", [Band("precipitation", one, "mm") for one in DAYS], values)


def names_of(path: str) -> list[str]:
    with Stack.open(path) as stack:
        return list(dict.fromkeys(band.name for band in stack.bands))


def test_terrain(run: Any, tmp_path: Path, dem: str) -> None:
    made = run(
        "terrainfactors",
        DEM=dem,
        OUTPUT=str(tmp_path / "terrain.tif"),
        REPORT=str(tmp_path / "terrain.html"),
        METRICS=str(tmp_path / "terrain.json"),
    )
    assert names_of(made["OUTPUT"]) == ["slope", "northness", "eastness", "twi", "tpi"]
    assert 0 < made["VALID_SHARE"] < 1
    assert json.loads(Path(made["METRICS"]).read_text())["data"]["factors"]["twi"]["valid_share"] > 0.8
    assert "Wang and Liu" in Path(made["REPORT"]).read_text(encoding="utf-8")


def test_radar(run: Any, tmp_path: Path, scenes: str) -> None:
    made = run(
        "radarfactors",
        LAYERS=[scenes],
        WINDOW=3,
        OUTPUT=str(tmp_path / "radar.tif"),
        REPORT=str(tmp_path / "radar.html"),
        METRICS=str(tmp_path / "radar.json"),
    )
    assert names_of(made["OUTPUT"]) == ["vv", "vh", "ratio", "rvi"] and made["MISSING"] == 0
    with Stack.open(made["OUTPUT"]) as stack:
        assert [period.label for period in stack.periods] == ["2021-07-03", "2021-07-15"]
    assert json.loads(Path(made["METRICS"]).read_text())["data"]["input_unit"] == "dB"


def test_rain_over_the_months_of_the_target(run: Any, tmp_path: Path, rain: str) -> None:
    august = month_of(dt.date(2021, 8, 1))
    target = write(tmp_path / "target.tif", [Band("soil_moisture", august, "m3/m3")], np.full((1, *GRID.shape), 0.2))
    made = run(
        "antecedentrain",
        RAIN=[rain],
        DATES=[target],
        WINDOWS="5",
        OUTPUT=str(tmp_path / "api.tif"),
        REPORT=str(tmp_path / "api.html"),
        METRICS=str(tmp_path / "api.json"),
    )
    assert made["EMPTY"] == 0
    with Stack.open(made["OUTPUT"]) as stack, Stack.open(rain) as source:
        assert [(band.name, band.period) for band in stack.bands] == [("api", august), ("rain_5d", august)]
        values = np.stack([source.read(number) for number in range(1, 63)])
        sums = np.stack([values[t - 4 : t + 1].sum(axis=0) for t in range(31, 62)])
        np.testing.assert_allclose(stack.read(2), sums.mean(axis=0), rtol=1e-5)


def test_all_three_feed_the_common_grid(run: Any, tmp_path: Path, dem: str, scenes: str, rain: str) -> None:
    coarse = ease_grid(9, 3000 // 9, 27000 // 9, 5, 6)
    july = Period.parse("2021-07-01", "2021-08-01")
    target = str(tmp_path / "target.tif")
    with StackWriter(target, coarse, [Band("soil_moisture", july, "m3/m3")]) as out:
        out.write(1, np.linspace(0.1, 0.3, 30).reshape(5, 6))
    factors = [
        run("terrainfactors", DEM=dem, OUTPUT=str(tmp_path / "t.tif"))["OUTPUT"],
        run("radarfactors", LAYERS=[scenes], OUTPUT=str(tmp_path / "r.tif"))["OUTPUT"],
        run("antecedentrain", RAIN=[rain], WINDOWS="3", FACTORS=["sums"], OUTPUT=str(tmp_path / "a.tif"))["OUTPUT"],
    ]
    made = run(
        "resampletogrid",
        TARGET=[target],
        FACTORS=factors,
        FINE=str(tmp_path / "fine.tif"),
        COARSE=str(tmp_path / "coarse.tif"),
    )
    assert made["MISSING"] == 0
    assert set(names_of(made["FINE"])) == {
        "slope",
        "northness",
        "eastness",
        "twi",
        "tpi",
        "vv",
        "vh",
        "ratio",
        "rvi",
    } | {"rain_3d"}


@pytest.mark.parametrize(
    ("algorithm", "change", "sentence"),
    [
        ("terrainfactors", {"TPI_RADIUS": 100}, "reaches no neighbour"),
        ("radarfactors", {"WINDOW": 2}, "odd number"),
        ("radarfactors", {"UNIT": "linear"}, "declared|said to be"),
        ("antecedentrain", {"WINDOWS": "three"}, "'three' is no whole number"),
        ("antecedentrain", {"UNIT": "m"}, "declared in mm"),
    ],
)
def test_mistakes_get_a_sentence(
    run: Any, tmp_path: Path, dem: str, scenes: str, rain: str, algorithm: str, change: dict[str, Any], sentence: str
) -> None:
    from qgis.core import QgsProcessingException

    given = {"terrainfactors": {"DEM": dem}, "radarfactors": {"LAYERS": [scenes]}, "antecedentrain": {"RAIN": [rain]}}
    with pytest.raises(QgsProcessingException, match=sentence):
        run(algorithm, OUTPUT=str(tmp_path / "out.tif"), **{**given[algorithm], **change})
    assert not (tmp_path / "out.tif").exists()


def test_loaded_layers_are_styled_and_dated(run: Any, tmp_path: Path, rain: str) -> None:
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProject, QgsRasterLayer

    context, project = QgsProcessingContext(), QgsProject()
    context.setProject(project)
    path = str(tmp_path / "api.tif")
    context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails("api", project, "OUTPUT"))
    run("antecedentrain", context=context, RAIN=[rain], FACTORS=["api"], OUTPUT=path)
    layer = QgsRasterLayer(path)
    context.layerToLoadOnCompletionDetails(path).postProcessor().postProcessLayer(
        layer, context, QgsProcessingFeedback()
    )
    assert layer.temporalProperties().isActive()
    assert layer.renderer().type() == "singlebandpseudocolor"


@pytest.mark.parametrize(
    "name",
    ["compositeperiods", "spectralindices", "thermalinertia", "terrainfactors", "radarfactors", "antecedentrain"],
)
def test_numbers_say_their_range(provider: Any, name: str) -> None:
    from qgis.core import QgsProcessingParameterNumber

    checked = 0
    for parameter in provider.algorithm(name).parameterDefinitions():
        if isinstance(parameter, QgsProcessingParameterNumber):
            bounds = [f"{one:.10g}" for one in (parameter.minimum(), parameter.maximum()) if abs(one) < 1e9]
            told = re.findall(r"-?\d+(?:\.\d+)?", parameter.help())
            assert bounds and not set(bounds) - set(told), f"{parameter.name()}: {parameter.help()}"
            checked += 1
    assert checked


def test_one_day_of_rain_is_an_error(run: Any, tmp_path: Path) -> None:
    from qgis.core import QgsProcessingException

    path = write(tmp_path / "day.tif", [Band("precipitation", DAYS[0], "mm")], np.ones((1, *GRID.shape)))
    with pytest.raises(QgsProcessingException, match="rain_3d needs 3 days of rain .* the layers hold 1 day"):
        run("antecedentrain", RAIN=[path], OUTPUT=str(tmp_path / "api.tif"))
    assert not (tmp_path / "api.tif").exists()
