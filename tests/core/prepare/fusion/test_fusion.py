"""From layers to a dated stack: dates, bands, grids, strips."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from fusion_layers import COARSE, FINE, RUN, SMALL, read, refused
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.fusion import streaming
from soilmoisture.core.prepare.fusion.bands import Image
from soilmoisture.core.prepare.fusion.estarfm import fuse_estarfm
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import STARFM, FusionOptions, parse_dates
from soilmoisture.core.prepare.fusion.plan import Group, Pair
from soilmoisture.core.prepare.fusion.starfm import fuse_starfm
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import period_in_name
from soilmoisture.core.raster.stack import Band, Stack, StackWriter


def test_the_stack_is_what_the_arrays_give(tmp_path, layers):
    fine, coarse, (f, c, w) = layers(2, 0.02)
    paths = [tmp_path / f"{name}.tif" for name in ("out", "quality", "details")]
    result = fuse_layers(fine, coarse, *paths, RUN)
    expected = fuse_estarfm(f, c, w, SMALL)
    np.testing.assert_allclose(read(paths[0]), expected.values.reshape(4, 24, 26), rtol=1e-6)
    with Stack.open(paths[0]) as stack:
        labels = [band.label for band in stack.bands]
        assert labels == ["red 2020-05-11", "nir 2020-05-11", "red 2020-05-21", "nir 2020-05-21"]
        assert stack.grid.same_as(result.grid)
    codes = gdal.Open(str(paths[1])).ReadAsArray()
    np.testing.assert_array_equal(codes, expected.quality)
    with Stack.open(paths[2]) as stack:
        assert [b.name for b in stack.bands[:3]] == ["similar_pixels", "red_conversion", "red_first_pair"]
        np.testing.assert_array_equal(stack.read(1), expected.similar[0].min(axis=0))
        np.testing.assert_allclose(stack.read(2), expected.conversion[0], rtol=1e-6)
        np.testing.assert_allclose(stack.read(8), expected.share[1, 0], rtol=1e-6)
    assert [one.enclosed for one in result.dates] == [True, True]
    assert not list(tmp_path.glob(".out*"))


def test_strips_and_pieces_change_no_bit(tmp_path, layers, monkeypatch):
    fine, coarse, _ = layers(2, 0.03)
    fuse_layers(fine, coarse, tmp_path / "whole.tif", run=RUN)
    monkeypatch.setattr(streaming, "_ROWS", 5)
    monkeypatch.setattr(streaming, "_COLUMNS", 7)
    monkeypatch.setattr(streaming, "_MOST_DATES", 1)
    fuse_layers(fine, coarse, tmp_path / "pieces.tif", run=RUN)
    assert np.array_equal(read(tmp_path / "whole.tif"), read(tmp_path / "pieces.tif"), equal_nan=True)


def test_bands_in_another_order_and_number(tmp_path, layers, layer):
    fine, coarse, (f, c, w) = layers(2)
    turned = [
        layer(f"turned/t_{day}", [np.zeros((24, 26)), values[1], values[0]], ["swir", "nir", "red"])
        for day, values in zip(COARSE, [c[0], *w, c[1]])
    ]
    result = fuse_layers(fine, turned, tmp_path / "turned.tif", run=RUN)
    fuse_layers(fine, coarse, tmp_path / "plain.tif", run=RUN)
    assert np.array_equal(read(tmp_path / "turned.tif"), read(tmp_path / "plain.tif"))
    assert any("swir" in note for note in result.notes)
    one = fuse_layers(fine, turned, tmp_path / "nir.tif", run=FusionRun(SMALL, bands=["nir"]))
    assert one.plan.names == ["nir"]
    refused(["blue", "red, nir"], fine, coarse, tmp_path / "o.tif", run=FusionRun(SMALL, bands=["blue"]))
    refused(["2 bands", "3", "same name"], *_renamed(layer, f, c, w), tmp_path / "o.tif", run=RUN)


def _renamed(layer, f, c, w):
    fine = [layer(f"a/f_{day}", values) for day, values in zip(FINE, f)]
    coarse = [layer(f"a/c_{d}", [*v, v[0]], ["x", "y", "z"]) for d, v in zip(COARSE, [c[0], *w, c[1]])]
    return fine, coarse


def test_bands_without_names_go_by_their_order(tmp_path, layers):
    fine, coarse, (f, c, w) = layers(2, names=["", ""])
    result = fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN)
    assert result.plan.names == ["band_1", "band_2"] and any("order" in note for note in result.notes)
    np.testing.assert_allclose(read(tmp_path / "out.tif")[1], fuse_estarfm(f, c, w, SMALL).values[0, 1], rtol=1e-6)


def test_coarse_layers_on_their_own_grid(tmp_path, scene, layer):
    fine, coarse, wanted = scene(1, 0.0, dates=1, shape=(24, 24))
    blocks = [v[0].reshape(6, 4, 6, 4).mean(axis=(1, 3)) for v in (coarse[0], wanted[0], coarse[1])]
    fines = [layer(f"f_{day}", values, ["ndvi"]) for day, values in zip(FINE, fine)]
    days = (FINE[0], "2020-05-16", FINE[1])
    coarses = [layer(f"c_{day}", values, ["ndvi"], pixel=120.0) for day, values in zip(days, blocks)]
    result = fuse_layers(fines, coarses, tmp_path / "out.tif", run=FusionRun(SMALL, resampling="nearest"))
    c1, w, c2 = (np.kron(values, np.ones((4, 4)))[None] for values in blocks)
    expected = fuse_estarfm(fine, np.stack([c1, c2]), w[None], SMALL)
    np.testing.assert_allclose(read(tmp_path / "out.tif"), expected.values[0], rtol=1e-5, atol=1e-6)
    assert result.how_coarse == "nearest" and result.how_fine == "as they are"
    refused(["finer than the fine"], coarses[::2], fines + coarses[1:2], tmp_path / "o.tif", run=RUN)


def test_stacks_of_many_dates_and_what_is_in_them_besides(tmp_path, layers, scene):
    """Terrain beside dated bands, and the quality band of an earlier step, are no images."""
    fine, coarse, (f, c, w) = layers()
    fuse_layers(fine, coarse, tmp_path / "plain.tif", run=RUN)
    with Stack.open(fine[0]) as first:
        grid = first.grid
    days = {"fine": FINE, "coarse": COARSE}
    for side, values in (("fine", list(f)), ("coarse", [c[0], *w, c[1]])):
        bands = [Band("red", period_in_name(day)) for day in days[side]]
        bands += [Band("elevation"), Band("quality", bands[0].period, "", "quality")]
        with StackWriter(tmp_path / f"{side}_stack.tif", grid, bands, dtype="float64") as out:
            for number, image in enumerate([*(v[0] for v in values), f[0, 0], f[0, 0]], 1):
                out.write(number, image)
    stacks = [str(tmp_path / f"{side}_stack.tif") for side in days]
    result = fuse_layers(stacks[:1], stacks[1:], tmp_path / "stacks.tif", run=RUN)
    assert np.array_equal(read(tmp_path / "stacks.tif"), read(tmp_path / "plain.tif"))
    assert any("elevation" in note for note in result.notes) and result.plan.names == ["red"]


def test_integers_do_not_wrap_around(tmp_path, layers, layer):
    _, _, (f, c, w) = layers()
    whole = [np.round(100 * v + 400) for v in (f, c, w)]
    kinds = {}
    for kind in (gdal.GDT_UInt16, gdal.GDT_Float64):
        name = gdal.GetDataTypeName(kind)
        fine = [layer(f"{name}/f_{d}", v, ["b"], kind=kind, nodata=65535) for d, v in zip(FINE, whole[0])]
        values = [whole[1][0], *whole[2], whole[1][1]]
        coarse = [layer(f"{name}/c_{d}", v, ["b"], kind=kind, nodata=65535) for d, v in zip(COARSE, values)]
        fuse_layers(fine, coarse, tmp_path / f"{name}.tif", run=RUN)
        kinds[name] = read(tmp_path / f"{name}.tif")
    assert np.array_equal(kinds["UInt16"], kinds["Float64"])


def test_dates_outside_all_pairs_are_fused_and_flagged(tmp_path, layers, layer):
    fine, coarse, (_, _, w) = layers()
    coarse.append(layer("coarse/c_2020-07-01", w[0], ["red"]))
    result = fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN)
    assert [one.enclosed for one in result.dates] == [True, True, False]
    assert any("2020-07-01" in note and "extrapolation" in note for note in result.notes)


def test_only_some_dates(tmp_path, layers):
    fine, coarse, _ = layers()
    run = FusionRun(SMALL, dates=parse_dates(["2020-05-15/2020-05-21"]))
    assert [one.period.label for one in fuse_layers(fine, coarse, tmp_path / "out.tif", run=run).dates] == [
        "2020-05-21"
    ]
    refused(
        ["no date to predict"], fine, coarse, tmp_path / "o.tif", run=FusionRun(SMALL, dates=parse_dates(["2021-05"]))
    )
    with pytest.raises(InputError, match="no date"):
        parse_dates(["spring"])
    with pytest.raises(InputError, match="later date first: write 2020-06-01/2020-06-20"):
        parse_dates(["2020-06-20/2020-06-01"])
    year, span = parse_dates(["2020", "2020/2021"])
    assert (str(year.start), str(year.end), str(span.end)) == ("2020-01-01", "2021-01-01", "2022-01-01")


def test_each_date_takes_the_pairs_around_it(tmp_path, layers, layer):
    fine, coarse, (f, c, w) = layers()
    fine.append(layer("fine/f_2020-07-01", f[0], ["red"]))
    coarse += [layer("coarse/c_2020-07-01", c[0], ["red"]), layer("coarse/c_2020-06-10", w[1], ["red"])]
    result = fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN)
    pairs = {one.period.label: [p.label for p in one.pairs] for one in result.dates}
    assert pairs["2020-05-11"] == ["2020-05-01", "2020-06-01"] and pairs["2020-06-10"] == ["2020-06-01", "2020-07-01"]
    assert len(result.left_out) == 3


def test_one_pair_falls_back_to_starfm(tmp_path, layers):
    fine, coarse, (f, c, w) = layers()
    result = fuse_layers(fine[:1], coarse[:3], tmp_path / "out.tif", run=RUN)
    assert result.method == STARFM and any("STARFM" in note for note in result.notes)
    expected = fuse_starfm(f[:1], c[:1], w, SMALL)
    np.testing.assert_allclose(read(tmp_path / "out.tif"), expected.values[:, 0], rtol=1e-6)


def test_many_bands_share_the_search_between_dates(layers):
    """Six bands of 1500 x 1500 pixels: eight dates in a pass, in pieces that memory holds."""
    grid, coarse = ease_grid(1, 2000, 2000, 1500, 1500), ease_grid(9, 200, 200, 170, 170)
    names, options = list("abcdef"), FusionOptions(window=31)

    def image(day, grid):
        stack = SimpleNamespace(grid=grid)
        return Image(period_in_name(day), {name: (stack, k) for k, name in enumerate(names, 1)})

    pairs = tuple(Pair(image(day, grid), image(day, coarse)) for day in FINE)
    wanted = [image(f"2020-05-{day:02}", coarse) for day in range(2, 26)]
    batches = streaming.passes(Group(pairs, wanted), names, grid, options)
    assert [one for batch in batches for one in batch] == wanted
    number = len(batches[0])
    assert number >= 8
    rows, cols = streaming.piece_size(6, number, grid, options)
    assert min(rows, cols) >= 64
    # The fields of a piece (three times, at least one of each date and band) and the images of its strip.
    fields = 3 * 8 * 6 * number * (rows + 30) * (cols + 30)
    assert fields + 8 * 6 * (4 + number) * (rows + 30) * 1500 < 400e6
    for bands, window in ((1, 5), (1, 51), (6, 301)):
        wide = ease_grid(1, 0, 0, 10000, 10000)
        assert min(streaming.piece_size(bands, 1, wide, FusionOptions(window=window))) > 0
