"""Apply a model: product = smooth conserving interpolation of the coarse field + detail gain x conserving detail of the model.

Both parts conserve every coarse value, so the product does, for every gain. Written as one field: with model field d, support A, bilinear
interpolation U and gain g, product = U a + g d where A U a = Z - g A d. A d is gathered while d is predicted; a is solved on the coarse
grid; a second pass adds U a. Neither pass holds the fine raster in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import VALUES
from ..model.model import Model
from ..progress import Progress
from ..raster.conserve import Conservation, Interpolation, hold_bounds
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Band, Stack, StackWriter, small_block_cache
from ..raster.support import Array, RunningMean, Support
from ..raster.tiles import strips
from .fields import Fields, cells_of
from .options import MULTIPLICATIVE, NONE, DownscaleOptions
from .quality import CLIPPED, MODEL_ONLY, NODATA, OK, OUTSIDE_TRAINING

_PICTURE = 700
_PICTURES = 3


@dataclass(frozen=True)
class PeriodResult:
    """One period. left_over: largest |support mean of the product - coarse value| over conserved cells, and its root mean square.

    detail: standard deviation of product - smooth interpolation over pixels; uncovered: cells with a value but too few valid pixels.
    """

    period: Period | None
    pixels: int
    gaps: int
    model_only: int
    clipped: int
    conserved_cells: int
    uncovered_cells: int
    left_over: float
    left_over_rms: float
    detail: float
    coarse_deviation: float
    fine_mean: float

    @property
    def label(self) -> str:
        return self.period.label if self.period else "undated"


@dataclass(frozen=True)
class Picture:
    """Coarse and fine map of a period, thinned for a page; quality codes likewise."""

    label: str
    coarse: Array
    fine: Array
    quality: NDArray[np.uint8]


@dataclass(frozen=True)
class Downscaling:
    """What was done, per period and over all; outside_training: share of valid pixels beyond the training range, per factor."""

    gain: float
    gain_estimated: bool
    footprint_km: float | None
    fine: Grid
    coarse: Grid
    periods: list[PeriodResult]
    skipped: list[str]
    outside_training: dict[str, float]
    pictures: list[Picture]
    notes: list[str] = field(default_factory=list)


def downscale(
    model: Model,
    fine_path: str | Path,
    coarse_path: str | Path,
    output: str | Path,
    quality: str | Path | None = None,
    options: DownscaleOptions | None = None,
    progress: Progress | None = None,
) -> Downscaling:
    """Write the fine map, one band per period, and the quality stack if asked for.

    Raises InputError for missing factors, other units, ranges that do not fit, grids that do not overlap, and no period to do.
    """
    options, progress = options or DownscaleOptions(), progress or Progress()
    options.check(model)
    with Stack.open(fine_path) as fine, Stack.open(coarse_path) as coarse, small_block_cache():
        run = _Run(model, fine, coarse, options, progress)
        bands = [Band(coarse.target_name or model.target, period, model.target_unit) for period in run.periods]
        tags = {"MODEL": model.title, "DETAIL_GAIN": f"{run.gain:.4g}", "CONSERVE": options.conserve}
        with StackWriter(output, fine.grid, bands, tags) as out:
            if quality is None:
                return run.all_periods(out, None)
            names = [Band("quality", band.period) for band in bands]
            with StackWriter(quality, fine.grid, names, tags, "uint8", NODATA) as flags:
                return run.all_periods(out, flags)


class _Run:
    def __init__(self, model: Model, fine: Stack, coarse: Stack, options: DownscaleOptions, progress: Progress) -> None:
        self.model, self.fine, self.coarse, self.options, self.progress = model, fine, coarse, options, progress
        if coarse.target_name is None:
            raise InputError(
                f"{coarse.name} has no band marked as the target: give the COARSE stack made by 'Resample to a common grid'."
            )
        self.cell = Support(fine.grid, coarse.grid)
        footprint = coarse.tags.get("FOOTPRINT_KM")
        self.support = Support(fine.grid, coarse.grid, float(footprint)) if footprint else self.cell
        self.min_share = float(coarse.tags.get("MIN_VALID_SHARE", model.min_valid_share))
        self.gain = model.gain.value if options.detail_gain is None else options.detail_gain
        self.low, self.high = options.limits(model)
        self.notes: list[str] = []
        self.names = model.order(fine.factor_names, f"The FINE stack {fine.name}")
        if model.form.kind != VALUES:
            model.order(coarse.factor_names, f"The COARSE stack {coarse.name}")
        _check_units(model, fine)
        extra = [name for name in fine.factor_names if name not in self.names]
        if extra:
            self.notes.append(f"Not used by the model: {', '.join(extra)}.")
        self.periods, self.skipped = self._choose_periods()
        self.outside = np.zeros(len(self.names))
        self.valid_pixels = 0
        self.pictures: list[Picture] = []
        self.multiple = self.cell.ratio or 1

    def all_periods(self, out: StackWriter, flags: StackWriter | None) -> Downscaling:
        results = []
        shown = {round(i) for i in np.linspace(0, len(self.periods) - 1, min(_PICTURES, len(self.periods)))}
        with tempfile.TemporaryFile(dir=out.path.parent) as store:
            for number, period in enumerate(self.periods):
                step = self.progress.part(number / len(self.periods), (number + 1) / len(self.periods))
                step.set(0.0, f"Downscaling {period.label if period else ''}".strip())
                results.append(self._one_period(period, number + 1, out, flags, store, number in shown, step))
                if number == 0:
                    self._check_ranges()
        outside = {name: float(n / max(1, self.valid_pixels)) for name, n in zip(self.names, self.outside)}
        return Downscaling(
            self.gain,
            self.options.detail_gain is None,
            self.support.footprint_km,
            self.fine.grid,
            self.coarse.grid,
            results,
            self.skipped,
            outside,
            self.pictures,
            self.notes,
        )

    def _choose_periods(self) -> tuple[list[Period | None], list[str]]:
        name = self.coarse.target_name
        periods, skipped = [], []
        known = {period.label if period else "undated" for period in self.coarse.target_periods}
        unknown = [label for label in self.options.periods if label not in known]
        if unknown:
            raise InputError(f"The COARSE stack has no period {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
        for period in self.coarse.target_periods:
            label = period.label if period else "undated"
            if self.options.periods and label not in self.options.periods:
                continue
            missing = [factor for factor in self.names if not self.fine.has(factor, period)]
            if missing:
                skipped.append(f"{label}: no {', '.join(missing)}")
            elif not np.isfinite(self.coarse.read(self.coarse.index(name or "", period))).any():
                skipped.append(f"{label}: no valid coarse value")
            else:
                periods.append(period)
        if not periods:
            raise InputError("No period can be downscaled: " + "; ".join(skipped[:5]) + ".")
        return periods, skipped

    def _one_period(
        self,
        period: Period | None,
        band: int,
        out: StackWriter,
        flags: StackWriter | None,
        store: IO[bytes],
        shown: bool,
        progress: Progress,
    ) -> PeriodResult:
        wanted = self.coarse.read(self.coarse.index(self.coarse.target_name or "", period))
        valid = np.isfinite(wanted)
        system = Conservation(self.support, valid)
        weighted = Conservation(self.support, valid) if self.options.conserve == MULTIPLICATIVE else None
        mean, share = RunningMean(self.support), RunningMean(self.cell)
        references = self._references(period)
        store.seek(0)
        for row0, rows in self._strips():
            progress.check()
            detail, outside = self._predict(period, row0, rows, references)
            store.write(detail.tobytes())
            store.write(outside.tobytes())
            values = detail.astype(np.float64)
            used = np.isfinite(values)
            system.add(used.astype(np.float64), row0)
            if weighted is not None:
                if (values[used] <= 0).any():
                    raise InputError(
                        "The model predicts values of 0 or below, which cannot be conserved by multiplication: conserve additively."
                    )
                weighted.add(np.where(used, values, 0.0), row0)
            mean.add(values, row0)
            share.add(values, row0)
            progress.set(0.8 * (row0 + rows) / self.fine.grid.rows)
        model_mean = mean.result()[0]
        cell_share = share.result()[1]
        covered = valid & (cell_share >= self.min_share - 1e-9)
        fields = self._fields(wanted, model_mean, covered, system, weighted)
        return self._write(
            period, band, out, flags, store, shown, progress.part(0.8, 1.0), wanted, covered, cell_share, fields
        )

    def _references(self, period: Period | None) -> list[tuple[Interpolation, Array] | None]:
        """Per factor what is subtracted from it on the fine grid: the coarse reference, ready to be interpolated."""
        references: list[tuple[Interpolation, Array] | None] = []
        for name in self.names:
            if self.model.form.kind == VALUES:
                references.append(None)
                continue
            reference = self.model.form.reference(self.coarse.read(self.coarse.index(name, period)))
            valid = np.isfinite(reference)
            if not valid.any():
                raise InputError(f"Factor {name!r} has no valid coarse cell{' in ' + period.label if period else ''}.")
            references.append((Interpolation(self.fine.grid, self.coarse.grid, valid), reference))
        return references

    def _predict(
        self, period: Period | None, row0: int, rows: int, references: Sequence[tuple[Interpolation, Array] | None]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Model field (rows, cols) float32, NaN where a factor is missing, and whether a factor is outside its training range."""
        columns, outside = [], np.zeros((rows, self.fine.grid.cols), bool)
        raw = [self.fine.read(self.fine.index(name, period), row0, rows) for name in self.names]
        valid = np.isfinite(raw).all(axis=0)
        for k, (values, reference, factor) in enumerate(zip(raw, references, self.model.factors)):
            beyond = ((values < factor.minimum) | (values > factor.maximum)) & valid
            self.outside[k] += beyond.sum()
            outside |= beyond
            columns.append(
                values[valid] if reference is None else (values - reference[0](reference[1], row0, rows))[valid]
            )
        self.valid_pixels += int(valid.sum())
        result = np.full(valid.shape, np.nan, np.float32)
        if columns and valid.any():
            result[valid] = self.model.predict(np.column_stack(columns))
        return result, outside.astype(np.uint8)

    def _fields(
        self,
        wanted: Array,
        model_mean: Array,
        covered: NDArray[np.bool_],
        system: Conservation,
        weighted: Conservation | None,
    ) -> Fields:
        smooth, smooth_left = system.solve(wanted, covered)
        if weighted is not None:
            ratio = np.divide(wanted, model_mean, out=np.ones_like(wanted), where=np.isfinite(model_mean))
            factor, factor_left = weighted.solve(ratio, covered)
            return Fields(system.interpolate, self.options.outside, smooth, smooth_left, self.gain, factor, factor_left)
        if self.options.conserve == NONE:
            if self.model.form.kind == VALUES:
                return Fields(
                    system.interpolate,
                    self.options.outside,
                    np.zeros_like(wanted),
                    np.zeros_like(wanted),
                    1.0,
                    smooth=smooth,
                )
            return Fields(
                system.interpolate, self.options.outside, smooth, np.zeros_like(wanted), self.gain, smooth=smooth
            )
        level, left = system.solve(wanted - self.gain * np.where(np.isfinite(model_mean), model_mean, 0.0), covered)
        return Fields(system.interpolate, self.options.outside, level, left, self.gain, smooth=smooth)

    def _write(
        self,
        period: Period | None,
        band: int,
        out: StackWriter,
        flags: StackWriter | None,
        store: IO[bytes],
        shown: bool,
        progress: Progress,
        wanted: Array,
        covered: NDArray[np.bool_],
        share: Array,
        fields: Fields,
    ) -> PeriodResult:
        fine, held = self.fine.grid, self.options.conserve != NONE
        check = RunningMean(self.support)
        exact = self.support.is_cell and self.cell.ratio is not None and held
        has_value = np.append(np.isfinite(wanted).ravel(), False)
        means_to_hold = np.append(np.where(covered & exact, wanted, np.nan).ravel(), np.nan)
        row_of, col_of = cells_of(fine, self.coarse.grid)
        thin = max(1, -(-max(fine.rows, fine.cols) // _PICTURE))
        picture: tuple[list[Array], list[NDArray[np.uint8]]] = ([], [])
        counts = dict.fromkeys(("pixels", "gaps", "model_only", "clipped"), 0)
        moments = np.zeros(3)
        store.seek(0)
        for row0, rows in self._strips():
            progress.check()
            size = rows * fine.cols
            detail = np.frombuffer(store.read(4 * size), np.float32).reshape(rows, -1).astype(np.float64)
            outside = np.frombuffer(store.read(size), np.uint8).reshape(rows, -1)
            inside = (row_of[row0 : row0 + rows, None] >= 0) & (col_of[None, :] >= 0)
            cell = np.where(inside, row_of[row0 : row0 + rows, None] * wanted.shape[1] + col_of[None, :], wanted.size)
            smooth, values = fields.at(row0, rows, detail, cell if exact else None)
            supported = has_value[cell]
            if not self.options.outside:
                values = np.where(supported, values, np.nan)
            used = np.isfinite(values)
            clipped = np.zeros(values.shape, bool)
            if np.isfinite([self.low, self.high]).any():
                limited, changed = hold_bounds(values[used], cell[used], means_to_hold, self.low, self.high)
                values[used], clipped[used] = limited, changed
            values = values.astype(np.float32).astype(np.float64)
            code = np.where(outside > 0, OUTSIDE_TRAINING, OK).astype(np.uint8)
            code[~supported], code[clipped], code[~used] = MODEL_ONLY, CLIPPED, NODATA
            out.write(band, values, row0)
            if flags is not None:
                flags.write(band, code, row0)
            check.add(values, row0)
            both = used & np.isfinite(smooth)
            difference = (values - smooth)[both]
            moments += len(difference), difference.sum(), (difference**2).sum()
            counts["pixels"] += int(used.sum())
            counts["gaps"] += int((supported & ~used).sum())
            counts["model_only"] += int((used & ~supported).sum())
            counts["clipped"] += int(clipped.sum())
            if shown:
                first = -row0 % thin
                picture[0].append(values[first::thin, ::thin])
                picture[1].append(code[first::thin, ::thin])
            progress.set((row0 + rows) / fine.rows)
        mean = check.result()[0]
        left = (mean - wanted)[covered & np.isfinite(mean)]
        if shown:
            self.pictures.append(
                Picture(period.label if period else "", wanted, np.vstack(picture[0]), np.vstack(picture[1]))
            )
        number = max(1.0, moments[0])
        return PeriodResult(
            period,
            counts["pixels"],
            counts["gaps"],
            counts["model_only"],
            counts["clipped"],
            int(covered.sum()),
            int((np.isfinite(wanted) & ~covered & (share > 0)).sum()),
            float(np.abs(left).max(initial=0.0)),
            float(np.sqrt((left**2).mean())) if len(left) else 0.0,
            float(np.sqrt(max(0.0, moments[2] / number - (moments[1] / number) ** 2))),
            float(np.nanstd(wanted)),
            float(np.nanmean(mean)) if np.isfinite(mean).any() else float("nan"),
        )

    def _strips(self) -> list[tuple[int, int]]:
        return list(strips(self.fine.grid.rows, self.fine.grid.cols, self.multiple))

    def _check_ranges(self) -> None:
        """After the first period: a factor that is nearly everywhere outside its training range has another unit or belongs elsewhere."""
        for name, count, factor in zip(self.names, self.outside, self.model.factors):
            share = count / max(1, self.valid_pixels)
            if share > 0.9:
                raise InputError(
                    f"Factor {name!r} lies outside the range the model was trained on ({factor.minimum:g} to {factor.maximum:g} "
                    f"{factor.unit}) in {share:.0%} of the pixels: check its unit, or train on this region and season."
                )
            if share > 0.2:
                self.notes.append(
                    f"Factor {name!r} lies outside its training range in {share:.0%} of the first period's pixels."
                )


def _check_units(model: Model, fine: Stack) -> None:
    for factor in model.factors:
        unit = fine.unit(factor.name)
        if unit and factor.unit and unit != factor.unit:
            raise InputError(
                f"Factor {factor.name!r} is in {unit} in {fine.name}, but the model was trained on it in {factor.unit}: convert it first."
            )
