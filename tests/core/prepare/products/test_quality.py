"""Quality rules against bit loops in plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.container import ArrayInfo
from soilmoisture.core.prepare.products.quality import kept
from soilmoisture.core.prepare.products.recipe import QualityRule


def info(raw, *fill):
    return ArrayInfo("q", raw.shape, ("y", "x"), raw.dtype.name, fill=fill)


def rule(keep, bits=None, **more):
    return QualityRule("rule", "q", bits, {"good": keep}, **more)


def kept_by_hand(raw, bits, codes, fill=(), missing=False):
    """One pixel after the other, as text of bits."""
    width = 8 * raw.dtype.itemsize
    result = []
    for value in raw.ravel().tolist():
        text = format(value % 2**width, f"0{width}b")[::-1]
        code = value if bits is None else int(text[bits[0] : bits[1] + 1][::-1] or "0", 2)
        result.append(missing if value in fill else code in codes)
    return np.array(result).reshape(raw.shape)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("bits", [(0, 0), (0, 1), (2, 5), (6, 7)])
@pytest.mark.parametrize("missing", [True, False])
def test_bits_as_counted_by_hand(dtype, bits, missing):
    limits = np.iinfo(dtype)
    raw = np.random.default_rng(3).integers(limits.min, limits.max, (40, 30), dtype, endpoint=True)
    raw[0, 0], raw[0, 1] = limits.max, limits.min
    codes = (0, 1, 3)[: bits[1] - bits[0] + 1]
    found = kept(rule(codes, bits, missing=missing), "good", raw, info(raw, float(limits.max)))
    np.testing.assert_array_equal(found, kept_by_hand(raw, bits, codes, (limits.max,), missing))
    assert found.any() and not found.all()


def test_highest_bits_of_signed_words():
    raw = np.array([[-1, 2**31 - 1, -(2**31)]], "int32")
    assert kept(rule((1,), (31, 31)), "good", raw).tolist() == [[True, False, True]]
    assert kept(rule((3,), (30, 31)), "good", raw).tolist() == [[True, False, False]]
    assert kept(rule((2**32 - 1,), (0, 31)), "good", raw).tolist() == [[True, False, False]]


def test_bits_beyond_the_stored_type_are_zero():
    raw = np.array([255, 0], "uint8")
    assert kept(rule((0,), (8, 9)), "good", raw).tolist() == [True, True]
    assert kept(rule((1,), (8, 9)), "good", raw).tolist() == [False, False]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_whole_values_many_codes(dtype):
    raw = np.arange(120).reshape(10, 12).astype(dtype)
    codes = tuple(range(10, 100, 7))
    np.testing.assert_array_equal(
        kept(rule(codes), "good", raw), kept_by_hand(np.arange(120).reshape(10, 12), None, codes)
    )


def test_signed_bytes_match_codes_written_without_sign():
    raw = np.array([-1, -2, 0, 1], "int8")
    assert kept(rule((0, 254)), "good", raw).tolist() == [False, True, True, False]
    assert kept(rule((0, 1), fill=(255,), missing=True), "good", raw).tolist() == [True, False, True, True]


def test_fill_of_the_rule_takes_the_place_of_the_files():
    raw = np.array([0, 1, 255], "uint8")
    assert kept(rule((0, 1)), "good", raw, info(raw, 0.0)).tolist() == [False, True, False]
    assert kept(rule((0, 1), fill=(255,)), "good", raw, info(raw, 0.0)).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max": 0.3}, [True, True, False, False]),
        ({"min": 0.3}, [False, True, True, False]),
        ({"min": 0.2, "max": 0.3}, [False, True, False, False]),
    ],
)
def test_ranges_hold_for_physical_values(limits, expected):
    stored = np.array([1, 3, 4, 255], "uint8")  # 0.1, 0.3, 0.4 and fill
    assert kept(rule(limits, scale=0.1, fill=(255,)), "good", stored).tolist() == expected
    floating = np.array([0.1, 3 * 0.1, 0.4, np.nan])  # 0.30000000000000004
    assert kept(rule(limits), "good", floating).tolist() == expected
    floating = np.array([0.1, 0.3, 0.4, np.nan], "float32")
    assert kept(rule(limits), "good", floating).tolist() == expected


def test_range_after_scale_and_offset():
    angle = np.array([0, 65, 130, 255], "uint8")  # value - 65 degrees
    assert kept(rule({"min": -45, "max": 45}, offset=-65, fill=(255,)), "good", angle).tolist() == [
        False,
        True,
        False,
        False,
    ]
    downwards = np.array([0, 5, 10], "int16")  # 10 - value
    assert kept(rule({"min": 5, "max": 9}, scale=-1, offset=10), "good", downwards).tolist() == [False, True, False]


def test_bits_kept_as_floating_numbers():
    raw = np.array([4.0, 5.0, np.nan], "float32")
    assert kept(rule((0,), (0, 1)), "good", raw).tolist() == [True, False, False]
    assert kept(rule((0,), (0, 1), missing=True), "good", raw).tolist() == [True, False, True]
    with pytest.raises(InputError, match="averaged or interpolated"):
        kept(rule((0,), (0, 1)), "good", raw + np.float32(0.5))


def test_strictness_that_is_not_named_does_not_look():
    assert kept(rule((0,)), "all", np.zeros(3, "uint8")) is None
    assert kept(rule((0,)), "best", np.zeros(3, "uint8")) is None


def test_real_quality_of_modis(shared_data):
    gdal = pytest.importorskip("osgeo.gdal")
    path = next((shared_data / "native_products/modis").glob("MOD11B2*"))
    raw = gdal.Open(f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_8Day_6km_LST:QC_Day').ReadAsArray()
    found = kept(rule((0, 1), (0, 1)), "good", raw)
    np.testing.assert_array_equal(found, kept_by_hand(raw, (0, 1), (0, 1)))
    assert 0 < found.mean() < 1
