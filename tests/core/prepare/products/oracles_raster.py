"""What imported stacks are compared with: plain loops over stored values, and the stack read with GDAL alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from soilmoisture.core.prepare.products.importing import ImportOptions, ImportResult, import_product

gdal.UseExceptions()

Array = NDArray[Any]


def bits(word: Any, first: int, last: int) -> int:
    return (int(word) >> first) % 2 ** (last - first + 1)


def expected(
    stored: Array, scale: float, offset: float, low: float, high: float, good: Callable[[int, int], bool]
) -> Array:
    """Pixel by pixel: physical values, NaN outside the valid range and where good(row, col) is false."""
    result = np.full(stored.shape, np.nan)
    for row in range(stored.shape[0]):
        for col in range(stored.shape[1]):
            value = float(stored[row, col])
            if low <= value <= high and good(row, col):
                result[row, col] = value * scale + offset
    return result


def inside(stored: Array, low: float, high: float, *fills: float) -> Array:
    """Stored values as floats, NaN outside the range and at fills."""
    result = stored.astype(float)
    result[(stored < low) | (stored > high) | np.isin(stored, fills)] = np.nan
    return result


def same(values: Array, wanted: Array) -> None:
    assert np.isfinite(wanted).any(), "the case has nothing to compare"
    np.testing.assert_array_equal(np.isfinite(values), np.isfinite(wanted))
    np.testing.assert_allclose(values, wanted, rtol=3e-7, atol=1e-6)


def run_import(
    output: Path,
    inputs: Iterable[Path],
    variables: Iterable[str] = (),
    quality: str = "all",
    product: str = "auto",
) -> tuple[ImportResult, Output]:
    """The import's own account, and what it wrote to `output`."""
    inputs = inputs.values() if isinstance(inputs, dict) else inputs
    chosen = ImportOptions(product=product, variables=tuple(variables), quality=quality)
    result = import_product([str(path) for path in inputs], str(output), chosen)
    return result, Output(output)


class Output:
    """An imported stack, read with GDAL alone: NaN where nothing is."""

    def __init__(self, path: Path) -> None:
        dataset = gdal.Open(str(path))
        self.transform = dataset.GetGeoTransform()
        bands = [dataset.GetRasterBand(number + 1) for number in range(dataset.RasterCount)]
        self.names = [band.GetDescription() for band in bands]
        self.units = [band.GetUnitType() for band in bands]
        self.tags = [band.GetMetadata() for band in bands]
        self.periods = [f"{tags.get('PERIOD_START')}/{tags.get('PERIOD_END')}" for tags in self.tags]
        self.values = np.stack([_with_nan(band) for band in bands])

    def band(self, name: str) -> Array:
        return self.values[self.names.index(name)]


def _with_nan(band: gdal.Band) -> Array:
    values = band.ReadAsArray().astype(np.float64)
    nodata = band.GetNoDataValue()
    return values if nodata is None else np.where(values == nodata, np.nan, values)
