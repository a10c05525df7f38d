"""The sample region: a generated set of every input the plugin takes, with the fine truth real data never have."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ..atomic import whole_file
from ..errors import InputError
from ..progress import Progress
from ..raster.grid import Grid, ease_grid
from ..raster.periods import Period, month_of
from ..raster.stack import Band, StackWriter
from . import sample_stations
from .sample_fields import PAD, Field, Land, Noise, geographic, make_land
from .sample_year import Views, Year, make_views, make_year

RATIO = 9
YEAR = 2021
# Retrieval noise of the coarse target (m3/m3): independent per cell, and shared between neighbours.
NOISE_SD, SHARED_NOISE_SD = 0.011, 0.006
_MIDDLE_ROW, _MIDDLE_COL = 217, 3042  # of the global 9 km EASE-Grid 2.0: 47 N, 104 E
_ROWS, _COLS = (6, 80), (6, 120)
_RASTERS = 13

_README = """Sample region for Soil Moisture Downscaling: GENERATED data, not measurements.

Steppe at 47 N, 104 E, {first} to {last}, seed {seed}. Terrain, weather, soils, lakes and stations are invented; only
grids, units and value ranges are those of real products. Do not use these files as data about Mongolia.

soil_moisture_9km.tif   Coarse soil moisture, the target: m3/m3, one band per month, EASE-Grid 2.0 9 km (EPSG:6933).
                        Mean of the truth over the land of each cell, plus retrieval noise (sd about 0.0125).
                        No value where more than half of a cell is water, nor in gaps between swaths.
truth_1km.tif           The soil moisture to be found again: m3/m3, 1 km, 9 x 9 pixels per cell. Not for training.
ndvi.tif, evi.tif       Vegetation indices, 1 km, monthly, with gaps under clouds and over water.
lst_day.tif, lst_night.tif, albedo.tif
                        Land surface temperature (K) and shortwave albedo, 1 km, monthly, with such gaps.
precipitation.tif       mm per month, 0.05 degrees (EPSG:4326): coarser than the showers that fell.
dem.tif                 Elevation, m, 30 arc seconds (EPSG:4326).
slope.tif               Degrees, 1 km.
clay.tif, sand.tif      Percent, 1 km.
landcover.tif           IGBP classes, 1 km (17 = water): categories, not amounts.
stations.csv, stations.gpkg
                        Soil moisture at stations, m3/m3: means of the month, dated the 15th; some are missing.
                        Some cells hold three, on dry, medium and moist ground. A station's own spot differs from
                        its pixel (sd {bias}) and its sensor errs (sd {noise}).

Soil moisture is that of liquid water: in frozen months it is low and almost flat, and factors tell little about it.
"""


@dataclass(frozen=True)
class SampleRegion:
    """Paths of what was written; `factors` by factor name."""

    folder: Path
    soil_moisture: Path
    factors: dict[str, Path]
    truth: Path
    stations_csv: Path
    stations_gpkg: Path
    readme: Path
    periods: tuple[Period, ...]


def make_sample_region(
    folder: str | Path,
    *,
    seed: int = 1,
    coarse_rows: int = 40,
    coarse_cols: int = 60,
    months: int = 12,
    stations: int = 40,
    progress: Progress | None = None,
) -> SampleRegion:
    """Generate the region and write it to `folder`; the same arguments write the same bytes.

    `coarse_rows` x `coarse_cols` cells of 9 km, each 9 x 9 fine pixels. `months` consecutive months of 2021 are
    written, those around July if fewer than 12; at most one station for three cells. Raises InputError for sizes out
    of range, Cancelled on request.
    """
    progress = progress or Progress()
    _check_sizes(seed, coarse_rows, coarse_cols, months, stations)
    folder = Path(folder)
    coarse = ease_grid(9, _MIDDLE_ROW - coarse_rows // 2, _MIDDLE_COL - coarse_cols // 2, coarse_rows, coarse_cols)
    fine = coarse.subdivide(RATIO)
    first = max(0, min(6 - months // 2, 12 - months))
    shown = range(first, first + months)
    periods = tuple(month_of(dt.date(YEAR, month + 1, 1)) for month in shown)
    # Noise is isotropic on the ground, where a pixel of this grid is not square.
    width, height = fine.ground_cell_size()
    noise = Noise(seed, width / 1000, height / 1000)

    progress.set(0.0, "Terrain, soil and land cover")
    land = make_land(fine, RATIO, noise)
    progress.set(0.1, "Weather and water balance")
    year = make_year(land, noise, progress)
    progress.set(0.35, "What satellites see")
    views = make_views(land, year, noise, progress)

    truth = np.where(land.water, np.nan, np.round(year.moisture[first : first + months], 4))
    rasters = _rasters(coarse, fine, land, year, views, truth, noise, shown)
    files: dict[str, Path] = {}
    for name, grid, band, values, unit in rasters:
        progress.check()
        progress.set(0.6 + 0.37 * len(files) / _RASTERS, f"Writing {name}.tif")
        files[name] = folder / f"{name}.tif"
        _write_raster(files[name], grid, band, values, unit, periods, seed)

    progress.check()
    progress.set(0.97, "Stations")
    stations = min(stations, coarse_rows * coarse_cols // 3)  # small regions have few cells free of lakes
    readings = sample_stations.measure(truth, fine, RATIO, periods, stations, noise)
    target = files.pop("soil_moisture_9km")
    region = SampleRegion(
        folder,
        target,
        files,
        files.pop("truth_1km"),
        folder / "stations.csv",
        folder / "stations.gpkg",
        folder / "README.txt",
        periods,
    )
    sample_stations.write_csv(region.stations_csv, readings)
    sample_stations.write_geopackage(region.stations_gpkg, readings)
    with whole_file(region.readme) as work:
        text = _README.format(
            first=periods[0].label,
            last=periods[-1].label,
            seed=seed,
            bias=sample_stations.BIAS_SD,
            noise=sample_stations.SENSOR_SD,
        )
        work.write_text(text, encoding="utf-8")
    progress.set(1.0)
    return region


def _check_sizes(seed: int, rows: int, cols: int, months: int, stations: int) -> None:
    if seed < 0:
        raise InputError(f"The seed is {seed}: give 0 or a positive whole number.")
    if not (_ROWS[0] <= rows <= _ROWS[1] and _COLS[0] <= cols <= _COLS[1]):
        raise InputError(
            f"The sample region would have {rows} x {cols} coarse cells: "
            f"choose {_ROWS[0]} to {_ROWS[1]} rows and {_COLS[0]} to {_COLS[1]} columns."
        )
    if not 1 <= months <= 12:
        raise InputError(f"The sample region covers {YEAR}: choose 1 to 12 months, not {months}.")
    if stations < 1:
        raise InputError(f"The sample region needs at least one station, not {stations}.")


def _rasters(
    coarse: Grid, fine: Grid, land: Land, year: Year, views: Views, truth: Field, noise: Noise, shown: Sequence[int]
) -> Iterator[tuple[str, Grid, str, NDArray[np.generic], str]]:
    """File name, grid, band name, values (months first if dated) at the products' precision, unit; one by one."""
    yield "soil_moisture_9km", coarse, "soil_moisture", _coarse_target(truth, noise, shown), "m3/m3"
    yield "truth_1km", fine, "soil_moisture", truth, "m3/m3"
    covered = _CloudCover(noise, land.water, shown)
    yield "ndvi", fine, "ndvi", covered.over(np.round(views.ndvi[shown], 4), "optical"), ""
    yield "evi", fine, "evi", covered.over(np.round(views.evi[shown], 4), "optical"), ""
    yield "lst_day", fine, "lst_day", covered.over(0.02 * np.round(views.lst_day[shown] / 0.02), "day"), "K"
    yield "lst_night", fine, "lst_night", covered.over(0.02 * np.round(views.lst_night[shown] / 0.02), "night"), "K"
    yield "albedo", fine, "albedo", covered.over(np.round(views.albedo[shown], 3), "bright"), ""
    yield "precipitation", *_precipitation(fine, year.rain, noise, shown), "mm/month"
    yield "dem", *_dem(fine, land.elevation), "m"
    yield "slope", fine, "slope", np.round(land.slope, 2), "degrees"
    yield "clay", fine, "clay", np.where(land.water, np.nan, np.round(land.clay, 1)), "%"
    yield "sand", fine, "sand", np.where(land.water, np.nan, np.round(land.sand, 1)), "%"
    yield "landcover", fine, "landcover", land.cover, ""


def _coarse_target(truth: Field, noise: Noise, shown: Sequence[int]) -> Field:
    """What the satellite retrieves: the mean over the land of each cell, with noise and gaps."""
    months, rows, cols = len(truth), truth.shape[1] // RATIO, truth.shape[2] // RATIO
    pixels = truth.reshape(months, rows, RATIO, cols, RATIO)
    land = np.isfinite(pixels).sum(axis=(2, 4))
    target = np.nansum(pixels, axis=(2, 4)) / np.maximum(land, 1)
    by_cell, random = noise.on_cells(RATIO), noise.generator("swath gaps")
    across = np.add.outer(0.6 * np.arange(rows), np.arange(cols))  # swaths run down the map at a slant
    for number, month in enumerate(shown):
        target[number] += NOISE_SD * by_cell.white(f"retrieval {month}", (rows, cols))
        target[number] += SHARED_NOISE_SD * by_cell.smooth(f"shared retrieval {month}", (rows, cols), 20.0)
        start = random.integers(2, cols - 2)
        if random.random() < 0.4:
            target[number][(across >= start) & (across < start + 1.3)] = np.nan
    target[land < 0.5 * RATIO**2] = np.nan
    return np.round(np.maximum(target, 0.005), 5)


class _CloudCover:
    """Gaps under clouds, 2 to 8 % of each month, largely the same for all sensors, and over water."""

    def __init__(self, noise: Noise, water: NDArray[np.bool_], shown: Sequence[int]) -> None:
        self._noise, self._water, self._shown = noise, water, shown
        self._share = noise.generator("cloud share").uniform(0.02, 0.08, 12)
        self._common = [noise.smooth(f"clouds {month}", water.shape, 12.0) for month in shown]

    def over(self, values: Field, sensor: str) -> Field:
        for number, month in enumerate(self._shown):
            own = self._noise.smooth(f"{sensor} clouds {month}", self._water.shape, 6.0)
            cloud = self._common[number] + 0.35 * own
            values[number][(cloud > np.quantile(cloud, 1 - self._share[month])) | self._water] = np.nan
        return values


def _dem(fine: Grid, elevation: Field) -> tuple[Grid, str, Field]:
    """30 arc seconds, m."""
    from scipy.ndimage import map_coordinates

    grid, where = _degree_grid(fine, 1 / 120)
    return grid, "dem", np.round(map_coordinates(elevation, where, order=1))


def _precipitation(fine: Grid, rain: Field, noise: Noise, shown: Sequence[int]) -> tuple[Grid, str, Field]:
    """0.05 degrees, mm/month: smoother than the rain that fell, with errors of some percent."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    grid, where = _degree_grid(fine, 0.05)
    product = np.empty((len(shown), *grid.shape))
    for number, month in enumerate(shown):
        error = 0.07 * noise.on_cells(4.6).smooth(f"rain product {month}", grid.shape, 12.0)
        error += 0.04 * noise.white(f"rain product grain {month}", grid.shape)
        product[number] = map_coordinates(gaussian_filter(rain[month], 3.0), where, order=1) * np.exp(error)
    return grid, "precipitation", np.round(product, 1)


def _degree_grid(fine: Grid, step: float) -> tuple[Grid, NDArray[np.float64]]:
    """A WGS 84 grid around `fine`, and where its centres lie in padded pixels of `fine` (2, rows, cols)."""
    forth = geographic(fine)
    back = forth.GetInverse()
    xmin, ymin, xmax, ymax = fine.extent()
    west, south = (math.floor(value / step) for value in back.TransformPoint(xmin, ymin)[:2])
    east, north = (math.ceil(value / step) for value in back.TransformPoint(xmax, ymax)[:2])
    wgs84 = osr.SpatialReference()
    wgs84.ImportFromEPSG(4326)
    grid = Grid(
        wgs84.ExportToWkt(),
        ((west - 1) * step, step, 0.0, (north + 1) * step, 0.0, -step),
        north - south + 2,
        east - west + 2,
    )
    # Both projections are cylindrical: x depends on longitude only, y on latitude only.
    x = np.array([forth.TransformPoint(float(lon), 47.0)[0] for lon in grid.x_centres()])
    y = np.array([forth.TransformPoint(104.0, float(lat))[1] for lat in grid.y_centres()])
    col = (x - fine.transform[0]) / fine.transform[1] - 0.5 + PAD
    row = (y - fine.transform[3]) / fine.transform[5] - 0.5 + PAD
    return grid, np.array(np.meshgrid(row, col, indexing="ij"))


def _write_raster(
    path: Path, grid: Grid, name: str, values: NDArray[np.generic], unit: str, periods: Sequence[Period], seed: int
) -> None:
    dated = values.ndim == 3
    bands = [Band(name, period, unit) for period in periods] if dated else [Band(name, None, unit)]
    kind, nodata = ("uint8", 255.0) if values.dtype == np.uint8 else ("float32", -9999.0)
    tags = {"SOURCE": f"generated sample region, seed {seed}: not a measurement"}
    with StackWriter(path, grid, bands, tags, kind, nodata) as writer:
        for index, band in enumerate(values if dated else [values], 1):
            writer.write(index, band)
