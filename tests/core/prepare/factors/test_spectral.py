"""Spectral indices: formulas against spyndex and plain Python, bands by role, periods, scales, output and report."""

from __future__ import annotations

import math

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.factors.common import sources_of
from soilmoisture.core.prepare.factors.indices import INDICES, Constants, compute_index
from soilmoisture.core.prepare.factors.roles import assign_roles, parse_roles
from soilmoisture.core.prepare.factors.spectral import SpectralOptions, make_indices
from soilmoisture.core.prepare.factors.spectral_report import spectral_report
from soilmoisture.core.raster.stack import Stack, opened

ROLES = ("blue", "green", "red", "nir", "nir2", "swir1", "swir2")
CORNER, SIZE = (400000.0, 5000000.0), 500.0
DAYS = [("2021-08-05", "2021-08-13"), ("2021-08-13", "2021-08-21")]
SPYNDEX = {
    "NDVI": "NDVI",
    "EVI": "EVI",
    "EVI2": "EVI2",
    "NIRv": "NIRv",
    "NDWI_McFeeters": "NDWI",
    "NDMI": "NDMI",
    "NSDSI1": "NSDSI1",
    "NSDSI2": "NSDSI2",
    "NSDSI3": "NSDSI3",
    "SAVI": "SAVI",
    "MSI": "MSI",
}


@pytest.fixture
def reflectances():
    rng = np.random.default_rng(3)
    low, high = (0.02, 0.03, 0.03, 0.15, 0.12, 0.1, 0.05), (0.1, 0.12, 0.2, 0.5, 0.45, 0.4, 0.3)
    return {role: rng.uniform(a, b, (6, 7)) for role, a, b in zip(ROLES, low, high)}


@pytest.fixture
def stack(raster, reflectances):
    """stack(roles, periods): the importer's kind of file, with the second period a little brighter."""

    def write(roles=ROLES, periods=DAYS, name="reflectance", times=1.0, **more):
        layers, names, dates = [], [], []
        for role in roles:
            for number, period in enumerate(periods):
                layers.append(times * reflectances[role] * (1 + 0.1 * number))
                names.append(role)
                dates.append(period)
        return raster(name, np.array(layers), CORNER, SIZE, names=names, periods=dates, **more)

    return write


def values_of(path, name, period=0):
    with Stack.open(path) as made:
        numbers = [number for number, band in enumerate(made.bands, 1) if band.name == name]
        return made.read(numbers[period])


def metadata_of(path, number):
    opened = gdal.Open(str(path))  # a band does not outlive its file
    return opened.GetRasterBand(number).GetMetadata()


@pytest.mark.parametrize("name", SPYNDEX)
def test_formulas_equal_spyndex(name, reflectances):
    spyndex = pytest.importorskip("spyndex")
    letters = dict(zip(("B", "G", "R", "N", "S1", "S2"), ("blue", "green", "red", "nir", "swir1", "swir2")))
    inputs = {letter: reflectances[role] for letter, role in letters.items()}
    constants = {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 0.5 if name == "SAVI" else 1.0}
    expected = spyndex.computeIndex(SPYNDEX[name], params={**inputs, **constants})
    found = compute_index(INDICES[name], reflectances, Constants(nirv_c=0.0))
    known = np.isfinite(found)
    assert known.sum() > 35
    np.testing.assert_allclose(found[known], np.asarray(expected)[known], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "bands", "expected"),
    [
        ("NDVI", {"nir": 0.4, "red": 0.1}, 0.6),
        ("NDVI", {"nir": 0.0, "red": 0.0}, math.nan),
        ("NDVI", {"nir": 0.05, "red": -0.05}, math.nan),
        ("NDVI", {"nir": 0.05, "red": -0.01}, 0.06 / 0.04),
        ("NDVI", {"nir": 0.4, "red": math.nan}, math.nan),
        ("NDVI", {"nir": 6e-7, "red": 3e-7}, math.nan),
        ("NDVI", {"nir": 6e-7, "red": 5e-7}, 1e-7 / 1.1e-6),
        ("EVI", {"nir": 0.4, "red": 0.1, "blue": 0.05}, 2.5 * 0.3 / (0.4 + 0.6 - 0.375 + 1)),
        # Snow: the denominator is 0.9 + 5.1 - 6.9 + 1 = 0.1, and EVI would be 1.25.
        ("EVI", {"nir": 0.9, "red": 0.85, "blue": 0.92}, math.nan),
        ("EVI", {"nir": 0.5, "red": 0.5, "blue": 0.6}, math.nan),
        ("EVI2", {"nir": 0.4, "red": 0.1}, 2.5 * 0.3 / (0.4 + 0.24 + 1)),
        ("NIRv", {"nir": 0.4, "red": 0.1}, (0.6 - 0.08) * 0.4),
        ("NDWI_Gao", {"nir": 0.4, "nir2": 0.3}, 0.1 / 0.7),
        ("NDWI_McFeeters", {"green": 0.1, "nir": 0.3}, -0.5),
        ("NDMI", {"nir": 0.4, "swir1": 0.2}, 0.2 / 0.6),
        ("NSDSI1", {"swir1": 0.4, "swir2": 0.3}, 0.25),
        ("NSDSI1", {"swir1": 0.0, "swir2": 0.3}, math.nan),
        ("NSDSI2", {"swir1": 0.4, "swir2": 0.3}, 0.1 / 0.3),
        ("NSDSI2", {"swir1": 0.4, "swir2": 0.0}, math.nan),
        ("NSDSI3", {"swir1": 0.4, "swir2": 0.3}, 0.1 / 0.7),
        ("SAVI", {"nir": 0.4, "red": 0.1}, 1.5 * 0.3 / 1.0),
        ("MSI", {"swir1": 0.2, "nir": 0.4}, 0.5),
        ("MSI", {"swir1": 0.2, "nir": 0.0}, math.nan),
    ],
)
def test_hand_cases(name, bands, expected):
    found = compute_index(INDICES[name], {role: np.array([[v]]) for role, v in bands.items()}, Constants())
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-9)


def test_constants_mask_and_clip():
    bands = {role: np.array([value]) for role, value in (("nir", 0.05), ("red", -0.01), ("swir1", 0.4), ("swir2", 0.3))}
    assert compute_index(INDICES["NDVI"], bands, Constants(clip=True))[0] == 1.0
    assert compute_index(INDICES["NIRv"], bands, Constants(nirv_c=0.5))[0] == pytest.approx(0.05)
    assert compute_index(INDICES["SAVI"], bands, Constants(savi_l=1))[0] == pytest.approx(2 * 0.06 / 1.04)
    bare = {"nir": np.array([0.2, 0.4, np.nan]), "red": np.array([0.15, 0.1, 0.1])}
    bare |= {"swir1": np.full(3, 0.4), "swir2": np.full(3, 0.3)}
    for name in ("NSDSI1", "NSDSI2", "NSDSI3"):
        found = compute_index(INDICES[name], bare, Constants(bare_ndvi=0.3))
        assert np.isfinite(found).tolist() == [True, False, False]
        assert np.isfinite(compute_index(INDICES[name], bare, Constants())).all()


def test_stack_of_the_importer(tmp_path, stack, reflectances, words):
    out = tmp_path / "indices.tif"
    names = list(INDICES)
    result = make_indices([stack()], out, SpectralOptions(names))
    assert not result.missing and not result.notes
    with Stack.open(out) as made:
        assert [band.name for band in made.bands[::2]] == [name.lower() for name in names]
        assert {band.unit for band in made.bands} == {"1"}
        assert [period.label for period in made.periods] == ["2021-08-05/2021-08-13", "2021-08-13/2021-08-21"]
    red, near = reflectances["red"] * 1.1, reflectances["nir"] * 1.1
    np.testing.assert_allclose(values_of(out, "nirv", 1), ((near - red) / (near + red) - 0.08) * near, rtol=1e-6)
    metadata = metadata_of(out, 9)
    assert "Gao" in metadata["LONG_NAME"] and "1240" in metadata["LONG_NAME"] and "doi:" in metadata["LONG_NAME"]
    assert metadata["BANDS"] == "nir=nir, nir2=nir2"
    page = words(spectral_report(result))
    assert "12 indices in 2 periods" in page and "Badgley" in page and "(NDVI − 0.08) nir" in page


def test_summaries_are_those_of_the_file(tmp_path, stack):
    out = tmp_path / "indices.tif"
    written = make_indices([stack()], out, SpectralOptions(["NDVI", "MSI"])).written
    for number, one in enumerate(written.bands, 1):
        with Stack.open(out) as made:
            values = made.read(number)
        assert (one.minimum, one.median, one.maximum, one.valid_share) == pytest.approx(
            (values.min(), np.median(values), values.max(), 1.0)
        )
    assert [band.name for band, _ in written.maps] == ["ndvi", "msi"]


def test_source_product_is_kept(tmp_path, stack):
    path = stack()
    opened = gdal.Open(path, gdal.GA_Update)
    for number in range(1, opened.RasterCount + 1):
        opened.GetRasterBand(number).SetMetadataItem("SOURCE_PRODUCT", "MOD09A1")
        opened.GetRasterBand(number).SetMetadataItem("SOURCE_VERSION", "061")
    opened = None
    make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    metadata = metadata_of(tmp_path / "out.tif", 1)
    assert (metadata["SOURCE_PRODUCT"], metadata["SOURCE_VERSION"]) == ("MOD09A1", "061")


def test_missing_combinations_are_listed(tmp_path, raster, stack, reflectances, words):
    """Blue is there in the first period only, 1240 nm nowhere."""
    blue = raster("blue", reflectances["blue"], CORNER, SIZE, names=["blue"], periods=DAYS[:1])
    layers = [stack(("red", "nir")), blue]
    result = make_indices(layers, tmp_path / "out.tif", SpectralOptions(["NDVI", "EVI", "NDWI_Gao"]))
    assert [(name, period and period.label, lacking) for name, period, lacking in result.missing] == [
        ("evi", "2021-08-13/2021-08-21", ["blue"]),
        ("ndwi_gao", None, ["nir2"]),
    ]
    assert [one.band.label for one in result.written.bands] == [
        "ndvi 2021-08-05/2021-08-13",
        "ndvi 2021-08-13/2021-08-21",
        "evi 2021-08-05/2021-08-13",
    ]
    page = words(spectral_report(result))
    assert "2 combinations of index and period could not be made" in page and "ndwi_gao: no nir2." in page


@pytest.mark.parametrize(
    ("layer", "names", "roles"),
    [
        ("LC08_L2SP_127016_20210803_20210812_02_T1_SR", ["SR_B4", "SR_B5"], ("red", "nir")),
        ("LT05_L2SP_127016_20100803_02_T1", ["SR_B3", "SR_B4"], ("red", "nir")),
        ("MOD09A1.A2021217.h25v04.061", ["sur_refl_b01", "sur_refl_b02"], ("red", "nir")),
        ("MCD43A4.A2021217.h25v04", ["Nadir_Reflectance_Band1", "Nadir_Reflectance_Band5"], ("red", "nir2")),
        ("S2A_MSIL2A_20210803T032541_N0301", ["B04", "B8A"], ("red", "nir")),
        ("scene_20210803", ["B4, central wavelength 665 nm", "B11, central wavelength 1610 nm"], ("red", "swir1")),
        ("HLS.S30.T48TXM.2021215", ["B04", "B08"], ("red", "nir")),
    ],
)
def test_roles_from_products(raster, reflectances, layer, names, roles):
    path = raster(layer, np.array([reflectances[role] for role in roles]), CORNER, SIZE, names=names)
    with opened([path]) as stacks:
        found = assign_roles(sources_of(stacks))
    assert [(role, source.index) for role in roles for source in found[role].values()] == [(roles[0], 1), (roles[1], 2)]


def test_single_band_files_of_a_scene_and_a_series(tmp_path, raster, reflectances):
    layers = []
    for date, times in (("20210803", 1.0), ("20210819", 1.2)):
        for role, band in (("red", "B04"), ("nir", "B08")):
            name = f"T48TXM_{date}T032541_{band}_10m"
            layers.append(raster(name, reflectances[role] * times, CORNER, SIZE))
    result = make_indices(layers, tmp_path / "out.tif", SpectralOptions(["NDVI", "SAVI"]))
    assert [period.label for period in result.written.periods] == ["2021-08-03", "2021-08-19"]
    a, b = reflectances["nir"] * 1.2, reflectances["red"] * 1.2
    np.testing.assert_allclose(values_of(tmp_path / "out.tif", "savi", 1), 1.5 * (a - b) / (a + b + 0.5), rtol=1e-5)
    assert any(note.startswith("red is T48TXM_B04_10m") for note in result.notes)


def test_narrow_near_infrared_only_stands_in(tmp_path, raster, reflectances):
    bands = np.array([reflectances["red"], reflectances["nir"], reflectances["nir2"]])
    path = raster("S2B_MSIL2A_20210803", bands, CORNER, SIZE, names=["B4", "B8", "B8A"])
    make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    a, b = reflectances["nir"], reflectances["red"]
    np.testing.assert_allclose(values_of(tmp_path / "out.tif", "ndvi"), (a - b) / (a + b), rtol=1e-5)


def test_roles_of_the_user_go_first(tmp_path, raster, reflectances):
    bands = np.array([reflectances["green"], reflectances["red"], reflectances["nir"]])
    path = raster("scene", bands, CORNER, SIZE, names=["red", "B4", "B5"])
    result = make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"], roles="red=B4; NIR = b5"))
    a, b = reflectances["nir"], reflectances["red"]
    np.testing.assert_allclose(values_of(tmp_path / "out.tif", "ndvi"), (a - b) / (a + b), rtol=1e-5)
    assert result.roles == {"red": ["B4"], "nir": ["B5"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("red B4", "write pairs such as red=B4"),
        ("purple=B4", "unknown: the roles are blue, green"),
        ("red=B4, red=B5", "given twice"),
        ("red=", "write pairs"),
    ],
)
def test_roles_that_cannot_be_read(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_roles(text)


def test_other_grids_are_brought_to_the_finest(tmp_path, raster, words):
    """Sentinel-2: 10 m near infrared and 20 m SWIR1, both planes, which interpolation keeps in the middle."""
    near = np.add.outer(np.linspace(0.3, 0.4, 16), np.linspace(0, 0.1, 16))
    wide = near.reshape(8, 2, 8, 2).mean(axis=(1, 3)) - 0.1
    layers = [
        raster("S2A_20210803_B11_20m", wide, CORNER, 20.0),
        raster("S2A_20210803_B08_10m", near, CORNER, 10.0),
    ]
    result = make_indices(layers, tmp_path / "out.tif", SpectralOptions(["NDMI"]))
    assert result.written.grid.cell_width == 10
    expected = 0.1 / (2 * near - 0.1)
    np.testing.assert_allclose(values_of(tmp_path / "out.tif", "ndmi")[2:-2, 2:-2], expected[2:-2, 2:-2], rtol=1e-4)
    assert any("brought to the grid of the result" in note and "bilinear" in note for note in result.notes)
    # They change values, so the log warns of them; which band is which is said only.
    assert ["brought to the grid" in note for note in result.warnings] == [True] and len(result.notes) > 1
    words(spectral_report(result))


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (10000, r"99th percentile of band 'nir 2021-08-05/2021-08-13' of reflectance is .*set the scale to 0.0001"),
        (100, r"set the scale to 0.01 \(percent\)"),
    ],
)
def test_scaled_reflectances_are_refused_with_a_proposal(tmp_path, stack, times, sentence):
    path = stack(times=times)
    with pytest.raises(InputError, match=sentence):
        make_indices([path], tmp_path / "out.tif", SpectralOptions(["SAVI"], roles="", scale=1.0))
    assert not (tmp_path / "out.tif").exists()


def test_landsat_integers_are_told_from_others(tmp_path, raster, reflectances):
    stored = np.array([(reflectances[role] + 0.2) / 0.0000275 for role in ("red", "nir")])
    path = raster("LC08_20210803", stored, CORNER, SIZE, names=["SR_B4", "SR_B5"], kind=gdal.GDT_UInt16)
    with pytest.raises(InputError, match="Landsat Collection 2 need 'Import product files'"):
        make_indices([path], tmp_path / "out.tif")


def test_the_scale_option(tmp_path, stack, reflectances):
    make_indices([stack(times=10000)], tmp_path / "out.tif", SpectralOptions(["SAVI"], scale=0.0001))
    a, b = reflectances["nir"], reflectances["red"]
    np.testing.assert_allclose(values_of(tmp_path / "out.tif", "savi"), 1.5 * (a - b) / (a + b + 0.5), rtol=1e-5)
    with pytest.raises(InputError, match="set the scale to 1"):
        make_indices([stack(name="shares")], tmp_path / "other.tif", SpectralOptions(["SAVI"], scale=0.0001))


def test_values_beyond_reflectance_are_left_out_and_counted(tmp_path, raster):
    red, near = np.full((20, 20), 0.1), np.full((20, 20), 0.3)
    near[0, 0], red[1, 1], near[2, 2] = 3.0, -0.9, np.nan
    path = raster("scene_20210803", np.array([red, near]), CORNER, SIZE, names=["red", "nir"])
    result = make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    found = values_of(tmp_path / "out.tif", "ndvi")
    assert np.isnan(found[[0, 1, 2], [0, 1, 2]]).all() and np.isfinite(found).sum() == 397
    assert result.notes == [
        f"Left out as no reflectance (beyond -0.2 to 1.6): 1 value of {role}." for role in ("nir", "red")
    ]


def test_one_layer_of_a_series_with_another_scale(tmp_path, raster, stack):
    """Found while it is read where the first bands of the layer looked right."""
    bright = np.full((20, 20), 0.3)
    periods = [*DAYS, *DAYS]
    values = np.array([bright / 3, bright / 3 * 10000, bright, bright * 10000])
    path = raster("mixed", values, CORNER, SIZE, names=["red", "red", "nir", "nir"], periods=periods)
    with pytest.raises(InputError, match="Most values of band 'nir 2021-08-13/2021-08-21' of mixed"):
        make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    assert not (tmp_path / "out.tif").exists()


def bad_fill(raster, stack, reflectances):
    values = np.array([reflectances["red"], reflectances["nir"]])
    values[0, 0, 0] = -28672
    return [raster("fill", values, CORNER, SIZE, names=["red", "nir"])], {}


def bad_twice(raster, stack, reflectances):
    return [stack(name="one"), stack(name="two")], {}


def bad_unknown(raster, stack, reflectances):
    values = np.array([reflectances["red"], reflectances["nir"]])
    return [raster("scene", values, CORNER, SIZE, names=["first", "second"])], {}


def bad_ambiguous(raster, stack, reflectances):
    """B4 of no known product might be red, green or near infrared."""
    values = np.array([reflectances["red"], reflectances["nir"]])
    return [raster("scene", values, CORNER, SIZE, names=["B4", "B5"])], {}


def bad_role(raster, stack, reflectances):
    return [stack()], {"roles": "red=B9"}


def bad_dates(raster, stack, reflectances):
    one = raster("a", reflectances["red"], CORNER, SIZE, names=["red"], periods=DAYS[:1])
    return [one, raster("b", reflectances["nir"], CORNER, SIZE, names=["nir"], periods=DAYS[1:])], {}


def bad_overlap(raster, stack, reflectances):
    one = raster("a", reflectances["red"], CORNER, SIZE, names=["red"])
    return [one, raster("b", reflectances["nir"], (900000.0, 5000000.0), SIZE, names=["nir"])], {}


def bad_index(raster, stack, reflectances):
    return [stack()], {"indices": ["NDXI"]}


def bad_scale(raster, stack, reflectances):
    return [stack()], {"scale": -1.0}


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (bad_fill, "holds the value -28672 but declares no nodata value"),
        (bad_twice, r"The blue band is there twice for 2021-08-05/2021-08-13, as band .* of one and band .* of two"),
        (bad_unknown, r"No band is known .* give the roles of the bands"),
        (bad_ambiguous, "No band is known .* give the roles of the bands"),
        (bad_role, "No band is called 'B9', given as red: the layers hold blue, green"),
        (bad_dates, "ndvi lacks nir for 2021-08-05/2021-08-13, and no period has all its bands"),
        (bad_overlap, "Band 'nir' of b does not overlap the grid"),
        (bad_index, "There is no index 'NDXI'"),
        (bad_scale, "must be a positive number"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, raster, stack, reflectances, case, sentence):
    layers, options = case(raster, stack, reflectances)
    with pytest.raises(InputError, match=sentence):
        make_indices(layers, tmp_path / "out.tif", SpectralOptions(**{"indices": ["NDVI"], **options}))
    assert not (tmp_path / "out.tif").exists()


def test_cancelling_leaves_nothing(tmp_path, stack, cancels_after):
    from soilmoisture.core.errors import Cancelled

    with pytest.raises(Cancelled):
        make_indices([stack()], tmp_path / "out.tif", progress=cancels_after(1))
    assert not list(tmp_path.glob("*out*"))


def test_nothing_valid_at_all_is_an_error(tmp_path, raster):
    red, nir = np.full((6, 7), 0.1), np.full((6, 7), 0.4)
    red[:, :4], nir[:, 4:] = np.nan, np.nan
    path = raster("apart", np.stack([red, nir]), CORNER, SIZE, names=["red", "nir"], periods=[DAYS[0]] * 2, nodata=-1.0)
    with pytest.raises(InputError, match="No index has a valid pixel: no place has all bands"):
        make_indices([path], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(("index", "wet_is_low"), [("MSI", True), ("NDMI", False)])
def test_blue_is_wet_in_every_map(tmp_path, raster, monkeypatch, index, wet_is_low):
    from soilmoisture.core.prepare.factors import report_parts

    nir, swir = np.full((6, 7), 0.4), np.linspace(0.1, 0.3, 42).reshape(6, 7)
    path = raster("two", np.stack([nir, swir]), CORNER, SIZE, names=["nir", "swir1"], periods=[DAYS[0]] * 2)
    result = make_indices([path], tmp_path / "out.tif", SpectralOptions([index]))
    drawn = []
    real = report_parts.draw_map
    monkeypatch.setattr(report_parts, "draw_map", lambda *given: drawn.append(given[4]) or real(*given))
    spectral_report(result)
    low, high = drawn[0](0.0), drawn[0](1.0)
    bluer_at_low = low[2] - low[0] > high[2] - high[0]
    assert bluer_at_low == wet_is_low


def test_the_subtitle_of_one_period_ends_with_its_last_day(tmp_path, stack):
    result = make_indices([stack(periods=DAYS[:1])], tmp_path / "out.tif", SpectralOptions(["NDVI"]))
    assert spectral_report(result).subtitle.endswith(", 2021-08-05 to 2021-08-12")
