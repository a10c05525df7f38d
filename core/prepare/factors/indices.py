"""Spectral indices: names, bands, formulas and where they come from. Reflectances are shares, 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from ...raster.blocks import Array
from .common import ratio

Bands = Mapping[str, Array]

DRY_IS_HIGH = ("tvdi", "msi")


@dataclass(frozen=True)
class Constants:
    """nirv_c: NDVI of bare soil that NIRv takes off. savi_l: soil term of SAVI. bare_ndvi: NSDSI above this NDVI is
    left empty (None keeps all). clip: cut normalised differences to -1 ... 1 and TVDI to 0 ... 1."""

    nirv_c: float = 0.08
    savi_l: float = 0.5
    bare_ndvi: float | None = None
    clip: bool = False


@dataclass(frozen=True)
class Index:
    """name: of the band. roles: the bands it needs. normalised: whether it lies in -1 ... 1 by definition."""

    name: str
    title: str
    roles: tuple[str, ...]
    formula: str
    source: str
    compute: Callable[[Bands, Constants], Array]
    normalised: bool = False

    def needs(self, constants: Constants) -> tuple[str, ...]:
        """The bands it needs, those of a mask included."""
        if constants.bare_ndvi is not None and self.name.startswith("nsdsi"):
            return (*self.roles, *(role for role in ("nir", "red") if role not in self.roles))
        return self.roles

    def described(self, constants: Constants) -> str:
        """Formula with its constants, and source: for metadata and the report."""
        formula = self.formula.replace("C)", f"{constants.nirv_c:g})") if self.name == "nirv" else self.formula
        formula = formula.replace("L", f"{constants.savi_l:g}") if self.name == "savi" else formula
        masked = self.needs(constants) != self.roles
        return f"{self.title}: {formula}{f' where NDVI <= {constants.bare_ndvi:g}' if masked else ''}; {self.source}"


def compute_index(index: Index, bands: Bands, constants: Constants) -> Array:
    """The index from reflectances of equal shape, NaN where a denominator is smaller than 1e-6 in size."""
    values = index.compute(bands, constants)
    if index.needs(constants) != index.roles:
        assert constants.bare_ndvi is not None
        ndvi = normalised_difference(bands["nir"], bands["red"])
        # Comparisons with NaN are false: where NDVI is unknown nothing tells bare soil.
        values = np.where(ndvi <= constants.bare_ndvi, values, np.nan)
    return np.clip(values, -1.0, 1.0) if constants.clip and index.normalised else values


def normalised_difference(a: Array, b: Array) -> Array:
    return ratio(a - b, a + b)


def _difference(first: str, second: str) -> Callable[[Bands, Constants], Array]:
    return lambda bands, _: normalised_difference(bands[first], bands[second])


def _evi(bands: Bands, _: Constants) -> Array:
    nir, red, blue = bands["nir"], bands["red"], bands["blue"]
    values = 2.5 * ratio(nir - red, nir + 6.0 * red - 7.5 * blue + 1.0)
    # Over snow and cloud the denominator comes near 0.
    return np.where(np.abs(values) > 1, np.nan, values)


def _evi2(bands: Bands, _: Constants) -> Array:
    nir, red = bands["nir"], bands["red"]
    return 2.5 * ratio(nir - red, nir + 2.4 * red + 1.0)


def _nirv(bands: Bands, constants: Constants) -> Array:
    return (normalised_difference(bands["nir"], bands["red"]) - constants.nirv_c) * bands["nir"]


def _savi(bands: Bands, constants: Constants) -> Array:
    nir, red, soil = bands["nir"], bands["red"], constants.savi_l
    return (1 + soil) * ratio(nir - red, nir + red + soil)


def _over(numerator: Sequence[str], denominator: str) -> Callable[[Bands, Constants], Array]:
    """A band, or the difference of two, over another."""

    def compute(bands: Bands, _: Constants) -> Array:
        top = bands[numerator[0]] if len(numerator) == 1 else bands[numerator[0]] - bands[numerator[1]]
        return ratio(top, bands[denominator])

    return compute


_YUE = "Yue et al. 2019, doi:10.1016/j.isprsjprs.2019.06.012"
_SWIR = ("swir1", "swir2")

INDICES: dict[str, Index] = {
    "NDVI": Index(
        "ndvi",
        "Normalised difference vegetation index",
        ("nir", "red"),
        "(nir - red) / (nir + red)",
        "Tucker 1979, doi:10.1016/0034-4257(79)90013-0",
        _difference("nir", "red"),
        True,
    ),
    "EVI": Index(
        "evi",
        "Enhanced vegetation index",
        ("nir", "red", "blue"),
        "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1), beyond -1 ... 1 empty",
        "Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2",
        _evi,
    ),
    "EVI2": Index(
        "evi2",
        "Two-band enhanced vegetation index",
        ("nir", "red"),
        "2.5 (nir - red) / (nir + 2.4 red + 1)",
        "Jiang et al. 2008, doi:10.1016/j.rse.2008.06.006",
        _evi2,
    ),
    "NIRv": Index(
        "nirv",
        "Near infrared reflectance of vegetation",
        ("nir", "red"),
        "(NDVI - C) nir",
        "Badgley et al. 2017, doi:10.1126/sciadv.1602244",
        _nirv,
    ),
    "NDWI_Gao": Index(
        "ndwi_gao",
        "Water index of the canopy after Gao (not that of McFeeters)",
        ("nir", "nir2"),
        "(nir - nir2) / (nir + nir2), nir2 near 1240 nm",
        "Gao 1996, doi:10.1016/S0034-4257(96)00067-3",
        _difference("nir", "nir2"),
        True,
    ),
    "NDWI_McFeeters": Index(
        "ndwi_mcfeeters",
        "Index of open water after McFeeters (not that of Gao)",
        ("green", "nir"),
        "(green - nir) / (green + nir)",
        "McFeeters 1996, doi:10.1080/01431169608948714",
        _difference("green", "nir"),
        True,
    ),
    "NDMI": Index(
        "ndmi",
        "Normalised difference moisture index (also LSWI)",
        ("nir", "swir1"),
        "(nir - swir1) / (nir + swir1), swir1 near 1640 nm",
        "Wilson and Sader 2002, doi:10.1016/S0034-4257(01)00318-2",
        _difference("nir", "swir1"),
        True,
    ),
    "NSDSI1": Index(
        "nsdsi1",
        "Normalised shortwave infrared difference soil moisture index 1",
        _SWIR,
        "(swir1 - swir2) / swir1",
        _YUE,
        _over(_SWIR, "swir1"),
    ),
    "NSDSI2": Index(
        "nsdsi2",
        "Normalised shortwave infrared difference soil moisture index 2",
        _SWIR,
        "(swir1 - swir2) / swir2",
        _YUE,
        _over(_SWIR, "swir2"),
    ),
    "NSDSI3": Index(
        "nsdsi3",
        "Normalised shortwave infrared difference soil moisture index 3",
        _SWIR,
        "(swir1 - swir2) / (swir1 + swir2)",
        _YUE,
        _difference("swir1", "swir2"),
        True,
    ),
    "SAVI": Index(
        "savi",
        "Soil adjusted vegetation index",
        ("nir", "red"),
        "(1 + L) (nir - red) / (nir + red + L)",
        "Huete 1988, doi:10.1016/0034-4257(88)90106-X",
        _savi,
    ),
    "MSI": Index(
        "msi",
        "Moisture stress index",
        ("swir1", "nir"),
        "swir1 / nir",
        "Hunt and Rock 1989, doi:10.1016/0034-4257(89)90046-1",
        _over(("swir1",), "nir"),
    ),
}
TVDI = "TVDI"
NAMES = (*INDICES, TVDI)
