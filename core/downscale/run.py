"""All periods of a downscaling run: first pass, coarse solution, second pass, and the files in the end."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..model.form import VALUES
from ..model.model import Model
from ..model.warm_up import warm_up
from ..progress import Progress
from ..raster.fingerprint import absolute
from ..raster.periods import Period
from ..raster.stack import Stack
from ..raster.support import Support
from ..raster.work import Work
from . import first_pass, product
from .assembly import Output, assemble
from .fields import Fields, additive, multiplicative, unconserved
from .first_pass import Gathered, Predicting, Unconservable
from .options import MULTIPLICATIVE, NONE, DownscaleOptions
from .prediction import FinePrediction
from .product import Figures, Finishing
from .results import Downscaling, PeriodResult, Picture
from .store import DETAIL, FIELD, PRODUCT, Counts, Rows, Solved, SolvedPart, rows_of
from .trust import Layers, TrustLayers

_PICTURES = 3
_NOTED_OUTSIDE = 0.2
# Shares of the time, about.
_FIRST, _MEASURED, _WRITTEN = 0.8, 0.84, 0.93


class Run:
    """What is done, decided before the work: the periods, the detail gain, notes. Raises InputError as `downscale`."""

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
        self.trust = TrustLayers(model, None if self.whole else self.gain, options.level, index, interval)
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
        self.held = options.conserve != NONE
        self.bounds = options.limits(model)
        self.layers = Layers(index, interval, self.whole, self.bounds)

    def all_periods(self, work: Work, outputs: Sequence[Output]) -> Downscaling:
        """Do or find every part, then write `outputs`."""
        packed = first_pass.packed(self.model) if work.running.scheduler else None
        gain = None if self.whole else self.gain
        common = Predicting(
            uuid.uuid4().hex,
            packed,
            absolute(self.fine.path),
            absolute(self.coarse.path),
            gain,
            self.options.level,
            self.trust.index,
            self.trust.interval,
        )
        count = len(self.periods)
        shown = {round(i) for i in np.linspace(0, count - 1, min(_PICTURES, count))}
        results, pictures, beyond, counts = [], [], 0, self.prediction.no_counts
        if not work.running.scheduler:
            warm_up(work.progress)
        with first_pass.shared(common, self.prediction):
            for number, period in enumerate(self.periods):
                step = work.progress.part(_WRITTEN * number / count, _WRITTEN * (number + 1) / count)
                label = f"Downscaling {period.label if period else ''}".strip()
                solved = self._solve(work, common, number, step.part(0.0, _MEASURED), label)
                kept = solved.wanted[solved.covered]
                beyond += int(((kept < self.bounds[0]) | (kept > self.bounds[1])).sum()) if self.held else 0
                counts = counts + solved.counts
                figures = self._finish(work, number, solved, step.part(_MEASURED, 1.0), label)
                results.append(figures.result())
                if number in shown:
                    pictures.append(figures.picture())
        self._check_pixels(work, results, counts)
        assemble(
            work,
            outputs,
            self.fine.grid,
            [self._parts(PRODUCT, number) for number in range(count)],
            work.progress.part(_WRITTEN, 1.0),
        )
        return self._report(results, pictures, counts, beyond)

    def _solve(self, work: Work, common: Predicting, number: int, progress: Progress, label: str) -> Solved:
        """Predict the model's field; find the coarse solution from what was gathered on the way."""
        place, fields = SolvedPart(number), self._parts(FIELD, number)
        found = work.find(place)
        if found is not None and (work.holds(self._parts(PRODUCT, number)) or work.holds(fields)):
            return Solved.of(found, self.fine.grid, self.coarse.grid)
        wanted = self.prediction.wanted(self.periods[number])
        weighted = self.options.conserve == MULTIPLICATIVE
        gathered = Gathered(self.support, self.cell, wanted, weighted, self.prediction.no_counts)
        taken = first_pass.part_bytes(fields[0], len(self.prediction.names), self.trust.count)
        try:
            gathered.run(work, common, fields, progress.part(0.0, _FIRST / _MEASURED), label, taken)
        except Unconservable:
            work.discard()
            raise
        covered = gathered.valid & (gathered.share >= self.min_share - 1e-9)
        solved = Solved(
            wanted, covered, gathered.share, self._fields(gathered, covered, self.gain), math.nan, gathered.counts
        )
        if self.trust.scales:
            # Without any gain the size of the detail is that of the whole one.
            measured = solved if self.gain else replace(solved, fields=self._fields(gathered, covered, 1.0))
            moments = np.zeros(2)
            parts = self._parts(DETAIL, number)
            finishing = self._finishing(work, measured)
            for _, arrays in work.run(
                product.detail_part, finishing, parts, progress.part(_FIRST / _MEASURED, 1.0), label, ("detail",)
            ):
                moments += arrays["detail"]
            detail = math.sqrt(moments[1] / moments[0]) if moments[0] else math.nan
            solved = replace(solved, scale=self.trust.scale(detail, self.support))
        work.keep(place, solved.arrays)
        return solved

    def _finish(self, work: Work, number: int, solved: Solved, progress: Progress, label: str) -> Figures:
        """The second pass; what the first one left is not needed any more."""
        parts = self._parts(PRODUCT, number)
        figures = Figures(self.periods[number], solved, self.support, self.layers)
        taken = product.part_bytes(parts[0], self._multiple, self.trust.count)
        common = self._finishing(work, solved)
        for part, arrays in work.run(product.product_part, common, parts, progress, label, figures.names, taken):
            figures.add(part, arrays)
        work.drop([*self._parts(FIELD, number), *self._parts(DETAIL, number)])
        return figures

    def _fields(self, gathered: Gathered, covered: np.ndarray, gain: float) -> Fields:
        wanted, mean, everywhere = gathered.wanted, gathered.mean, self.options.outside
        if gathered.weighted is not None:
            return multiplicative(gathered.system, gathered.weighted, wanted, mean, covered, gain, everywhere)
        if not self.held:
            return unconserved(gathered.system, wanted, covered, gain, everywhere, self.whole)
        return additive(gathered.system, wanted, mean, covered, gain, everywhere)

    def _finishing(self, work: Work, solved: Solved) -> Finishing:
        exact = self.held and self.support.is_cell and self.support.ratio is not None
        return Finishing(
            folder=work.folder,
            key=work.key,
            ratio=self._multiple,
            fields=solved.fields,
            wanted=solved.wanted,
            covered=solved.covered,
            row_weight=np.asarray(self.support.row_weights.sum(axis=0)).ravel(),
            exact=exact,
            outside=self.options.outside,
            bounds=self.bounds,
            layers=self.layers,
            scale=solved.scale if self.trust.scales else 1.0,
        )

    @property
    def _multiple(self) -> int:
        return self.cell.ratio or 1

    def _parts(self, kind: str, number: int) -> list[Rows]:
        return rows_of(kind, number, self.periods[number], self.fine.grid, self._multiple)

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
            elif not np.isfinite(self.prediction.wanted(period)).any():
                skipped.append(f"{label}: no valid coarse value")
            elif empty := self.prediction.empty(period):
                skipped.append(f"{label}: no valid coarse cell of {', '.join(empty)}")
            else:
                periods.append(period)
        if not periods:
            raise InputError("No period can be downscaled: " + "; ".join(skipped[:5]) + ".")
        return periods, skipped

    def _check_pixels(self, work: Work, results: list[PeriodResult], counts: Counts) -> None:
        if any(result.pixels for result in results):
            return
        work.discard()
        rarest = self.prediction.names[int(counts.seen.argmin())]
        raise InputError(
            f"No pixel with a coarse value has all factors; {rarest!r} is valid in the fewest: check its extent, "
            "dates and nodata."
        )

    def _report(self, results: list[PeriodResult], pictures: list[Picture], counts: Counts, beyond: int) -> Downscaling:
        if beyond:
            low, high = self.bounds
            self.notes.append(
                f"{beyond} coarse values lie outside the bounds {low:g} to {high:g}; to keep their means, their cells "
                "were not bounded."
            )
        self.notes += self.prediction.unknown_notes(counts)
        outside = {
            name: float(n / max(1, counts.valid)) for name, n in zip(self.prediction.names, counts.outside.tolist())
        }
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
