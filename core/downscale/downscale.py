"""Apply a model: product = smooth conserving interpolation of the coarse field + detail gain x conserving detail.

Both parts conserve every coarse value, so the product does, for every gain. Written as one field: with model field d,
support A, bilinear interpolation U and gain g, product = U a + g d where A U a = Z - g A d. A d is gathered while d is
predicted (first pass); a is solved on the coarse grid; a second pass adds U a. Neither pass holds the fine raster in
memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..model.form import VALUES
from ..model.model import Model
from ..progress import Progress
from ..raster.conserve import Conservation
from ..raster.periods import Period
from ..raster.stack import Band, Stack, StackWriter, small_block_cache
from ..raster.support import Array, RunningMean, Support
from ..raster.tiles import strips
from .fields import Fields, additive, multiplicative, unconserved
from .options import MULTIPLICATIVE, NONE, DownscaleOptions
from .prediction import FinePrediction
from .product import ProductWriter, Solved
from .quality import NODATA
from .results import Downscaling, PeriodResult, Picture
from .store import StripStore
from .trust import TrustLayers, index_bands, interval_bands

__all__ = ["DownscaleOptions", "Downscaling", "PeriodResult", "Picture", "downscale"]

_PICTURES = 3
_NOTED_OUTSIDE = 0.2
_MOST_MOISTURE = 1.5  # m3/m3


def downscale(
    model: Model,
    fine_path: str | Path,
    coarse_path: str | Path,
    output: str | Path,
    quality: str | Path | None = None,
    options: DownscaleOptions | None = None,
    progress: Progress | None = None,
    applicability: str | Path | None = None,
    uncertainty: str | Path | None = None,
) -> Downscaling:
    """Write the fine map, one band per period, and what else is asked for.

    quality: codes. applicability: dissimilarity index, which then decides the quality code for what is unlike training.
    uncertainty: lower end, median, upper end and width of the interval of each period, around the product.
    Raises InputError for missing factors, other units, ranges that do not fit, grids that do not overlap, and no period
    to do.
    """
    options, progress = options or DownscaleOptions(), progress or Progress()
    options.check(model)
    _check_paths([fine_path, coarse_path], [one for one in (output, quality, applicability, uncertainty) if one])
    with ExitStack() as stack, small_block_cache():
        fine, coarse = stack.enter_context(Stack.open(fine_path)), stack.enter_context(Stack.open(coarse_path))
        run = _Run(model, fine, coarse, options, progress, applicability is not None, uncertainty is not None)
        bands = [Band(coarse.target_name or model.target, period, model.target_unit) for period in run.periods]
        tags = {"MODEL": model.title, "DETAIL_GAIN": f"{run.gain:.4g}", "CONSERVE": options.conserve}
        out = stack.enter_context(StackWriter(output, fine.grid, bands, tags))
        flags = None
        if quality is not None:
            codes = [Band("quality", band.period) for band in bands]
            code_tags = {"CODE_1": "outside the area of applicability" if applicability else "factor out of its range"}
            flags = stack.enter_context(StackWriter(quality, fine.grid, codes, {**tags, **code_tags}, "uint8", NODATA))
        run.trust.write_to(
            *(
                stack.enter_context(StackWriter(path, fine.grid, layers, {**tags, **run.trust.tags})) if path else None
                for path, layers in ((applicability, index_bands(bands)), (uncertainty, interval_bands(bands)))
            )
        )
        return run.all_periods(out, flags)


class _Run:
    def __init__(
        self,
        model: Model,
        fine: Stack,
        coarse: Stack,
        options: DownscaleOptions,
        progress: Progress,
        index: bool,
        interval: bool,
    ) -> None:
        self.model, self.fine, self.coarse, self.options, self.progress = model, fine, coarse, options, progress
        self.target = coarse.required_target()
        self.cell = Support(fine.grid, coarse.grid)
        footprint = coarse.number("FOOTPRINT_KM")
        self.support = Support(fine.grid, coarse.grid, footprint) if footprint else self.cell
        self.min_share = coarse.number("MIN_VALID_SHARE") or model.min_valid_share
        self.whole = options.conserve == NONE and model.form.kind == VALUES
        self.gain = model.gain.value if options.detail_gain is None else options.detail_gain
        self.notes: list[str] = []
        if self.whole:
            self.gain = 1.0
            self.notes.append("Without conservation the model's values are written as they are, without a detail gain.")
        self.trust = TrustLayers(model, None if self.whole else self.gain, options.level, index, interval, progress)
        self.prediction = FinePrediction(model, fine, coarse, self.trust)
        if fine.grid.same_as(coarse.grid):
            raise InputError(
                f"{fine.name} lies on the grid of {coarse.name}: give the FINE stack made by 'Resample to a common "
                "grid'."
            )
        self.notes += self.prediction.notes
        extra = [name for name in fine.factor_names if name not in self.prediction.used]
        if extra:
            self.notes.append(f"Not used by the model: {', '.join(extra)}.")
        if self.target != model.target:
            self.notes.append(f"The model was trained on {model.target!r} and is applied to {self.target!r}.")
        self.periods, self.skipped = self._choose_periods()
        self.prediction.check_ranges(self.periods[0])

    def all_periods(self, out: StackWriter, flags: StackWriter | None) -> Downscaling:
        held = self.options.conserve != NONE
        bounds = self.options.limits(self.model)
        writer = ProductWriter(out, flags, self.support, held, self.options.outside, bounds, self.trust)
        count = len(self.periods)
        shown = {round(i) for i in np.linspace(0, count - 1, min(_PICTURES, count))}
        results, pictures, beyond = [], [], 0
        with tempfile.TemporaryFile(dir=out.path.parent) as file:
            store = StripStore(file, self.fine.grid.cols, self.trust.count)
            for number, period in enumerate(self.periods):
                step = self.progress.part(number / count, (number + 1) / count)
                step.set(0.0, f"Downscaling {period.label if period else ''}".strip())
                solved = self._first_pass(period, store, step.part(0.0, 0.8))
                if held:
                    kept = solved.wanted[solved.covered]
                    beyond += int(((kept < bounds[0]) | (kept > bounds[1])).sum())
                result, picture = writer.write(period, number + 1, solved, store, step.part(0.8, 1.0))
                results.append(result)
                if number in shown:
                    pictures.append(picture)
        if not any(result.pixels for result in results):
            rarest = self.prediction.names[int(self.prediction.seen.argmin())]
            raise InputError(
                f"No pixel with a coarse value has all factors; {rarest!r} is valid in the fewest: check its extent, "
                "dates and nodata."
            )
        if beyond:
            low, high = bounds
            self.notes.append(
                f"{beyond} coarse values lie outside the bounds {low:g} to {high:g}; to keep their means, their cells "
                "were not bounded."
            )
        self.notes += self.prediction.unknown_notes
        outside = self.prediction.outside_share
        for name, share in outside.items():
            if share > _NOTED_OUTSIDE:
                self.notes.append(f"Factor {name!r} lies outside its training range in {share:.0%} of the pixels.")
        return Downscaling(
            gain=self.gain,
            gain_estimated=self.options.detail_gain is None and not self.whole,
            footprint_km=self.support.footprint_km,
            fine=self.fine.grid,
            coarse=self.coarse.grid,
            periods=results,
            skipped=self.skipped,
            outside_training=outside,
            pictures=pictures,
            notes=self.notes,
            trust=self.trust.facts,
        )

    def _choose_periods(self) -> tuple[list[Period | None], list[str]]:
        labels = {period: period.label if period else "undated" for period in self.coarse.target_periods}
        unknown = [label for label in self.options.periods if label not in labels.values()]
        if unknown:
            raise InputError(
                f"The COARSE stack has no period {', '.join(unknown)}; it has {', '.join(labels.values())}."
            )
        periods, skipped = [], []
        for period, label in labels.items():
            if self.options.periods and label not in self.options.periods:
                continue
            missing = self.prediction.missing(period)
            if missing:
                skipped.append(f"{label}: no {', '.join(missing)}")
            elif not np.isfinite(self._wanted(period)).any():
                skipped.append(f"{label}: no valid coarse value")
            elif empty := self.prediction.empty(period):
                skipped.append(f"{label}: no valid coarse cell of {', '.join(empty)}")
            else:
                periods.append(period)
        if not periods:
            raise InputError("No period can be downscaled: " + "; ".join(skipped[:5]) + ".")
        return periods, skipped

    def _wanted(self, period: Period | None) -> Array:
        """The coarse values (rows, cols) of `period`, NaN where none."""
        values = self.coarse.read(self.coarse.index(self.target, period))
        high = float(np.max(values, initial=-np.inf, where=np.isfinite(values)))
        if self.model.target_unit == "m3/m3" and high > _MOST_MOISTURE:
            raise InputError(
                f"The coarse values of {self.coarse.name} go up to {high:g}, but the model was trained on m3/m3: give "
                "the right unit in 'Resample to a common grid'."
            )
        return values

    def _first_pass(self, period: Period | None, store: StripStore, progress: Progress) -> Solved:
        """Predict the model's field into `store`; gather what the coarse solution needs on the way."""
        wanted = self._wanted(period)
        valid = np.isfinite(wanted)
        system = Conservation(self.support, valid)
        weighted = Conservation(self.support, valid) if self.options.conserve == MULTIPLICATIVE else None
        mean, share = RunningMean(self.support), RunningMean(self.cell)
        references = self.prediction.references(period, wanted)
        store.restart()
        for row0, rows in self._strips():
            progress.check()
            strip = self.prediction.strip(period, row0, rows, references)
            store.add(strip)
            values = strip.field.astype(np.float64)
            used = np.isfinite(values)
            system.add(used.astype(np.float64), row0)
            if weighted is not None:
                if (values[used] <= 0).any():
                    raise InputError(
                        "The model predicts values of 0 or below, which cannot be conserved by multiplication: "
                        "conserve additively."
                    )
                weighted.add(np.where(used, values, 0.0), row0)
            mean.add(values, row0)
            share.add(values, row0)
            progress.set((row0 + rows) / self.fine.grid.rows)
        model_mean, cell_share = mean.result()[0], share.result()[1]
        covered = valid & (cell_share >= self.min_share - 1e-9)
        everywhere = self.options.outside

        def fields(gain: float) -> Fields:
            if weighted is not None:
                return multiplicative(system, weighted, wanted, model_mean, covered, gain, everywhere)
            if self.options.conserve == NONE:
                return unconserved(system, wanted, covered, gain, everywhere, self.whole)
            return additive(system, wanted, model_mean, covered, gain, everywhere)

        solved = fields(self.gain)
        if self.trust.scales:
            self.trust.measure(store, solved if self.gain else fields(1.0), self.gain or 1.0, self.support)
        return Solved(wanted, covered, cell_share, solved)

    def _strips(self) -> Iterator[tuple[int, int]]:
        # Whole coarse cells, so that a cell's bounds and mean can be held at once.
        return strips(self.fine.grid.rows, self.fine.grid.cols, self.cell.ratio or 1)


def _check_paths(inputs: list[str | Path], outputs: list[str | Path]) -> None:
    taken = [Path(one).resolve() for one in inputs]
    for one in outputs:
        if Path(one).resolve() in taken:
            raise InputError(f"The output {one} is also an input or another output: give it a name of its own.")
        taken.append(Path(one).resolve())
