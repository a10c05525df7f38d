"""From layers to a dated stack: dates, bands, grids, strips, resuming, and what cannot be fused."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.fusion import streaming
from soilmoisture.core.prepare.fusion.estarfm import fuse_estarfm
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import STARFM, FusionOptions, parse_dates
from soilmoisture.core.prepare.fusion.starfm import fuse_starfm
from soilmoisture.core.raster.periods import period_in_name
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

FINE, COARSE = ("2020-05-01", "2020-06-01"), ("2020-05-01", "2020-05-11", "2020-05-21", "2020-06-01")
SMALL = FusionOptions(window=9)
RUN = FusionRun(SMALL)


@pytest.fixture
def layers(scene, layer):
    """layers(...): paths of two fine and four coarse layers, and their values."""

    def make(bands=1, gaps=0.0, names=None, other=None, **options):
        fine, coarse, wanted = scene(bands, gaps, dates=2)
        names = names or ["red", "nir", "swir"][:bands]
        coarse = [coarse[0], *wanted, coarse[1]]
        return (
            [layer(f"fine/f_{day}", values, names, **options) for day, values in zip(FINE, fine)],
            [layer(f"coarse/c_{day}", values, other or names, **options) for day, values in zip(COARSE, coarse)],
            (fine, np.stack([coarse[0], coarse[3]]), wanted),
        )

    return make


def read(path):
    with Stack.open(path) as stack:
        return np.stack([stack.read(number) for number in range(1, len(stack.bands) + 1)])


def refused(words, *arguments, **options):
    with pytest.raises(InputError) as caught:
        fuse_layers(*arguments, **options)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith(".") and "\n" not in message


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
    assert not (tmp_path / "out_parts").exists()


def test_strips_and_pieces_change_no_bit(tmp_path, layers, monkeypatch):
    fine, coarse, _ = layers(2, 0.03)
    fuse_layers(fine, coarse, tmp_path / "whole.tif", run=RUN)
    monkeypatch.setattr(streaming, "strips", lambda rows, cols: ((k, min(5, rows - k)) for k in range(0, rows, 5)))
    monkeypatch.setattr(streaming, "_COLUMNS", 7)
    monkeypatch.setattr(streaming, "_MEMORY", 1.0)  # a pass for each date
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


def test_a_stopped_run_goes_on_where_it_was(tmp_path, layers, monkeypatch, cancels_after):
    fine, coarse, _ = layers()
    monkeypatch.setattr(streaming, "_MEMORY", 1.0)
    out, parts = tmp_path / "out.tif", tmp_path / "out_parts"
    checks = 0
    while not list(parts.glob("part-*.tif")):
        checks += 5
        with pytest.raises(Cancelled):
            fuse_layers(fine, coarse, out, run=RUN, progress=cancels_after(checks))
    assert not out.exists()
    result = fuse_layers(fine, coarse, out, run=RUN)
    assert 1 <= result.kept < 3 and not parts.exists()
    fuse_layers(fine, coarse, tmp_path / "fresh.tif", run=RUN)
    assert np.array_equal(read(out), read(tmp_path / "fresh.tif"))


def test_dates_of_an_earlier_run_are_kept_while_nothing_they_rest_on_changes(tmp_path, layers):
    fine, coarse, _ = layers()
    out, flags = tmp_path / "out.tif", tmp_path / "flags.tif"
    fuse_layers(fine, [path for path in coarse if "05-21" not in path], out, flags, run=RUN)
    first = read(out)
    result = fuse_layers(fine, coarse, out, flags, run=RUN)
    assert [one.kept for one in result.dates] == [True, False]
    assert np.array_equal(read(out)[0], first[0])
    assert fuse_layers(fine, coarse, out, flags, run=RUN).kept == 2
    assert fuse_layers(fine, coarse, out, flags, tmp_path / "more.tif", run=RUN).kept == 0  # details are new
    assert fuse_layers(fine, coarse, out, flags, run=FusionRun(FusionOptions(window=7))).kept == 0
    os.utime(coarse[1], (1, 1))
    assert fuse_layers(fine, coarse, out, flags, run=FusionRun(FusionOptions(window=7))).kept == 1


def test_a_file_of_another_kind_in_place_of_the_output_is_replaced(tmp_path, layers):
    fine, coarse, _ = layers()
    (tmp_path / "out.tif").write_text("no raster")
    assert fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN).kept == 0


def test_cancel_leaves_no_output(tmp_path, layers, cancels_after):
    fine, coarse, _ = layers()
    for checks in (0, 3, 12):
        with pytest.raises(Cancelled):
            fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN, progress=cancels_after(checks))
        assert not list(tmp_path.glob("out.tif")) and not list(tmp_path.glob(".out*"))


def test_scales_that_differ_are_found_with_a_factor_that_mends_it(tmp_path, layers, layer):
    fine, coarse, (_, c, w) = layers()
    values = [c[0], *w, c[1]]
    small = [layer(f"small/c_{day}", v / 1e4, ["red"]) for day, v in zip(COARSE, values)]
    refused(["scale", "10000", "'red'"], fine, small, tmp_path / "out.tif", run=RUN)
    fuse_layers(fine, small, tmp_path / "out.tif", run=FusionRun(SMALL, coarse_factor=1e4))
    fuse_layers(fine, coarse, tmp_path / "plain.tif", run=RUN)
    np.testing.assert_allclose(read(tmp_path / "out.tif"), read(tmp_path / "plain.tif"), rtol=1e-5)


def test_kelvin_beside_celsius_is_noticed(tmp_path, layers, layer):
    fine, _, (_, c, w) = layers()
    fine = [layer(f"k/f_{d}", v * 5 + 290, ["lst"]) for d, v in zip(FINE, layers()[2][0])]
    coarse = [layer(f"k/c_{d}", v * 5 + 16.85, ["lst"]) for d, v in zip(COARSE, [c[0], *w, c[1]])]
    result = fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN)
    assert any("Celsius" in note for note in result.notes)


def test_what_cannot_be_fused_is_said_in_a_sentence(tmp_path, layers, layer):
    fine, coarse, (f, c, w) = layers()
    out = tmp_path / "out.tif"
    refused(["Give the fine layers"], [], coarse, out, run=RUN)
    refused(["Give the coarse layers"], fine, [], out, run=RUN)
    twice = shutil.copy(fine[0], tmp_path / "again_2020-05-01.tif")
    refused(["2020-05-01", "twice"], [*fine, str(twice)], coarse, out, run=RUN)
    refused(["2020-06-01", "no coarse image"], fine, coarse[:3], out, run=RUN)
    refused(["no date to predict"], fine, [coarse[0], coarse[3]], out, run=RUN)
    undated = shutil.copy(fine[0], tmp_path / "undated.tif")
    refused(["undated", "no date"], [*fine, str(undated)], coarse, out, run=RUN)
    empty = layer("coarse/c_2020-06-01", f[0] * np.nan, ["red"])
    refused(["2020-06-01", "no valid pixel in common"], fine, [*coarse[:3], empty], out, run=RUN)
    halves = []
    for k, day in enumerate(FINE):
        half = f[k].copy()
        half[:, :, : 13 if k else None] = np.nan if k else half
        half[:, :, 13:] = half[:, :, 13:] if k else np.nan
        halves.append(layer(f"half/f_{day}", half, ["red"]))
    coarse[3] = layer("coarse/c_2020-06-01", c[1], ["red"])
    refused(["pairs of 2020-05-01 and 2020-06-01", "STARFM"], halves, coarse, out, run=RUN)
    refused(["-9999", "nodata"], _filled(layer, f), coarse, out, run=RUN)
    refused(
        ["valid range", "0 to 0.1"], fine, coarse, out, run=FusionRun(FusionOptions(window=9, valid_range=(0, 0.1)))
    )
    refused(["also an input"], fine, coarse, fine[0], run=RUN)
    refused(["odd"], fine, coarse, out, run=FusionRun(FusionOptions(window=8)))
    refused(["positive"], fine, coarse, out, run=FusionRun(SMALL, coarse_factor=0))
    refused(["resampling"], fine, coarse, out, run=FusionRun(SMALL, resampling="spline"))
    assert not out.exists()


def _filled(layer, f):
    holed = f.copy()
    holed[0, 0, 3, 3] = -9999
    return [layer(f"filled/f_{day}", v, ["red"], nodata=None) for day, v in zip(FINE, holed)]


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"},
        {"conversion": "guess"},
        {"window": 4},
        {"classes": 0},
        {"significance": 0},
        {"valid_range": (1.0, 1.0)},
        {"halving": -1},
    ],
)
def test_options_that_cannot_be_meant(options):
    with pytest.raises(InputError):
        FusionOptions(**options).check()


def test_variables_have_valid_ranges_of_their_own():
    ranges = {name: FusionOptions.for_variable(name).valid_range for name in ("reflectance", "ndvi", "lst", "other")}
    assert ranges == {"reflectance": (-0.2, 1.6), "ndvi": (-1.0, 1.0), "lst": None, "other": None}
    assert FusionOptions.for_variable("ndvi", window=9).window == 9
    with pytest.raises(InputError, match="variable"):
        FusionOptions.for_variable("colour")
