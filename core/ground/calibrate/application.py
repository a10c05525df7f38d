"""A calibration applied to all dates of a product, strip by strip."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.stack import StackWriter, small_block_cache
from ...raster.tiles import strips
from ..metrics import Floats
from .calibration_file import Calibration
from .convolution import HALO, Network
from .folds import nearest_km
from .inputs import Inputs, Reading
from .rows import Rows, season_of

GOOD, FAR, BEYOND, OUTSIDE_VALUES, AT_BOUND = 0, 1, 2, 3, 4
NOTHING = 255
MEANING = {
    GOOD: ("near a station: no farther than half of the tested distances", "#1f5a93"),
    FAR: ("within the tested distances", "#7fb3d1"),
    BEYOND: ("farther from every station than was tested", "#e0b252"),
    OUTSIDE_VALUES: ("product outside its values at the stations", "#d98f5f"),
    AT_BOUND: ("held at a physical bound", "#8c3b1a"),
}
_PIXELS, _CHUNK = 2**18, 2**13
_PREVIEW = 400


@dataclass
class Applied:
    """What was written: counts over all dates, and the mean correction (rows, cols) thinned for a picture."""

    pixels: int = 0
    clipped: int = 0
    without_factor: int = 0
    codes: dict[int, int] = field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf
    grid_shape: tuple[int, int] = (0, 0)
    correction: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    deviation: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def mean_change(self) -> float:
        known = self.correction[np.isfinite(self.correction)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def deviation_range(self) -> tuple[float, float]:
        known = self.deviation[np.isfinite(self.deviation)]
        return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def apply_calibration(
    calibration: Calibration,
    inputs: Inputs,
    output: str | Path,
    uncertainty: str | Path | None = None,
    quality: str | Path | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Write the corrected product (m3/m3, one band per date), its standard deviation and quality codes.

    Memory holds a strip of the product and its factors. Raises InputError where the calibration belongs to another
    reference system.
    """
    progress = progress or Progress()
    grid = inputs.grid
    if not grid.same_crs(type(grid)(calibration.plane.crs_wkt, grid.transform, grid.rows, grid.cols)):
        raise InputError(
            f"The calibration was made in another reference system than {grid.crs_name} of the product: reproject "
            "the product, or calibrate it anew."
        )
    if calibration.dated and any(reading.period is None for reading in inputs.readings):
        raise InputError(
            f"The calibration goes by the day of the year, but {inputs.product.name} has no dates: write the date into "
            "the layer's name (such as _2021-08)."
        )
    is_network = isinstance(calibration.correction, Network)
    periods = [reading.period for reading in inputs.readings]
    # Without members the deviation depends on place alone: one band for all dates.
    sd_periods = periods if is_network else [None]
    tags = {
        "CALIBRATION": calibration.method,
        "CONSERVES_COARSE": "NO",
        "COMMENT": "Calibrated with stations: the mean over a coarse cell is no longer the coarse value.",
    }
    result = Applied(grid_shape=grid.shape)
    stride = max(1, -(-max(grid.shape) // _PREVIEW))
    shape = tuple(-(-length // stride) for length in grid.shape)
    total, count = np.zeros(shape), np.zeros(shape)
    deviation_preview = np.full(shape, np.nan)
    with small_block_cache(), ExitStack() as files:
        name = inputs.readings[0].bands[0][0].bands[inputs.readings[0].bands[0][1] - 1].name

        def writer(path: str | Path | None, bands: list[Band], **more: object) -> StackWriter | None:
            return None if not path else files.enter_context(StackWriter(path, grid, bands, tags, **more))  # type: ignore[arg-type]

        out = writer(output, [Band(name, period, "m3/m3") for period in periods])
        sd_out = writer(uncertainty, [Band("standard_deviation", period, "m3/m3") for period in sd_periods])
        quality_out = writer(
            quality, [Band("quality", period) for period in periods], dtype="uint8", nodata=float(NOTHING)
        )
        assert out is not None
        halo = HALO if is_network else 0
        pieces = list(strips(grid.rows, grid.cols, pixels=max(grid.cols, _PIXELS // (1 + len(inputs.factors) // 8))))
        for done, (row0, rows) in enumerate(pieces):
            place = _Strip(calibration, inputs, row0, rows, progress)
            somewhen = np.zeros((rows, grid.cols), bool)
            for number, reading in enumerate(inputs.readings):
                progress.check()
                progress.set((done + number / len(periods)) / len(pieces), f"Applying: {calibration.method}")
                values = inputs.values(reading, row0 - halo, rows + 2 * halo, -halo, grid.cols + 2 * halo)
                corrected, spread = place.corrected(values, reading)
                z = values[halo : halo + rows, halo : halo + grid.cols, 0]
                held = np.clip(corrected, *calibration.bounds)
                codes = place.codes(z, corrected, held)
                out.write(number + 1, held, row0)
                if quality_out is not None:
                    quality_out.write(number + 1, codes, row0)
                deviation = place.deviation(spread)
                somewhen |= np.isfinite(held)
                if sd_out is not None and is_network:
                    sd_out.write(number + 1, np.where(np.isfinite(held), deviation, np.nan), row0)
                _count(result, z, corrected, held, codes)
                thin_rows = slice(-row0 % stride, None, stride)
                change = (held - z)[thin_rows, ::stride]
                at = slice(-(-row0 // stride), -(-row0 // stride) + change.shape[0])
                known = np.isfinite(change)
                total[at] += np.where(known, change, 0)
                count[at] += known
                deviation_preview[at] = deviation[thin_rows, ::stride]
            if sd_out is not None and not is_network:
                sd_out.write(1, np.where(somewhen, place.deviation(None), np.nan), row0)
        if not result.pixels:
            raise InputError(
                f"No pixel of {inputs.product.name} could be calibrated: check that the factors cover it."
                if result.without_factor
                else f"{inputs.product.name} holds no value on any date."
            )
    result.correction = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    result.deviation = np.where(count > 0, deviation_preview, np.nan)
    progress.set(1.0)
    return result


class _Strip:
    """Rows `row0` … of the grid: their distances to stations and what of the correction depends on place alone."""

    def __init__(self, calibration: Calibration, inputs: Inputs, row0: int, rows: int, progress: Progress) -> None:
        grid = inputs.grid
        self.calibration, self.shape, self.progress = calibration, (rows, grid.cols), progress
        x, y = np.meshgrid(grid.x_centres(), grid.y_centres()[row0 : row0 + rows])
        self.east, self.north = calibration.plane.km(x.ravel(), y.ravel())
        self.distance = nearest_km(self.east, self.north, *calibration.stations.T)
        self.surface = self._surface()

    def _surface(self) -> Floats | None:
        """In parts, so that a network of many stations can be cancelled."""
        parts = []
        for start in range(0, len(self.east), _CHUNK):
            self.progress.check()
            some = slice(start, start + _CHUNK)
            part = self.calibration.correction.surface(self.east[some], self.north[some])
            if part is None:
                return None
            parts.append(part)
        return np.concatenate(parts)

    def corrected(self, values: Floats, reading: Reading) -> tuple[Floats, Floats | None]:
        """(rows, cols) before bounds, and the spread of members where there are some; values with halo."""
        season = season_of(reading.period)
        correction = self.calibration.correction
        if isinstance(correction, Network):
            z = values[HALO:-HALO, HALO:-HALO, 0]
            mean, spread = correction.over_map(correction.channels.make(values, season), self.progress)
            return z + mean, spread
        flat = values.reshape(-1, values.shape[2])
        known = np.isfinite(flat[:, 0])
        result = np.full(len(flat), np.nan)
        n = int(known.sum())
        nothing = np.zeros(n, np.intp)
        rows = Rows(
            flat[known, 0],
            flat[known, 1:],
            np.tile(np.array(season, float), (n, 1)),
            self.east[known],
            self.north[known],
            np.full(n, np.nan),
            nothing,
            nothing,
        )
        result[known] = correction.predict(rows, None if self.surface is None else self.surface[known])
        return result.reshape(self.shape), None

    def deviation(self, spread: Floats | None) -> Floats:
        flat = self.calibration.errors.deviation(self.distance, None if spread is None else spread.ravel())
        return flat.reshape(self.shape)

    def codes(self, z: Floats, corrected: Floats, held: Floats) -> NDArray[np.uint8]:
        errors, (low, high) = self.calibration.errors, self.calibration.value_range
        distance = self.distance.reshape(self.shape)
        codes = np.where(distance <= errors.near, GOOD, np.where(distance <= errors.farthest, FAR, BEYOND))
        margin = 0.05 * (high - low)
        with np.errstate(invalid="ignore"):
            codes[(z < low - margin) | (z > high + margin)] = OUTSIDE_VALUES
            codes[corrected != held] = AT_BOUND
        codes[~np.isfinite(held)] = NOTHING
        return codes.astype(np.uint8)


def _count(result: Applied, z: Floats, corrected: Floats, held: Floats, codes: NDArray[np.uint8]) -> None:
    known = np.isfinite(held)
    result.pixels += int(known.sum())
    result.clipped += int((corrected[known] != held[known]).sum())
    result.without_factor += int((np.isfinite(z) & ~known).sum())
    for code, number in zip(*np.unique(codes[known], return_counts=True)):
        result.codes[int(code)] = result.codes.get(int(code), 0) + int(number)
    if known.any():
        result.low, result.high = (
            min(result.low, float(held[known].min())),
            max(result.high, float(held[known].max())),
        )
