"""Radar factors: hand numbers in dB and power, plain-loop means, incidence angles, orbits, unclear units."""

from __future__ import annotations

import math

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.factors.incidence import Correction
from soilmoisture.core.prepare.factors.radar import radar_factors
from soilmoisture.core.prepare.factors.radar_options import RadarOptions
from soilmoisture.core.prepare.factors.radar_report import radar_report
from soilmoisture.core.raster import blocks
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.report import render_json

CORNER, SIZE = (600000.0, 5200000.0), 20.0
ROWS, COLS = 14, 12
DAY, NEXT = ("2021-08-03", "2021-08-04"), ("2021-08-15", "2021-08-16")


def powers(seed=0, rows=ROWS, cols=COLS):
    """VV and VH as linear power."""
    rng = np.random.default_rng(seed)
    return 0.08 * rng.gamma(4, 0.25, (rows, cols)), 0.015 * rng.gamma(4, 0.25, (rows, cols))


def db(power):
    return 10 * np.log10(power)


@pytest.fixture
def scene(raster):
    """scene(name, day, seed, dB, angle) writes VV, VH and perhaps the angle."""

    def write(name="s1", day=DAY, seed=0, in_db=True, angle=None, names=("VV", "VH"), values=None, unit=""):
        bands = list(values or powers(seed))
        bands = [db(one) for one in bands] if in_db else bands
        labels = list(names)
        if angle is not None:
            bands.append(angle)
            labels.append("angle")
        return raster(name, np.stack(bands), CORNER, SIZE, names=labels, periods=[day] * len(bands), unit=unit)

    return write


def run(layers, tmp_path, **options):
    result = radar_factors(layers, tmp_path / "radar.tif", RadarOptions(**options))
    with Stack.open(tmp_path / "radar.tif") as stack:
        return result, {(b.name, b.period.label): stack.read(n) for n, b in enumerate(stack.bands, 1) if b.period}


def test_hand_numbers(scene, tmp_path):
    """VV -10 dB = 0.1, VH -20 dB = 0.01: ratio -10 dB, RVI 4 0.01 / 0.11."""
    flat = (np.full((3, 4), 0.1), np.full((3, 4), 0.01))
    for in_db, unit in ((True, "dB"), (False, "linear")):
        result, found = run([scene(in_db=in_db, values=flat)], tmp_path)
        assert result.unit == unit
        for name, value in (("vv", -10.0), ("vh", -20.0), ("ratio", -10.0), ("rvi", 0.04 / 0.11)):
            np.testing.assert_allclose(found[name, "2021-08-03"], value, rtol=1e-6)
        found = run([scene(in_db=in_db, values=flat)], tmp_path, scale="linear")[1]
        for name, value in (("vv", 0.1), ("vh", 0.01), ("ratio", 0.1), ("rvi", 0.04 / 0.11)):
            np.testing.assert_allclose(found[name, "2021-08-03"], value, rtol=1e-6)


def test_the_mean_is_taken_in_power(scene, tmp_path):
    """Four-look speckle of mean power 0.05: -13.01 dB, where the mean of dB would be -13.57."""
    speckle = 0.05 * np.random.default_rng(1).gamma(4, 0.25, (400, 400))
    path = scene(values=(speckle, speckle / 4))
    found = run([path], tmp_path, window=101, factors=["vv"])[1]["vv", "2021-08-03"]
    assert found[200, 200] == pytest.approx(-13.01, abs=0.06)
    assert float(db(speckle).mean()) == pytest.approx(-13.57, abs=0.02)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_window_equals_a_plain_loop(scene, tmp_path, monkeypatch, share):
    monkeypatch.setattr(blocks, "PIXELS", 40)  # strips of a few rows: no seams
    vv, vh = powers(3)
    vv[4:8, 5:9] = np.nan
    found = run([scene(values=(vv, vh))], tmp_path, window=5, min_valid_share=share)[1]
    expected = {}
    for name, power in (("vv", vv), ("vh", vh)):
        mean = np.full(power.shape, np.nan)
        for r in range(ROWS):
            for c in range(COLS):
                seen = [
                    power[i, j]
                    for i in range(r - 2, r + 3)
                    for j in range(c - 2, c + 3)
                    if 0 <= i < ROWS and 0 <= j < COLS and not np.isnan(power[i, j])
                ]
                if len(seen) >= share * 25:
                    mean[r, c] = np.mean(seen)
        expected[name] = mean
        np.testing.assert_allclose(found[name, "2021-08-03"], db(mean), atol=1e-4)
    rvi = 4 * expected["vh"] / (expected["vv"] + expected["vh"])
    np.testing.assert_allclose(found["rvi", "2021-08-03"], rvi, atol=1e-5)
    assert np.isnan(expected["vv"]).any() and np.isfinite(expected["vv"]).any()


def test_zero_and_negative_power_is_nodata(scene, tmp_path):
    vv, vh = powers()
    vv[2, 3], vv[2, 4], vh[5, 5] = 0.0, -0.001, 0.0
    found = run([scene(values=(vv, vh), in_db=False)], tmp_path)[1]
    gaps = np.isnan(found["vv", "2021-08-03"])
    assert gaps.sum() == 2 and gaps[2, 3] and gaps[2, 4]
    assert np.isnan(found["rvi", "2021-08-03"]).sum() == 3


def test_cosine_squared(scene, tmp_path):
    angle = np.linspace(30, 45, ROWS * COLS).reshape(ROWS, COLS)
    vv, vh = powers()
    found = run([scene(angle=angle)], tmp_path, incidence="cosine", reference=38.0)[1]
    for r, c in ((0, 0), (7, 3), (13, 11)):
        factor = math.cos(math.radians(38)) ** 2 / math.cos(math.radians(angle[r, c])) ** 2
        assert found["vv", "2021-08-03"][r, c] == pytest.approx(10 * math.log10(vv[r, c] * factor), abs=1e-4)
    # Both bands change alike.
    np.testing.assert_allclose(found["ratio", "2021-08-03"], db(vh / vv), atol=1e-4)


def test_slope_given_and_fitted(scene, tmp_path):
    rng = np.random.default_rng(2)
    angle = np.tile(np.linspace(30, 45, 60), (50, 1))
    flat_vv, flat_vh = -9 + rng.normal(0, 1, angle.shape), -16 + rng.normal(0, 1, angle.shape)
    wet = [
        (10 ** ((flat_vv + level - 0.13 * (angle - 38)) / 10), 10 ** ((flat_vh + level - 0.18 * (angle - 38)) / 10))
        for level in (0.0, 3.0)
    ]
    layers = [scene(f"s{k}", day, values=one, angle=angle) for k, (day, one) in enumerate(zip((DAY, NEXT), wet), 1)]
    result, found = run(layers, tmp_path, incidence="slope", reference=38.0)
    fits = result.correction.fits
    assert fits["vv"].slope == pytest.approx(-0.13, abs=0.02) and fits["vh"].slope == pytest.approx(-0.18, abs=0.02)
    expected = np.polyfit(angle.ravel(), flat_vv.ravel() - 0.13 * (angle - 38).ravel(), 1)[0]
    assert fits["vv"].slope == pytest.approx(expected, abs=0.01) and fits["vv"].pixels == 6000
    level = flat_vv - (fits["vv"].slope + 0.13) * (angle - 38)
    np.testing.assert_allclose(found["vv", "2021-08-03"], level, atol=1e-3)
    np.testing.assert_allclose(found["vv", "2021-08-15"], level + 3, atol=1e-3)
    given = run(layers, tmp_path, incidence="slope", reference=38.0, slope=-0.13)[1]
    np.testing.assert_allclose(given["vv", "2021-08-03"], flat_vv, atol=1e-3)


def test_correction_of_the_reference_angle_changes_nothing():
    power, angle = np.array([0.1]), np.array([40.0])
    for kind in ("cosine", "slope"):
        assert Correction(kind, 40.0, {"vv": -0.2}).apply(power, angle, "vv")[0] == pytest.approx(0.1)


def test_passes_are_kept_apart(scene, tmp_path):
    layers = [scene("S1_ASC_20210803", DAY, 1), scene("S1_DESC_20210803", DAY, 2), scene("S1_ASC_20210815", NEXT, 3)]
    result, found = run(layers, tmp_path, factors=["vv", "ratio"])
    assert sorted(found) == [
        ("ratio_ascending", "2021-08-03"),
        ("ratio_ascending", "2021-08-15"),
        ("ratio_descending", "2021-08-03"),
        ("vv_ascending", "2021-08-03"),
        ("vv_ascending", "2021-08-15"),
        ("vv_descending", "2021-08-03"),
    ]
    np.testing.assert_allclose(found["vv_descending", "2021-08-03"], db(powers(2)[0]), atol=1e-4)
    assert result.orbits == {"ascending": 2, "descending": 1}
    result, found = run(layers, tmp_path, factors=["vv"], orbits="ascending")
    assert sorted(found) == [("vv", "2021-08-03"), ("vv", "2021-08-15")]
    with pytest.raises(InputError, match="VV is there twice for 2021-08-03"):
        run(layers, tmp_path, orbits="together")
    mixed = [layers[1], layers[2]]
    result, found = run(mixed, tmp_path, factors=["vv"], orbits="together")
    assert sorted(found) == [("vv", "2021-08-03"), ("vv", "2021-08-15")]
    assert any("mixed" in note for note in result.notes) and "mixed" in radar_report(result).verdict


def test_orbits_from_metadata_and_scene_names(scene, tmp_path):
    """Relative orbit of S1A: (absolute - 73) mod 175 + 1, S1B: (absolute - 27) mod 175 + 1."""
    one = scene("S1A_IW_GRDH_1SDV_20210803T170512_20210803T170537_039068_049C1F_0A1B", DAY, 1)
    two = scene("S1B_IW_GRDH_1SDV_20210815T170512_20210815T170537_028173_035C6A_0A1B", NEXT, 2)
    from osgeo import gdal

    for path, direction in ((one, "DESCENDING"), (two, "DESCENDING")):
        made = gdal.Open(path, gdal.GA_Update)
        made.SetMetadataItem("orbitProperties_pass", direction)
        made = None
    result, _ = run([one, two], tmp_path, factors=["vv"])
    first, second = (39068 - 73) % 175 + 1, (28173 - 27) % 175 + 1
    assert result.orbits == {f"descending orbit {first}": 1, f"descending orbit {second}": 1}
    assert any(f"{second}" in note and "relative orbits" in note for note in result.notes)
    made = gdal.Open(str(tmp_path / "radar.tif"))
    assert made.GetRasterBand(1).GetMetadataItem("ORBIT") == f"descending orbit {first}"


def test_unknown_passes_are_said(scene, tmp_path):
    result, _ = run([scene()], tmp_path)
    assert any("ascending from descending" in note for note in result.notes)
    with pytest.raises(InputError, match="name them"):
        run([scene("a_ASC", DAY), scene("b_DESC", DAY), scene("c", NEXT)], tmp_path)
    with pytest.raises(InputError, match="No scene is known to be descending"):
        run([scene("a_ASC", DAY)], tmp_path, orbits="descending")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Sigma0_VV_db", "vv"),
        ("sigma0_vh", "vh"),
        ("VH", "vh"),
        ("Gamma0_VV", "vv"),
        ("localIncidenceAngle", "incidence_angle"),
        ("incidenceAngleFromEllipsoid", "incidence_angle"),
        ("angle", "incidence_angle"),
        ("incidence_angle", "incidence_angle"),
        ("VH_VV_ratio", ""),
        ("triangle", ""),
        ("ndvi", ""),
    ],
)
def test_bands_are_known_by_name(raster, name, role):
    from soilmoisture.core.prepare.factors.common import sources_of
    from soilmoisture.core.prepare.factors.radar_bands import radar_roles
    from soilmoisture.core.raster.stack import opened

    with opened([raster("x", np.ones((2, 2)), CORNER, SIZE, names=[name])]) as stacks:
        found = radar_roles(sources_of(stacks), {})
    assert [one for one in found if found[one]] == ([role] if role else [])


def test_named_bands_and_vv_alone(raster, tmp_path):
    path = raster("a_2021-08-03", np.stack([db(one) for one in powers()]), CORNER, SIZE, names=["copol", "crosspol"])
    found = run([path], tmp_path, names={"vv": "copol", "vh": "crosspol"})[1]
    np.testing.assert_allclose(found["vh", "2021-08-03"], db(powers()[1]), atol=1e-4)
    found = run([path], tmp_path, names={"vv": "copol"}, factors=["vv"])[1]
    assert list(found) == [("vv", "2021-08-03")]
    with pytest.raises(InputError, match="'ratio' needs a band vh"):
        run([path], tmp_path, names={"vv": "copol"}, factors=["vv", "ratio"])
    with pytest.raises(InputError, match="No band is called 'hh'"):
        run([path], tmp_path, names={"vv": "hh"})
    with pytest.raises(InputError, match="called VV or VH"):
        run([path], tmp_path)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (lambda p: db(p) + 14, {}, "may be dB or linear power"),
        (lambda p: p * 5000 + 50, {}, "uncalibrated digital numbers"),
        (lambda p: p, {"unit": "dB"}, "said to be dB, but its values"),
        (db, {"unit": "linear"}, "said to be linear power, but its values"),
        (lambda p: p * 1e5, {"unit": "dB"}, "are no sigma0 in dB"),
        (db, {"window": 4}, "odd number"),
        (db, {"factors": []}, "at least one radar factor"),
        (db, {"incidence": "cosine"}, "since no layer holds it"),
        (db, {"factors": ["incidence_angle"]}, "needs a band incidence_angle"),
        (db, {"incidence": "square"}, "not 'square'"),
        (db, {"reference": 90.0}, "between 0 and 90"),
        (db, {"min_valid_share": 0.0}, "between 0 and 1"),
    ],
)
def test_bad_input_gets_a_sentence(scene, tmp_path, change, options, sentence):
    path = scene(values=[change(one) for one in powers()], in_db=False)
    with pytest.raises(InputError, match=sentence):
        run([path], tmp_path, **options)
    assert not (tmp_path / "radar.tif").exists()


def test_layers_that_do_not_fit_together(scene, raster, tmp_path):
    with pytest.raises(InputError, match="in dB .* and in linear power"):
        run([scene("a", DAY), scene("b", NEXT, in_db=False)], tmp_path)
    with pytest.raises(InputError, match="VV is there twice for 2021-08-03"):
        run([scene("a", DAY), scene("b", DAY)], tmp_path)
    other = raster("c", db(np.stack(powers(rows=9))), CORNER, 30.0, names=["VV", "VH"], periods=[NEXT] * 2)
    with pytest.raises(InputError, match="different grids"):
        run([scene("a", DAY), other], tmp_path)
    with pytest.raises(InputError, match="not in degrees"):
        run([scene("a", DAY, angle=np.full((ROWS, COLS), 0.66))], tmp_path)
    with pytest.raises(InputError, match="cannot be fitted"):
        run([scene("a", DAY, angle=np.full((ROWS, COLS), 36.6))], tmp_path, incidence="slope")
    with pytest.raises(InputError, match="is also an input"):
        path = scene("a", DAY)
        radar_factors([path], path)
    fill = db(np.stack(powers()))
    fill[0, 0, 0] = -9999
    with pytest.raises(InputError, match="-9999 but declares no nodata"):
        run([raster("d", fill, CORNER, SIZE, names=["VV", "VH"], periods=[DAY] * 2)], tmp_path)


def test_a_date_without_vh_is_listed(scene, raster, tmp_path, words):
    alone = raster("vv_only", db(powers()[0]), CORNER, SIZE, names=["VV"], periods=[NEXT])
    result, found = run([scene(), alone], tmp_path)
    assert ("vv", "2021-08-15") in found and ("rvi", "2021-08-15") not in found
    assert result.missing == [f"{name} 2021-08-15: no VH of this date" for name in ("vh", "ratio", "rvi")]
    report = radar_report(result)
    assert report.tone == "neutral" and "no VH of this date" in words(report)


def test_report_and_tags(scene, tmp_path, words):
    angle = np.tile(np.linspace(30, 45, 40), (40, 1))
    result, _ = run(
        [scene(values=powers(1, 40, 40), angle=angle)],
        tmp_path,
        window=3,
        incidence="slope",
        factors=["vv", "vh", "ratio", "rvi", "incidence_angle"],
    )
    report = radar_report(result)
    page = words(report).replace("\u00a0", " ")
    assert "5 radar factors for 2021-08-03, none missing" in page and "3 × 3 pixels" in page and "−13.57" in page
    assert '"slopes_db_per_degree"' in render_json(report)
    from osgeo import gdal

    made = gdal.Open(str(tmp_path / "radar.tif"))
    assert made.GetRasterBand(1).GetUnitType() == "dB"
    text = made.GetRasterBand(1).GetMetadataItem("LONG_NAME")
    assert text == "backscatter sigma0 VV, normalised to 40 degrees, mean power of 3 x 3 pixels"
    linear, _ = run([scene(), scene("b", NEXT)], tmp_path, scale="linear")
    assert "composite it" in words(radar_report(linear))
    in_db, _ = run([scene(), scene("b", NEXT)], tmp_path)
    assert any("too low" in note for note in in_db.notes)


def test_swapped_bands_are_noted(scene, tmp_path):
    assert any("swapped" in note for note in run([scene(names=("VH", "VV"))], tmp_path)[0].notes)


def test_cancelling_leaves_nothing(scene, tmp_path, cancels_after):
    with pytest.raises(Cancelled):
        radar_factors([scene()], tmp_path / "radar.tif", progress=cancels_after(0))
    assert not (tmp_path / "radar.tif").exists()


def test_nothing_but_nodata_is_an_error(raster, tmp_path):
    bands = np.full((2, ROWS, COLS), np.nan)
    path = raster("s1", bands, CORNER, SIZE, names=["VV", "VH"], periods=[DAY] * 2, nodata=-99.0, unit="dB")
    with pytest.raises(InputError, match="No factor has a valid pixel: the backscatter is nodata everywhere"):
        run([path], tmp_path)
    assert not (tmp_path / "radar.tif").exists()
