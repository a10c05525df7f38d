"""Station files in the Toolbox: their import, and validation straight from them or from a wide layer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "core" / "ground" / "stations"))
from station_samples import header_values, hours, table

DAYS = [f"2019/04/{day:02d}" for day in range(1, 11)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: Any) -> Path:
    """Three stations; one broken file, one station without a sensor for the surface."""
    folder = tmp_path_factory.mktemp("network")
    rng = np.random.default_rng(4)
    for k, name in enumerate(("a", "b", "deep")):
        rows = [row for day in DAYS for row in hours(day, [f"{v:.4f}" for v in rng.uniform(0.1, 0.4, 24)])]
        depth = (0.5, 0.5) if name == "deep" else (0.05, 0.05)
        header_values(folder, rows, station=name, depth=depth, place=(49.5 + k / 10, -98.0))
    header_values(folder, [], station="broken", header="")
    return folder


def import_(run: Any, folder: Path, tmp_path: Path, feedback: Any = None, **more: Any) -> dict[str, Any]:
    import processing
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback

    from soilmoisture.algorithms.ground.import_stations import ImportStations

    return processing.run(
        ImportStations().create(),
        {
            "STATION_FILES": [str(folder)],
            "OUTPUT": str(tmp_path / "values.gpkg"),
            "STATIONS": str(tmp_path / "stations.gpkg"),
            "REPORT": str(tmp_path / "stations.html"),
            "METRICS": str(tmp_path / "stations.json"),
            **more,
        },
        feedback=feedback or QgsProcessingFeedback(False),
        context=QgsProcessingContext(),
    )


def rows_of(path: str) -> list[dict[str, Any]]:
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(path, "values")
    assert layer.isValid()
    names = layer.fields().names()
    return [dict(zip(names, feature.attributes())) for feature in layer.getFeatures()]


def test_a_folder_becomes_a_layer_a_summary_and_a_report(run: Any, network: Path, tmp_path: Path) -> None:
    result = import_(run, network, tmp_path, SKIP_BAD_FILES=True)
    rows = rows_of(result["OUTPUT"])
    assert len(rows) == result["VALUES"] == 20 and {row["station"] for row in rows} == {"a", "b"}
    first = rows[0]
    assert (first["network"], first["date"].toString("yyyy-MM-dd")) == ("NET_A", "2019-04-01")
    assert (first["depth_from"], first["depth_to"], first["readings"]) == (0.05, 0.05, 24)
    lines = next(network.rglob("*_a_sm_*.stm")).read_text().splitlines()[1:25]
    assert first["soil_moisture"] == pytest.approx(np.mean([float(line.split()[2]) for line in lines]), abs=1e-12)
    summary = {row["station"]: row for row in rows_of(result["STATIONS"])}
    assert "stand for 0 % of the layer" in summary["deep"]["note"] and summary["a"]["values"] == 10
    assert (result["STATION_COUNT"], result["STATIONS_LEFT_OUT"], result["FILES_LEFT_OUT"]) == (2, 1, 1)
    page = Path(result["REPORT"]).read_text()
    assert "2 of 3 stations can be used" in page
    assert json.loads(Path(result["METRICS"]).read_text())["data"]["stations_used"] == 2


def test_every_reading_and_dates(run: Any, network: Path, tmp_path: Path) -> None:
    result = import_(
        run, network, tmp_path, SKIP_BAD_FILES=True, PERIOD="reading", FIRST="2019-04-02", LAST="2019-04-03"
    )
    rows = rows_of(result["OUTPUT"])
    assert len(rows) == 2 * 48
    assert rows[1]["date"].toString("yyyy-MM-dd HH:mm") == "2019-04-02 01:00"
    monthly = import_(run, network, tmp_path, SKIP_BAD_FILES=True, PERIOD="month", MIN_READINGS=0.3)
    assert [row["date"].toString("yyyy-MM-dd") for row in rows_of(monthly["OUTPUT"])] == ["2019-04-01"] * 2


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({}, "is empty.*Tick"),
        ({"DEPTH": "surface"}, "not a layer"),
        ({"STATION_FILES": []}, "STATION_FILES|No station files"),
        ({"STATION_FILES": ["/nowhere"]}, "no such file"),
        ({"SKIP_BAD_FILES": True, "FIRST": "2021"}, "not a date"),
        ({"SKIP_BAD_FILES": True, "FIRST": "2021-01-01"}, "no reading within the dates"),
        ({"SKIP_BAD_FILES": True, "COLUMNS": "Time"}, "role=name"),
        ({"SKIP_BAD_FILES": True, "DEPTH": "100-150"}, "None of 3 stations"),
    ],
)
def test_mistakes_are_sentences(run: Any, network: Path, tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=sentence):
        import_(run, network, tmp_path, **more)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["again.csv", "../files/again.csv"])
def test_an_output_never_replaces_a_station_file(run: Any, tmp_path: Path, name: str) -> None:
    from qgis.core import QgsProcessingException

    folder = tmp_path / "files"
    rows = "".join(f"s,1,2,2019-04-{day},0.2\n" for day in range(13, 25))
    file = table(folder, "again.csv", "station,lon,lat,date,sm\n" + rows)
    before = file.read_text()
    for given in (file, folder):
        with pytest.raises(QgsProcessingException, match="would replace a station file"):
            import_(run, given, tmp_path, OUTPUT=str(folder / name))
    assert file.read_text() == before


def test_an_imported_csv_can_be_imported_again(run: Any, network: Path, tmp_path: Path) -> None:
    first = import_(run, network, tmp_path, SKIP_BAD_FILES=True, OUTPUT=str(tmp_path / "out" / "values.csv"))
    again = import_(run, tmp_path / "out", tmp_path)
    layer = import_(run, network, tmp_path, SKIP_BAD_FILES=True)

    def told(path: str) -> list[Any]:
        return [(row["station"], row["network"], row["date"], row["depth_from"], row["lon"], row["lat"],
                 pytest.approx(row["soil_moisture"])) for row in rows_of(path)]  # fmt: skip

    assert first["VALUES"] == again["VALUES"] == 20
    again = import_(run, tmp_path / "out", tmp_path, OUTPUT=str(tmp_path / "again.gpkg"))
    assert told(again["OUTPUT"]) == told(layer["OUTPUT"])


def validate(run: Any, tmp_path: Path, product: str, **more: Any) -> dict[str, Any]:
    return run(
        "validatepoints",
        PRODUCT=[product],
        MIN_PAIRS=3,
        REPORT=str(tmp_path / "points.html"),
        METRICS=str(tmp_path / "points.json"),
        **more,
    )


@pytest.fixture
def product(tmp_path: Path) -> str:
    """Two daily maps on a grid of 0.1 degrees that holds the stations, each cell with its own value."""
    import datetime as dt

    from osgeo import osr

    from soilmoisture.core.raster.bands import Band
    from soilmoisture.core.raster.grid import Grid
    from soilmoisture.core.raster.periods import Period
    from soilmoisture.core.raster.stack import StackWriter

    grid = Grid(osr.SRS_WKT_WGS84_LAT_LONG, (-98.55, 0.1, 0, 50.05, 0, -0.1), 10, 10)
    days = [dt.date(2019, 4, day) for day in range(1, 7)]
    bands = [Band("soil_moisture", Period(day, day + dt.timedelta(days=1)), "m3/m3", "") for day in days]
    path = tmp_path / "product.tif"
    rng = np.random.default_rng(0)
    with StackWriter(path, grid, bands) as writer:
        for index in range(len(bands)):
            writer.write(index + 1, rng.uniform(0.1, 0.4, (10, 10)), 0)
    return str(path)


def test_validation_from_files_equals_validation_from_their_import(
    run: Any, network: Path, tmp_path: Path, product: str
) -> None:
    direct = validate(run, tmp_path, product, STATION_FILES=[str(network)], SKIP_BAD_FILES=True)
    layer = import_(run, network, tmp_path, SKIP_BAD_FILES=True)["OUTPUT"]
    imported = validate(run, tmp_path, product, POINTS=layer, VALUE="soil_moisture", DATE="date", STATION="station")
    assert direct["PAIRS"] == imported["PAIRS"] == 12
    assert direct["R"] == pytest.approx(imported["R"], abs=1e-9)


def test_a_layer_with_a_field_per_date(run: Any, tmp_path: Path, product: str) -> None:
    from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

    names = [f"sm_201904{day:02d}" for day in range(1, 7)]
    fields = "&".join(["field=name:string(20)", *(f"field={name}:double" for name in names)])
    layer = QgsVectorLayer(f"Point?crs=EPSG:4326&{fields}", "wide", "memory")
    rng = np.random.default_rng(1)
    for k in range(3):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(-98.0, 49.5 + k / 10)))
        feature.setAttributes([f"s{k}", *rng.uniform(0.1, 0.4, 6).tolist()])
        layer.dataProvider().addFeature(feature)
    result = validate(run, tmp_path, product, POINTS=layer, STATION="name")
    assert result["PAIRS"] == 18


def test_one_source_of_stations_is_wanted(run: Any, network: Path, tmp_path: Path, product: str) -> None:
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="No stations are given"):
        validate(run, tmp_path, product)
    layer = import_(run, network, tmp_path, SKIP_BAD_FILES=True)["OUTPUT"]
    with pytest.raises(QgsProcessingException, match="take one of them"):
        validate(run, tmp_path, product, POINTS=layer, STATION_FILES=[str(network)])
    with pytest.raises(QgsProcessingException, match="Choose the field"):
        validate(run, tmp_path, product, POINTS=layer)


def test_a_table_with_its_stations_beside_it(run: Any, tmp_path: Path, product: str) -> None:
    table(tmp_path, "stations.csv", "name;lon;lat\nx;-98,0;49,5\ny;-98,2;49,8\n")
    rows = "".join(f"{day:02d}.04.2019;{20 + day},5;{30 - day},25\n" for day in range(1, 7))
    file = table(tmp_path, "readings.csv", "\ufeffDatum;x;y\n" + rows)
    # Days 1 to 6 of April: nothing tells day from month.
    result = validate(run, tmp_path, product, STATION_FILES=[str(file)], DATE_ORDER="day first")
    assert result["PAIRS"] == 12
