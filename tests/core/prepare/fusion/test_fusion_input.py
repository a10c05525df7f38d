"""What cannot be fused, or only looks so, and what is said about it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fusion_layers import COARSE, FINE, RUN, SMALL, Fractions, read, refused
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions, parse_dates
from soilmoisture.core.raster.stack import Stack


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


@pytest.mark.parametrize(
    ("fill", "kind", "level", "words"),
    [
        (-3000, gdal.GDT_Int16, 0, ["-3000", "far from all others"]),
        (32767, gdal.GDT_Int16, 0, ["32767"]),
        (65535, gdal.GDT_UInt16, 5000, ["65535"]),
        (0, gdal.GDT_UInt16, 14000, ["the value 0", "far from all others"]),
        (9.96921e36, gdal.GDT_Float32, 0, ["9.96921e+36"]),
        (-9999, gdal.GDT_Float32, 0, ["-9999"]),
    ],
)
@pytest.mark.parametrize("where", ["fine", "coarse", "wanted"])
def test_fill_values_that_are_not_declared_stop_the_run_at_once(
    tmp_path, layers, layer, fill, kind, level, words, where
):
    """Also in the coarse images to predict from, before anything is computed, and before scales are compared."""
    fine, coarse, (f, c, w) = layers()
    scale = 1.0 if kind == gdal.GDT_Float32 else 400.0
    path = {"fine": "fine/f_2020-05-01", "coarse": "coarse/c_2020-06-01", "wanted": "coarse/c_2020-05-21"}[where]
    values = {"fine": f[0], "coarse": c[1], "wanted": w[1]}[where] * scale + level
    holed = values.copy()
    holed[0, 4:6, 7] = fill
    progress = Fractions()
    layer(path, holed, ["red"], kind=kind, nodata=None)
    refused([*words, path[-12:], "nodata"], fine, coarse, tmp_path / "o.tif", run=RUN, progress=progress)
    assert max(progress.seen) <= 0.02


def test_values_that_only_look_like_fills_are_taken(tmp_path, layers, layer):
    """Zeros and -3000 among values like them."""
    fine, coarse, (f, c, w) = layers()
    whole = [np.round(1000 * v) for v in (f, c, w)]
    for image in [*whole[0], *whole[1], *whole[2]]:
        image[0, 3, 3], image[0, 3, 4], image[0, 3, 5] = 0, -3000, -2990
    fine = [layer(f"i/f_{d}", v, ["red"], kind=gdal.GDT_Int16, nodata=None) for d, v in zip(FINE, whole[0])]
    values = [whole[1][0], *whole[2], whole[1][1]]
    coarse = [layer(f"i/c_{d}", v, ["red"], kind=gdal.GDT_Int16, nodata=None) for d, v in zip(COARSE, values)]
    assert len(fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN).dates) == 2


def test_coarse_images_without_a_value_are_noticed_beforehand(tmp_path, layers, layer):
    fine, coarse, (_, _, w) = layers()
    layer("coarse/c_2020-05-21", w[0] * np.nan, ["red"])
    progress = Fractions()
    result = fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN, progress=progress)
    assert "2020-05-21" in progress.warned[0] and [one.gaps for one in result.dates] == [pytest.approx(0, abs=0.1), 1]
    layer("coarse/c_2020-05-11", w[0] * np.nan, ["red"])
    refused(["2020-05-11, 2020-05-21", "no valid pixel"], fine, coarse, tmp_path / "o.tif", run=RUN)


def test_a_subdataset_takes_the_date_of_its_file(tmp_path, layers):
    fine, coarse, _ = layers(names=["Band1"])
    path = tmp_path / "lst_2020-05-16.nc"
    gdal.Translate(str(path), coarse[1], format="netCDF")
    run = FusionRun(SMALL, dates=parse_dates(["2020-05-16"]))
    subdataset = f'NETCDF:"{path}":Band1'
    with Stack.open(subdataset) as stack:
        assert not stack.periods
    result = fuse_layers(fine, [coarse[0], coarse[3], subdataset], tmp_path / "out.tif", run=run)
    assert [one.period.label for one in result.dates] == ["2020-05-16"]


def test_a_fine_image_given_twice_without_names_is_said_to_be(tmp_path, layer, scene):
    f, c, w = scene()
    fine = [layer(f"f_{day}", v) for day, v in zip(FINE, f)] + [layer(f"again_{FINE[0]}", f[0])]
    coarse = [layer(f"c_{day}", v) for day, v in zip((FINE[0], "2020-05-11", FINE[1]), (c[0], w[0], c[1]))]
    refused(["2020-05-01", "twice", "again_"], fine, coarse, tmp_path / "o.tif", run=RUN)


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
        {"uncertainty": float("nan")},
        {"halving": float("inf")},
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
