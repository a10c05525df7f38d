"""Separable sums against plain loops and exactextract; the same bytes for any cut, with numba and without."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core import compiled
from soilmoisture.core.raster import sums
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.sums import SeparableSums, Spans
from soilmoisture.core.raster.support import RunningMean, Support


def grid(x, y, cell, rows, cols, epsg=6933):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return Grid(reference.ExportToWkt(), (x, cell, 0.0, y, 0.0, -cell), rows, cols)


SUPPORTS = {
    "nested": Support(grid(0, 9000, 500, 18, 24), grid(0, 9000, 1500, 6, 8)),
    "not nested": Support(grid(-70, 9130, 430, 23, 31), grid(0, 9000, 1500, 6, 8)),
    "cells beyond the pixels": Support(grid(2100, 7000, 430, 9, 11), grid(0, 9000, 1500, 6, 8)),
    "pixels beyond the cells": Support(grid(-5000, 15000, 700, 30, 33), grid(0, 9000, 1500, 3, 4)),
    "pixels larger than cells": Support(grid(0, 9000, 3000, 3, 4), grid(500, 8500, 700, 8, 9)),
    "degrees": Support(grid(10.05, 60.1, 0.1, 33, 21, 4326), grid(10, 60, 0.35, 9, 6, 4326)),
    "footprint": Support(grid(-70, 9130, 430, 23, 31), grid(0, 9000, 1500, 6, 8), 4.0),
    "one row": Support(grid(0, 9000, 430, 1, 40), grid(0, 9000, 1500, 1, 11)),
    "one column": Support(grid(0, 9000, 430, 40, 1), grid(0, 9000, 1500, 11, 1)),
    "one pixel": Support(grid(0, 9000, 500, 1, 1), grid(0, 9000, 1500, 2, 2)),
}


def field(shape, seed=0, holes=0.3):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.3, 0.2, shape)
    values[rng.random(shape) < holes] = np.nan
    return values


def by_loops(support, values, nodata=None):
    """Sums of weight x value and of weight, cell by cell and pixel by pixel."""
    rows, cols = support.row_weights.toarray(), support.col_weights.toarray()
    total, weight = np.zeros(support.coarse.shape), np.zeros(support.coarse.shape)
    for i, j in np.ndindex(*total.shape):
        for r, c in itertools.product(np.flatnonzero(rows[i]), np.flatnonzero(cols[j])):
            value = float(values[r, c])
            if np.isfinite(value) and value != nodata:
                total[i, j] += rows[i, r] * cols[j, c] * value
                weight[i, j] += rows[i, r] * cols[j, c]
    return total, weight


def gathered(support, values, cuts=(), nodata=None):
    found = SeparableSums(support.row_spans, support.col_spans, support.fine.cols)
    edges = [0, *cuts, len(values)]
    for begin, end in zip(edges, edges[1:]):
        found.add(values[begin:end], begin, nodata)
    return found.result()


@pytest.fixture(params=["numba", "numpy"])
def way(request, monkeypatch):
    """The compiled loops, however small the raster, or what runs where numba is absent."""
    if request.param == "numba":
        pytest.importorskip("numba")
        monkeypatch.setattr(sums, "_WORTH_COMPILING", 0)
        assert sums._compiled("float32") is not None
    else:
        monkeypatch.setattr(sums, "_WORTH_COMPILING", 10**12)
    return request.param


@pytest.mark.parametrize("name", SUPPORTS)
def test_sums_are_those_of_plain_loops(name, way):
    support = SUPPORTS[name]
    values = field(support.fine.shape)
    for found, expected in zip(gathered(support, values), by_loops(support, values)):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", SUPPORTS)
def test_any_cut_gives_the_same_bytes(name, way):
    support = SUPPORTS[name]
    values = field(support.fine.shape, 1).astype(np.float32)
    whole = [one.tobytes() for one in gathered(support, values)]
    rows = support.fine.rows
    rng = np.random.default_rng(2)
    for cuts in [range(1, rows), *(np.sort(rng.choice(np.arange(1, rows + 1), rows // 3, False)) for _ in range(5))]:
        assert [one.tobytes() for one in gathered(support, values, cuts)] == whole


@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "uint8"])
@pytest.mark.parametrize("name", SUPPORTS)
def test_compiled_loops_and_numpy_give_the_same_bytes(name, kind, monkeypatch):
    pytest.importorskip("numba")
    support = SUPPORTS[name]
    values = np.nan_to_num(field(support.fine.shape, 3) * 40 + 60, nan=7).astype(kind)
    found = []
    for least in (0, 10**12):
        monkeypatch.setattr(sums, "_WORTH_COMPILING", least)
        found.append(b"".join(one.tobytes() for one in gathered(support, values, [1] if len(values) > 1 else [], 7)))
    assert found[0] == found[1]


def test_strips_in_any_order_give_the_same_up_to_rounding(way):
    support = SUPPORTS["not nested"]
    values = field(support.fine.shape, 4)
    found = SeparableSums(support.row_spans, support.col_spans, support.fine.cols)
    for begin in np.random.default_rng(5).permutation(np.arange(0, support.fine.rows, 4)):
        found.add(values[begin : begin + 4], int(begin))
    for one, expected in zip(found.result(), by_loops(support, values)):
        np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-15)


def test_sums_so_far_can_be_had_in_between(way):
    support = SUPPORTS["not nested"]
    values = field(support.fine.shape, 4)
    found = SeparableSums(support.row_spans, support.col_spans, support.fine.cols)
    found.add(values[:10], 0)
    above = np.where(np.arange(len(values))[:, None] < 10, values, np.nan)
    for expected_of, rest in ((above, values[10:]), (values, None)):
        for one, expected in zip(found.result(), by_loops(support, expected_of)):
            np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-15)
        if rest is not None:
            found.add(rest, 10)


LARGEST = float(np.finfo("float32").max)


@pytest.mark.parametrize(
    "kind, nodata, stored",
    [
        ("float32", -9999.0, [-9999, np.nan, np.inf, -np.inf]),
        ("float32", 0.1, [np.float32(0.1)]),
        ("float32", -3.4e38, [-LARGEST, -3.4e38]),
        ("float64", 3.402823e38, [LARGEST]),
        ("float32", float("nan"), [np.nan]),
        ("float32", None, [np.nan, np.inf]),
        ("int16", -32768, [-32768]),
        ("uint8", 255, [255]),
        ("uint16", 65535.0, [65535]),
        ("int32", -(2**31), [-(2**31)]),
    ],
)
def test_nodata_of_any_type_is_left_out(way, kind, nodata, stored):
    support = SUPPORTS["not nested"]
    rng = np.random.default_rng(6)
    values = rng.integers(1, 100, support.fine.shape).astype(kind)
    hole = rng.random(values.shape) < 0.3
    values[hole] = rng.choice(np.array(stored, kind), hole.sum())
    expected = by_loops(support, np.where(hole, np.nan, values.astype(np.float64)))
    for one, wanted in zip(gathered(support, values, [5, 11], nodata), expected):
        np.testing.assert_allclose(one, wanted, rtol=1e-12, atol=1e-15)


def test_a_nodata_value_that_the_type_cannot_hold_takes_nothing_out(way):
    support = SUPPORTS["nested"]
    values = np.full(support.fine.shape, 241, np.uint8)  # -9999 as a byte
    assert gathered(support, values, (), -9999.0)[1] == pytest.approx(1.0)


def test_without_numba_nothing_changes(monkeypatch):
    support = SUPPORTS["not nested"]
    values = field(support.fine.shape)
    monkeypatch.setattr(sums, "_WORTH_COMPILING", 0)
    expected = [one.tobytes() for one in gathered(support, values)]
    sums._compiled.cache_clear()
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    try:
        assert sums._compiled("float64") is None
        assert [one.tobytes() for one in gathered(support, values)] == expected
    finally:
        sums._compiled.cache_clear()


def test_a_part_of_the_cells_has_the_sums_of_the_whole(way):
    support = SUPPORTS["not nested"]
    values = field(support.fine.shape)
    total, weight = gathered(support, values)
    for begin, end in ((0, 2), (1, 4), (5, 6)):
        rows = support.row_spans.part(begin, end)
        first, last = rows.reach
        part = SeparableSums(support.row_spans.part(begin, end, first), support.col_spans, support.fine.cols)
        part.add(values[first:last], 0)
        for one, wanted in zip(part.result(), (total[begin:end], weight[begin:end])):
            assert one.tobytes() == wanted.tobytes()


def test_spans_say_how_many_cells_see_a_row():
    assert Spans.of(SUPPORTS["nested"].row_weights).most_at_once == 1
    assert Spans.of(SUPPORTS["not nested"].row_weights).most_at_once == 2
    dense = SUPPORTS["footprint"].row_weights.toarray() > 0
    assert Spans.of(SUPPORTS["footprint"].row_weights).most_at_once == dense.sum(axis=0).max()


@pytest.mark.parametrize(
    "fine, coarse, tolerance",
    [
        # Overlaps that float32 holds exactly, as exactextract keeps them.
        (grid(-250, 9125, 500, 20, 20), grid(0, 9000, 1125, 8, 8), 1e-9),
        (grid(0, 9000, 500, 18, 18), grid(0, 9000, 1500, 6, 6), 1e-9),
        (grid(-71, 9133, 431, 23, 24), grid(0, 9000, 1453, 6, 6), 1e-7),
    ],
    ids=["not nested", "nested", "any offsets"],
)
def test_means_and_shares_are_those_of_exactextract(fine, coarse, tolerance, way):
    exactextract = pytest.importorskip("exactextract")
    from exactextract.raster import NumPyRasterSource

    values = field(fine.shape, 7)
    left, bottom, right, top = fine.extent()
    raster = NumPyRasterSource(values, xmin=left, ymin=bottom, xmax=right, ymax=top, nodata=np.nan)
    x, y = coarse.x_edges().tolist(), coarse.y_edges().tolist()
    cells = []
    for i, j in np.ndindex(*coarse.shape):
        ring = [(x[j], y[i]), (x[j + 1], y[i]), (x[j + 1], y[i + 1]), (x[j], y[i + 1]), (x[j], y[i])]
        cells.append({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    found = [one["properties"] for one in exactextract.exact_extract(raster, cells, ["mean", "count"])]
    running = RunningMean(Support(fine, coarse))
    running.add(values, 0)
    mean, share = running.result()
    area = (coarse.cell_width / fine.cell_width) ** 2
    expected_mean = np.reshape([one["mean"] if one["count"] > 0 else np.nan for one in found], coarse.shape)
    expected_share = np.reshape([one["count"] / area for one in found], coarse.shape)
    np.testing.assert_allclose(mean, expected_mean.astype(float), atol=tolerance)
    np.testing.assert_allclose(share, expected_share, atol=tolerance)
