"""One band on the fine grid: plain loops for area means, analytic fields and GDAL's own warp for interpolation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare import area_mean, resampling
from soilmoisture.core.prepare.resampling import AVERAGE, BILINEAR, CUBIC, NEAREST, Resampler, block_mean
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.stack import Stack

UTM, LONLAT, EASE = 32648, 4326, 6933
X0, Y0 = 500000.0, 5300000.0
KINDS = {
    "Byte": gdal.GDT_Byte,
    "Int16": gdal.GDT_Int16,
    "UInt16": gdal.GDT_UInt16,
    "Int32": gdal.GDT_Int32,
    "Float32": gdal.GDT_Float32,
    "Float64": gdal.GDT_Float64,
}


def wkt(epsg):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference.ExportToWkt()


def grid(corner, size, rows, cols, epsg=UTM):
    return Grid(wkt(epsg), (corner[0], size, 0.0, corner[1], 0.0, -size), rows, cols)


def area_means(values, source_corner, source_size, corner, size, rows, cols, geographic=False):
    """Mean of the valid source pixels by overlap, pixel by pixel; NaN where less than half is seen."""
    result = np.full((rows, cols), np.nan)
    for i in range(rows):
        for j in range(cols):
            top, left = corner[1] - i * size, corner[0] + j * size
            total = seen = whole = 0.0
            for r in range(values.shape[0]):
                for c in range(values.shape[1]):
                    up, west = source_corner[1] - r * source_size, source_corner[0] + c * source_size
                    high, low = min(top, up), max(top - size, up - source_size)
                    width = max(0.0, min(left + size, west + source_size) - max(left, west))
                    tall = max(0.0, high - low)
                    if geographic and tall:
                        tall = np.sin(np.radians(high)) - np.sin(np.radians(low))
                    if np.isfinite(values[r, c]):
                        total += width * tall * values[r, c]
                        seen += width * tall
            whole = size * (np.sin(np.radians(top)) - np.sin(np.radians(top - size)) if geographic else size)
            if seen >= 0.5 * whole * (1 - 1e-9):
                result[i, j] = total / seen
    return result


def with_gaps(rng, shape, share=0.35):
    values = rng.normal(size=shape)
    values[rng.random(shape) < share] = np.nan
    return values


@pytest.mark.parametrize(
    "source_size, offset, geographic",
    [(100.0, (0.0, 0.0), False), (93.0, (-57.0, 81.0), False), (0.004, (0.001, 0.0), True)],
    ids=["nested", "not nested", "geographic"],
)
def test_finer_source_in_the_same_crs_is_averaged_by_area(raster, source_size, offset, geographic):
    rng = np.random.default_rng(1)
    values = with_gaps(rng, (23, 25))
    corner = (100.0, 60.0) if geographic else (X0, Y0)
    size = 0.011 if geographic else 300.0
    start = (corner[0] + offset[0], corner[1] + offset[1])
    epsg = LONLAT if geographic else UTM
    path = raster("source", values, start, source_size, epsg, nodata=-1.0)
    with Stack.open(path) as source:
        one = Resampler(source, 1, grid(corner, size, 8, 9, epsg))
        found = one.read(0, 8)
    assert one.how == AVERAGE
    wanted = area_means(values, start, source_size, corner, size, 8, 9, geographic)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    assert np.isfinite(wanted).sum() > 40 and np.isnan(wanted).any()
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_strips_and_pieces_give_what_the_whole_gives(raster, monkeypatch):
    rng = np.random.default_rng(2)
    fine = grid((X0, Y0), 300.0, 12, 9)
    sources = {
        "average": raster("average", with_gaps(rng, (40, 41)), (X0 - 20, Y0 + 10), 90.0, nodata=-1.0),
        "coarser": raster("coarser", rng.normal(size=(9, 8)), (X0 - 300, Y0 + 300), 700.0),
        "other": raster("other", rng.normal(size=(60, 60)), (104.99, 47.87), (0.0012, 0.0008), LONLAT),
    }
    for name, path in sources.items():
        with Stack.open(path) as source:
            one = Resampler(source, 1, fine)
            whole = one.read(0, 12)
            assert np.isfinite(whole).any(), name
            parts = np.vstack([one.read(row, min(5, 12 - row)) for row in range(0, 12, 5)])
            np.testing.assert_allclose(parts, whole, atol=1e-12, err_msg=name)
            with monkeypatch.context() as patch:
                patch.setattr(resampling, "_VALUES", 50)
                patch.setattr(area_mean, "_VALUES", 50)
                np.testing.assert_allclose(Resampler(source, 1, fine).read(0, 12), whole, atol=1e-12, err_msg=name)


def test_area_means_are_the_same_bytes_however_they_are_read(raster, monkeypatch):
    path = raster("source", with_gaps(np.random.default_rng(2), (40, 41)), (X0 - 20, Y0 + 10), 90.0, nodata=-1.0)
    with Stack.open(path) as source:
        one = Resampler(source, 1, grid((X0, Y0), 300.0, 12, 9))
        whole = one.read(0, 12)
        parts = np.vstack([one.read(row, min(5, 12 - row)) for row in range(0, 12, 5)])
        monkeypatch.setattr(area_mean, "_VALUES", 50)
        pieces = one.read(0, 12)
    assert whole.tobytes() == parts.tobytes() == pieces.tobytes()


@pytest.mark.parametrize("kind", ["Byte", "Int16", "UInt16", "Int32", "Float32", "Float64"])
def test_stored_integers_with_scale_and_nodata_have_the_means_of_their_physical_values(raster, kind):
    rng = np.random.default_rng(8)
    stored = rng.integers(1, 200, (30, 30)).astype(float)
    stored[rng.random(stored.shape) < 0.3] = np.nan
    path = raster("packed", stored, (X0, Y0), 100.0, kind=KINDS[kind], nodata=0.0, scale=(0.02, -5.0))
    with Stack.open(path) as source:
        assert source.scaling(1) == (0.02, -5.0)
        found = Resampler(source, 1, grid((X0, Y0), 333.0, 8, 8)).read(0, 8)
    wanted = area_means(stored * 0.02 - 5.0, (X0, Y0), 100.0, (X0, Y0), 333.0, 8, 8)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_masked_band_is_averaged_over_what_its_mask_leaves(raster):
    rng = np.random.default_rng(9)
    values = rng.normal(size=(20, 20))
    path = raster("masked", values, (X0, Y0), 100.0)
    hole = rng.random(values.shape) < 0.3
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(np.where(hole, 0, 255).astype(np.uint8))
    dataset = None
    with Stack.open(path) as source:
        found = Resampler(source, 1, grid((X0, Y0), 250.0, 8, 8)).read(0, 8)
    wanted = area_means(np.where(hole, np.nan, values), (X0, Y0), 100.0, (X0, Y0), 250.0, 8, 8)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("method", [BILINEAR, CUBIC, NEAREST])
@pytest.mark.parametrize("shift", [(0, 0), (2, 3), (-2, 1), (5, -4), (40, 40)])
def test_pixels_that_are_the_sources_own_are_taken_as_they_are(raster, shift, method):
    values = with_gaps(np.random.default_rng(10), (12, 13))
    path = raster("source", values, (X0, Y0), 1000.0, nodata=-1.0)
    down, right = shift
    fine = grid((X0 + 1000.0 * right + 2.0, Y0 - 1000.0 * down - 3.0), 1000.0, 12, 13)  # but for rounded corners
    wanted = np.full((12, 13), np.nan)
    for row in range(12):
        for col in range(13):
            if 0 <= row + down < 12 and 0 <= col + right < 13:
                wanted[row, col] = values[row + down, col + right]
    with Stack.open(path) as source:
        one = Resampler(source, 1, fine, method)
        np.testing.assert_array_equal(one.read(0, 12), wanted)
        np.testing.assert_array_equal(np.vstack([one.read(row, 4) for row in (0, 4, 8)]), wanted)


def test_threads_may_read_one_band_at_once(raster):
    rng = np.random.default_rng(11)
    fine = grid((X0, Y0), 300.0, 60, 40)
    for name, path in {
        "average": raster("average", with_gaps(rng, (200, 140)), (X0 - 20, Y0 + 10), 90.0, nodata=-1.0),
        "coarser": raster("coarser", rng.normal(size=(40, 30)), (X0 - 300, Y0 + 300), 700.0),
        "other": raster("other", rng.normal(size=(90, 90)), (104.99, 47.87), (0.002, 0.002), LONLAT),
        "own": raster("own", with_gaps(rng, (60, 40)), (X0, Y0), 300.0, nodata=-1.0),
    }.items():
        with Stack.open(path) as source:
            one = Resampler(source, 1, fine)
            whole = one.read(0, 60)
            assert np.isfinite(whole).any(), name
            with ThreadPoolExecutor(4) as pool:
                parts = list(pool.map(lambda row, of=one: of.read(row, 2), range(0, 60, 2)))
        np.testing.assert_allclose(np.vstack(parts), whole, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("method", [BILINEAR, CUBIC, NEAREST])
def test_coarser_source_is_interpolated_as_gdal_does(raster, method):
    rng = np.random.default_rng(3)
    path = raster("source", rng.normal(size=(9, 10)), (X0 - 1000, Y0 + 1000), 1000.0)
    with Stack.open(path) as source:
        one = Resampler(source, 1, grid((X0, Y0), 250.0, 28, 28), method)
        found = one.read(0, 28)
    warped = gdal.Warp(
        "",
        path,
        format="MEM",
        outputBounds=(X0, Y0 - 7000, X0 + 7000, Y0),
        width=28,
        height=28,
        resampleAlg={"nearest": "near"}.get(method, method),
    ).ReadAsArray()
    assert one.how == method
    np.testing.assert_allclose(found, warped, atol=1e-6)


def test_a_plane_survives_bilinear_interpolation(raster):
    x, y = np.arange(12) * 1000.0 + 500, -(np.arange(11) * 1000.0 + 500)
    path = raster("plane", 0.2 + 1e-5 * x[None] - 3e-5 * y[:, None], (X0, Y0), 1000.0)
    with Stack.open(path) as source:
        found = Resampler(source, 1, grid((X0 + 1000, Y0 - 1000), 200.0, 40, 40)).read(0, 40)
    at = 1100 + 200.0 * np.arange(40)
    np.testing.assert_allclose(found, 0.2 + 1e-5 * at[None] + 3e-5 * at[:, None], atol=1e-9)


@pytest.mark.parametrize("step, how", [(0.02, BILINEAR), (0.001, AVERAGE)], ids=["coarser", "finer"])
def test_another_crs_keeps_its_place(raster, step, how):
    """A smooth field of longitude and latitude; swapped axes or a shift of half a pixel would show."""
    lon0, lat0 = 104.9, 47.95
    rows, cols = round(0.3 / step), round(0.4 / step)
    lon, lat = lon0 + step * (np.arange(cols) + 0.5), lat0 - step * (np.arange(rows) + 0.5)

    def truth(lon, lat):
        return np.sin(12 * (lon - 105)) + 0.5 * np.cos(15 * (lat - 47)) + 3 * (lon - 105)

    path = raster("lonlat", truth(lon[None, :], lat[:, None]), (lon0, lat0), step, LONLAT)
    fine = grid((X0 + 1000, 5305000.0), 500.0, 30, 40)
    with Stack.open(path) as source:
        one = Resampler(source, 1, fine)
        found = one.read(0, 30)
    back = osr.CoordinateTransformation(fine.crs, _traditional(LONLAT))
    wanted = np.array([[truth(*back.TransformPoint(x, y)[:2]) for x in fine.x_centres()] for y in fine.y_centres()])
    assert one.how == how
    assert np.ptp(wanted) > 1
    # Bilinear interpolation flattens a curve of 15 per degree by up to (15 * step)^2 / 8.
    np.testing.assert_allclose(found, wanted, atol=0.013 if how == BILINEAR else 0.008)


def _traditional(epsg):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


@pytest.mark.parametrize("kind", KINDS)
def test_interpolated_integers_are_not_rounded(raster, kind):
    values = np.add.outer(np.arange(6), 3 * np.arange(6)) + 10.0
    path = raster("whole", values, (X0, Y0), 1000.0, kind=KINDS[kind], nodata=0, scale=(0.5, 7.0))
    with Stack.open(path) as source:
        found = Resampler(source, 1, grid((X0 + 1000, Y0 - 1000), 500.0, 6, 6)).read(0, 6)
    at = 0.5 * np.arange(6) + 0.75  # pixel centres in units of source pixels, from the first source centre
    np.testing.assert_allclose(found, 0.5 * (10 + at[:, None] + 3 * at[None]) + 7.0, atol=1e-5)


def test_a_band_without_nodata_beside_one_that_has_it_is_empty_beyond_its_edge(raster, tmp_path):
    parts = [
        raster(f"part{nodata}", np.full((5, 5), 40.0), (X0, Y0), 1000.0, kind=gdal.GDT_Int16, nodata=nodata)
        for nodata in (-999, None)
    ]
    path = str(tmp_path / "pair.vrt")
    gdal.BuildVRT(path, parts, separate=True)
    with Stack.open(path) as source:
        assert (source.nodata(1), source.nodata(2)) == (-999, None)
        for band in (1, 2):
            found = Resampler(source, band, grid((X0 - 2000, Y0), 500.0, 10, 10)).read(0, 10)
            assert np.isnan(found[:, :4]).all()
            np.testing.assert_allclose(found[:, 4:], 40.0)


def test_nan_without_a_nodata_value_does_not_spread(raster):
    values = np.ones((7, 7))
    values[3, 3] = np.nan
    path = raster("nan", values, (X0, Y0), 1000.0, kind=gdal.GDT_Float32)
    with Stack.open(path) as source:
        found = Resampler(source, 1, grid((X0, Y0), 500.0, 14, 14)).read(0, 14)
    gap = np.isnan(found)
    assert gap[6:8, 6:8].all() and gap.sum() == 4
    np.testing.assert_allclose(found[~gap], 1.0)


@pytest.mark.parametrize("size", [100.0, 1000.0], ids=["averaged", "interpolated"])
@pytest.mark.parametrize("epsg", [UTM, LONLAT])
@pytest.mark.parametrize("fill", [-9999.0, -32768.0])
def test_undeclared_fill_values_are_refused(raster, size, epsg, fill):
    count = round(12000 / size)
    values = np.ones((count, count))
    values[count // 2, count // 2] = fill
    if epsg == LONLAT:
        corner, size = (104.98, 47.88), (size / 75000, size / 111000)
    else:
        corner = (X0 - 1000, Y0 + 1000)
    path = raster("fill", values, corner, size, epsg, kind=gdal.GDT_Int16, scale=(0.02, 0.0))
    with Stack.open(path) as source, pytest.raises(InputError, match=f"{fill:g}.*declares no nodata"):
        Resampler(source, 1, grid((X0, Y0), 333.0, 30, 30)).read(0, 30)
    path = raster("declared", values, corner, size, epsg, kind=gdal.GDT_Int16, nodata=fill, scale=(0.02, 0.0))
    with Stack.open(path) as source:
        found = Resampler(source, 1, grid((X0, Y0), 333.0, 30, 30)).read(0, 30)
    assert np.nanmin(found) > 0.019


def test_shares_of_a_class_are_area_means_of_its_indicator(raster):
    rng = np.random.default_rng(4)
    codes = rng.integers(1, 4, (30, 30)).astype(float)
    codes[:3] = np.nan
    path = raster("codes", codes, (X0, Y0), 100.0, kind=gdal.GDT_Byte, nodata=0)
    fine = grid((X0, Y0), 250.0, 12, 12)
    with Stack.open(path) as source:
        one = Resampler(source, 1, fine, NEAREST)
        shares = [one.read(0, 12, lambda v, k=k: np.where(np.isfinite(v), v == k, np.nan)) for k in (1, 2, 3)]
    for code, share in enumerate(shares, 1):
        indicator = np.where(np.isfinite(codes), codes == code, np.nan)
        np.testing.assert_allclose(share, area_means(indicator, (X0, Y0), 100.0, (X0, Y0), 250.0, 12, 12), atol=1e-12)
    np.testing.assert_allclose(np.sum(shares, axis=0)[1:], 1.0, atol=1e-12)


def test_block_mean_against_a_loop():
    values = with_gaps(np.random.default_rng(5), (12, 20), 0.5)
    found = block_mean(values, 4)
    for i in range(3):
        for j in range(5):
            block = values[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            block = block[np.isfinite(block)]
            if len(block) >= 8:
                assert found[i, j] == pytest.approx(block.mean())
            else:
                assert np.isnan(found[i, j])
    assert np.isnan(found).any() and np.isfinite(found).any()


def test_a_source_elsewhere_reads_as_empty(raster):
    for size in (100.0, 1000.0):
        path = raster("far", np.ones((20, 20)), (X0 + 1e5, Y0), size)
        with Stack.open(path) as source:
            try:
                found = Resampler(source, 1, grid((X0, Y0), 500.0, 4, 4)).read(0, 4)
            except InputError as error:
                assert "overlap" in str(error)
            else:
                assert np.isnan(found).all()


@pytest.mark.parametrize("size", [100.0, 1000.0])
def test_complex_numbers_are_refused(raster, size):
    path = raster("radar", np.ones((4, 4)), (X0, Y0), size, kind=gdal.GDT_CFloat32)
    with Stack.open(path) as stack, pytest.raises(InputError, match="'radar' holds complex numbers"):
        Resampler(stack, 1, grid((X0, Y0), 200.0, 2, 2))
