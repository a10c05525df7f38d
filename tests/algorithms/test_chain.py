"""The chain through `processing.run`: what a user gets from each step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.raster.support import Support


def test_sample_outputs_are_layers(sample: dict[str, Any]) -> None:
    from qgis.core import QgsRasterLayer, QgsVectorLayer

    assert len(sample["FACTORS"]) == 11
    for path in [sample["TARGET"], sample["TRUTH"], *sample["FACTORS"]]:
        assert QgsRasterLayer(path).isValid()
    assert QgsVectorLayer(sample["STATIONS"]).featureCount() > 50


def test_stacks_carry_names_dates_and_roles(grids: dict[str, Any], sample: dict[str, Any]) -> None:
    with (
        Stack.open(grids["COARSE"]) as coarse,
        Stack.open(grids["FINE"]) as fine,
        Stack.open(sample["TARGET"]) as source,
    ):
        assert coarse.target_name == "soil_moisture" and len(coarse.target_periods) == 3
        assert coarse.grid.same_as(source.grid) and coarse.grid.nesting_ratio(fine.grid) == 9
        assert set(coarse.factor_names) == set(fine.factor_names)
        period = source.bands[0].period
        np.testing.assert_array_equal(coarse.read(coarse.index("soil_moisture", period)), source.read(1))
        mean, share = Support(fine.grid, coarse.grid).mean(fine.read(fine.index("ndvi", period)))
        expected = np.where(share >= 0.5 - 1e-9, mean, np.nan)
        np.testing.assert_allclose(coarse.read(coarse.index("ndvi", period)), expected, atol=1e-6)
    assert grids["MISSING"] == 0
    assert json.loads(Path(grids["METRICS"]).read_text())["verdict"]


def test_screening_feeds_training(run: Any, folder: Path, grids: dict[str, Any]) -> None:
    screened = run("screenfactors", COARSE=grids["COARSE"], FACTORS=str(folder / "factors.json"), ALWAYS_KEEP="slope")
    listed = json.loads(Path(screened["FACTORS"]).read_text())
    assert screened["KEPT"] == len(listed["factors"]) > 1 and "slope" in listed["factors"]
    trained = run(
        "traincart",
        COARSE=grids["COARSE"],
        FACTORS=screened["FACTORS"],
        MODEL=str(folder / "cart.smdl"),
        TRAIN_ON="values",
    )
    from soilmoisture.core.model.modelfile import load_model

    assert sorted(load_model(trained["MODEL"]).factor_names) == sorted(listed["factors"])


@pytest.mark.parametrize("learner", ["trainrandomforest", "trainsvr", "traincart"])
def test_learners_train(run: Any, folder: Path, grids: dict[str, Any], learner: str) -> None:
    few = {"TREES": 20} if learner == "trainrandomforest" else {}
    result = run(
        learner,
        COARSE=grids["COARSE"],
        MODEL=str(folder / f"{learner}.smdl"),
        REPORT="TEMPORARY_OUTPUT",
        VALIDATION=["blocks"],
        TRAIN_ON="contrasts",
        **few,
    )
    assert Path(result["MODEL"]).stat().st_size > 500
    assert result["SHARE_EXPLAINED"] <= 1 and 0 <= result["DETAIL_GAIN"] <= 1.5
    page = Path(result["REPORT"]).read_text(encoding="utf-8")
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_training_numbers_are_those_of_the_report(model: dict[str, Any]) -> None:
    metrics = json.loads(Path(model["METRICS"]).read_text())["data"]
    for name in ("SHARE_EXPLAINED", "DETAIL_GAIN", "R2_BLOCKS", "RMSE_BLOCKS", "R2_RANDOM"):
        assert model[name] == pytest.approx(metrics[name.lower()])


def test_product_conserves_and_beats_interpolation(
    product: dict[str, Any], grids: dict[str, Any], sample: dict[str, Any]
) -> None:
    from soilmoisture.core.raster.conserve import smooth_field

    with (
        Stack.open(product["OUTPUT"]) as fine,
        Stack.open(grids["COARSE"]) as coarse,
        Stack.open(sample["TRUTH"]) as truth,
    ):
        support = Support(fine.grid, coarse.grid)
        made, smooth, true = [], [], []
        for number, band in enumerate(fine.bands, 1):
            target = coarse.read(coarse.index("soil_moisture", band.period))
            values = fine.read(number)
            mean, share = support.mean(values)
            held = np.isfinite(target) & (share >= 0.5)
            assert held.sum() > 100 and np.abs(mean - target)[held].max() < 1e-6
            made.append(values)
            smooth.append(smooth_field(target, support))
            true.append(truth.read(number))
        use = np.isfinite(made) & np.isfinite(smooth) & np.isfinite(true)
        made, smooth, true = (np.stack(one)[use] for one in (made, smooth, true))
    assert np.corrcoef(made, true)[0, 1] > np.corrcoef(smooth, true)[0, 1]
    assert product["LEFT_OVER_MAX"] < 1e-6 and product["PIXELS"] == use.size - (~use).sum() or product["PIXELS"] > 0


def test_gain_and_bounds_can_be_set(run: Any, folder: Path, grids: dict[str, Any], model: dict[str, Any]) -> None:
    inputs = {"MODEL": model["MODEL"], "FINE": grids["FINE"], "COARSE": grids["COARSE"]}
    smooth = run("downscale", **inputs, DETAIL_GAIN=0, MINIMUM=-1, OUTPUT=str(folder / "smooth.tif"))
    assert smooth["GAIN_USED"] == 0 and smooth["DETAIL_DEVIATION"] < 1e-6
    one = run("downscale", **inputs, PERIODS="2021-07", MAXIMUM=0.3, OUTPUT=str(folder / "one.tif"))
    with Stack.open(one["OUTPUT"]) as fine:
        assert [band.period.label for band in fine.bands] == ["2021-07"]


def test_stations_are_scored_with_their_baselines(
    run: Any, folder: Path, product: dict[str, Any], grids: dict[str, Any], sample: dict[str, Any]
) -> None:
    from qgis.core import QgsVectorLayer

    result = run(
        "validatepoints",
        PRODUCT=[product["OUTPUT"]],
        BASELINE=[grids["COARSE"]],
        POINTS=sample["STATIONS"],
        VALUE="value",
        DATE="date",
        STATION="station",
        MIN_PAIRS=3,
        OUTPUT=str(folder / "stations.gpkg"),
        REPORT=str(folder / "points.html"),
        TABLE=str(folder / "points.csv"),
    )
    layer = QgsVectorLayer(result["OUTPUT"])
    assert layer.featureCount() >= 30
    assert {"station", "n_obs", "R", "BIAS", "urmsd", "R_smooth", "dR_smooth"} <= set(layer.fields().names())
    assert result["PAIRS"] > 60 and -1 <= result["R"] <= 1 and -1 <= result["R_COARSE"] <= 1
    assert "dR_smooth" in Path(result["TABLE"]).read_text(encoding="utf-8-sig").splitlines()[0]


@pytest.mark.parametrize(
    "output, message",
    [
        ({"OUTPUT": "points.gpkg"}, "also an input"),
        ({"OUTPUT": "s.gpkg", "REPORT": "points.gpkg"}, "also an input"),
        ({"OUTPUT": "s.gpkg", "METRICS": "a.json", "TABLE": "a.json"}, "Two outputs would be written to"),
        ({"OUTPUT": "s.gpkg", "REPORT": "."}, "not the name of a file"),
        ({"OUTPUT": "points.gpkg/s.gpkg"}, "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_meant_are_refused_before_the_work(
    run: Any,
    tmp_path: Path,
    product: dict[str, Any],
    sample: dict[str, Any],
    output: dict[str, str],
    message: str,
) -> None:
    from qgis.core import QgsProcessingException

    points = tmp_path / "points.gpkg"
    points.write_bytes(Path(sample["STATIONS"]).read_bytes())
    names = {key: str(tmp_path / name) for key, name in output.items()}
    with pytest.raises(QgsProcessingException, match=message):
        run("validatepoints", PRODUCT=[product["OUTPUT"]], POINTS=str(points), VALUE="value", DATE="date", **names)
    assert points.read_bytes() == Path(sample["STATIONS"]).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["points.gpkg"]


def test_models_and_factor_lists_keep_the_suffix_by_which_they_are_found(
    run: Any, tmp_path: Path, grids: dict[str, Any]
) -> None:
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=r"let the name of .* end in \.smdl"):
        run("trainlinear", COARSE=grids["COARSE"], MODEL=str(tmp_path / "m.tif"))
    with pytest.raises(QgsProcessingException, match=r"let the name of .* end in \.json"):
        run("screenfactors", COARSE=grids["COARSE"], FACTORS=str(tmp_path / "factors"))


def test_rows_without_a_place_are_counted_and_tables_refused(
    run: Any, tmp_path: Path, product: dict[str, Any], sample: dict[str, Any]
) -> None:
    from osgeo import ogr
    from qgis.core import QgsProcessingException

    inputs = {"PRODUCT": [product["OUTPUT"]], "VALUE": "value", "DATE": "date", "STATION": "station"}
    table = tmp_path / "table.csv"
    table.write_text("station,date,value\na,2021-07-03,0.2\n", encoding="utf-8")
    with pytest.raises(QgsProcessingException, match="a table without places"):
        run("validatepoints", **inputs, POINTS=str(table), OUTPUT=str(tmp_path / "s.gpkg"))
    points = tmp_path / "points.gpkg"
    points.write_bytes(Path(sample["STATIONS"]).read_bytes())
    source = ogr.Open(str(points), 1)
    layer = source.GetLayer(0)
    feature = layer.GetNextFeature()
    while feature["value"] is None:
        feature = layer.GetNextFeature()
    feature.SetGeometry(None)
    layer.SetFeature(feature)
    del feature, layer, source
    metrics = tmp_path / "new" / "m.json"
    output = tmp_path / "another" / "s.gpkg"
    run("validatepoints", **inputs, POINTS=str(points), OUTPUT=str(output), METRICS=str(metrics))
    assert output.exists() and json.loads(metrics.read_text(encoding="utf-8"))["data"]["dropped"]["no place"] == 1


def test_results_are_named_styled_and_dated(
    provider: Any, folder: Path, grids: dict[str, Any], model: dict[str, Any]
) -> None:
    """As in the desktop: results are loaded into the project with their post-processors."""
    import processing
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProject, QgsSingleBandPseudoColorRenderer

    project = QgsProject.instance()
    context = QgsProcessingContext()
    context.setProject(project)
    try:
        processing.runAndLoadResults(
            "soilmoisture:downscale",
            {
                "MODEL": model["MODEL"],
                "FINE": grids["FINE"],
                "COARSE": grids["COARSE"],
                "OUTPUT": str(folder / "loaded.tif"),
            },
            feedback=QgsProcessingFeedback(False),
            context=context,
        )
        layer = next(iter(project.mapLayersByName("Fine soil moisture")))
        assert isinstance(layer.renderer(), QgsSingleBandPseudoColorRenderer)
        assert layer.temporalProperties().isActive()
    finally:
        project.clear()
