"""Calibration from files to files: a planted bias is found, chance is not, and mistakes are named."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.calibrate import application, methods
from soilmoisture.core.ground.calibrate.application import apply_calibration
from soilmoisture.core.ground.calibrate.calibrate import Options, calibrate
from soilmoisture.core.ground.calibrate.calibration_file import load_calibration
from soilmoisture.core.ground.calibrate.inputs import Inputs
from soilmoisture.core.ground.calibrate.methods import BEST, BOOSTING, CNN, GWR, KED
from soilmoisture.core.ground.calibrate.report import calibration_report, methods_table
from soilmoisture.core.ground.calibrate.scoring import Gain
from soilmoisture.core.ground.calibrate.verdict import verdict
from soilmoisture.core.raster.stack import Band, Stack, StackWriter
from soilmoisture.core.report import render_html, render_json

from .conftest import World

QUICK = ("none", "mean bias", "linear", "mean-std", "CDF matching", GWR, KED)


@pytest.fixture(scope="module")
def found(world: World, tmp_path_factory: Any) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("found")
    result = calibrate(
        [world.maps],
        world.stations(),
        folder / "out.tif",
        factors=[world.factors],
        uncertainty=folder / "sd.tif",
        quality=folder / "quality.tif",
        calibration_file=folder / "c.smcal",
        options=Options(compare=(*QUICK, BOOSTING), folds=3),
    )
    return result, folder


def _read(path: Path) -> np.ndarray:
    with Stack.open(path) as stack:
        return np.stack([stack.read(k + 1) for k in range(len(stack.bands))])


def test_a_planted_bias_that_changes_in_space_is_found(found: Any, world: World) -> None:
    result, folder = found
    rmse = {one.name: one.score.rmse for one in result.scores}
    assert result.chosen in (GWR, KED) and result.better
    assert rmse[BEST] < 0.8 * rmse["mean bias"] < 0.8 * rmse["none"]
    error = _read(folder / "out.tif") - world.truth
    before = world.product - world.truth
    assert np.sqrt(np.nanmean(error**2)) < 0.5 * np.sqrt(np.nanmean(before**2))
    # What the algorithm says of unseen stations is what the map is worth.
    assert rmse[BEST] == pytest.approx(np.sqrt(np.nanmean(error**2)), rel=0.5)


def test_permuted_stations_give_no_gain(world: World, tmp_path: Path) -> None:
    """What stations differ from the product by is dealt to other places: only the level may be learnt from it."""
    product = world.product[:, world.row, world.col].T
    difference = world.truth[:, world.row, world.col].T - product
    shuffled = difference[np.random.default_rng(1).permutation(len(difference))]
    result = calibrate(
        [world.maps],
        world.stations(values=product + shuffled),
        tmp_path / "out.tif",
        factors=[world.factors],
        options=Options(compare=QUICK, folds=5),
    )
    assert result.chosen == "mean bias"
    assert result.of(BEST).gain_over_bias.value <= result.of(BEST).gain_over_bias.error
    for name in (GWR, KED):
        assert result.of(name).gain_over_bias.value < 0.001


def test_values_of_other_places_are_predicted_no_better_than_by_their_mean(world: World, tmp_path: Path) -> None:
    """Whole stations permuted: nothing can beat the mean of the other stations in the month by more than chance."""
    result = calibrate(
        [world.maps], world.stations(shuffle=True), tmp_path / "out.tif", options=Options(compare=QUICK, folds=5)
    )
    rows = result.rows
    floor = [rows.y[rows.period == k] - rows.y[rows.period == k].mean() for k in range(3)]
    for one in result.scores:
        assert one.score.rmse > 0.95 * float(np.sqrt(np.mean(np.concatenate(floor) ** 2))), one.name


def test_shifting_and_stretching_change_no_correlation_of_a_station(found: Any) -> None:
    result, _ = found
    assert result.of("mean bias").r_station == pytest.approx(result.of("none").r_station, abs=1e-9)
    assert result.of("mean bias").score.bias == pytest.approx(0.0, abs=0.01)


def test_scores_are_those_of_fits_without_the_station(found: Any) -> None:
    """The mean bias of a station comes from the others: by plain loops over the folds."""
    result, _ = found
    rows, predicted = result.rows, result.of("mean bias").predicted
    shift = predicted - rows.z
    for value in np.unique(shift.round(12)):
        held = np.isclose(shift, value, atol=1e-12)
        stations = np.unique(rows.station[held])
        outside = ~np.isin(rows.station, stations)
        assert value == pytest.approx(float(np.mean((rows.y - rows.z)[outside])), abs=1e-12)
    assert len(np.unique(shift.round(12))) == result.folds


def test_the_map_keeps_gaps_bands_and_bounds(found: Any, world: World) -> None:
    result, folder = found
    with Stack.open(folder / "out.tif") as made, Stack.open(world.maps) as source:
        assert [band.label for band in made.bands] == [band.label for band in source.bands]
        assert made.tags["CONSERVES_COARSE"] == "NO"
    out = _read(folder / "out.tif")
    np.testing.assert_array_equal(np.isnan(out), np.isnan(world.product))
    deviation, codes = _read(folder / "sd.tif"), _read(folder / "quality.tif")
    assert deviation.shape[0] == 1 and codes.shape[0] == 3
    np.testing.assert_array_equal(np.isnan(deviation[0]), np.isnan(world.product).all(axis=0))
    width, height = world.grid.ground_cell_size()
    i, j = np.nonzero(~np.isnan(deviation[0]))
    far = np.hypot((i[:, None] - world.row) * height, (j[:, None] - world.col) * width).min(axis=1)
    by_distance = deviation[0][i, j][np.argsort(far)]
    assert by_distance[0] < by_distance[-1]
    assert (np.diff(by_distance) > -1e-6).all()
    assert set(np.unique(codes[np.isfinite(codes)])) <= set(application.MEANING)


def test_bounds_hold_and_are_counted(world: World, tmp_path: Path) -> None:
    result = calibrate(
        [world.maps],
        world.stations(),
        tmp_path / "out.tif",
        quality=tmp_path / "q.tif",
        options=Options("linear", ("linear",), folds=3, bounds=(0.15, 0.22)),
    )
    out, codes = _read(tmp_path / "out.tif"), _read(tmp_path / "q.tif")
    assert np.nanmin(out) >= np.float32(0.15) - 1e-7 and np.nanmax(out) <= np.float32(0.22) + 1e-7
    assert result.applied.clipped == (codes == application.AT_BOUND).sum() > 0


def test_strips_do_not_show(found: Any, world: World, tmp_path: Path, monkeypatch: Any) -> None:
    _, folder = found
    monkeypatch.setattr(application, "_PIXELS", 350)
    with Inputs([world.maps], [world.factors], wanted=()) as inputs:
        apply_calibration(load_calibration(folder / "c.smcal"), inputs, tmp_path / "again.tif")
    np.testing.assert_allclose(_read(tmp_path / "again.tif"), _read(folder / "out.tif"), atol=1e-6)


@pytest.mark.parametrize("name", ["mean-std", "CDF matching", BOOSTING, GWR, KED])
def test_each_method_is_the_same_from_its_file(world: World, tmp_path: Path, name: str) -> None:
    calibrate(
        [world.maps],
        world.stations(),
        tmp_path / "a.tif",
        factors=[world.factors],
        calibration_file=tmp_path / "c.smcal",
        options=Options(name, (), folds=3),
    )
    calibration = load_calibration(tmp_path / "c.smcal")
    with Inputs([world.maps], [world.factors], wanted=calibration.factors) as inputs:
        apply_calibration(calibration, inputs, tmp_path / "b.tif")
    np.testing.assert_array_equal(_read(tmp_path / "a.tif"), _read(tmp_path / "b.tif"))


def test_the_report_says_it_all_and_first_what_counts(found: Any) -> None:
    result, _ = found
    report = calibration_report(result)
    assert "stations it has not seen" in report.verdict.splitlines()[0]
    page, data = render_html(report), json.loads(render_json(report))
    assert "Which method helps" in page and "nan" not in page.lower().replace("nanmean", "")
    assert set(data["data"]["methods"]) == {one.name for one in result.scores}
    assert data["data"]["methods"][BEST]["nested"]
    assert [row[0] for row in methods_table(result).rows][0] == "none"


def test_a_calibration_that_does_not_help_says_so_first(world: World, tmp_path: Path) -> None:
    truth = world.product[:, world.row, world.col].T
    random = np.random.default_rng(0)
    observations = world.stations(values=truth + random.normal(0, 0.03, truth.shape))
    asked = calibrate([world.maps], observations, tmp_path / "a.tif", options=Options(GWR, (), folds=5))
    assert calibration_report(asked).verdict.startswith("The calibrated product is not better at stations")
    best = calibrate([world.maps], observations, tmp_path / "b.tif", options=Options(compare=QUICK, folds=5))
    assert best.chosen == "none"
    assert calibration_report(best).verdict.startswith("No calibration is better than the product")
    np.testing.assert_allclose(_read(tmp_path / "b.tif"), np.clip(world.product, 0, 0.6), atol=1e-6)


def test_what_a_verdict_says_of_small_gains(found: Any) -> None:
    result, _ = found
    named = dataclasses.replace(result, wanted=KED, chosen=KED)
    best = named.of(KED)

    def said(gain: Gain, over_bias: Gain) -> str:
        changed = dataclasses.replace(best, gain=gain, gain_over_bias=over_bias)
        others = [one for one in named.scores if one.name != KED]
        return verdict(dataclasses.replace(named, scores=(*others, changed)))[1]

    clear, none = Gain(0.01, 0.002, 0.005, 0.015), Gain(0.0001, 0.002, -0.003, 0.003)
    assert "is better" in said(clear, clear) and "simpler one would do" not in said(clear, clear)
    assert "simpler one would do" in said(clear, none)
    assert "cannot be told" in said(none, none).splitlines()[0]
    assert "is not better" in said(Gain(-0.001, 0.002, -0.004, 0.001), none).splitlines()[0]


def test_a_map_left_as_it_is_keeps_its_own_score(found: Any) -> None:
    result, _ = found
    left = dataclasses.replace(result, wanted=BEST, chosen="none")
    assert left.headline.name == "none" and not left.better
    assert dataclasses.replace(result, wanted=BEST, chosen=KED).headline.name == BEST


def test_a_seasonal_calibration_needs_dates(world: World, tmp_path: Path) -> None:
    options = Options(BOOSTING, (), folds=2)
    calibrate(
        [world.maps], world.stations(), tmp_path / "a.tif", calibration_file=tmp_path / "c.smcal", options=options
    )
    with StackWriter(tmp_path / "u.tif", world.grid, [Band("soil_moisture", None, "m3/m3")]) as out:
        out.write(1, world.product[0])
    calibration = load_calibration(tmp_path / "c.smcal")
    assert calibration.dated
    with Inputs([tmp_path / "u.tif"]) as inputs, pytest.raises(InputError, match="day of the year, but u has no dates"):
        apply_calibration(calibration, inputs, tmp_path / "x.tif")
    assert not (tmp_path / "x.tif").exists()


def test_a_package_that_does_not_start_leaves_the_other_methods(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    def broken(package: str) -> Any:
        raise InputError(f"{package} is installed but does not start: install it again.")

    monkeypatch.setattr(methods, "required", broken)
    options = Options(compare=("linear", CNN), folds=3)
    result = calibrate([world.maps], world.stations(), tmp_path / "a.tif", options=options)
    assert "does not start" in result.refused[CNN]
    with pytest.raises(InputError, match="CNN with transfer learning cannot be used: torch is installed but"):
        calibrate([world.maps], world.stations(), tmp_path / "b.tif", options=Options(CNN, (), folds=3))


@pytest.mark.parametrize(
    ("count", "left_out"), [(3, {"linear", GWR, KED, CNN}), (6, {GWR, KED, CNN, BOOSTING}), (12, {CNN})]
)
def test_few_stations_leave_the_simpler_methods(world: World, tmp_path: Path, count: int, left_out: set[str]) -> None:
    result = calibrate([world.maps], world.stations(count), tmp_path / "out.tif", options=Options("none", folds=3))
    assert left_out <= set(result.refused)
    assert f"there are {count}" in result.refused[GWR] if GWR in left_out else GWR not in result.refused


def test_mistakes_are_named(world: World, tmp_path: Path) -> None:
    def run(observations: Any, message: str, factors: Any = (), **options: Any) -> None:
        with pytest.raises(InputError, match=message):
            calibrate(
                [world.maps],
                observations,
                tmp_path / "x.tif",
                factors=factors,
                options=Options(**{"folds": 3, **options}),
            )
        assert not (tmp_path / "x.tif").exists()

    stations = world.stations()
    run(world.stations(1), "Only one station")
    run(world.stations(values=np.full((36, 3), 0.2)), "same value, 0.2")
    run(world.stations(8), "at least 15 stations.*mean bias", method=CNN)
    run(stations, "not below the upper", bounds=(0.5, 0.1))
    run(stations, "no soil moisture in m3/m3", bounds=(0.0, 60.0))
    run(stations, "so close together", separation_km=500.0)
    moved = type(stations)(
        stations.station, stations.x + 1e6, stations.y, stations.date, stations.value, stations.crs_wkt
    )
    run(moved, "outside the product")
    late = type(stations)(
        stations.station,
        stations.x,
        stations.y,
        stations.date + np.timedelta64(900, "D"),
        stations.value,
        stations.crs_wkt,
    )
    run(late, "on no date")
    one_place = type(stations)(
        stations.station,
        np.full(len(stations), stations.x[0]),
        np.full(len(stations), stations.y[0]),
        stations.date,
        stations.value,
        stations.crs_wkt,
    )
    run(one_place, "one place")
    other = tmp_path / "other.tif"
    with StackWriter(other, world.grid.window(0, 0, 10, 10), [Band("ndvi", None, "1")]) as out:
        out.write(1, np.zeros((10, 10)))
    run(stations, "not on the grid", factors=[other])
    dated = tmp_path / "dated.tif"
    with StackWriter(dated, world.grid, [Band("ndvi", world.periods[0], "1")]) as out:
        out.write(1, np.zeros(world.grid.shape))
    run(stations, "ndvi.*no band for 2021-06", factors=[dated])
    gaps = tmp_path / "gaps.tif"
    with StackWriter(gaps, world.grid, [Band("lst", None, "K")]) as out:
        out.write(1, np.full(world.grid.shape, np.nan))
    run(stations, "lst at", factors=[gaps])


def test_damaged_and_foreign_files_are_refused(found: Any, tmp_path: Path) -> None:
    _, folder = found
    source = folder / "c.smcal"
    broken = tmp_path / "broken.smcal"
    broken.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(InputError, match="broken.smcal"):
        load_calibration(broken)
    with pytest.raises(InputError, match="does not exist"):
        load_calibration(tmp_path / "none.smcal")

    def changed(name: str, edit: Any) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
            for member in old.namelist():
                data = old.read(member)
                if member == "calibration.json":
                    document = json.loads(data)
                    edit(document)
                    data = json.dumps(document).encode()
                new.writestr(member, data)
        return path

    with pytest.raises(InputError, match="newer version"):
        load_calibration(changed("new.smcal", lambda d: d.update(format=99)))
    with pytest.raises(InputError, match="not a calibration"):
        load_calibration(changed("model.smcal", lambda d: d.update(kind="soil moisture model")))
    for number, edit in enumerate(
        (
            lambda d: d.update(correction="unknown"),
            lambda d: d.pop("errors"),
            lambda d: d.update(bounds=[1, 0]),
            lambda d: d["plane"].update(km_east=-1),
            lambda d: d["plane"].update(crs_wkt="EPSG:4326"),
            lambda d: d["plane"].update(crs_wkt=""),
            lambda d: d["errors"].update(base=1e300),
            lambda d: d["errors"].update(closest=9.0, farthest=1.0),
            lambda d: d.update(bounds=[0, 60]),
            lambda d: d.update(value_range=[0.3, 0.1]),
            lambda d: d["facts"].update(stations=[1]),
            lambda d: d.update(format=True),
        )
    ):
        with pytest.raises(InputError, match="damaged"):
            load_calibration(changed(f"bad{number}.smcal", edit))


def test_a_calibration_of_another_reference_system_is_refused(found: Any, tmp_path: Path) -> None:
    from soilmoisture.core.raster.grid import Grid, wkt_of

    _, folder = found
    grid = Grid(wkt_of("EPSG:4326"), (100.0, 0.01, 0.0, 50.0, 0.0, -0.01), 10, 10)
    with StackWriter(tmp_path / "p.tif", grid, [Band("soil_moisture", None, "m3/m3")]) as out:
        out.write(1, np.full((10, 10), 0.2))
    with Inputs([tmp_path / "p.tif"]) as inputs, pytest.raises(InputError, match="another reference system"):
        apply_calibration(load_calibration(folder / "c.smcal"), inputs, tmp_path / "out.tif")


def test_one_undated_map_with_one_value_per_station(world: World, tmp_path: Path) -> None:
    from soilmoisture.core.ground.observations import clean_observations

    with StackWriter(tmp_path / "one.tif", world.grid, [Band("soil_moisture", None, "%")]) as out:
        out.write(1, 100 * world.product[0])
    x, y = world.grid.x_centres()[world.col], world.grid.y_centres()[world.row]
    names = [f"S{k}" for k in range(len(x))]
    values = world.truth[0, world.row, world.col]
    observations = clean_observations(names, x, y, None, values, world.grid.crs_wkt)
    result = calibrate([tmp_path / "one.tif"], observations, tmp_path / "out.tif", options=Options(compare=QUICK))
    assert result.chosen in (GWR, KED)
    assert np.isnan(result.of("none").r_station) and np.isnan(result.of("none").period_rmse)
    assert np.nanmax(_read(tmp_path / "out.tif")) < 0.6
    assert render_html(calibration_report(result))
