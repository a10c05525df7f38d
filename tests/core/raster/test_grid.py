"""Grids against the EASE-Grid 2.0 equations, real SMAP georeference and hand cases."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.grid import EASE_COLUMNS, Grid, ease_grid

SIZES = {36: 36032.220840584, 9: 9008.055210146, 3: 3002.685070049, 1: 1000.895023349556}


def wkt(definition: str) -> str:
    reference = osr.SpatialReference()
    reference.SetFromUserInput(definition)
    return str(reference.ExportToWkt())


def lonlat_grid(rows: int = 4, cols: int = 6, cell: float = 0.25, definition: str = "EPSG:4326") -> Grid:
    return Grid(wkt(definition), (100.0, cell, 0.0, 50.0, 0.0, -cell), rows, cols)


def ease_latitude(y: float) -> float:
    """Latitude of an EASE-Grid 2.0 y: Snyder 1987 (USGS 1395), equations 10-16 and 3-12, by bisection."""
    a, f = 6378137.0, 1 / 298.257223563
    e = math.sqrt(2 * f - f * f)
    k0 = math.cos(math.radians(30)) / math.sqrt(1 - (e * math.sin(math.radians(30))) ** 2)

    def q(latitude: float) -> float:
        s = math.sin(latitude)
        return (1 - e * e) * (s / (1 - (e * s) ** 2) + math.log((1 + e * s) / (1 - e * s)) / (2 * e))

    low, high = -math.pi / 2, math.pi / 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if a * q(middle) / (2 * k0) < y else (low, middle)
    return math.degrees((low + high) / 2)


@pytest.mark.parametrize("km", sorted(EASE_COLUMNS))
def test_ease_cells_nest_in_the_globe(km: int) -> None:
    """Cell sizes and global shapes as published by NSIDC; the 36 km grid is 964 x 406."""
    columns = {36: 964, 9: 3856, 3: 11568, 1: 34704}[km]
    grid = ease_grid(km, 0, 0, 406 * columns // 964, columns)
    assert grid.cell_width == pytest.approx(SIZES[km], abs=1e-8)
    assert grid.extent() == pytest.approx(
        (-17367530.4451615, -7314540.8306386, 17367530.4451615, 7314540.8306386), abs=1e-6
    )
    assert grid.crs_name == "EPSG:6933" and not grid.is_geographic
    assert grid.nesting_ratio(ease_grid(1, 0, 0, 406 * 36, 964 * 36)) == km


def test_ease_cell_centres_follow_the_projection_equations() -> None:
    grid = ease_grid(9, 188, 876, 8, 8)
    to_lonlat = osr.CoordinateTransformation(grid.crs, lonlat_grid().crs)
    for x, y in zip(grid.x_centres(), grid.y_centres()):
        lon, lat, _ = to_lonlat.TransformPoint(float(x), float(y))
        assert lon == pytest.approx(180 * x / 17367530.4451615, abs=1e-7)
        assert lat == pytest.approx(ease_latitude(float(y)), abs=1e-7)


def test_ease_window_is_the_georeference_of_real_smap_files(shared_data: Path) -> None:
    """The Manitoba domain is 36 km rows 48-49, columns 220-221, counted from 1 (its PROVENANCE.md)."""
    folder = shared_data / "smapvex16_manitoba"
    nine = Grid.of(folder / "coarse_smap9km" / "smap_static_9km.tif")
    assert nine.same_as(ease_grid(9, 47 * 4, 219 * 4, 8, 8))
    assert nine.transform == pytest.approx(ease_grid(9, 188, 876, 8, 8).transform, abs=1e-6)
    one = Grid.of(next((folder / "sentinel_1km_full").glob("*.tif")))
    assert one.same_as(ease_grid(1, 48 * 36, 219 * 36, 36, 72))


def test_ease_centres_are_the_coordinates_of_a_native_smap_granule(shared_data: Path) -> None:
    """17,251 cells of SPL2SMP: its latitude and longitude against the row and column it gives for them."""
    path = next((shared_data / "native_products" / "smap").glob("*.h5"))
    group = gdal.OpenEx(str(path), gdal.OF_MULTIDIM_RASTER).GetRootGroup().OpenGroup("Soil_Moisture_Retrieval_Data")
    names = ("latitude", "longitude", "EASE_row_index", "EASE_column_index")
    lat, lon, row, col = (group.OpenMDArray(name).ReadAsArray() for name in names)
    grid = ease_grid(36, 0, 0, 406, 964)
    latitudes = np.array([ease_latitude(float(y)) for y in grid.y_centres()])
    # The granule's float32 coordinates carry about 1e-5 degrees.
    np.testing.assert_allclose(lat, latitudes[row], atol=2e-5)
    np.testing.assert_allclose(lon, 180 * grid.x_centres()[col] / 17367530.4451615, atol=2e-5)
    x = lon.astype(float) / 180 * 17367530.4451615
    y = np.interp(lat, latitudes[::-1], grid.y_centres()[::-1])
    found_row, found_col = grid.cell_of(x, y)
    assert (found_row == row).all() and (found_col == col).all()


def test_other_ease_cells_are_refused() -> None:
    with pytest.raises(InputError, match="1, 3, 9 and 36 km, not 25 km"):
        ease_grid(25, 0, 0, 1, 1)


def test_edges_centres_extent_and_window_by_hand() -> None:
    grid = lonlat_grid(2, 3)
    assert grid.shape == (2, 3) and grid.is_geographic and grid.crs_name == "EPSG:4326"
    assert grid.x_edges().tolist() == [100.0, 100.25, 100.5, 100.75]
    assert grid.y_edges().tolist() == [50.0, 49.75, 49.5]
    assert grid.x_centres().tolist() == [100.125, 100.375, 100.625]
    assert grid.y_centres().tolist() == [49.875, 49.625]
    assert grid.extent() == (100.0, 49.5, 100.75, 50.0)
    part = grid.window(1, 2, 1, 1)
    assert part.extent() == (100.5, 49.5, 100.75, 49.75) and part.shape == (1, 1)


def test_cell_of_counts_upper_left_edges_in_and_lower_right_edges_out() -> None:
    grid = lonlat_grid(2, 3)
    x = np.array([100.0, 100.25, 100.75, 100.74, 99.999, 100.1, 100.1, np.nan])
    y = np.array([50.0, 49.75, 49.9, 49.51, 49.9, 49.5, 50.01, 49.9])
    row, col = grid.cell_of(x, y)
    assert row.tolist() == [0, 1, -1, 1, -1, -1, -1, -1]
    assert col.tolist() == [0, 1, -1, 2, -1, -1, -1, -1]


def test_nesting() -> None:
    coarse = lonlat_grid()
    assert coarse.nesting_ratio(coarse) == 1
    assert coarse.nesting_ratio(coarse.subdivide(25)) == 25
    fine = coarse.subdivide(25)
    x, width, _, y, _, height = fine.transform
    assert coarse.nesting_ratio(Grid(fine.crs_wkt, (x + 0.001 * width, *fine.transform[1:]), *fine.shape)) == 25
    assert coarse.nesting_ratio(Grid(fine.crs_wkt, (x + 0.5 * width, *fine.transform[1:]), *fine.shape)) is None
    assert coarse.nesting_ratio(fine.window(0, 0, fine.rows, fine.cols - 1)) is None
    assert coarse.nesting_ratio(Grid(wkt("EPSG:4258"), fine.transform, *fine.shape)) is None
    oblong = Grid(fine.crs_wkt, (x, 0.125, 0.0, y, 0.0, -0.25), 4, 12)
    assert coarse.nesting_ratio(oblong) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EPSG:4326", "OGC:CRS84", True),
        ("EPSG:4326", "+proj=longlat +datum=WGS84", True),
        ("EPSG:6933", "+proj=cea +lat_ts=30 +datum=WGS84", True),
        ("EPSG:4326", "EPSG:4258", False),
        ("EPSG:32648", "EPSG:32649", False),
    ],
)
def test_crs_are_the_same_where_coordinates_mean_the_same(one: str, other: str, same: bool) -> None:
    assert lonlat_grid(definition=one).same_crs(lonlat_grid(definition=other)) is same


@pytest.mark.parametrize("latitude", [0.0, 45.0, 52.0])
def test_ground_size_of_a_lonlat_cell(latitude: float) -> None:
    grid = Grid(wkt("EPSG:4326"), (100.0, 0.25, 0.0, latitude + 0.125, 0.0, -0.25), 1, 1)
    arc = 6371007.2 * math.radians(0.25)
    assert grid.ground_cell_size() == pytest.approx((arc * math.cos(math.radians(latitude)), arc), rel=1e-6)


@pytest.mark.parametrize(("latitude", "width", "height"), [(45.0, 7360.0, 11030.0), (50.0, 6690.0, 12140.0)])
def test_ground_size_of_an_ease_cell(latitude: float, width: float, height: float) -> None:
    """A 9 km cell keeps its area and gets narrow and high away from 30 degrees."""
    globe = ease_grid(9, 0, 0, 1624, 3856)
    row = int(np.argmin([abs(ease_latitude(float(y)) - latitude) for y in globe.y_centres()[:812]]))
    east, north = globe.window(row, 3000, 1, 1).ground_cell_size()
    # Sphere against ellipsoid: within half a percent.
    assert east == pytest.approx(width, rel=5e-3) and north == pytest.approx(height, rel=5e-3)
    assert east * north == pytest.approx(9008.05521**2, rel=5e-3)


def test_ground_size_of_a_utm_cell_is_about_its_map_size() -> None:
    grid = Grid(wkt("EPSG:32648"), (400000.0, 1000.0, 0.0, 5300000.0, 0.0, -1000.0), 200, 200)
    assert grid.ground_cell_size() == pytest.approx((1000.0, 1000.0), rel=5e-3)


def test_ground_size_is_that_of_the_middle_cell() -> None:
    """Lambert's azimuthal projection is true at its centre and stretched by a tenth 5,000 km away."""
    definition = "+proj=laea +lat_0=45 +lon_0=100 +datum=WGS84"
    wide = Grid(wkt(definition), (-5e6, 1000.0, 0.0, 50e3, 0.0, -1000.0), 100, 10_000)
    assert wide.ground_cell_size() == pytest.approx((1000.0, 1000.0), rel=5e-3)
    west = wide.window(0, 0, 100, 100).ground_cell_size()
    assert abs(west[0] / 1000 - 1) > 0.05


def dataset(transform: tuple[float, ...] | None, projection: str = "EPSG:4326") -> gdal.Dataset:
    made = gdal.GetDriverByName("MEM").Create("layer", 5, 4, 1)
    if transform is not None:
        made.SetGeoTransform(transform)
    if projection:
        made.SetProjection(wkt(projection))
    return made


def test_grid_of_a_dataset() -> None:
    grid = Grid.of(dataset((10.0, 0.5, 0.0, 20.0, 0.0, -0.5)))
    assert grid.transform == (10.0, 0.5, 0.0, 20.0, 0.0, -0.5) and grid.shape == (4, 5)


@pytest.mark.parametrize(
    ("transform", "projection", "message"),
    [
        (None, "EPSG:4326", "has no georeference"),
        ((0, 1, 0, 0, 0, -1), "", "has no coordinate reference system"),
        ((0, 1, 0.1, 0, 0, -1), "EPSG:4326", "rotated or not north-up"),
        ((0, 1, 0, 0, 0, 1), "EPSG:4326", "rotated or not north-up"),
        ((0, -1, 0, 0, 0, -1), "EPSG:4326", "rotated or not north-up"),
    ],
)
def test_rasters_without_a_usable_grid_are_refused(
    transform: tuple[float, ...] | None, projection: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Grid.of(dataset(transform, projection))


def test_a_container_of_variables_is_named_as_such(shared_data: Path) -> None:
    path = next((shared_data / "native_products" / "gldas").glob("*.nc4"))
    with pytest.raises(InputError, match="is a container of variables .*choose one of them"):
        Grid.of(path)


@pytest.mark.parametrize("content", [None, b"", b"not a raster"])
def test_what_is_no_raster_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "layer.tif"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be opened as a raster") as caught:
        Grid.of(path)
    assert "\n" not in str(caught.value)
