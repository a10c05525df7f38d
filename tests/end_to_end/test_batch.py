"""What users of batch jobs rely on: results, exit codes, sentences, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import batch
import numpy as np
import pytest

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period
from soilmoisture.core.raster.stack import Band, Stack, StackWriter


def test_the_chain_ends_with_a_map_and_a_verdict(chain: dict[str, Any], place: Path) -> None:
    product = batch.run(
        "soilmoisture:downscale",
        {"MODEL": chain["model"], "FINE": chain["fine"], "COARSE": chain["coarse"], "OUTPUT": str(place / "map.tif")},
        chain["profile"],
    )
    checked = batch.run(
        "soilmoisture:validatepoints",
        {
            "PRODUCT": [product["OUTPUT"]],
            "BASELINE": [chain["coarse"]],
            "POINTS": chain["sample"]["STATIONS"],
            "VALUE": "value",
            "DATE": "date",
            "STATION": "station",
            "OUTPUT": str(place / "stations.gpkg"),
            "REPORT": str(place / "validation.html"),
            "METRICS": str(place / "validation.json"),
        },
        chain["profile"],
    )
    with Stack.open(product["OUTPUT"]) as fine:
        assert len(fine.bands) == 3 and fine.bands[0].unit == "m3/m3"
    metrics = json.loads(Path(checked["METRICS"]).read_text())
    assert metrics["verdict"] and checked["PAIRS"] > 50
    assert metrics["verdict"].split(".")[0][:40] in Path(checked["REPORT"]).read_text(encoding="utf-8")


def test_the_shipped_model_runs_in_one_call(chain: dict[str, Any], place: Path) -> None:
    results = batch.run(
        "soilmoisture:quickdownscale",
        {
            "target": [chain["sample"]["TARGET"]],
            "factors": chain["sample"]["FACTORS"],
            "points": chain["sample"]["STATIONS"],
            "value": "value",
            "date": "date",
            "station": "station",
            "fine_soil_moisture": str(place / "quick.tif"),
            "validation_report": str(place / "quick.html"),
            "validation_scores": str(place / "quick.json"),
            "model": str(place / "quick.smdl"),
            "stations_with_scores": str(place / "quick.gpkg"),
        },
        chain["profile"],
    )
    assert Path(results["fine_soil_moisture"]).stat().st_size > 10_000
    assert json.loads((place / "quick.json").read_text())["verdict"]
    assert (place / "quick.smdl").stat().st_size > 1000


def coarse_layer(path: Path, values: float | np.ndarray, **bands: Any) -> str:
    """A small coarse layer in the sample region's place."""
    grid = ease_grid(9, 211, 3035, 12, 14)
    with StackWriter(path, grid, [Band("soil_moisture", Period.parse("2021-07-01", "2021-08-01"), **bands)]) as out:
        out.write(1, np.broadcast_to(values, grid.shape).astype(float))
    return str(path)


MISTAKES = {
    "percent": "choose that as the target's unit",
    "undeclared": "declares no nodata value",
    "no overlap": "no overlap",
    "truncated model": "damaged or not a soil moisture model",
    "factor missing": "lacks the model's factor",
    "no field": "no field 'moisture'",
    "unwritable": "cannot be written",
    "other dates": "falls in the target's periods",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(chain: dict[str, Any], tmp_path: Path, mistake: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    sample = chain["sample"]
    grid = {
        "TARGET": [sample["TARGET"]],
        "FACTORS": sample["FACTORS"][:1],
        "FINE": str(out / "f.tif"),
        "COARSE": str(out / "c.tif"),
    }
    down = {"MODEL": chain["model"], "FINE": chain["fine"], "COARSE": chain["coarse"], "OUTPUT": str(out / "o.tif")}
    algorithm, inputs = "resampletogrid", grid
    if mistake == "percent":
        inputs["TARGET"] = [coarse_layer(tmp_path / "sm.tif", 23.0)]
    elif mistake == "undeclared":
        from osgeo import gdal

        inputs["TARGET"] = [coarse_layer(tmp_path / "sm.tif", np.where(np.arange(14) < 3, -9999.0, 0.2))]
        dataset = gdal.Open(inputs["TARGET"][0], gdal.GA_Update)
        dataset.GetRasterBand(1).WriteArray(np.where(np.arange(14) < 3, -9999.0, 0.2) * np.ones((12, 1)))
        dataset.GetRasterBand(1).DeleteNoDataValue()
        dataset = None
    elif mistake == "no overlap":
        grid_ = ease_grid(1, 1000, 1000, 20, 20)
        with StackWriter(tmp_path / "far.tif", grid_, [Band("far")]) as far:
            far.write(1, np.ones(grid_.shape))
        inputs["FACTORS"] = [str(tmp_path / "far.tif")]
    elif mistake == "other dates":
        inputs["TARGET"] = [coarse_layer(tmp_path / "sm.tif", 0.2)]
        with StackWriter(
            tmp_path / "old.tif",
            ease_grid(9, 211, 3035, 12, 14),
            [Band("ndvi", Period.parse("2001-07-01", "2001-08-01"))],
        ) as old:
            old.write(1, np.ones((12, 14)))
        inputs["FACTORS"] = [str(tmp_path / "old.tif")]
    elif mistake == "truncated model":
        broken = tmp_path / "broken.smdl"
        broken.write_bytes(Path(chain["model"]).read_bytes()[:300])
        algorithm, inputs = "downscale", {**down, "MODEL": str(broken)}
    elif mistake == "factor missing":
        algorithm, inputs = "downscale", {**down, "FINE": sample["TARGET"]}
    elif mistake == "unwritable":
        (out / "file").write_text("not a folder")
        algorithm, inputs = "downscale", {**down, "OUTPUT": str(out / "file" / "o.tif")}
    elif mistake == "no field":
        algorithm, inputs = (
            "validatepoints",
            {
                "PRODUCT": [sample["TARGET"]],
                "POINTS": sample["STATIONS"],
                "VALUE": "moisture",
                "OUTPUT": str(out / "s.gpkg"),
            },
        )
    before = sorted(path.name for path in out.iterdir())
    done = batch.call(
        ["run", f"soilmoisture:{algorithm}", "--json", "-"], chain["profile"], json.dumps({"inputs": inputs})
    )
    assert done.returncode == 1
    assert MISTAKES[mistake] in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout
    assert sorted(path.name for path in out.iterdir()) == before


def test_interrupted_run_fails_and_leaves_nothing(chain: dict[str, Any], tmp_path: Path) -> None:
    """SIGINT in the middle: exit code not 0, no product, no half-written file, inputs unharmed."""
    inputs = {name: Path(chain[name]).read_bytes() for name in ("fine", "coarse")}
    arguments = [
        f"--COARSE={chain['coarse']}",
        f"--MODEL={tmp_path / 'm.smdl'}",
        "--TREES=5000",
        f"--REPORT={tmp_path / 'r.html'}",
    ]
    process = subprocess.Popen(
        ["qgis_process", "run", "soilmoisture:trainrandomforest", *arguments],
        env=batch.environment(chain["profile"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode != 0, rest
    assert list(tmp_path.iterdir()) == []
    assert all(Path(chain[name]).read_bytes() == data for name, data in inputs.items())


def test_listing_loads_no_heavy_package(chain: dict[str, Any]) -> None:
    """A trivial call must not pay for scikit-learn: help of an algorithm loads the plugin and nothing of it."""
    done = batch.call(["help", "soilmoisture:trainrandomforest"], chain["profile"])
    assert done.returncode == 0 and "TREES" in done.stdout
