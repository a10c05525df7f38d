"""A small sample region, its stacks and a model, made once by the algorithms themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: Any) -> Path:
    return tmp_path_factory.mktemp("chain")


@pytest.fixture(scope="session")
def sample(run: Any, folder: Path) -> dict[str, Any]:
    return run("sampledata", OUTPUT=str(folder / "sample"), ROWS=14, COLUMNS=16, MONTHS=3)


@pytest.fixture(scope="session")
def grids(run: Any, folder: Path, sample: dict[str, Any]) -> dict[str, Any]:
    return run(
        "resampletogrid",
        TARGET=[sample["TARGET"]],
        FACTORS=sample["FACTORS"],
        FINE=str(folder / "fine.tif"),
        COARSE=str(folder / "coarse.tif"),
        REPORT=str(folder / "grid.html"),
        METRICS=str(folder / "grid.json"),
    )


@pytest.fixture(scope="session")
def model(run: Any, folder: Path, grids: dict[str, Any]) -> dict[str, Any]:
    return run(
        "trainlinear",
        COARSE=grids["COARSE"],
        MODEL=str(folder / "linear.smdl"),
        REPORT=str(folder / "linear.html"),
        METRICS=str(folder / "linear.json"),
    )


@pytest.fixture(scope="session")
def product(run: Any, folder: Path, grids: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    return run(
        "downscale",
        MODEL=model["MODEL"],
        FINE=grids["FINE"],
        COARSE=grids["COARSE"],
        OUTPUT=str(folder / "product.tif"),
        QUALITY=str(folder / "quality.tif"),
        REPORT=str(folder / "product.html"),
        METRICS=str(folder / "product.json"),
    )
