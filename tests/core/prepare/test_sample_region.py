"""The sample region: reproducible, physically plausible, and hard enough to tell good downscaling from bad."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.sample_region import SampleRegion, make_sample_region
from soilmoisture.core.progress import Progress

ogr.UseExceptions()

SMALL = {"coarse_rows": 10, "coarse_cols": 12, "months": 3, "stations": 20}
# Users' projects and the manual refer to these names: never rename one.
FILES = {
    "soil_moisture_9km.tif", "truth_1km.tif", "ndvi.tif", "evi.tif", "lst_day.tif", "lst_night.tif", "albedo.tif",
    "precipitation.tif", "dem.tif", "slope.tif", "clay.tif", "sand.tif", "landcover.tif",
    "stations.csv", "stations.gpkg", "README.txt",
}  # fmt: skip
# Unit and the range that valid values stay in, from the products' definitions and the summer of the steppe.
FACTORS = {
    "ndvi": ("", -0.2, 1.0), "evi": ("", -0.2, 1.0), "lst_day": ("K", 270, 335), "lst_night": ("K", 260, 300),
    "albedo": ("", 0.03, 0.9), "precipitation": ("mm/month", 0, 500), "dem": ("m", 500, 4000),
    "slope": ("degrees", 0, 45), "clay": ("%", 1, 60), "sand": ("%", 1, 98), "landcover": ("", 1, 17),
}  # fmt: skip
CLOUDED = ("ndvi", "evi", "lst_day", "lst_night", "albedo")


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> SampleRegion:
    return make_sample_region(tmp_path_factory.mktemp("region"), seed=1, **SMALL)


def test_same_seed_same_bytes_other_seed_other_region(region: SampleRegion, tmp_path: Path) -> None:
    again = make_sample_region(tmp_path / "again", seed=1, **SMALL)
    other = make_sample_region(tmp_path / "other", seed=2, **SMALL)
    assert {path.name for path in again.folder.iterdir()} == FILES
    for name in FILES:
        first = (region.folder / name).read_bytes()
        assert (again.folder / name).read_bytes() == first, name
        assert (other.folder / name).read_bytes() != first, name


def test_the_result_names_every_file(region: SampleRegion) -> None:
    named = {region.soil_moisture, region.truth, region.stations_csv, region.stations_gpkg, region.readme}
    assert named | set(region.factors.values()) == {region.folder / name for name in FILES}
    assert {name: path.stem for name, path in region.factors.items()} == {name: name for name in FACTORS}
    assert "GENERATED" in region.readme.read_text(encoding="utf-8").splitlines()[0]


def test_factors_have_units_dates_and_plausible_values(region: SampleRegion) -> None:
    for name, (unit, low, high) in FACTORS.items():
        dataset = gdal.Open(str(region.factors[name]))
        dated = name in CLOUDED or name == "precipitation"
        assert dataset.RasterCount == (3 if dated else 1), name
        for number in range(dataset.RasterCount):
            band = dataset.GetRasterBand(number + 1)
            assert (band.GetDescription(), band.GetUnitType()) == (name, unit)
            start = f"2021-{6 + number:02d}-01" if dated else None
            assert band.GetMetadataItem("PERIOD_START") == start, name
        values = _read(region.factors[name])
        assert low <= np.nanmin(values) and np.nanmax(values) <= high, name
        assert np.nanstd(values) > 0, name
    assert gdal.Open(str(region.factors["landcover"])).GetRasterBand(1).DataType == gdal.GDT_Byte


def test_grids_lie_in_mongolia_and_nest(region: SampleRegion) -> None:
    coarse, fine = (gdal.Open(str(path)) for path in (region.soil_moisture, region.truth))
    x0, width, _, y0, _, height = coarse.GetGeoTransform()
    assert fine.GetGeoTransform() == pytest.approx((x0, width / 9, 0, y0, 0, height / 9))
    assert (fine.RasterYSize, fine.RasterXSize) == (90, 108)
    # The origin and cell of the global EASE-Grid 2.0 (Brodzik et al. 2012, doi:10.3390/ijgi1010032).
    col, row = (x0 + 17367530.4451615) / 9008.0552101460, (7314540.8306386 - y0) / 9008.0552101460
    assert abs(col - round(col)) < 1e-6 and abs(row - round(row)) < 1e-6
    west, south, east, north = _bounds_in_degrees(coarse)
    assert 103 < west < 104 < east < 105 and 46 < south < 47 < north < 48
    for name in ("dem", "precipitation"):  # in degrees, and enough to cover the region
        dataset = gdal.Open(str(region.factors[name]))
        assert dataset.GetSpatialRef().GetAuthorityCode(None) == "4326"
        left, step, _, top, _, fall = dataset.GetGeoTransform()
        assert left < west and top > north
        assert left + step * dataset.RasterXSize > east and top + fall * dataset.RasterYSize < south
        assert np.isfinite(_read(region.factors[name])).all()


def test_dem_lies_where_slope_lies(region: SampleRegion) -> None:
    """Warped to the fine grid by GDAL, the DEM is steep where slope.tif is: no shift between the two CRSs."""
    # A pixel of 1 km in EASE-Grid 2.0 measures 790 m by 1270 m on the ground at 47 N.
    steep = np.hypot(*np.gradient(_warped(region.factors["dem"], region.truth), 1270.0, 790.0))
    land = np.isfinite(_read(region.truth)[0])
    slope = _read(region.factors["slope"])[0]
    here = _correlation(steep[land], slope[land])
    shifted = [_correlation(np.roll(steep, by, (0, 1))[land], slope[land]) for by in ((2, 0), (0, 2), (-2, 0), (0, -2))]
    assert here > 0.6 and here > max(shifted) + 0.1


def test_target_is_the_land_mean_of_the_truth_with_noise(region: SampleRegion) -> None:
    truth, target = _read(region.truth), _read(region.soil_moisture)
    errors = []
    for month in range(3):
        for row in range(10):
            for col in range(12):
                cell = truth[month, 9 * row : 9 * row + 9, 9 * col : 9 * col + 9]
                land = cell[np.isfinite(cell)]
                if land.size < 40.5:  # half of 81
                    assert np.isnan(target[month, row, col])
                elif np.isfinite(target[month, row, col]):
                    errors.append(target[month, row, col] - land.mean())
    assert len(errors) > 250  # of 360 cells and months: gaps are few
    assert np.abs(errors).max() < 5 * 0.0125
    assert 0.010 < np.std(errors) < 0.016
    assert abs(np.mean(errors)) < 0.006
    assert gdal.Open(str(region.soil_moisture)).GetRasterBand(1).GetUnitType() == "m3/m3"


def test_gaps_are_water_clouds_and_swaths(region: SampleRegion, tmp_path: Path) -> None:
    water = _read(region.factors["landcover"])[0] == 17
    assert 0.01 < water.mean() < 0.15
    truth = _read(region.truth)
    assert (np.isnan(truth) == water).all()
    for name in CLOUDED:
        missing = np.isnan(_read(region.factors[name]))
        assert missing[:, water].all()
        clouds = missing[:, ~water].mean(axis=1)
        assert (clouds > 0.01).all() and (clouds < 0.09).all(), (name, clouds)
        for month in missing:  # blobs, not salt and pepper: most neighbours of a gap are gaps
            cloud = month & ~water
            assert month[1:][cloud[:-1]].mean() > 0.8
    always = np.isnan(_read(region.soil_moisture)).all(axis=0)
    mostly_water = water.reshape(10, 9, 12, 9).mean(axis=(1, 3)) > 0.5
    assert mostly_water.any() and (always == mostly_water).all()
    with_gaps = make_sample_region(tmp_path, seed=1, coarse_rows=8, coarse_cols=8).soil_moisture
    missing = np.isnan(_read(with_gaps))
    swath = missing & ~missing.all(axis=0)
    assert 1 <= swath.any(axis=(1, 2)).sum() < 12 and swath.mean() < 0.1


def test_a_year_has_frozen_months_and_a_wet_summer(tmp_path: Path) -> None:
    year = make_sample_region(tmp_path, seed=3, coarse_rows=10, coarse_cols=12, stations=5)
    assert [period.label for period in year.periods] == [f"2021-{month:02d}" for month in range(1, 13)]
    assert gdal.Open(str(year.soil_moisture)).RasterCount == 12
    truth, ndvi, day = (_read(path) for path in (year.truth, year.factors["ndvi"], year.factors["lst_day"]))
    by_month = np.nanmean(truth, axis=(1, 2))
    assert by_month[[0, 1, 11]].max() < 0.08 and by_month[[6, 7]].min() > 0.12
    assert np.nanmin(truth) > 0.029 and np.nanmax(truth) < 0.421
    assert np.nanmean(day[0]) < 265 and np.nanmean(day[6]) > 295
    assert np.nanmean(ndvi[0]) < 0.15 and np.nanmean(ndvi[7]) > 0.35


def test_relations_between_factors_are_those_of_dry_country(tmp_path: Path) -> None:
    region = make_sample_region(tmp_path, seed=1, coarse_rows=25, coarse_cols=30, months=1)
    july = {name: _read(region.factors[name])[0] for name in CLOUDED}
    moisture = _read(region.truth)[0]
    assert _correlation(july["ndvi"], july["evi"]) > 0.95
    assert -0.9 < _correlation(july["ndvi"], july["lst_day"]) < -0.4
    assert 0.3 < _correlation(moisture, july["ndvi"]) < 0.9
    assert -0.9 < _correlation(moisture, july["lst_day"]) < -0.3
    assert _correlation(july["ndvi"], july["albedo"]) < -0.3
    height = _warped(region.factors["dem"], region.truth)
    assert -0.95 < _correlation(height, july["lst_day"]) < -0.2
    assert _correlation(height, july["lst_night"]) < -0.3


def test_detail_inside_cells_can_be_explained_but_not_fully(region: SampleRegion) -> None:
    """A linear fit of the truth's deviations from cell means on the factors' deviations shows the learnable part."""
    truth = _read(region.truth)
    insides = []
    for month in range(3):
        layers = [truth[month], *(_read(region.factors[name])[month] for name in CLOUDED)]
        layers += [_read(region.factors[name])[0] for name in ("slope", "clay", "sand")]
        for row in range(10):
            for col in range(12):
                cell = np.array([layer[9 * row : 9 * row + 9, 9 * col : 9 * col + 9].ravel() for layer in layers])
                if np.isfinite(cell).all():
                    insides.append(cell - cell.mean(axis=1, keepdims=True))
    detail, *factors = np.concatenate(insides, axis=1)
    explained = np.array(factors).T @ np.linalg.lstsq(np.array(factors).T, detail, rcond=None)[0]
    assert 0.02 < detail.std() < 0.035
    assert 0.5 < 1 - (detail - explained).var() / detail.var() < 0.7


def test_stations_stand_on_land_some_of_them_three_to_a_cell(region: SampleRegion) -> None:
    rows = _table(region)
    assert list(rows[0]) == ["station", "longitude", "latitude", "date", "value"]
    assert len(rows) == 60 and len({row["station"] for row in rows}) == 20
    assert {row["date"] for row in rows} == {"2021-06-15", "2021-07-15", "2021-08-15"}
    cells = {}
    for row in rows:
        pixel_row, pixel_col = _pixel_of(region, row)
        assert 0 <= pixel_row < 90 and 0 <= pixel_col < 108
        cells[row["station"]] = (pixel_row // 9, pixel_col // 9)
    stations_per_cell = Counter(cells.values()).values()
    assert Counter(stations_per_cell) == {3: 3, 1: 11}
    assert 0 < sum(not row["value"] for row in rows) < 10


def test_stations_err_around_the_truth_of_their_pixel(region: SampleRegion) -> None:
    errors: dict[str, list[float]] = {}
    for row, error in _station_errors(region):
        errors.setdefault(row["station"], []).append(error)
    within = np.mean([np.var(series, ddof=1) for series in errors.values() if len(series) > 1])
    assert 0.008 < np.sqrt(within) < 0.017  # sensor noise, sd 0.012
    assert 0.008 < np.std([np.mean(series) for series in errors.values()]) < 0.025  # the stations' own spots, sd 0.015


def test_stations_without_errors_show_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soilmoisture.core.prepare.sample_stations.BIAS_SD", 0.0)
    monkeypatch.setattr("soilmoisture.core.prepare.sample_stations.SENSOR_SD", 0.0)
    region = make_sample_region(tmp_path, seed=1, **SMALL)
    assert max(abs(error) for _, error in _station_errors(region)) < 1e-4
    truth = _read(region.truth).mean(axis=0)
    ranks = []
    for cell in range(3):  # the cells with three stations come first: dry, medium, moist
        rows = [row for row in _table(region) if int(row["station"][1:]) - 1 in range(3 * cell, 3 * cell + 3)]
        ranks.append([truth[_pixel_of(region, row)] for row in rows[::3]])
    assert (np.diff(ranks, axis=1) > 0).all()


def test_geopackage_holds_what_the_table_holds(region: SampleRegion) -> None:
    dataset = ogr.Open(str(region.stations_gpkg))
    layer = dataset.GetLayerByName("stations")
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "4326"
    rows = _table(region)
    assert layer.GetFeatureCount() == len(rows)
    for feature, row in zip(layer, rows):
        point = feature.GetGeometryRef()
        assert (point.GetX(), point.GetY()) == (float(row["longitude"]), float(row["latitude"]))
        assert (feature["station"], feature["date"]) == (row["station"], row["date"])
        assert feature["value"] == (float(row["value"]) if row["value"] else None)


def test_the_default_stations_fit_the_smallest_region(tmp_path: Path) -> None:
    for seed in range(5):
        tiny = make_sample_region(tmp_path / str(seed), seed=seed, coarse_rows=6, coarse_cols=6, months=1)
        assert len({row["station"] for row in _table(tiny)}) == 12  # one for three cells
        assert [period.label for period in tiny.periods] == ["2021-07"]


@pytest.mark.parametrize("wrong", [
    {"seed": -1}, {"coarse_rows": 3}, {"coarse_cols": 500}, {"months": 0}, {"months": 13}, {"stations": 0},
])  # fmt: skip
def test_sizes_out_of_range_are_refused_before_writing(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        make_sample_region(tmp_path / "none", **{**SMALL, **wrong})
    assert not (tmp_path / "none").exists()


def test_cancelling_leaves_no_partial_file(tmp_path: Path) -> None:
    class StopsWhileWriting(Progress):
        def __init__(self) -> None:
            self.fractions = [0.0]

        def set(self, fraction: float, text: str = "") -> None:
            self.fractions.append(fraction)

        @property
        def cancelled(self) -> bool:
            return self.fractions[-1] > 0.7

    progress = StopsWhileWriting()
    with pytest.raises(Cancelled):
        make_sample_region(tmp_path, progress=progress, **SMALL)
    assert progress.fractions == sorted(progress.fractions)
    left = {path.name for path in tmp_path.iterdir()}
    assert left and left < FILES
    assert all(gdal.Open(str(tmp_path / name)) for name in left)


def _read(path: Path) -> np.ndarray:
    """All bands, NaN where nodata; by GDAL alone."""
    dataset = gdal.Open(str(path))
    values = dataset.ReadAsArray().astype(float)
    values[values == dataset.GetRasterBand(1).GetNoDataValue()] = np.nan
    return values if values.ndim == 3 else values[None]


def _warped(path: Path, like: Path) -> np.ndarray:
    fine = gdal.Open(str(like))
    x0, width, _, y0, _, height = fine.GetGeoTransform()
    bounds = (x0, y0 + height * fine.RasterYSize, x0 + width * fine.RasterXSize, y0)
    return gdal.Warp(
        "", str(path), format="MEM", dstSRS=fine.GetProjection(), outputBounds=bounds,
        width=fine.RasterXSize, height=fine.RasterYSize, resampleAlg="bilinear",
    ).ReadAsArray().astype(float)  # fmt: skip


def _pixel_of(region: SampleRegion, row: dict[str, str]) -> tuple[int, int]:
    transform = gdal.Open(str(region.truth)).GetGeoTransform()
    x, y, _ = _to_ease_grid().TransformPoint(float(row["longitude"]), float(row["latitude"]))
    return int((y - transform[3]) // transform[5]), int((x - transform[0]) // transform[1])


def _station_errors(region: SampleRegion) -> Iterator[tuple[dict[str, str], float]]:
    truth = _read(region.truth)
    for row in _table(region):
        if row["value"]:
            month = dt.date.fromisoformat(row["date"]).month - 6  # bands begin in June
            yield row, float(row["value"]) - truth[month][_pixel_of(region, row)]


def _table(region: SampleRegion) -> list[dict[str, str]]:
    with open(region.stations_csv, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    return float(np.corrcoef(first[both], second[both])[0, 1])


def _to_ease_grid() -> osr.CoordinateTransformation:
    systems = []
    for code in (4326, 6933):
        system = osr.SpatialReference()
        system.ImportFromEPSG(code)
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        systems.append(system)
    return osr.CoordinateTransformation(*systems)


def _bounds_in_degrees(dataset: Any) -> tuple[float, float, float, float]:
    x0, width, _, y0, _, height = dataset.GetGeoTransform()
    back = _to_ease_grid().GetInverse()
    west, north, _ = back.TransformPoint(x0, y0)
    east, south, _ = back.TransformPoint(x0 + width * dataset.RasterXSize, y0 + height * dataset.RasterYSize)
    return west, south, east, north
