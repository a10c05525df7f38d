"""Validate with points in QGIS: classes, several products and variables, stations without pairs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest


def test_classes_several_products_and_the_station_table(
    run: Any, tmp_path: Path, sample: dict[str, Any], grids: dict[str, Any], product: dict[str, Any]
) -> None:
    folder = Path(sample["STATIONS"]).parent
    result = run(
        "validatepoints",
        PRODUCT=[product["OUTPUT"], str(folder / "truth_1km.tif")],
        BASELINE=[grids["COARSE"]],
        POINTS=sample["STATIONS"],
        VALUE="value",
        DATE="date",
        STATION="station",
        MIN_PAIRS=3,
        CLASS="station",
        LANDCOVER=str(folder / "landcover.tif"),
        OUTPUT=str(tmp_path / "s.gpkg"),
        REPORT=str(tmp_path / "r.html"),
        METRICS=str(tmp_path / "r.json"),
        TABLE=str(tmp_path / "r.csv"),
    )
    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["data"]
    comparison = data["comparison"]
    # The planted truth is the better product, and is named as such.
    assert comparison["best"] == "truth_1km" and comparison["sentence"].startswith("truth_1km has the highest R")
    assert comparison["duels"][0]["bootstrap"]["pooled_r"]["low"] > 0
    kinds = {group["kind"] for group in data["products"][0]["groups"]}
    # Names of stations are no classes.
    assert "Class of the raster" in kinds and "Station" not in kinds
    assert any(note.startswith("Station has 40 different values") for note in data["notes"])
    with open(tmp_path / "r.csv", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["product"] for row in rows} == {"product", "truth_1km"}
    wanted = "status n_obs R p_R rho p_rho RMSD BIAS urmsd mse mse_corr mse_bias mse_var RSS tau p_tau".split()
    assert set(wanted) <= set(rows[0]) and all(row["class_of_the_raster"] for row in rows if row["status"] == "0")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The products side by side" in page and "where the error comes from" in page
    assert 0 <= result["RANKED_RIGHT"] <= 1


def test_a_class_field_that_is_not_there_is_refused(
    run: Any, tmp_path: Path, sample: dict[str, Any], product: dict[str, Any]
) -> None:
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="no field 'cover'"):
        run(
            "validatepoints",
            PRODUCT=[product["OUTPUT"]],
            POINTS=sample["STATIONS"],
            VALUE="value",
            DATE="date",
            CLASS="cover",
            REPORT=str(tmp_path / "r.html"),
        )


def test_the_dialog_stays_short(provider: Any) -> None:
    from qgis.core import QgsProcessingParameterDefinition

    algorithm = provider.algorithm("validatepoints")
    hidden = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    shown = [p for p in algorithm.parameterDefinitions() if not p.flags() & hidden]
    assert len(shown) <= 12 and all(p.help() for p in algorithm.parameterDefinitions())
