"""The chain on the Manitoba campaign: SMAP, Sentinel-1, airborne truth and RISMA stations."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import manitoba

from soilmoisture.core.train.training import Options

# R of the default design with the linear learner may not fall below these; smooth interpolation: .839, .859, .539,
# .539.
LEAST_R = {"A": 0.92, "B": 0.86, "C": 0.537, "C, footprint 30 km": 0.575}


@pytest.fixture(scope="module")
def campaign(shared_data: Path) -> Path:
    folder = shared_data / "smapvex16_manitoba"
    if not folder.is_dir():
        pytest.skip(f"the campaign data are not in {folder}")
    return folder


def test_defaults_are_never_below_the_smooth_interpolation(campaign: Path, tmp_path: Path) -> None:
    for case in manitoba.cases(campaign, tmp_path):
        row = manitoba.run(case, tmp_path, Options("linear"))
        assert row["r_product"] > LEAST_R[case.name], row
        assert row["r_product"] >= row["r_smooth"] - 0.002, row
        # A footprint conserves to a tolerance, the cell exactly.
        assert row["left_over"] < (0.05 if case.footprint_km else 1e-6), row


def test_risma_stations_as_they_come(campaign: Path, run: Any, tmp_path: Path) -> None:
    """Percent, day-first dates, a byte order mark and 'No Data', as text fields of a point layer, against SMAP of
    2019.
    """
    from qgis.core import QgsFeature, QgsField, QgsGeometry, QgsPointXY, QgsVectorLayer
    from qgis.PyQt.QtCore import QMetaType

    from soilmoisture.algorithms.fields import field_of_type

    layer = QgsVectorLayer("Point?crs=EPSG:4326", "risma", "memory")
    fields: list[QgsField] = [field_of_type(name, QMetaType.Type.QString) for name in ("station", "day", "moisture")]
    layer.dataProvider().addAttributes(fields)
    layer.updateFields()
    features = []
    with open(campaign / "insitu_risma" / "stations.csv", encoding="utf-8-sig") as table:
        stations = [row for row in csv.DictReader(table) if row["inside_72km_domain"] == "True"]
    for station in stations:
        point = QgsGeometry.fromPointXY(QgsPointXY(float(station["longitude"]), float(station["latitude"])))
        with open(campaign / "insitu_risma" / station["file"], encoding="utf-8-sig") as table:
            for row in csv.reader(table):
                if row[0].endswith("/2019"):
                    feature = QgsFeature(layer.fields())
                    feature.setGeometry(point)
                    feature.setAttributes([station["station"], row[0], row[-1]])
                    features.append(feature)
    assert any(feature["moisture"] == "No Data" for feature in features)
    layer.dataProvider().addFeatures(features)
    maps = sorted(str(path) for path in (campaign / "coarse_smap9km_2019").glob("smap_l3e_*.tif"))
    result = run(
        "validatepoints",
        PRODUCT=maps,
        POINTS=layer,
        VALUE="moisture",
        DATE="day",
        STATION="station",
        BAND="soil_moisture",
        OUTPUT="TEMPORARY_OUTPUT",
        REPORT=str(tmp_path / "risma.html"),
        METRICS=str(tmp_path / "risma.json"),
    )
    assert result["PAIRS"] > 500
    # Percent was recognised: biases in m3/m3 are small.
    assert abs(result["BIAS"]) < 0.2 and 0.03 < result["UBRMSE"] < 0.2
    assert "percent" in json.dumps(json.loads((tmp_path / "risma.json").read_text())).lower()
