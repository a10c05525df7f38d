"""The main job from start to finish on the generated sample region, through the real qgis_process.

    python scripts/demo.py [folder]

Ends with the paths of the fine map, a picture of coarse, fine and true soil moisture, and the reports.
"""

from __future__ import annotations

import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from batch import run  # noqa: E402

MONTH = "2021-07"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    results: dict[str, dict[str, Any]] = {}
    sample = step(
        results,
        folder,
        "sampledata",
        "Making a sample region: 60 x 40 cells of 9 km, 12 months",
        {"OUTPUT": str(folder / "sample")},
    )
    grid = step(
        results,
        folder,
        "resampletogrid",
        "Bringing target and factors to common grids",
        {"TARGET": [sample["TARGET"]], "FACTORS": sample["FACTORS"], "FINE": "fine.tif", "COARSE": "coarse.tif"},
    )
    factors = step(
        results, folder, "screenfactors", "Screening factors", {"COARSE": grid["COARSE"], "FACTORS": "factors.json"}
    )
    model = step(
        results,
        folder,
        "trainrandomforest",
        "Validating and training a random forest",
        {"COARSE": grid["COARSE"], "FACTORS": factors["FACTORS"], "MODEL": "forest.smdl"},
    )
    fine = step(
        results,
        folder,
        "downscale",
        "Downscaling 12 months to 1 km",
        {
            "MODEL": model["MODEL"],
            "FINE": grid["FINE"],
            "COARSE": grid["COARSE"],
            "OUTPUT": "soil_moisture_1km.tif",
            "QUALITY": "quality.tif",
        },
    )
    checked = step(
        results,
        folder,
        "validatepoints",
        "Validating with 40 stations",
        {
            "PRODUCT": [fine["OUTPUT"]],
            "BASELINE": [grid["COARSE"]],
            "POINTS": sample["STATIONS"],
            "VALUE": "value",
            "DATE": "date",
            "STATION": "station",
            "OUTPUT": "stations.gpkg",
        },
    )
    picture = folder / "picture.png"
    draw(Path(grid["COARSE"]), Path(fine["OUTPUT"]), Path(sample["TRUTH"]), picture)
    print(f"\nDone in {time.monotonic() - began:.0f} s. {results['validatepoints']['verdict']}")
    print(f"\n  map      {fine['OUTPUT']}\n  picture  {picture}\n  report   {checked['REPORT']}")
    print(f"  more     {', '.join(sorted(path.name for path in folder.glob('*.html')))} in {folder}")


def step(
    results: dict[str, dict[str, Any]], folder: Path, algorithm: str, title: str, inputs: dict[str, Any]
) -> dict[str, Any]:
    """Run one algorithm; file names without a folder go to the demo's."""
    print(f"{len(results) + 1}/6  {title} ... ", end="", flush=True)
    began = time.monotonic()
    inputs = {
        name: str(folder / value) if isinstance(value, str) and "/" not in value and "." in value else value
        for name, value in inputs.items()
    }
    if algorithm != "sampledata":
        inputs |= {
            "REPORT": str(folder / f"{len(results) + 1}_{algorithm}.html"),
            "METRICS": str(folder / f"{len(results) + 1}_{algorithm}.json"),
        }
    outputs = run(f"soilmoisture:{algorithm}", inputs, folder / "qgis")
    print(f"{time.monotonic() - began:.0f} s")
    verdict = ""
    if "METRICS" in outputs:
        import json

        verdict = json.loads(Path(outputs["METRICS"]).read_text())["verdict"].splitlines()[0]
        print(f"     {verdict}")
    results[algorithm] = {**outputs, "verdict": verdict}
    return outputs


def draw(coarse: Path, fine: Path, truth: Path, picture: Path) -> None:
    """Coarse, fine and true soil moisture of one month side by side."""
    spec = spec_from_file_location("soilmoisture", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    sys.modules["soilmoisture"] = module_from_spec(spec)
    from soilmoisture.core.raster.stack import Stack
    from soilmoisture.core.report import charts

    maps, cells = [], []
    for path in (coarse, fine, truth):
        with Stack.open(path) as stack:
            number = next(
                i
                for i, band in enumerate(stack.bands, 1)
                if band.period and band.period.label == MONTH and band.name == "soil_moisture"
            )
            maps.append(stack.read(number))
            cells.append((stack.grid.cell_width, stack.grid.cell_height))
    charts.picture(str(picture), maps, ["Coarse product, 9 km", "Downscaled, 1 km", "Truth, 1 km"], cell_sizes=cells)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "demo")
