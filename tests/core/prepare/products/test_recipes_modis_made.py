"""Recipes of MODIS reflectance, LAI, evapotranspiration, land cover and albedo on granules made for the test."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_raster")
oracles = importlib.import_module("oracles_raster")
bits, expected, same = oracles.bits, oracles.expected, oracles.same

SHAPE = (24, 30)
QUALITIES = ("all", "good", "best")
STATE_FIELDS = {
    (0, 1): 0,
    (2, 2): 0,
    (3, 5): 1,
    (6, 7): 1,
    (8, 9): 0,
    (10, 10): 0,
    (12, 12): 0,
    (13, 13): 0,
    (15, 15): 0,
}
QC_500M = {(0, 1): 0} | {(first, first + 3): 0 for first in range(2, 30, 4)}
BANDS = {"red": 1, "nir": 2, "blue": 3, "green": 4, "nir2": 5, "swir1": 6, "swir2": 7}


@pytest.fixture
def imported(tmp_path):
    """imported(inputs, ...) runs the import and gives its result and the stack that it wrote."""
    return partial(oracles.run_import, tmp_path / "stack.tif")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def mod09_good(state, qc, fill, first, quality, with_state=True):
    """A pixel of MOD09: `first` is the first bit of the band's field in the QC word."""
    if quality == "all":
        return True
    best = quality == "best"
    clear = state != 65535 and (
        bits(state, 0, 1) in ((0,) if best else (0, 3))
        and not bits(state, 2, 2)
        and bits(state, 6, 7) in ((1, 2) if best else (0, 1, 2))
        and bits(state, 8, 9) <= (0 if best else 1)
        and not bits(state, 12, 12)
        and not bits(state, 15, 15)
        and not (best and (bits(state, 10, 10) or bits(state, 13, 13)))
    )
    band = bits(qc, first, first + 3)
    corrected = qc not in fill and bits(qc, 0, 1) <= (0 if best else 1) and band in ((0,) if best else (0, 7, 8, 12))
    return corrected and (clear or not with_state)


@pytest.mark.parametrize("quality", QUALITIES)
def test_reflectance_500m(tmp_path, imported, rng, quality):
    arrays = {f"sur_refl_b{n:02d}": rng.integers(-200, 16100, SHAPE).astype("int16") for n in range(1, 8)}
    arrays["sur_refl_b03"][:4] = -28672
    arrays["sur_refl_state_500m"] = state = granules.words(rng, SHAPE, STATE_FIELDS, "uint16")
    arrays["sur_refl_qc_500m"] = qc = granules.words(rng, SHAPE, QC_500M, "uint32")
    state[5], qc[6] = 65535, 787410671
    files = granules.modis_set(tmp_path, "MOD09A1.A2019361.{}.tif", arrays)
    result, output = imported(files, quality=quality)
    for name, n in BANDS.items():
        wanted = expected(
            arrays[f"sur_refl_b{n:02d}"], 1e-4, 0, -100, 16000,
            lambda r, c, n=n: mod09_good(state[r, c], qc[r, c], (787410671,), 4 * n - 2, quality),
        )  # fmt: skip
        same(output.band(name), wanted)
    assert set(output.periods) == {"2019-12-27/2020-01-01"}  # the year's last composite has 5 days
    assert sum(result.removed["red"].rules.values()) + result.removed["red"].valid + result.removed["red"].empty == 720


@pytest.mark.parametrize("quality", QUALITIES)
def test_daily_reflectance_takes_clouds_of_1_km(tmp_path, imported, rng, quality):
    rows, cols = SHAPE[0] // 2, SHAPE[1] // 2
    red = rng.integers(0, 9000, SHAPE).astype("int16")
    state = granules.words(rng, (rows, cols), STATE_FIELDS, "uint16")
    qc = granules.words(rng, SHAPE, QC_500M, "uint32")
    west, width, _, north, _, height = granules.MODIS_500M
    files = granules.modis_set(
        tmp_path, "MYD09GA.061_{}_doy2021060000000_aid0001.tif",
        {"sur_refl_b01_1": red, "state_1km_1": state, "QC_500m_1": qc},
        transforms={"state_1km_1": (west, 2 * width, 0, north, 0, 2 * height)},
    )  # fmt: skip
    result, output = imported(files, ["red"], quality)
    fill = (787410671,)
    wanted = expected(
        red, 1e-4, 0, -100, 16000, lambda r, c: mod09_good(state[r // 2, c // 2], qc[r, c], fill, 2, quality)
    )
    same(output.values[0], wanted)
    assert output.periods == ["2021-03-01/2021-03-02"] and (result.product, result.version) == ("MYD09GA", "061")


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("product", ["MOD09Q1", "MYD09GQ"])
def test_reflectance_250m(tmp_path, imported, rng, product, quality):
    weekly = product.endswith("Q1")
    suffix, word_name = ("", "sur_refl_qc_250m") if weekly else ("_1", "QC_250m_1")
    arrays = {f"sur_refl_b{n:02d}{suffix}": rng.integers(0, 9000, SHAPE).astype("int16") for n in (1, 2)}
    arrays[word_name] = qc = granules.words(rng, SHAPE, {(0, 1): 0, (4, 7): 0, (8, 11): 0, (12, 12): 1}, "uint16")
    qc[3] = 65535 if weekly else 2995
    state = granules.words(rng, SHAPE, STATE_FIELDS, "uint16")
    if weekly:
        arrays["sur_refl_state_250m"] = state
    files = granules.modis_set(tmp_path, product + ".A2020009.h25v04.061.2020018031112.{}.tif", arrays)
    _, output = imported(files, quality=quality)
    for name, n in (("red", 1), ("nir", 2)):
        wanted = expected(
            arrays[f"sur_refl_b{n:02d}{suffix}"], 1e-4, 0, -100, 16000,
            lambda r, c, n=n: mod09_good(state[r, c], qc[r, c], (65535, 2995), 4 * n, quality, with_state=weekly),
        )  # fmt: skip
        same(output.band(name), wanted)
    assert set(output.periods) == {"2020-01-09/2020-01-17" if weekly else "2020-01-09/2020-01-10"}


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("product, date, period", [
    ("MCD15A2H", "2020361", "2020-12-26/2021-01-01"), ("MCD15A3H", "2020005", "2020-01-05/2020-01-09"),
])  # fmt: skip
def test_lai(tmp_path, imported, rng, product, date, period, quality):
    lai = rng.integers(0, 110, SHAPE).astype("uint8")
    lai[::6] = rng.integers(249, 256, SHAPE)[::6]
    word = granules.words(rng, SHAPE, {(0, 0): 0, (2, 2): 0, (3, 4): 0, (5, 7): 0}, "uint8")
    extra = granules.words(rng, SHAPE, {(2, 2): 0, (3, 3): 0, (4, 4): 0, (5, 5): 0, (6, 6): 0}, "uint8")
    word[2], extra[3] = 255, 255
    arrays = {"Lai_500m": lai, "Fpar_500m": lai, "FparLai_QC": word, "FparExtra_QC": extra}
    files = granules.modis_set(tmp_path, f"{product}.A{date}.h25v04.061.2021003031112.{{}}.tif", arrays)
    _, output = imported(files, quality=quality)

    def good(row, col):
        w, x = int(word[row, col]), int(extra[row, col])
        if quality == "all":
            return True
        if 255 in (w, x) or bits(x, 2, 2) or bits(x, 6, 6):
            return False
        if quality == "good":
            return bits(w, 5, 7) in (0, 1) and bits(w, 3, 4) in (0, 3)
        return bits(w, 5, 7) == 0 and bits(w, 3, 4) == 0 and not bits(w, 2, 2) and not bits(x, 3, 5)

    same(output.band("lai"), expected(lai, 0.1, 0, 0, 100, good))
    same(output.band("fpar"), expected(lai, 0.01, 0, 0, 100, good))
    assert output.units == ["m2/m2", "share"] and output.periods[0] == period


@pytest.mark.parametrize("quality", QUALITIES)
def test_evapotranspiration_sums_of_8_days(tmp_path, imported, rng, quality):
    et = rng.integers(0, 900, SHAPE).astype("int16")
    et[::6] = rng.integers(32701, 32768, SHAPE)[::6]
    word = granules.words(rng, SHAPE, {(0, 0): 0, (3, 4): 0, (5, 7): 0}, "uint8")
    arrays = {"ET_500m": et, "PET_500m": et, "ET_QC_500m": word}
    files = granules.modis_set(tmp_path, "MOD16A2GF.A2019361.h25v04.061.2020018031112.{}.tif", arrays)
    _, output = imported(files, quality=quality)

    def good(row, col):
        w = int(word[row, col])
        return quality == "all" or (
            w != 255 and bits(w, 5, 7) <= (1 if quality == "best" else 3)
            and (quality == "good" or bits(w, 3, 4) in (0, 3))
        )  # fmt: skip

    same(output.band("et"), expected(et, 0.1, 0, -32767, 32700, good))
    assert output.units == ["kg/m2"] * 2 and output.periods[0] == "2019-12-27/2020-01-01"


def test_evapotranspiration_of_a_year_has_other_fills(tmp_path, imported, rng):
    et = rng.integers(20000, 40000, SHAPE).astype("uint16")  # 2000 to 4000 mm: above the 8-day fills
    et[::6] = rng.integers(65501, 65536, SHAPE)[::6]
    share = rng.integers(0, 101, SHAPE).astype("uint8")
    share[::7] = 255
    arrays = {"ET_500m": et, "PET_500m": et, "ET_QC_500m": share}
    files = granules.modis_set(tmp_path, "MOD16A3GF.061_{}_doy2019001_aid0001.tif", arrays)
    _, output = imported(files, ["et"], "good")
    same(output.values[0], expected(et, 0.1, 0, 0, 65500, lambda r, c: True))
    _, output = imported(files, ["et"], "best")
    same(output.values[0], expected(et, 0.1, 0, 0, 65500, lambda r, c: share[r, c] <= 50))
    assert output.periods == ["2019-01-01/2020-01-01"]


def test_land_cover(tmp_path, imported, rng):
    classes = rng.integers(0, 20, SHAPE).astype("uint8")
    classes[::5] = 255
    label = rng.integers(0, 10, SHAPE).astype("uint8")
    files = granules.modis_set(
        tmp_path, "MCD12Q1.A2018001.h25v04.061.2022146031112.{}.tif", {"LC_Type1": classes, "QC": label}
    )
    for quality, bad in (("all", ()), ("good", (1, 3)), ("best", (1, 3, 8))):
        _, output = imported(files, ["landcover"], quality)
        same(output.values[0], expected(classes, 1, 0, 1, 17, lambda r, c, bad=bad: label[r, c] not in bad))
    assert output.periods == ["2018-01-01/2019-01-01"] and output.units == ["class"]


def test_reflectance_and_albedo_of_mcd43(tmp_path, imported, rng):
    stored = rng.integers(0, 900, SHAPE).astype("int16")
    stored[::5] = 32767
    rank = rng.choice(np.array([0, 1, 255], "uint8"), SHAPE)
    flag = "BRDF_Albedo_Band_Mandatory_Quality_{}"
    cases = (
        ("MCD43A4", "Nadir_Reflectance_Band6", flag.format("Band6"), "swir1", 1e-4),
        ("MCD43A3", "Albedo_WSA_shortwave", flag.format("shortwave"), "albedo_white_sky_shortwave", 1e-3),
        ("MCD43A3", "Albedo_BSA_vis", flag.format("vis"), "albedo_black_sky_vis", 1e-3),
    )
    for product, array, quality_array, name, scale in cases:
        files = granules.modis_set(
            tmp_path, product + ".A2020366.h25v04.061.2021009031112.{}.tif", {array: stored, quality_array: rank}
        )
        for quality, codes in (("all", (0, 1, 255)), ("good", (0, 1)), ("best", (0,))):
            _, output = imported([files[array]], [name], quality)
            same(output.values[0], expected(stored, scale, 0, 0, 32766, lambda r, c, codes=codes: rank[r, c] in codes))
        assert output.periods == ["2020-12-31/2021-01-01"]


def test_collection_5_of_mcd43_is_not_taken_for_daily(tmp_path, imported, rng):
    name = "MCD43A3.A2010001.h25v04.005.2010020031112.Albedo_WSA_shortwave.tif"
    path = granules.geotiff(
        tmp_path / name, rng.integers(0, 900, SHAPE).astype("int16"), granules.MODIS_500M, granules.SINUSOIDAL
    )
    with pytest.raises(InputError):
        imported([path], ["albedo_white_sky_shortwave"])
