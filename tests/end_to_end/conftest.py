"""The real qgis_process on a small sample region."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import batch


@pytest.fixture(scope="session")
def place(tmp_path_factory: Any) -> Path:
    """A folder with a space in its name, where the profile and all files of these tests live."""
    return tmp_path_factory.mktemp("batch runs")


@pytest.fixture(scope="session")
def chain(place: Path) -> dict[str, Any]:
    """Sample region, stacks and a linear model, each made by a run of its own."""
    profile = place / "qgis"
    sample = batch.run(
        "soilmoisture:sampledata", {"OUTPUT": str(place / "sample"), "ROWS": 12, "COLUMNS": 14, "MONTHS": 3}, profile
    )
    grids = batch.run(
        "soilmoisture:resampletogrid",
        {
            "TARGET": [sample["TARGET"]],
            "FACTORS": sample["FACTORS"],
            "FINE": str(place / "fine.tif"),
            "COARSE": str(place / "coarse.tif"),
        },
        profile,
    )
    model = batch.run(
        "soilmoisture:trainlinear", {"COARSE": grids["COARSE"], "MODEL": str(place / "linear.smdl")}, profile
    )
    return {
        "profile": profile,
        "sample": sample,
        "fine": grids["FINE"],
        "coarse": grids["COARSE"],
        "model": model["MODEL"],
    }
