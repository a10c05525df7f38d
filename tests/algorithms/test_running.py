"""The parameters of long runs, as the algorithms that take them read them: bad ones get a sentence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.stack import Band, StackWriter
from soilmoisture.core.raster.work import Work

BAD = [
    ({"SCHEDULER": "127.0.0.1"}, ["The scheduler 127.0.0.1", "no address with a port"]),
    ({"SCHEDULER": "a b:c"}, ["The scheduler a b:c", "no address with a port"]),
    ({"SCHEDULER": "http://127.0.0.1:8786"}, ["The scheduler http://127.0.0.1:8786", "does not answer"]),
    ({"MEMORY": 0}, ["MEMORY"]),
    ({"MEMORY": 63}, ["MEMORY"]),
    ({"MEMORY": -1}, ["MEMORY"]),
    ({"MEMORY": "much"}, ["at least 64 MiB"]),
    ({"THREADS": 0}, ["THREADS"]),
    ({"THREADS": -2}, ["THREADS"]),
    ({"THREADS": "all"}, ["at least 1 thread"]),
    ({"FORMAT": "JPEG"}, ["FORMAT"]),
    ({"FORMAT": 7}, ["FORMAT"]),
    ({"WORK_FOLDER": "FILE"}, ["The work folder", "cannot be made"]),
    ({"WORK_FOLDER": "/proc/none"}, ["The work folder /proc/none", "cannot be made"]),
    ({"WORK_FOLDER": "/vsizip/none/work"}, ["/vsizip/none/work"]),
    ({"OUTPUT": "LOCKED"}, ["Another run is writing"]),
]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: Any) -> dict[str, list[str]]:
    """Coarse and fine layers, of which the coarse ones do for composites too."""
    folder, random = tmp_path_factory.mktemp("dated"), np.random.default_rng(0)
    found: dict[str, list[str]] = {"FINE": [], "COARSE": []}
    base = random.normal(size=(20, 30))
    for number in range(3):
        date = day(dt.date(2021, 6, 1) + dt.timedelta(days=8 * number))
        for side in ["COARSE"] if number == 1 else ["COARSE", "FINE"]:
            found[side].append(str(folder / f"{side}_{date.label}.tif"))
            with StackWriter(found[side][-1], ease_grid(1, 3000, 27000, 20, 30), [Band("x", date, "1")]) as out:
                out.write(1, base + 0.1 * number + 0.05 * random.normal(size=base.shape))
    return found


@pytest.mark.parametrize("algorithm", ["compositeperiods", "fuseestarfm"])
@pytest.mark.parametrize(("given", "words"), BAD, ids=[str(given) for given, _ in BAD])
def test_what_cannot_be_had_is_told(
    algorithm: str, given: dict[str, Any], words: list[str], run: Any, layers: dict[str, list[str]], tmp_path: Path
) -> None:
    from qgis.core import QgsProcessingException

    (tmp_path / "file").write_text("")
    places = {"FILE": str(tmp_path / "file"), "LOCKED": str(tmp_path / "out.tif")}
    given = {name: places.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    known = layers if algorithm == "fuseestarfm" else {"LAYERS": layers["COARSE"], "PERIOD": "day"}
    more = {"WINDOW": 5} if algorithm == "fuseestarfm" else {}
    with Work(tmp_path / ("out.tif" if given.get("OUTPUT") else "other.tif"), "0" * 16, Running(), Progress()):
        with pytest.raises(QgsProcessingException) as caught:
            run(algorithm, **{**known, **more, "OUTPUT": str(tmp_path / "out.tif"), **given})
        message = str(caught.value)
    assert all(word in message for word in words), message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
