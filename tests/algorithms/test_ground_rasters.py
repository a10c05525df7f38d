"""Validate with another product, triple collocation and response to rain through `processing.run`."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

COARSE = ease_grid(9, 200, 2700, 4, 4)
FINE = COARSE.subdivide(3)
FIRST = dt.date(2021, 5, 1)
DAYS = 120


def write(path: Path, grid: Any, fields: Any, name: str = "soil_moisture", unit: str = "m3/m3") -> str:
    bands = [Band(name, day(FIRST + dt.timedelta(days=k)), unit) for k in range(len(fields))]
    with StackWriter(path, grid, bands) as out:
        for number, values in enumerate(fields, 1):
            out.write(number, values)
    return str(path)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: Any) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("ground")
    random = np.random.default_rng(7)
    rain = np.where(random.random((DAYS, 1, 1)) < 0.2, random.exponential(12, (DAYS, 1, 1)), 0.0) * np.ones((1, 4, 4))
    level, coarse = np.full((4, 4), 0.2), []
    for fallen in rain:
        level = 0.1 + (level - 0.1) * 0.93 + 0.003 * fallen
        coarse.append(level)
    truth = np.stack(coarse)
    pattern = random.normal(0, 0.02, FINE.shape)
    fine = np.repeat(np.repeat(truth, 3, axis=1), 3, axis=2) + pattern
    return {
        "product": write(folder / "product.tif", FINE, fine + random.normal(0, 0.004, fine.shape)),
        "reference": write(folder / "reference.tif", FINE, fine + random.normal(0, 0.01, fine.shape)),
        "coarse": write(folder / "coarse.tif", COARSE, truth),
        "second": write(folder / "second.tif", COARSE, 0.9 * truth + random.normal(0, 0.01, truth.shape)),
        "third": write(folder / "third.tif", COARSE, truth + random.normal(0, 0.02, truth.shape)),
        "rain": write(folder / "rain.tif", COARSE, rain, "precipitation", "mm"),
    }


def vector(kind: str, shapes: list[str], rows: list[list[Any]], fields: str) -> Any:
    from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsGeometry, QgsVectorLayer

    layer = QgsVectorLayer(f"{kind}?{fields}", "made", "memory")
    layer.setCrs(QgsCoordinateReferenceSystem.fromWkt(COARSE.crs_wkt))
    for shape, row in zip(shapes, rows):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(shape))
        feature.setAttributes(row)
        layer.dataProvider().addFeature(feature)
    return layer


@pytest.fixture(scope="module")
def halves(qgis_app: Any) -> Any:
    xmin, ymin, xmax, ymax = COARSE.extent()
    middle = (xmin + xmax) / 2
    shapes = [
        f"POLYGON (({a} {ymin},{b} {ymin},{b} {ymax},{a} {ymax},{a} {ymin}))"
        for a, b in ((xmin, middle), (middle, xmax))
    ]
    return vector("Polygon", shapes, [["west"], ["east"]], "field=name:string")


@pytest.fixture(scope="module")
def stations(qgis_app: Any, layers: dict[str, str]) -> Any:
    x, y = COARSE.x_centres(), COARSE.y_centres()
    random = np.random.default_rng(1)
    shapes, rows = [], []
    with Stack.open(layers["coarse"]) as stack:
        for k in range(DAYS):
            values = stack.read(k + 1)
            for i in range(3):
                shapes.append(f"POINT ({x[i]} {y[1]})")
                date = (FIRST + dt.timedelta(days=k)).isoformat()
                rows.append([f"s{i}", date, float(values[1, i] + random.normal(0, 0.008))])
    return vector("Point", shapes, rows, "field=station:string&field=date:string&field=sm:double")


@pytest.mark.parametrize("name", ["validateraster", "triplecollocation", "rainresponse"])
def test_every_parameter_has_help_and_few_are_plain(run: Any, provider: Any, name: str) -> None:
    from qgis.core import QgsProcessingParameterDefinition

    definitions = provider.algorithm(name).parameterDefinitions()
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    plain = [one for one in definitions if not one.flags() & advanced]
    assert len(plain) <= 12, [one.name() for one in plain]
    assert all(one.help() for one in definitions)


def test_validate_with_another_product(run: Any, tmp_path: Path, layers: dict[str, str], halves: Any) -> None:
    from qgis.core import QgsProcessingFeedback, QgsRasterLayer, QgsVectorLayer

    feedback = QgsProcessingFeedback(False)
    result = run(
        "validateraster",
        feedback,
        PRODUCT=[layers["product"]],
        REFERENCE=[layers["reference"]],
        BASELINE=[layers["coarse"]],
        ZONES=halves,
        ZONE_NAME="name",
        OUTPUT=str(tmp_path / "maps.tif"),
        ZONE_SCORES=str(tmp_path / "zones.gpkg"),
        REPORT=str(tmp_path / "page.html"),
        METRICS=str(tmp_path / "page.json"),
        TABLE=str(tmp_path / "zones.csv"),
    )
    assert QgsRasterLayer(result["OUTPUT"]).bandCount() == 8
    assert result["PAIRS"] == 144 * DAYS and result["R"] > result["R_BASELINE"] and result["R_DETAIL"] > 0.7
    zones = QgsVectorLayer(result["ZONE_SCORES"])
    assert {feature["zone"] for feature in zones.getFeatures()} == {"west", "east"}
    assert all(feature["R"] > 0.9 for feature in zones.getFeatures())
    assert "agrees better with the reference than its smooth coarse source" in feedback.textLog()
    assert json.loads(Path(result["METRICS"]).read_text())["data"]["pairs"] == result["PAIRS"]
    assert Path(result["TABLE"]).read_text(encoding="utf-8-sig").splitlines()[1].startswith("west,")


def test_triple_collocation_of_maps_and_of_stations(
    run: Any, tmp_path: Path, layers: dict[str, str], halves: Any, stations: Any
) -> None:
    from qgis.core import QgsRasterLayer, QgsVectorLayer

    result = run(
        "triplecollocation",
        FIRST=[layers["product"]],
        SECOND=[layers["second"]],
        THIRD=[layers["third"]],
        ZONES=halves,
        ZONE_NAME="name",
        OUTPUT=str(tmp_path / "errors.tif"),
        SCORES=str(tmp_path / "zones.gpkg"),
        REPORT=str(tmp_path / "page.html"),
    )
    assert QgsRasterLayer(result["OUTPUT"]).bandCount() == 13 and result["WARNINGS"] == 0
    assert result["R_X"] > result["R_Y"] > result["R_Z"]
    assert QgsVectorLayer(result["SCORES"]).featureCount() == 2
    at_stations = run(
        "triplecollocation",
        FIRST=[layers["second"]],
        SECOND=[layers["third"]],
        POINTS=stations,
        VALUE="sm",
        DATE="date",
        STATION="station",
        SCORES=str(tmp_path / "stations.gpkg"),
        TABLE=str(tmp_path / "stations.csv"),
    )
    assert QgsVectorLayer(at_stations["SCORES"]).featureCount() == 3 and "OUTPUT" not in at_stations
    assert at_stations["R_Z"] > at_stations["R_Y"]


def test_response_to_rain_of_stations_and_places(
    run: Any, tmp_path: Path, layers: dict[str, str], halves: Any, stations: Any
) -> None:
    from qgis.core import QgsVectorLayer

    result = run(
        "rainresponse",
        RAIN=[layers["rain"]],
        MAPS=[layers["third"]],
        POINTS=stations,
        VALUE="sm",
        DATE="date",
        STATION="station",
        OUTPUT=str(tmp_path / "stations.gpkg"),
        REPORT=str(tmp_path / "page.html"),
        METRICS=str(tmp_path / "page.json"),
    )
    assert QgsVectorLayer(result["OUTPUT"]).featureCount() == 6
    assert result["R_DSM"] > 0.7 and result["EVENTS"] > 5 and result["RISE"] > 0.02 and result["PEAK_DAY"] <= 1
    zones = run(
        "rainresponse",
        RAIN=[layers["rain"]],
        MAPS=[layers["coarse"]],
        SITES=halves,
        SITE_NAME="name",
        OUTPUT=str(tmp_path / "zones.gpkg"),
    )
    names = {feature["place"] for feature in QgsVectorLayer(zones["OUTPUT"]).getFeatures()}
    assert names == {"west", "east"} and zones["R_DSM"] > result["R_DSM"]
    cells = vector("Point", [f"POINT ({COARSE.x_centres()[2]} {COARSE.y_centres()[2]})"], [["a"]], "field=name:string")
    cell = run("rainresponse", RAIN=[layers["rain"]], MAPS=[layers["coarse"]], SITES=cells, OUTPUT="memory:")
    assert cell["R_DSM"] == pytest.approx(zones["R_DSM"], abs=1e-6)


def test_mistakes_get_one_sentence(run: Any, tmp_path: Path, layers: dict[str, str], halves: Any) -> None:
    from qgis.core import QgsProcessingException

    products = {"FIRST": [layers["second"]], "SECOND": [layers["third"]], "OUTPUT": str(tmp_path / "e.tif")}
    with pytest.raises(QgsProcessingException, match="Give a third product, or stations as the third"):
        run("triplecollocation", **products)
    with pytest.raises(QgsProcessingException, match="The layer made has no field 'nothing'; it has name"):
        run(
            "validateraster",
            PRODUCT=[layers["product"]],
            REFERENCE=[layers["second"]],
            ZONES=halves,
            ZONE_NAME="nothing",
            OUTPUT=str(tmp_path / "m.tif"),
        )
    points = vector("Point", [f"POINT ({COARSE.x_centres()[2]} {COARSE.y_centres()[2]})"], [["a"]], "field=name:string")
    with pytest.raises(QgsProcessingException, match="Zones are polygons, but the layer made holds .* type point"):
        run(
            "validateraster",
            PRODUCT=[layers["product"]],
            REFERENCE=[layers["second"]],
            ZONES=points,
            OUTPUT=str(tmp_path / "m.tif"),
        )
    with pytest.raises(QgsProcessingException, match="Give soil moisture: stations, maps, or both"):
        run("rainresponse", RAIN=[layers["rain"]], SITES=halves)
