"""Terrain factors: gdaldem, analytic surfaces, plain loops for filling and flow, geographic against projected."""

from __future__ import annotations

import heapq
import math
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.factors import flow, position
from soilmoisture.core.prepare.factors import terrain as terrain_module
from soilmoisture.core.prepare.factors.cell_sizes import CellSizes, cell_sizes
from soilmoisture.core.prepare.factors.depressions import fill_depressions, flat_distance
from soilmoisture.core.prepare.factors.flow import catchments
from soilmoisture.core.prepare.factors.terrain import FACTORS, TerrainOptions, terrain_factors
from soilmoisture.core.prepare.factors.terrain_report import terrain_report
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.report import render_json

CORNER, CELL = (500000.0, 5300000.0), 30.0
AROUND = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def hills(rows=60, cols=80, seed=1):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :cols]
    smooth = sum(a * np.sin(x / b + c) * np.cos(y / d + c) for a, b, c, d in rng.uniform(5, 15, (6, 4)))
    return smooth + 200 + rng.normal(size=(rows, cols))


def run(path, tmp_path, **options):
    result = terrain_factors(path, tmp_path / "terrain.tif", TerrainOptions(**options))
    with Stack.open(tmp_path / "terrain.tif") as stack:
        return result, {band.name: stack.read(number) for number, band in enumerate(stack.bands, 1)}


def test_slope_and_aspect_equal_gdaldem(raster, tmp_path):
    heights = hills()
    heights[20:23, 30:33] = np.nan
    dem = raster("dem", heights, CORNER, CELL, nodata=-32768.0)
    found = run(dem, tmp_path)[1]
    for name, of in (("slope", lambda a: a), ("aspect", lambda a: a)):
        gdal.DEMProcessing(str(tmp_path / f"{name}.tif"), dem, name, alg="Horn")
        made = gdal.Open(str(tmp_path / f"{name}.tif")).ReadAsArray().astype(float)
        expected = of(np.where(made == -9999, np.nan, made))
        if name == "slope":
            np.testing.assert_allclose(found["slope"], expected, atol=1e-4)
            assert np.isnan(found["slope"][[0, -1]]).all() and np.isnan(found["slope"][:, [0, -1]]).all()
        else:
            np.testing.assert_allclose(found["northness"], np.cos(np.radians(expected)), atol=2e-4)
            np.testing.assert_allclose(found["eastness"], np.sin(np.radians(expected)), atol=2e-4)
    # One void makes a hole of three by three more.
    assert np.isnan(found["slope"][19:24, 29:34]).all() and np.isfinite(found["slope"][18, 28])


def test_planes_in_all_directions(raster, tmp_path):
    y, x = np.mgrid[:20, :20] * CELL
    for degrees in (0, 30, 90, 135, 200, 315):
        east, north = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        # Falls towards `degrees`, by 0.2 per metre.
        plane = 1000 - 0.2 * (east * x - north * y)
        found = run(raster("plane", plane, CORNER, CELL), tmp_path, factors=["slope", "northness", "eastness"])[1]
        inner = np.s_[1:-1, 1:-1]
        np.testing.assert_allclose(found["slope"][inner], math.degrees(math.atan(0.2)), rtol=1e-6)
        np.testing.assert_allclose(found["northness"][inner], north, atol=1e-6)
        np.testing.assert_allclose(found["eastness"][inner], east, atol=1e-6)


def test_flat_ground_faces_nowhere(raster, tmp_path):
    heights = np.full((9, 9), 5.0)
    heights[8, 8] = 6.0
    found = run(raster("flat", heights, CORNER, CELL), tmp_path, factors=["slope", "northness", "eastness"])[1]
    assert found["slope"][3, 3] == found["northness"][3, 3] == found["eastness"][3, 3] == 0


def test_a_hill_is_as_steep_in_degrees_as_in_metres(raster, tmp_path):
    """The same round hill on UTM and on a geographic grid at 60 N, where a degree of longitude is half as long."""
    utm = osr.SpatialReference()
    utm.ImportFromEPSG(32648)
    there = osr.SpatialReference()
    there.ImportFromEPSG(4326)
    there.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    back = osr.CoordinateTransformation(there, utm)
    middle = (105.0, 60.0)
    origin = back.TransformPoint(*middle)[:2]

    def hill(x, y):
        return 500 * np.exp(-((x - origin[0]) ** 2 + 2 * (y - origin[1]) ** 2) / 2 / 1500**2)

    step = 1 / 1200
    lon, lat = middle[0] + (np.arange(-80, 80) + 0.5) * step, middle[1] - (np.arange(-50, 50) + 0.5) * step
    points = np.array([[back.TransformPoint(a, b)[:2] for a in lon] for b in lat])
    degrees = raster(
        "degrees", hill(points[..., 0], points[..., 1]), (lon[0] - step / 2, lat[0] + step / 2), step, epsg=4326
    )
    xs, ys = origin[0] + (np.arange(-60, 60) + 0.5) * 50, origin[1] - (np.arange(-60, 60) + 0.5) * 50
    metres = raster("metres", hill(*np.meshgrid(xs, ys)), (xs[0] - 25, ys[0] + 25), 50.0)
    names = ["slope", "northness", "eastness", "tpi"]
    geographic = run(degrees, tmp_path, factors=names, radius_m=800)[1]
    projected = run(metres, tmp_path, factors=names, radius_m=800)[1]
    for name, tolerance in (("slope", 0.15), ("northness", 0.03), ("eastness", 0.03), ("tpi", 0.8)):
        for dx, dy in ((1500, 0), (-1200, 600), (300, -1500), (0, 900)):
            a = lat_lon_value(geographic[name], points, origin[0] + dx, origin[1] + dy)
            row, col = int((ys[0] - (origin[1] + dy)) / 50 + 0.5), int((origin[0] + dx - xs[0]) / 50 + 0.5)
            assert a == pytest.approx(projected[name][row, col], abs=tolerance), (name, dx, dy)
    # What a fixed 111 km per degree would give to the east of the top is far off.
    assert lat_lon_value(geographic["slope"], points, origin[0] + 1500, origin[1]) > 10


def lat_lon_value(values, points, x, y):
    nearest = np.argmin(np.hypot(points[..., 0] - x, points[..., 1] - y))
    return values.ravel()[nearest]


def test_cells_in_metres():
    wgs = osr.SpatialReference()
    wgs.ImportFromEPSG(4326)
    one = Grid(wgs.ExportToWkt(), (10.0, 1.0, 0, 61.0, 0, -1.0), 61, 1)
    sizes = cell_sizes(one)
    # Lengths of a degree on WGS84 (NGA tables): 111.320 x 110.574 km at the equator, 55.800 x 111.412 km at 60 N.
    np.testing.assert_allclose(sizes.width[[0, 60]], [54958.0, 111315.5], rtol=2e-4)
    np.testing.assert_allclose(sizes.height[[0, 60]], [111421.5, 110574.5], rtol=1e-4)
    ease = cell_sizes(ease_grid(1, 2000, 30000, 40, 30))
    width, height = ease_grid(1, 2000, 30000, 40, 30).ground_cell_size()
    assert ease.middle == pytest.approx((width, height), rel=0.01) and "stretches" in ease.notes[0]
    utm = osr.SpatialReference()
    utm.ImportFromEPSG(32648)
    kept = cell_sizes(Grid(utm.ExportToWkt(), (500000.0, 30.0, 0, 5300000.0, 0, -30.0), 10, 10))
    assert kept.middle == (30.0, 30.0) and not kept.notes
    feet = osr.SpatialReference()
    feet.ImportFromEPSG(2264)
    assert cell_sizes(Grid(feet.ExportToWkt(), (2e6, 10.0, 0, 6e5, 0, -10.0), 9, 9)).middle[0] == pytest.approx(
        3.048006, abs=1e-5
    )


def test_a_sheared_grid_is_refused():
    modis = osr.SpatialReference()
    modis.ImportFromProj4("+proj=sinu +R=6371007.181 +units=m")
    with pytest.raises(InputError, match="right angles"):
        cell_sizes(Grid(modis.ExportToWkt(), (8e6, 1000.0, 0, 5e6, 0, -1000.0), 50, 50))


def plain_fill(heights):
    """Priority flood with a heap (Barnes et al. 2014), cell by cell."""
    rows, cols = heights.shape
    filled, heap = np.full(heights.shape, np.nan), []
    for r in range(rows):
        for c in range(cols):
            edge = any(
                not (0 <= r + i < rows and 0 <= c + j < cols) or np.isnan(heights[r + i, c + j]) for i, j in AROUND
            )
            if edge and not np.isnan(heights[r, c]):
                filled[r, c] = heights[r, c]
                heapq.heappush(heap, (heights[r, c], r, c))
    while heap:
        level, r, c = heapq.heappop(heap)
        for i, j in AROUND:
            a, b = r + i, c + j
            if 0 <= a < rows and 0 <= b < cols and np.isnan(filled[a, b]) and not np.isnan(heights[a, b]):
                filled[a, b] = max(heights[a, b], level)
                heapq.heappush(heap, (filled[a, b], a, b))
    return filled


def framed(heights):
    return np.pad(heights.astype(np.float32), 1, constant_values=np.nan)


@pytest.mark.parametrize("seed", range(24))
def test_filling_equals_a_priority_flood(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 26, 2))
    # Whole metres make flats and ties, which is where such code goes wrong.
    heights = rng.integers(0, 3 + 2 * seed, shape) if seed % 2 else rng.normal(size=shape)
    heights = heights.astype(np.float32)
    heights[rng.random(shape) < 0.06 * (seed % 3)] = np.nan
    frame = framed(heights)
    fill_depressions(frame.ravel(), shape[1] + 2, Progress())
    np.testing.assert_array_equal(frame[1:-1, 1:-1], plain_fill(heights))
    # Every flat has a way out.
    assert flat_distance(frame.ravel(), shape[1] + 2, Progress()).min() == 0


def test_filling_of_many_basins_in_parts(monkeypatch):
    """More basins than an int32 product can number, and more cells than one part holds."""
    from soilmoisture.core.prepare.factors import depressions

    monkeypatch.setattr(depressions, "_CHUNK", 50_000)
    heights = np.random.default_rng(5).random((800, 900)).astype(np.float32)
    frame = framed(heights)
    fill_depressions(frame.ravel(), 902, Progress())
    filled = frame[1:-1, 1:-1]
    assert (filled >= heights).all()
    np.testing.assert_array_equal(filled[:60, :70] >= plain_fill(heights[:60, :70]).astype(np.float32), True)
    again = frame.copy()
    fill_depressions(again.ravel(), 902, Progress())
    np.testing.assert_array_equal(again, frame)
    assert flat_distance(frame.ravel(), 902, Progress()).min() == 0


def plain_areas(heights, width, height):
    """Multiple flow directions after Quinn et al. 1991, one cell after the other, from the highest down."""
    filled = plain_fill(heights.astype(np.float32))
    rows, cols = filled.shape

    def inside(r, c):
        return 0 <= r < rows and 0 <= c < cols and not np.isnan(filled[r, c])

    distance = np.where(np.isnan(filled), np.nan, np.inf)
    queue = []
    for r in range(rows):
        for c in range(cols):
            if inside(r, c) and any(not inside(r + i, c + j) or filled[r + i, c + j] < filled[r, c] for i, j in AROUND):
                distance[r, c] = 0
                queue.append((r, c))
    for r, c in queue:
        for i, j in AROUND:
            if inside(r + i, c + j) and filled[r + i, c + j] == filled[r, c] and distance[r + i, c + j] == np.inf:
                distance[r + i, c + j] = distance[r, c] + 1
                queue.append((r + i, c + j))
    area = np.where(np.isnan(filled), np.nan, width * height)
    diagonal = math.hypot(width, height)
    cross = min(width / height, height / width) / 4
    if width == height:  # Quinn's contour lengths: half a side, and a quarter of the diagonal
        toward = {(i, j): diagonal / 4 / diagonal if i and j else width / 2 / width for i, j in AROUND}
    else:
        toward = {
            (i, j): cross if i and j else (width / height if i else height / width) - 2 * cross for i, j in AROUND
        }
    cells = [(r, c) for r in range(rows) for c in range(cols) if inside(r, c)]
    for r, c in sorted(cells, key=lambda at: (-filled[at], -distance[at])):
        given = {}
        for i, j in AROUND:
            if not inside(r + i, c + j):
                continue
            drop = filled[r, c] - filled[r + i, c + j]
            if drop > 0:
                given[i, j] = drop * toward[i, j]
            elif drop == 0 and distance[r, c] > 0 and distance[r + i, c + j] == distance[r, c] - 1:
                given[i, j] = 1.0
        for (i, j), share in given.items():
            area[r + i, c + j] += area[r, c] * share / sum(given.values())
    return area


@pytest.mark.parametrize("seed", range(6))
def test_catchments_equal_a_plain_loop(seed, monkeypatch):
    monkeypatch.setattr(flow, "_CHUNK", 37)
    rng = np.random.default_rng(seed)
    shape = (17, 23)
    heights = (rng.integers(0, 12, shape) if seed % 2 else rng.normal(size=shape)).astype(np.float32)
    if seed > 2:
        heights[rng.random(shape) < 0.08] = np.nan
    width, height = (30.0, 30.0) if seed < 4 else (21.0, 30.0)
    sizes = CellSizes(np.full(17, width), np.full(17, height))
    found = catchments(heights, sizes, Progress())
    np.testing.assert_allclose(found.area, plain_areas(heights, width, height), rtol=1e-9)


def test_water_is_neither_lost_nor_made():
    """On a valley that drains through one cell, that cell's catchment is the whole DEM."""
    y, x = np.mgrid[:40, :31]
    heights = (abs(x - 15) * 3.0 + (40 - y) * 0.5).astype(np.float32)
    heights[:, [0, -1]] = heights[0] = 500.0
    heights[-1] = 500.0
    heights[-1, 15] = 0.0
    heights[10:14, 14:17] -= 20  # a pit on the way
    found = catchments(heights, CellSizes(np.full(40, 10.0), np.full(40, 10.0)), Progress())
    # All but what runs off over the outer side of the walls.
    assert found.area[-1, 15] > 0.85 * heights.size * 100
    assert found.filled == pytest.approx(12 / heights.size, rel=0.5) and found.deepest > 15


def test_wetness_of_a_plane_is_its_length_over_its_slope(raster, tmp_path):
    rows, cols = 40, 90
    plane = 1000 - 0.1 * CELL * np.mgrid[:rows, :cols][0].astype(float)
    found = run(raster("plane", plane, CORNER, CELL), tmp_path, factors=["twi"])[1]["twi"]
    # Far from the sides each cell drains the column above it: a = (row + 1) * 30 m.
    expected = np.log((np.arange(rows) + 1) * CELL / 0.1)
    np.testing.assert_allclose(found[1:-1, cols // 2], expected[1:-1], atol=1e-6)


def test_wetness_of_a_slanting_plane_with_oblong_cells(raster, tmp_path):
    """a is the distance to the ridge along the fall line, whatever the direction and the shape of the cells."""
    rows, cols = 120, 120
    for width, height, degrees in ((30, 30, 45), (30, 30, 27), (20, 30, 45), (15, 30, 60)):
        y, x = np.mgrid[:rows, :cols] + 0.5
        east, south = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        along = x * width * east + y * height * south
        found = run(raster("slant", 5000 - 0.1 * along, CORNER, (width, height)), tmp_path, factors=["twi"])[1]["twi"]
        # The fall line through this cell begins at the left border, far from the corner.
        r, c = 100, 30
        reach = x[r, c] * width / east
        assert found[r, c] == pytest.approx(math.log(reach / 0.1), abs=0.03), (width, height, degrees)


def test_wetness_of_a_cone(raster, tmp_path):
    """On a cone water spreads: a = r / 2."""
    y, x = (np.mgrid[:121, :121] - 60) * CELL
    radius = np.hypot(x, y)
    found = run(raster("cone", 3000 - 0.2 * radius, CORNER, CELL), tmp_path, factors=["twi"])[1]["twi"]
    ring = (radius > 25 * CELL) & (radius < 50 * CELL)
    off = found[ring] - np.log(radius[ring] / 2 / 0.2)
    assert abs(off.mean()) < 0.03 and off.std() < 0.05


def test_flats_have_the_least_gradient(raster, tmp_path):
    heights = np.full((12, 12), 10.0)
    heights[:, 0] = 9.0
    found = run(raster("flat", heights, CORNER, CELL), tmp_path, factors=["twi"])[1]["twi"]
    area = plain_areas(heights, CELL, CELL)
    assert found[6, 6] == pytest.approx(math.log(area[6, 6] / CELL / 0.001), abs=1e-5)


def test_position_equals_a_plain_loop(raster, tmp_path, monkeypatch):
    monkeypatch.setattr(terrain_module, "PIXELS", 200)
    heights = hills(30, 26, seed=4)
    heights[5, 6] = np.nan
    dem = raster("dem", heights, CORNER, (30.0, 20.0), nodata=-9999.0)
    for radius, inner, standardised in ((100.0, 0.0, False), (100.0, 45.0, True)):
        found = run(dem, tmp_path, factors=["tpi"], radius_m=radius, inner_m=inner, standardised=standardised)[1]["tpi"]
        expected = np.full(heights.shape, np.nan)
        for r in range(30):
            for c in range(26):
                around, cells = [], 0
                for i in range(-6, 7):
                    for j in range(-6, 7):
                        if inner < math.hypot(i * 20, j * 30) <= radius:
                            cells += 1
                            if 0 <= r + i < 30 and 0 <= c + j < 26 and not np.isnan(heights[r + i, c + j]):
                                around.append(heights[r + i, c + j])
                if len(around) >= 0.75 * cells:
                    expected[r, c] = heights[r, c] - np.mean(around)
                    if standardised:
                        expected[r, c] /= np.std(around)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert np.isfinite(expected).sum() > 300 and np.isnan(expected[0, 0])


def test_position_of_a_plain_is_zero(raster, tmp_path):
    heights = np.full((15, 15), 7.0)
    heights[0, 0] = 8.0
    found = run(raster("plain", heights, CORNER, CELL), tmp_path, factors=["tpi"], radius_m=90, standardised=True)[1]
    assert found["tpi"][10, 10] == 0


def test_strips_make_no_seams(raster, tmp_path, monkeypatch):
    dem = raster("dem", hills(seed=7), CORNER, CELL)
    whole = run(dem, tmp_path, radius_m=150)[1]
    monkeypatch.setattr(terrain_module, "PIXELS", 300)
    parts = run(dem, tmp_path, radius_m=150)[1]
    for name in FACTORS:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-4, err_msg=name)


def test_bands_are_static_and_named(raster, tmp_path):
    run(raster("dem_20000211", hills(), CORNER, CELL), tmp_path, standardised=True)
    with Stack.open(tmp_path / "terrain.tif") as stack:
        assert [(band.name, band.period, band.unit) for band in stack.bands] == [
            ("elevation", None, "m"),
            ("slope", None, "degrees"),
            ("northness", None, "1"),
            ("eastness", None, "1"),
            ("twi", None, "1"),
            ("tpi", None, "1"),
        ]
    made = gdal.Open(str(tmp_path / "terrain.tif"))
    assert made.GetRasterBand(6).GetMetadataItem("LONG_NAME").endswith("1000 m, in standard deviations")


def test_heights_in_feet(raster, tmp_path):
    metres = run(raster("m", hills(), CORNER, CELL), tmp_path, factors=["elevation", "slope"])[1]
    for kwargs, unit in (({"unit": "ft"}, "auto"), ({}, "ft")):
        feet = raster("ft", hills() / 0.3048, CORNER, CELL, **kwargs)
        result, found = run(feet, tmp_path, factors=["elevation", "slope"], height_unit=unit)
        np.testing.assert_allclose(found["slope"], metres["slope"], rtol=1e-5)
        np.testing.assert_allclose(found["elevation"], metres["elevation"], rtol=1e-5)
        assert any("converted" in note for note in result.notes) == (unit == "auto")


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (lambda h: np.where(h < 195, -32768, h), {}, "holds the value -32768 but declares no nodata"),
        (lambda h: np.where(h < 195, 32767, h), {}, "set 32767 as nodata"),
        (lambda h: h * 100, {}, "higher than any mountain"),
        (lambda h: h * 0 + 3, {}, "3 m everywhere"),
        (lambda h: h * np.nan, {}, "holds no height"),
        (lambda h: h[:2], {}, "at least 3 x 3"),
        (lambda h: np.stack([h, h]), {}, "DEM of one band"),
        (lambda h: h, {"factors": ["aspect"]}, "not aspect"),
        (lambda h: h, {"factors": []}, "at least one terrain factor"),
        (lambda h: h, {"radius_m": 12}, "reaches no neighbour"),
        (lambda h: h, {"radius_m": 50000}, "spans 1667 cells"),
        (lambda h: h, {"radius_m": 90, "inner_m": 90}, "is empty"),
        (lambda h: h, {"height_unit": "yards"}, "not 'yards'"),
    ],
)
def test_bad_input_gets_a_sentence(raster, tmp_path, change, options, sentence):
    dem = raster("dem", change(hills()), CORNER, CELL)
    with pytest.raises(InputError, match=sentence):
        terrain_factors(dem, tmp_path / "out.tif", TerrainOptions(**options))
    assert not (tmp_path / "out.tif").exists()


def test_units_that_are_no_lengths(raster, tmp_path):
    with pytest.raises(InputError, match="declared in 'K'"):
        terrain_factors(raster("k", hills(), CORNER, CELL, unit="K"), tmp_path / "out.tif")
    with pytest.raises(InputError, match="declared in ft, but m was chosen"):
        terrain_factors(
            raster("f", hills(), CORNER, CELL, unit="ft"), tmp_path / "o.tif", TerrainOptions(height_unit="m")
        )


def test_the_dem_is_not_overwritten(raster):
    dem = raster("dem", hills(), CORNER, CELL)
    with pytest.raises(InputError, match="is also the DEM"):
        terrain_factors(dem, dem)


def test_too_large_for_memory_is_said_before_the_work(raster, tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "_MOST_CELLS", 1000)
    dem = raster("dem", hills(), CORNER, CELL)
    with pytest.raises(InputError, match="leave 'twi' out"):
        terrain_factors(dem, tmp_path / "out.tif")
    assert terrain_factors(dem, tmp_path / "out.tif", TerrainOptions(["slope"])).depressions is None


def test_cancelling_leaves_nothing(raster, tmp_path, cancels_after):
    dem = raster("dem", hills(), CORNER, CELL)
    for checks in (0, 3, 12):
        with pytest.raises(Cancelled):
            terrain_factors(dem, tmp_path / "out.tif", progress=cancels_after(checks))
    assert [path.name for path in tmp_path.glob("*.tif")] == ["dem.tif"]


def test_default_radius_grows_with_the_cells():
    small = CellSizes(np.full(9, 30.0), np.full(9, 30.0))
    large = CellSizes(np.full(9, 900.0), np.full(9, 1000.0))
    assert position.Neighbourhood.of(small, None, 0.0, False).outer == 1000
    assert position.Neighbourhood.of(large, None, 0.0, False).outer == 3000


def test_the_sea_and_closed_basins_are_noted(raster, tmp_path, words):
    heights = np.rint(hills())
    heights[:10] = 0
    heights[30:40, 30:40] -= 100
    result, _ = run(raster("coast", heights, CORNER, CELL), tmp_path)
    assert any("exactly 0 m" in note for note in result.notes) and any("rounding" in note for note in result.notes)
    report = terrain_report(result)
    page = words(report)
    assert report.tone == "neutral" and "closed basins" in page and "Kopecký" in page
    assert '"filled_deepest_m"' in render_json(report)


def test_report_of_a_mountain(raster, tmp_path, words):
    result, _ = run(raster("dem", hills(), CORNER, CELL), tmp_path)
    page = words(terrain_report(result))
    assert "6 terrain factors made from dem" in page and "doi:10.1109/PROC.1981.11918" in page


def test_real_srtm_in_degrees(shared_data: Path, tmp_path):
    """Baltoro: on UTM, gdaldem gives about the same slopes; with its fixed scale of degrees it does not."""
    source = shared_data / "native_products" / "terrain" / "srtm_baltoro_clip.tif"
    result, found = run(str(source), tmp_path)
    assert result.cell == pytest.approx((75.4, 92.5), abs=0.1)
    assert result.heights == (3197, 8569)
    gdal.Warp(
        str(tmp_path / "utm.tif"),
        str(source),
        dstSRS="EPSG:32643",
        xRes=85,
        yRes=85,
        resampleAlg="cubic",
        dstNodata=-32768,
        outputType=gdal.GDT_Float32,
    )
    made = gdal.DEMProcessing(str(tmp_path / "slope.tif"), str(tmp_path / "utm.tif"), "slope", alg="Horn").ReadAsArray()
    utm = float(np.median(made[made != -9999]))
    fixed = gdal.DEMProcessing(
        str(tmp_path / "fixed.tif"), str(source), "slope", alg="Horn", scale=111120
    ).ReadAsArray()
    ours = float(np.nanmedian(found["slope"]))
    assert ours == pytest.approx(utm, abs=0.5)
    assert abs(float(np.median(fixed[fixed != -9999])) - ours) > 1.0
    # The glacier is wetter than the ridges.
    valley = (found["tpi"] < -200) & np.isfinite(found["twi"])
    ridge = (found["tpi"] > 200) & np.isfinite(found["twi"])
    assert np.median(found["twi"][valley]) > np.median(found["twi"][ridge]) + 1


def test_real_nasadem_with_voids(shared_data: Path, tmp_path):
    source = str(shared_data / "native_products" / "terrain" / "NASADEM_HGT_n18w072.tif")
    result, found = run(source, tmp_path)
    known = np.isfinite(found["elevation"])
    assert result.heights == (46, 2241) and 0 < known.mean() < 1
    assert (np.isfinite(found["slope"]) <= known).all()


@pytest.mark.parametrize("masked", [False, True])
def test_a_south_up_dem_is_turned(raster, tmp_path, masked):
    """The same DEM stored from south to north gives the same factors, with its unit, scale and voids."""
    heights = np.round(hills(30, 40), 2)
    heights[5:7, 9] = np.nan
    upright = raster("upright", heights / 0.3048, CORNER, CELL, nodata=-32768.0, unit="ft", names=["dtm"])
    result, expected = run(upright, tmp_path, radius_m=200)
    turned = str(tmp_path / "turned.tif")
    made = gdal.GetDriverByName("GTiff").Create(turned, 40, 30, 1, gdal.GDT_Float64)
    made.SetProjection(gdal.Open(upright).GetProjection())
    made.SetGeoTransform((CORNER[0], CELL, 0, CORNER[1] - 30 * CELL, 0, CELL))
    band, stored = made.GetRasterBand(1), heights[::-1] / 0.3048
    band.SetUnitType("ft")
    band.SetDescription("dtm")
    # Halved on the disk: the scale must come along.
    band.SetScale(2.0)
    band.WriteArray(np.nan_to_num(stored / 2, nan=-16384.0))
    if masked:
        made.CreateMaskBand(gdal.GMF_PER_DATASET)
        made.GetRasterBand(1).GetMaskBand().WriteArray(np.where(np.isnan(stored), 0, 255).astype(np.uint8))
    else:
        band.SetNoDataValue(-16384.0)
    band = made = None
    again, found = run(turned, tmp_path, radius_m=200)
    assert again.written.grid == result.written.grid and again.source == "turned"
    assert any("turned go from south to north" in note for note in again.notes)
    assert not any("south to north" in note for note in result.notes)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-3, err_msg=name)


def test_a_dem_too_full_of_voids_is_an_error(raster, tmp_path):
    heights = hills(9, 9)
    heights[::2] = np.nan
    with pytest.raises(InputError, match="No cell of holes has heights in all 3 x 3 cells around"):
        run(raster("holes", heights, CORNER, CELL, nodata=-32768.0), tmp_path, factors=["slope", "twi"])
    assert not (tmp_path / "terrain.tif").exists()
