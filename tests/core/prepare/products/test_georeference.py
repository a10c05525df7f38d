"""Positions against the files' own coordinates and pyproj; values against plain reads, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pyproj
import pytest
from osgeo import gdal, osr

from soilmoisture.core.prepare.products.container import BadFile, Container
from soilmoisture.core.prepare.products.georeference import Placement, place
from soilmoisture.core.prepare.products.recipe import GridRule

gdal.UseExceptions()

COORDINATES = GridRule(kind="coordinates")
EASE_SIZE = {36: 36032.220840584, 9: 9008.055210146, 3: 3002.685070049, 1: 1000.895023350}


@pytest.fixture(scope="module")
def native(shared_data: Path) -> Path:
    folder = shared_data / "native_products"
    if not folder.is_dir():
        pytest.skip(f"no native product files in {folder}")
    return folder


def only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def whole(placement: Placement, container: Container, array: str, **index: int) -> tuple[Any, Any]:
    return placement.read(container, array, index, 0, placement.grid.rows, 0, placement.grid.cols)


def write_grid(path: Path, x: Any, y: Any, values: Any, names: tuple[str, str] = ("lat", "lon"), **crs: str) -> Path:
    """A netCDF file with `values` over the dimensions `names`, rows first."""
    with netCDF4.Dataset(path, "w") as file:
        for name, centres in zip(names, (y, x) if names[0] != "lon" else (x, y)):
            file.createDimension(name, len(centres))
            file.createVariable(name, np.asarray(centres).dtype, (name,))[:] = centres
        file.createVariable("v", np.asarray(values).dtype, names)[:] = values
    return path


# Real files


@pytest.mark.parametrize(
    ("pattern", "array", "rule", "first"),
    [
        ("esa_cci_sm/*.nc", "sm", COORDINATES, (-180.0, 0.25, 90.0)),
        ("gldas/*.nc4", "SoilMoi0_10cm_inst", GridRule("coordinates", x="lon", y="lat"), (-180.0, 0.25, 90.0)),
        ("cgls_1km/*SSM*.nc", "ssm", COORDINATES, (-1.0, 1 / 112, 45.0)),
        ("cgls_1km/*SWI*.nc", "SWI_005", GridRule("own"), (-1.0, 1 / 112, 45.0)),
        ("era5_land/*.nc", "swvl1", GridRule("coordinates", x="longitude", y="latitude"), (115.95, 0.1, -26.95)),
    ],
)
def test_real_regular_grids_lie_where_their_coordinates_say(
    native: Path, pattern: str, array: str, rule: GridRule, first: tuple[float, float, float]
) -> None:
    path = only(native, pattern)
    with Container.open(path) as container, netCDF4.Dataset(path) as oracle:
        oracle.set_auto_maskandscale(False)
        placement = place(container, array, rule)
        grid = placement.grid
        # Edges and cell size are the clean numbers exactly, not the noise of 32-bit coordinates.
        assert (grid.transform[0], grid.transform[1], grid.transform[3]) == first
        assert grid.transform[5] == -grid.transform[1] and grid.crs_name == "EPSG:4326"
        lat = np.array(oracle["lat" if "lat" in oracle.variables else "latitude"][:], np.float64)
        lon = np.array(oracle["lon" if "lon" in oracle.variables else "longitude"][:], np.float64)
        stored = oracle[array][...]
        if getattr(oracle[array], "_Unsigned", "") == "true":
            stored = stored.view(np.uint8)
        step = min(5, stored.shape[0] - 1)
        index = {oracle[array].dimensions[0]: step}
        values, present = whole(placement, container, array, **index)
        assert present is None and values.dtype == stored.dtype
        rng = np.random.default_rng(1)
        for i, j in zip(rng.integers(0, lat.size, 500), rng.integers(0, lon.size, 500)):
            (row,), (col,) = grid.cell_of(np.array([lon[j]]), np.array([lat[i]]))
            assert abs(grid.x_centres()[col] - lon[j]) < 0.005 * grid.cell_width
            assert abs(grid.y_centres()[row] - lat[i]) < 0.005 * grid.cell_height
            np.testing.assert_array_equal(values[row, col], stored[step, i, j])
        window, _ = placement.read(container, array, index, 7, 20, 11, 30)
        np.testing.assert_array_equal(window, values[7:27, 11:41])


def test_real_modis_tiles_and_geotiffs_keep_their_own_georeference(native: Path) -> None:
    with Container.open(only(native, "modis/MOD11B2*.hdf")) as container:
        name = container.find("LST_Day_6km")
        assert name is not None
        grid = place(container, name, GridRule()).grid
        # h14v04 of the sinusoidal grid: 36 x 18 tiles of 10 degrees on a sphere.
        tile = 2 * np.pi * 6371007.181 / 36
        np.testing.assert_allclose(grid.extent(), ((14 - 18) * tile, 4 * tile, (15 - 18) * tile, 5 * tile), atol=0.01)
        assert "Sinusoidal" in grid.crs_wkt and grid.shape == (200, 200)
    with Container.open(only(native, "terrain/chirps-v2.0.2010.06.tif")) as container:
        name = next(iter(container.arrays))
        values, present = whole(place(container, name, GridRule()), container, name)
        assert present is None
        np.testing.assert_array_equal(values, gdal.Open(container.path).ReadAsArray())


SMAP_L2 = GridRule(
    "ease2 indices",
    row="EASE_row_index",
    column="EASE_column_index",
    cell_km=36,
    latitude="latitude",
    longitude="longitude",
)


def test_a_real_half_orbit_is_put_on_its_grid(native: Path) -> None:
    path = only(native, "smap/*.h5")
    with Container.open(path) as container, h5py.File(path) as oracle:
        group = oracle["Soil_Moisture_Retrieval_Data"]
        name = "Soil_Moisture_Retrieval_Data/soil_moisture"
        placement = place(container, name, SMAP_L2)
        grid = placement.grid
        assert grid.crs_name == "EPSG:6933" and placement.duplicates == 0
        assert grid.cell_width == grid.cell_height == pytest.approx(EASE_SIZE[36], abs=1e-8)
        values, present = whole(placement, container, name)
        rows, cols = group["EASE_row_index"][:].astype(int), group["EASE_column_index"][:].astype(int)
        assert grid.shape == (int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
        assert present.sum() == rows.size
        x, y = pyproj.Transformer.from_crs(4326, 6933, always_xy=True).transform(
            group["longitude"][:].astype(float), group["latitude"][:].astype(float)
        )
        row, col = grid.cell_of(x, y)
        assert np.abs(grid.x_centres()[col] - x).max() < 100 and np.abs(grid.y_centres()[row] - y).max() < 100
        np.testing.assert_array_equal(values[row, col], group["soil_moisture"][:])
        assert present[row, col].all()
        # Windows, other arrays, and an array with a dimension of its own.
        top, left = int(row[5000]), int(col[5000])
        part, there = placement.read(container, name, {}, top, 6, max(left - 4, 0), 9)
        np.testing.assert_array_equal(part, values[top : top + 6, max(left - 4, 0) : max(left - 4, 0) + 9])
        np.testing.assert_array_equal(there, present[top : top + 6, max(left - 4, 0) : max(left - 4, 0) + 9])
        classes, _ = whole(placement, container, "Soil_Moisture_Retrieval_Data/landcover_class", dim1=2)
        np.testing.assert_array_equal(classes[row, col], group["landcover_class"][:, 2])


# Regular grids made here


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("south_first", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_rows_and_columns_in_any_order(tmp_path: Path, dtype: Any, south_first: bool, turned: bool) -> None:
    lat = (35.05 + 0.1 * np.arange(30)).astype(dtype)[:: 1 if south_first else -1]
    lon = (-3.95 + 0.1 * np.arange(40)).astype(dtype)
    values = np.arange(1200, dtype=np.int32).reshape(30, 40)
    path = write_grid(
        tmp_path / "v.nc", lon, lat, values.T if turned else values, ("lon", "lat") if turned else ("lat", "lon")
    )
    with Container.open(path) as container:
        placement = place(container, "v", COORDINATES)
        assert placement.grid.transform == (-4.0, 0.1, 0.0, 38.0, 0.0, -0.1) and placement.grid.shape == (30, 40)
        found, present = whole(placement, container, "v")
        assert present is None
        np.testing.assert_array_equal(found, values[::-1] if south_first else values)
        part, _ = placement.read(container, "v", {}, 3, 5, 7, 11)
        np.testing.assert_array_equal(part, found[3:8, 7:18])


def lookup(placement: Placement, values: Any, present: Any, lon: float, lat: float) -> Any:
    """The value at a place, None where there is none."""
    for shifted in (lon, lon - 360.0, lon + 360.0):
        (row,), (col,) = placement.grid.cell_of(np.array([shifted]), np.array([lat]))
        if row >= 0:
            return values[row, col] if present is None or present[row, col] else None
    return None


@pytest.mark.parametrize(
    "lon",
    [
        pytest.param(np.arange(0.5, 360, 1), id="edges on 0"),
        pytest.param(np.arange(0.0, 360, 1), id="centres on 0"),
        pytest.param(np.arange(0.0, 361, 1), id="last repeats the first"),
        pytest.param(np.arange(100.5, 250, 1), id="window across 180"),
        pytest.param(np.arange(200.5, 250, 1), id="window beyond 180"),
        pytest.param(np.arange(350.5, 370, 1) % 360, id="window across 0"),
        pytest.param(np.arange(10.5, 170, 1), id="window below 180"),
        pytest.param(np.arange(-179.5, 180, 1)[::-1], id="westwards"),
        pytest.param(np.arange(-200.5, -150, 1), id="below -180"),
        pytest.param(np.arange(160.0, 181, 1), id="up to 180"),
    ],
)
def test_longitudes_of_every_kind_come_within_180(tmp_path: Path, lon: Any) -> None:
    lat = np.array([10.5, 9.5, 8.5])
    values = (np.arange(lon.size) % 360 + 1000 * np.arange(1, 4)[:, None]).astype(np.int32)
    path = write_grid(tmp_path / "v.nc", lon.astype(np.float32), lat, values)
    with Container.open(path) as container:
        placement = place(container, "v", COORDINATES)
        grid = placement.grid
        assert grid.cell_width == 1.0 and grid.rows == 3 and grid.cols <= 360
        # Cell centres within -180..180: a cell around 180 is written at -180.
        assert grid.x_centres()[0] >= -180.0 and grid.x_centres()[-1] < 180.0
        found, present = whole(placement, container, "v")
        known = 0
        for j, where in enumerate(lon[:360]):
            for i in range(3):
                assert lookup(placement, found, present, where, lat[i]) == values[i, j]
                known += 1
        assert known == (found.size if present is None else present.sum())
        for col0, cols in ((0, 5), (grid.cols // 2 - 3, 7), (grid.cols - 4, 4)):
            part, there = placement.read(container, "v", {}, 1, 2, col0, cols)
            expected = np.ones((3, grid.cols), bool) if present is None else present
            there = np.ones(part.shape, bool) if there is None else there
            np.testing.assert_array_equal(there, expected[1:3, col0 : col0 + cols])
            np.testing.assert_array_equal(part[there], found[1:3, col0 : col0 + cols][there])


@pytest.mark.parametrize(
    ("step", "start"),
    [(0.25, -10.125), (0.1, 5.05), (1 / 112, -0.995535714), (0.05, 100.025), (1 / 3, 20.0), (0.009, 3.1)],
)
def test_clean_cell_sizes_are_found_behind_rounded_coordinates(tmp_path: Path, step: float, start: float) -> None:
    lon = np.round(start + step * np.arange(300), 6).astype(np.float32)
    lat = np.round(40 - step * np.arange(200), 6).astype(np.float32)
    path = write_grid(tmp_path / "v.nc", lon, lat, np.zeros((200, 300), np.int8))
    with Container.open(path) as container:
        grid = place(container, "v", COORDINATES).grid
    assert grid.cell_width == pytest.approx(step, rel=1e-12) and grid.cell_height == pytest.approx(step, rel=1e-12)
    assert grid.transform[0] == pytest.approx(start - step / 2, abs=2e-6)
    assert grid.transform[3] == pytest.approx(40 + step / 2, abs=2e-6)


def test_cell_sizes_that_are_not_clean_are_kept(tmp_path: Path) -> None:
    size = 926.625433055
    x, y = size * (np.arange(1200) + 0.5) + 1111950.519667, 5559752.598333 - size * (np.arange(600) + 0.5)
    path = write_grid(tmp_path / "v.nc", x, y, np.zeros((600, 1200), np.int8), ("y", "x"))
    sinusoidal = "+proj=sinu +R=6371007.181 +units=m"
    with Container.open(path) as container:
        grid = place(container, "v", GridRule("coordinates", x="x", y="y", crs=sinusoidal)).grid
    np.testing.assert_allclose(
        grid.extent(),
        (1111950.519667, 5559752.598333 - 600 * size, 1111950.519667 + 1200 * size, 5559752.598333),
        atol=0.01,
    )


@pytest.mark.parametrize("spoil", ["gap", "gaussian", "jump", "nan", "constant"])
def test_uneven_coordinates_are_refused(tmp_path: Path, spoil: str) -> None:
    lat = 50.0 - 0.5 * np.arange(60)
    if spoil == "gap":
        lat = np.delete(lat, 30)
    elif spoil == "gaussian":  # as in spectral models
        lat = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(64)[0][::-1]))
    elif spoil == "jump":
        lat[40:] -= 0.02
    elif spoil == "nan":
        lat[3] = np.nan
    else:
        lat[:] = 10.0
    path = write_grid(tmp_path / "v.nc", np.arange(5.0), lat, np.zeros((lat.size, 5), np.int8))
    with Container.open(path) as container, pytest.raises(BadFile, match="coordinate array lat") as caught:
        place(container, "v", COORDINATES)
    assert "\n" not in str(caught.value)


def test_noise_within_a_hundredth_of_a_cell_is_accepted(tmp_path: Path) -> None:
    lat = 50.0 - 0.5 * np.arange(60) + np.random.default_rng(1).uniform(-0.004, 0.004, 60)
    path = write_grid(tmp_path / "v.nc", np.arange(5.0), lat, np.zeros((60, 5), np.int8))
    with Container.open(path) as container:
        grid = place(container, "v", COORDINATES).grid
    assert grid.transform[3] == pytest.approx(50.25, abs=0.01) and grid.cell_height == pytest.approx(0.5, rel=1e-3)


def test_a_single_row_or_column_has_the_cell_size_of_the_other_axis(tmp_path: Path) -> None:
    row = write_grid(tmp_path / "row.nc", 10.05 + 0.1 * np.arange(8), np.array([45.05]), np.zeros((1, 8), np.int8))
    col = write_grid(tmp_path / "col.nc", np.array([200.05]), 45.05 + 0.1 * np.arange(8), np.zeros((8, 1), np.int8))
    one = write_grid(tmp_path / "one.nc", np.array([200.05]), np.array([45.05]), np.zeros((1, 1), np.int8))
    with Container.open(row) as container:
        assert place(container, "v", COORDINATES).grid.transform == pytest.approx((10.0, 0.1, 0, 45.1, 0, -0.1))
    with Container.open(col) as container:
        assert place(container, "v", COORDINATES).grid.transform == pytest.approx((-160.0, 0.1, 0, 45.8, 0, -0.1))
    with Container.open(one) as container, pytest.raises(BadFile, match="one value only"):
        place(container, "v", COORDINATES)


def test_wrong_or_absent_coordinates_are_named(tmp_path: Path) -> None:
    path = write_grid(
        tmp_path / "v.nc", 500000.0 + 1000 * np.arange(5), 4e6 - 1000 * np.arange(4), np.zeros((4, 5)), ("y", "x")
    )
    with Container.open(path) as container:
        with pytest.raises(BadFile, match="no coordinate array longitude"):
            place(container, "v", GridRule("coordinates", x="longitude", y="latitude"))
        with pytest.raises(BadFile, match="name the CRS"):
            place(container, "v", GridRule("coordinates", x="x", y="y"))
        grid = place(container, "v", GridRule("coordinates", x="x", y="y", crs="EPSG:32633")).grid
        assert grid.transform == (499500.0, 1000.0, 0.0, 4000500.0, 0.0, -1000.0) and grid.crs_name == "EPSG:32633"
    curved = tmp_path / "curved.nc"
    with netCDF4.Dataset(curved, "w") as file:
        file.createDimension("y", 4)
        file.createDimension("x", 5)
        for name in ("lat", "lon", "v"):
            file.createVariable(name, "f4", ("y", "x"))[:] = 0
    with Container.open(curved) as container, pytest.raises(BadFile, match="2 dimensions"):
        place(container, "v", COORDINATES)


def test_the_files_own_projection_and_kilometres(tmp_path: Path) -> None:
    path = tmp_path / "km.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, centres in (("y", [30.5, 29.5, 28.5]), ("x", [0.5, 1.5])):
            file.createDimension(name, len(centres))
            variable = file.createVariable(name, "f4", (name,))
            variable[:], variable.units = centres, "km"
            variable.standard_name = f"projection_{name}_coordinate"
        mapping = file.createVariable("crs", "i4", ())
        mapping.grid_mapping_name = "transverse_mercator"
        mapping.spatial_ref = mapping.crs_wkt = pyproj.CRS(32633).to_wkt("WKT1_GDAL")
        file.createVariable("v", "f4", ("y", "x"))[:] = 0
        file["v"].grid_mapping = "crs"
    with Container.open(path) as container:
        grid = place(container, "v", COORDINATES).grid
    assert grid.transform == (0.0, 1000.0, 0.0, 31000.0, 0.0, -1000.0)
    assert pyproj.CRS.from_wkt(grid.crs_wkt).to_epsg(20) == 32633


def test_packed_coordinates_and_dimensions_without_names(tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    values = np.arange(4 * 3 * 6, dtype=np.int16).reshape(4, 3, 6)
    with h5py.File(path, "w") as file:
        file["Grid/lon"] = (100 + 10 * np.arange(6)).astype(np.int16)
        file["Grid/lat"] = (50 - 10 * np.arange(3)).astype(np.int16)
        for name in ("lon", "lat"):
            file["Grid/" + name].attrs["scale_factor"] = 0.1
        file["Grid/v"] = values
        file["Grid/quality"] = values[0].astype(np.uint8)
        file["Grid/other"] = np.zeros((5, 5))
    with Container.open(path) as container:
        placement = place(container, "Grid/v", COORDINATES)
        assert placement.grid.transform == pytest.approx((9.5, 1.0, 0.0, 5.5, 0.0, -1.0))
        np.testing.assert_array_equal(whole(placement, container, "Grid/v", dim0=2)[0], values[2])
        np.testing.assert_array_equal(whole(placement, container, "Grid/quality", dim0=2)[0], values[0])
        with pytest.raises(BadFile, match="4 positions along its dimension dim0"):
            whole(placement, container, "Grid/v")
        with pytest.raises(BadFile, match="4 positions along dim0, not 8"):
            whole(placement, container, "Grid/v", dim0=7)
        with pytest.raises(BadFile, match="does not lie on the grid of"):
            whole(placement, container, "Grid/other")


def test_quality_in_another_order_of_dimensions_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "v.nc"
    values = np.arange(20, dtype=np.int16).reshape(4, 5)
    write_grid(path, 10.0 + np.arange(5), 3.0 + np.arange(4), values)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("q", "i2", ("lon", "lat"))[:] = values.T
    with Container.open(path) as container:
        placement = place(container, "v", COORDINATES)
        np.testing.assert_array_equal(whole(placement, container, "q")[0], whole(placement, container, "v")[0])
        np.testing.assert_array_equal(whole(placement, container, "v")[0], values[::-1])


# Plain rasters


def write_tif(path: Path, transform: tuple[float, ...], epsg: int = 4326) -> tuple[Path, Any]:
    values = np.arange(12, dtype=np.int16).reshape(3, 4)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 4, 3, 1, gdal.GDT_Int16)
    dataset.SetGeoTransform(transform)
    if epsg:
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        dataset.SetProjection(reference.ExportToWkt())
    dataset.GetRasterBand(1).WriteArray(values)
    return path, values


def test_rasters_written_south_first_are_turned(tmp_path: Path) -> None:
    path, values = write_tif(tmp_path / "south.tif", (10.0, 0.5, 0.0, 40.0, 0.0, 0.5))
    with Container.open(path) as container:
        placement = place(container, "band_1", GridRule())
        assert placement.grid.transform == (10.0, 0.5, 0.0, 41.5, 0.0, -0.5)
        np.testing.assert_array_equal(whole(placement, container, "band_1")[0], values[::-1])


def test_rasters_without_a_usable_georeference_are_named(tmp_path: Path) -> None:
    rotated, _ = write_tif(tmp_path / "rotated.tif", (10.0, 0.5, 0.1, 40.0, 0.1, -0.5))
    bare, _ = write_tif(tmp_path / "bare.tif", (10.0, 0.5, 0.0, 40.0, 0.0, -0.5), epsg=0)
    for path in (rotated, bare):
        with Container.open(path) as container, pytest.raises(BadFile, match="no usable georeference"):
            place(container, "band_1", GridRule())


# EASE-Grid 2.0


def ease_latitudes_longitudes(km: int, rows: int, cols: int) -> tuple[Any, Any]:
    """Centres of a global grid, one latitude per row and one longitude per column, by pyproj."""
    x = (np.arange(cols) + 0.5 - cols / 2) * EASE_SIZE[km]
    y = (rows / 2 - np.arange(rows) - 0.5) * EASE_SIZE[km]
    back = pyproj.Transformer.from_crs(6933, 4326, always_xy=True)
    return back.transform(np.zeros(rows), y)[1], back.transform(x, np.zeros(cols))[0]


def write_ease(
    path: Path, km: int = 9, flip: bool = False, shift: float = 0.0, fill: str = "", flat: bool = False
) -> tuple[Path, Any]:
    rows, cols = {36: (406, 964), 9: (1624, 3856)}[km]
    lat, lon = ease_latitudes_longitudes(km, rows, cols)
    values = np.zeros((rows, cols), np.float32)
    values[5, 7], values[rows - 3, 20], values[rows // 2, cols // 3] = 1, 2, 3
    lat2, lon2 = np.repeat(lat[:, None], cols, 1), np.repeat(lon[None], rows, 0) + shift
    if fill == "swath":  # as in daily composites: positions only where something was retrieved
        seen = np.zeros((rows, cols), bool)
        seen[rows // 5 : rows * 4 // 5, 100:140] = True
        lat2, lon2 = np.where(seen, lat2, -9999.0), np.where(seen, lon2, -9999.0)
    elif fill == "all":
        lat2, lon2 = np.full_like(lat2, -9999.0), np.full_like(lon2, -9999.0)
    if flip:
        values, lat2, lon2, lat = values[::-1], lat2[::-1], lon2[::-1], lat[::-1]
    with h5py.File(path, "w") as file:
        options = {"compression": "gzip", "compression_opts": 1, "chunks": (min(rows, 203), min(cols, 482))}
        file.create_dataset("Geophysical_Data/sm_surface", data=values, **options)
        if flat:
            file["cell_lat"], file["cell_lon"] = lat.astype(np.float32), (lon + shift).astype(np.float32)
        else:
            for name, data in (("cell_lat", lat2), ("cell_lon", lon2)):
                file.create_dataset(name, data=data.astype(np.float32), **options)
                file[name].attrs["_FillValue"] = np.float32(-9999)
    return path, values


EASE = GridRule("ease2", latitude="cell_lat", longitude="cell_lon")
SM = "Geophysical_Data/sm_surface"


@pytest.mark.parametrize(("km", "shape"), [(36, (406, 964)), (9, (1624, 3856))])
@pytest.mark.parametrize("flip", [False, True])
def test_whole_ease_grids_are_placed_by_their_constants(tmp_path: Path, km: int, shape: Any, flip: bool) -> None:
    path, stored = write_ease(tmp_path / "l4.h5", km, flip=flip)
    with Container.open(path) as container:
        placement = place(container, SM, EASE)
        grid = placement.grid
        assert grid.shape == shape and grid.crs_name == "EPSG:6933"
        assert grid.cell_width == grid.cell_height == pytest.approx(EASE_SIZE[km], abs=1e-8)
        np.testing.assert_allclose(
            grid.extent(), (-17367530.4451615, -7314540.8306386, 17367530.4451615, 7314540.8306386), atol=1e-6
        )
        values, present = whole(placement, container, SM)
        assert present is None
        np.testing.assert_array_equal(values, stored[::-1] if flip else stored)
        assert values[5, 7] == 1 and values[shape[0] - 3, 20] == 2
        latitude, _ = whole(placement, container, "cell_lat")
        assert (np.diff(latitude[:, 0]) < 0).all()


@pytest.mark.parametrize("fill", ["swath", "all"])
def test_positions_that_are_fill_are_not_compared(tmp_path: Path, fill: str) -> None:
    path, stored = write_ease(tmp_path / "l3.h5", 36, fill=fill)
    with Container.open(path) as container:
        np.testing.assert_array_equal(whole(place(container, SM, EASE), container, SM)[0], stored)
    # What is left of them is enough to see a file that was turned.
    if fill == "swath":
        path, stored = write_ease(tmp_path / "l3_south.h5", 36, fill=fill, flip=True)
        with Container.open(path) as container:
            np.testing.assert_array_equal(whole(place(container, SM, EASE), container, SM)[0], stored[::-1])


@pytest.mark.parametrize("fill", ["", "swath"])
def test_positions_that_disagree_are_refused(tmp_path: Path, fill: str) -> None:
    # A tenth of a cell of 36 km; a hundredth is the limit.
    path, _ = write_ease(tmp_path / "l4.h5", 36, shift=0.037, fill=fill)
    with Container.open(path) as container, pytest.raises(BadFile, match="EASE-Grid 2.0 of 36 km, but the file says"):
        place(container, SM, EASE)
    path, _ = write_ease(tmp_path / "close.h5", 36, shift=0.001, fill=fill)
    with Container.open(path) as container:
        place(container, SM, EASE)


@pytest.mark.parametrize("flip", [False, True])
def test_positions_in_one_dimension_serve_too(tmp_path: Path, flip: bool) -> None:
    path, stored = write_ease(tmp_path / "l4.h5", 36, flat=True, flip=flip)
    with Container.open(path) as container:
        values, _ = whole(place(container, SM, EASE), container, SM)
        np.testing.assert_array_equal(values, stored[::-1] if flip else stored)


def test_other_shapes_and_absent_positions_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["v"] = np.zeros((400, 960), np.int8)
        file["w"] = np.zeros((406, 964, 3), np.int8)
    with Container.open(tmp_path / "odd.h5") as container:
        with pytest.raises(BadFile, match="400 x 960.*is not a global EASE-Grid"):
            place(container, "v", EASE)
        with pytest.raises(BadFile, match="no array cell_lat"):
            place(container, "w", EASE)
        placement = place(container, "w", GridRule("ease2"))
        assert placement.grid.shape == (406, 964)
        assert whole(placement, container, "w", dim2=1)[0].shape == (406, 964)


def write_cells(path: Path, rows: Any, cols: Any, km: int, shift: float = 0.0) -> Any:
    """Values listed by cell, in whatever shape `rows` has; fill 65534 in the indices."""
    known = rows != 65534
    total_rows, total_cols = {36: (406, 964), 1: (14616, 34704)}[km]
    x = (cols + 0.5 - total_cols / 2) * EASE_SIZE[km]
    y = (total_rows / 2 - rows - 0.5) * EASE_SIZE[km]
    lon, lat = pyproj.Transformer.from_crs(6933, 4326, always_xy=True).transform(
        np.where(known, x, 0), np.where(known, y, 0)
    )
    values = np.arange(rows.size, dtype=np.float32).reshape(rows.shape)
    with h5py.File(path, "w") as file:
        for name, data in (("row", rows), ("col", cols)):
            file[name] = data.astype(np.uint16)
            file[name].attrs["_FillValue"] = np.uint16(65534)
        file["lat"], file["lon"] = np.where(known, lat, -9999), np.where(known, lon + shift, -9999)
        for name in ("lat", "lon"):
            file[name].attrs["_FillValue"] = -9999.0
        file["v"] = values
        file["short"] = values.ravel()[:-1]
    return values


def cells_rule(km: int) -> GridRule:
    return GridRule("ease2 indices", row="row", column="col", cell_km=km, latitude="lat", longitude="lon")


def test_listed_cells_fill_and_duplicates(tmp_path: Path) -> None:
    rows = np.array([10, 12, 65534, 11, 12, 10])
    cols = np.array([500, 503, 65534, 501, 503, 500])
    values = write_cells(tmp_path / "l2.h5", rows, cols, 36)
    with Container.open(tmp_path / "l2.h5") as container:
        placement = place(container, "v", cells_rule(36))
        found, present = whole(placement, container, "v")
        # The first of a cell counts; the fifth and sixth values repeat cells.
        assert placement.duplicates == 2 and placement.grid.shape == (3, 4)
        expected = np.zeros((3, 4), np.float32)
        expected[0, 0], expected[2, 3], expected[1, 1] = values[0], values[1], values[3]
        np.testing.assert_array_equal(present, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
        np.testing.assert_array_equal(found, expected)
        assert placement.grid.transform[3] == pytest.approx(7314540.8306386 - 10 * EASE_SIZE[36], abs=1e-5)
        assert placement.grid.transform[0] == pytest.approx(-17367530.4451615 + 500 * EASE_SIZE[36], abs=1e-5)
        nothing, there = placement.read(container, "v", {}, 1, 1, 2, 2)
        assert not there.any() and nothing.shape == (1, 2)
        with pytest.raises(BadFile, match="does not have the shape of the cell indices"):
            whole(placement, container, "short")


def test_windows_of_cells_in_two_dimensions(tmp_path: Path) -> None:
    rows, cols = np.meshgrid(4000 + np.arange(50), 17000 + np.arange(60), indexing="ij")
    rows[:, 55:], cols[:, 55:] = 65534, 65534
    values = write_cells(tmp_path / "sentinel.h5", rows, cols, 1)
    with Container.open(tmp_path / "sentinel.h5") as container:
        placement = place(container, "v", cells_rule(1))
        assert placement.grid.shape == (50, 55) and placement.grid.cell_width == pytest.approx(EASE_SIZE[1], abs=1e-8)
        for row0 in range(0, 50, 20):
            height = min(20, 50 - row0)
            found, present = placement.read(container, "v", {}, row0, height, 0, 55)
            assert present.all()
            np.testing.assert_array_equal(found, values[row0 : row0 + height, :55])


def test_wrong_cells_are_named(tmp_path: Path) -> None:
    rows, cols = np.array([10, 12]), np.array([500, 503])
    write_cells(tmp_path / "shifted.h5", rows, cols, 36, shift=0.01)
    with Container.open(tmp_path / "shifted.h5") as container:
        with pytest.raises(BadFile, match="row 1[02], column 50[03].*but the file says"):
            place(container, "v", cells_rule(36))
        with pytest.raises(BadFile, match="no array rows"):
            place(container, "v", GridRule("ease2 indices", row="rows", column="col", cell_km=36))
    write_cells(tmp_path / "outside.h5", np.array([10, 406]), cols, 36)
    with (
        Container.open(tmp_path / "outside.h5") as container,
        pytest.raises(BadFile, match="outside the EASE-Grid of 36 km"),
    ):
        place(container, "v", GridRule("ease2 indices", row="row", column="col", cell_km=36))
    write_cells(tmp_path / "none.h5", np.array([65534]), np.array([65534]), 36)
    with Container.open(tmp_path / "none.h5") as container, pytest.raises(BadFile, match="no cell"):
        place(container, "v", cells_rule(36))
