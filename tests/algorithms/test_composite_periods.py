"""Composites through `processing.run`: what a user gets, and the sentence that a mistake gets."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

GRID = ease_grid(1, 3000, 27000, 30, 40)
FIRST = dt.date(2021, 6, 1)


def write(path: Path, bands: list[Band], values: list[float]) -> str:
    with StackWriter(path, GRID, bands) as out:
        for number, value in enumerate(values, 1):
            out.write(number, np.full(GRID.shape, value))
            out.tag(number, {"SOURCE_PRODUCT": "MADE"})
    return str(path)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: Any) -> list[str]:
    """Daily rain of 1 mm but for ten days, in a stack; 8-day temperatures, a file each."""
    folder = tmp_path_factory.mktemp("dated")
    dates = [FIRST + dt.timedelta(days=k) for k in range(61) if not 5 <= k < 15]
    rain = write(folder / "rain.tif", [Band("precipitation", day(date), "mm") for date in dates], [1.0] * len(dates))
    starts = [FIRST + dt.timedelta(days=8 * k) for k in range(8)]
    lst = [
        write(
            folder / f"lst_{start:%Y%m%d}.tif",
            [Band("lst_day", Period(start, start + dt.timedelta(days=8)), "K")],
            [290.0 + number],
        )
        for number, start in enumerate(starts)
    ]
    return [rain, *lst]


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: Any) -> str:
    """3-hourly soil moisture of three days; each value is its number."""
    first = dt.datetime(2021, 6, 1)
    spans = [Period(first + dt.timedelta(hours=3 * k), first + dt.timedelta(hours=3 * k + 3)) for k in range(24)]
    path = tmp_path_factory.mktemp("hourly") / "sm.tif"
    return write(path, [Band("sm_surface", span, "m3/m3") for span in spans], [float(k) for k in range(24)])


def test_rain_is_added_up_and_temperature_averaged(run: Any, tmp_path: Path, layers: list[str]) -> None:
    from qgis.core import QgsProcessingFeedback, QgsRasterLayer

    feedback = QgsProcessingFeedback(False)
    result = run(
        "compositeperiods",
        feedback,
        LAYERS=layers,
        OUTPUT=str(tmp_path / "months.tif"),
        COVERAGE=str(tmp_path / "coverage.tif"),
        REPORT=str(tmp_path / "months.html"),
        METRICS=str(tmp_path / "months.json"),
    )
    assert (result["COMPOSITES"], result["GAPS"]) == (4, 0)
    assert QgsRasterLayer(result["OUTPUT"]).bandCount() == QgsRasterLayer(result["COVERAGE"]).bandCount() == 4
    june, july = Period.parse("2021-06-01", "2021-07-01"), Period.parse("2021-07-01", "2021-08-01")
    with Stack.open(result["OUTPUT"]) as made, Stack.open(result["COVERAGE"]) as coverage:
        assert {made.read(made.index("precipitation", period))[3, 4] for period in (june, july)} == {20.0, 31.0}
        mean = (8 * 290 + 8 * 291 + 8 * 292 + 6 * 293) / 30
        assert made.read(made.index("lst_day", june))[3, 4] == pytest.approx(mean, rel=1e-6)
        assert (made.unit("precipitation"), made.unit("lst_day")) == ("mm", "K")
        assert coverage.read(coverage.index("precipitation_coverage", june))[0, 0] == pytest.approx(2 / 3)
    numbers = json.loads(Path(result["METRICS"]).read_text())
    assert numbers["verdict"].startswith("2 months of 2 variables from 59 layers, none with a gap.")
    assert [one["mean"] for one in numbers["data"]["periods"]][:2] == [20.0, 31.0]
    assert [one["method"] for one in numbers["data"]["variables"]] == ["sum", "mean"]
    log = feedback.textLog()
    assert "precipitation in mm: sum of 51 layers" in log and "1 sum covers only part" in log
    page = Path(result["REPORT"]).read_text(encoding="utf-8")
    assert "How much of each period is covered" in page and page.count("<svg") > 3


def test_gaps_are_listed_and_can_be_kept(run: Any, tmp_path: Path, layers: list[str]) -> None:
    from qgis.core import QgsProcessingFeedback

    feedback = QgsProcessingFeedback(False)
    settings = {"LAYERS": layers, "PERIOD": "5 days", "VARIABLES": "precipitation", "RESCALE_SUMS": True}
    result = run("compositeperiods", feedback, OUTPUT=str(tmp_path / "a.tif"), **settings)
    kept = run("compositeperiods", OUTPUT=str(tmp_path / "b.tif"), KEEP_GAPS=True, **settings)
    assert (result["COMPOSITES"], result["GAPS"]) == (kept["COMPOSITES"], kept["GAPS"]) == (10, 2)
    assert "Gap: precipitation, 2021-06-06/2021-06-11 to 2021-06-11/2021-06-16 (2 periods): no layer" in (
        feedback.textLog()
    )
    with Stack.open(result["OUTPUT"]) as without, Stack.open(kept["OUTPUT"]) as with_gaps:
        assert (len(without.bands), len(with_gaps.bands)) == (10, 12)
        assert np.isnan(with_gaps.read(2)).all()


def test_local_days_and_hours(run: Any, tmp_path: Path, hourly: str) -> None:
    from qgis.core import QgsProcessingFeedback

    feedback = QgsProcessingFeedback(False)
    days = run(
        "compositeperiods",
        feedback,
        LAYERS=[hourly],
        PERIOD="day",
        UTC_OFFSET=9,
        OUTPUT=str(tmp_path / "days.tif"),
    )
    assert "the clock UTC+09:00" in feedback.textLog()
    with Stack.open(days["OUTPUT"]) as made:
        assert [band.period.label for band in made.bands] == ["2021-06-01", "2021-06-02", "2021-06-03"]
        # 2 June begins at 15:00 UTC of 1 June.
        assert made.read(2)[0, 0] == pytest.approx(np.mean(np.arange(5, 13)))
        assert made.tags["CLOCK"] == "UTC+09:00"
    morning = run(
        "compositeperiods",
        LAYERS=[hourly],
        PERIOD="day",
        UTC_OFFSET=9,
        HOURS="06:00",
        OUTPUT=str(tmp_path / "morning.tif"),
    )
    with Stack.open(morning["OUTPUT"]) as made:
        assert [made.read(number)[0, 0] for number in (1, 2, 3)] == [7.0, 15.0, 23.0]


def test_composites_go_on_to_the_common_grid_in_a_model(provider: Any, tmp_path: Path, layers: list[str]) -> None:
    """As children of a user's model: composited to the target's periods, then brought to its grid."""
    import processing
    from qgis.core import (
        QgsProcessing,
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
        QgsProcessingModelParameter,
        QgsProcessingParameterMultipleLayers,
    )

    target = str(tmp_path / "soil_moisture.tif")
    coarse = ease_grid(9, 3000 // 9 + 1, 3000, 3, 4)
    periods = [Period.parse("2021-06-17", "2021-07-01"), Period.parse("2021-07-01", "2021-07-15")]
    with StackWriter(target, coarse, [Band("soil_moisture", period, "m3/m3", "target") for period in periods]) as out:
        for number in (1, 2):
            out.write(number, np.full(coarse.shape, 0.2 + 0.01 * number))
    source, raster = QgsProcessingModelChildParameterSource, QgsProcessing.SourceType.TypeRaster
    model = QgsProcessingModelAlgorithm("composites", "tests")
    for name in ("target", "layers"):
        definition = QgsProcessingParameterMultipleLayers(name, name, raster)
        model.addModelParameter(definition, QgsProcessingModelParameter(name))
    composite = QgsProcessingModelChildAlgorithm("soilmoisture:compositeperiods")
    composite.setChildId("composite")
    for name, value in (
        ("LAYERS", source.fromModelParameter("layers")),
        ("PERIODS_OF", source.fromModelParameter("target")),
        ("PERIOD", source.fromStaticValue("other layers")),
    ):
        composite.addParameterSources(name, [value])
    grid = QgsProcessingModelChildAlgorithm("soilmoisture:resampletogrid")
    grid.setChildId("grid")
    grid.addParameterSources("TARGET", [source.fromModelParameter("target")])
    grid.addParameterSources("FACTORS", [source.fromChildOutput("composite", "OUTPUT")])
    output = QgsProcessingModelOutput("fine", "fine")
    output.setChildOutputName("FINE")
    output.setChildId("grid")
    grid.setModelOutputs({"fine": output})
    for child in (composite, grid):
        model.addChildAlgorithm(child)
    model.updateDestinationParameters()
    parameters = {"target": [target], "layers": layers, "fine": str(tmp_path / "fine.tif")}
    result = processing.run(model, parameters, feedback=QgsProcessingFeedback(False), context=QgsProcessingContext())
    with Stack.open(result["fine"]) as fine:
        assert fine.factor_names == ["precipitation", "lst_day"]
        assert fine.periods == periods
        assert np.nanmax(fine.read(fine.index("precipitation", periods[0]))) == 14.0


def bad(name: str, layers: list[str], tmp_path: Path) -> dict[str, Any]:
    """Parameters with one mistake."""
    undated = tmp_path / "elevation.tif"
    return {
        "undated": {"LAYERS": [write(undated, [Band("elevation", None, "m")], [1.0])]},
        "twice": {"LAYERS": [*layers, write(tmp_path / "again.tif", [Band("precipitation", day(FIRST), "mm")], [1.0])]},
        "custom": {"LAYERS": layers, "PERIOD": "custom", "CUSTOM_PERIODS": "in spring"},
        "hours": {"LAYERS": layers, "HOURS": "06:00"},
        "few": {"LAYERS": layers[1:2], "PERIOD": "year"},
        "not tif": {"LAYERS": layers, "OUTPUT": str(tmp_path / "out.nc")},
    }[name]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("undated", "'elevation' in elevation has no date: put one into the file name"),
        ("twice", "'precipitation' is there twice for 2021-06-01"),
        ("custom", "Custom periods 'in spring' are not understood"),
        ("hours", "Hours of the day need layers of parts of a day"),
        ("few", "No period is covered by enough layers"),
        ("not tif", "end in .tif"),
    ],
)
def test_mistakes_get_a_sentence(run: Any, tmp_path: Path, layers: list[str], name: str, sentence: str) -> None:
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=sentence):
        run("compositeperiods", **{"OUTPUT": str(tmp_path / "out.tif"), **bad(name, layers, tmp_path)})
    assert not (tmp_path / "out.tif").exists()
