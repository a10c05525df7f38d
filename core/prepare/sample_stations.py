"""Stations of the sample region: where they stand, what they measure, and their files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
from osgeo import gdal, ogr, osr

from ..atomic import whole_file
from ..raster.grid import Grid
from ..raster.periods import Period
from .sample_fields import Field, Noise, geographic

ogr.UseExceptions()

# A station stands for one spot, not for 1 km (bias, constant in time), and its sensor errs (m3/m3): well-chosen sites.
BIAS_SD, SENSOR_SD = 0.015, 0.012
_MISSING = 0.03
_STAMP = "2021-12-31T00:00:00Z"  # in place of the moment of writing: same seed, same bytes


class Reading(NamedTuple):
    """One month of one station; WGS 84 degrees, ISO date, m3/m3 or None where it failed."""

    station: str
    longitude: float
    latitude: float
    date: str
    value: Optional[float]  # noqa: UP045  (evaluated at run time, also by Python 3.9)


def measure(truth: Field, fine: Grid, ratio: int, periods: Sequence[Period], count: int, noise: Noise) -> list[Reading]:
    """Readings of `count` stations in `truth` (months, rows, cols; NaN on water), dated the 15th of each month.

    15 % of the number of stations is the number of cells with three of them (on the driest, middle and moistest third
    of the cell); the others stand alone in their cells, never where more than a tenth of the cell is water.
    """
    random = noise.generator("stations")
    back = geographic(fine).GetInverse()
    readings = []
    for number, (row, col) in enumerate(_pixels(truth.mean(axis=0), ratio, count, random), 1):
        x = fine.transform[0] + fine.transform[1] * (col + random.uniform(0.1, 0.9))
        y = fine.transform[3] + fine.transform[5] * (row + random.uniform(0.1, 0.9))
        longitude, latitude = (round(value, 5) for value in back.TransformPoint(float(x), float(y))[:2])
        bias = BIAS_SD * random.standard_normal()
        for month, period in enumerate(periods):
            measured = truth[month, row, col] + bias + SENSOR_SD * random.standard_normal()
            value = round(float(max(measured, 0.005)), 4) if random.random() >= _MISSING else None
            date = period.start.replace(day=15).isoformat()
            readings.append(Reading(f"S{number:02d}", longitude, latitude, date, value))
    return readings


def write_csv(path: Path, readings: Sequence[Reading]) -> None:
    """Missing values become empty fields."""
    with whole_file(path) as work, open(work, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Reading._fields)
        writer.writerows(readings)


def write_geopackage(path: Path, readings: Sequence[Reading]) -> None:
    """Layer `stations`; missing values become NULL."""
    wgs84 = osr.SpatialReference()
    wgs84.ImportFromEPSG(4326)
    with whole_file(path) as work, _clock_stopped():
        work.unlink()  # the driver insists on making the file itself
        dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(work))
        layer = dataset.CreateLayer("stations", wgs84, ogr.wkbPoint)
        for name, kind in (("station", ogr.OFTString), ("date", ogr.OFTString), ("value", ogr.OFTReal)):
            layer.CreateField(ogr.FieldDefn(name, kind))
        layer.StartTransaction()
        for reading in readings:
            feature = ogr.Feature(layer.GetLayerDefn())
            feature["station"], feature["date"] = reading.station, reading.date
            if reading.value is not None:
                feature["value"] = reading.value
            feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({reading.longitude} {reading.latitude})"))
            layer.CreateFeature(feature)
        layer.CommitTransaction()
        layer = dataset = None  # closes the file


def _pixels(mean: Field, ratio: int, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    rows, cols = mean.shape[0] // ratio, mean.shape[1] // ratio
    land_share = np.isfinite(mean).reshape(rows, ratio, cols, ratio).mean(axis=(1, 3))
    cells = np.argwhere(land_share >= 0.9)
    triples = count * 3 // 20
    pixels = []
    for number, (row, col) in enumerate(cells[random.permutation(len(cells))[: count - 2 * triples]]):
        cell = mean[row * ratio : (row + 1) * ratio, col * ratio : (col + 1) * ratio].ravel()
        driest_first = np.argsort(cell)[: np.isfinite(cell).sum()]
        for choice in np.array_split(driest_first, 3) if number < triples else [driest_first]:
            pixel = int(random.choice(choice))
            pixels.append((int(row) * ratio + pixel // ratio, int(col) * ratio + pixel % ratio))
    return pixels


@contextmanager
def _clock_stopped() -> Iterator[None]:
    """GeoPackages record when they were written; give them one date."""
    before = gdal.GetThreadLocalConfigOption("OGR_CURRENT_DATE", None)
    gdal.SetThreadLocalConfigOption("OGR_CURRENT_DATE", _STAMP)
    try:
        yield
    finally:
        gdal.SetThreadLocalConfigOption("OGR_CURRENT_DATE", before)
