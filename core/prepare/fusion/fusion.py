"""Fine images for every date with a coarse one: from dated layers to a dated stack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import InputError
from ...progress import Progress
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.readers import close_readers, remember
from ...raster.running import Running
from ...raster.stack import Stack, opened, small_block_cache
from ...report import plural
from ..resampling import BILINEAR, METHODS
from .assembly import DateResult, Picture
from .bands import Image
from .compute import fuse_dates
from .evaluation import LeftOut
from .images import check_grids, how_resampled, survey
from .inspection import inspect, is_empty
from .kept import key_of
from .options import ESTARFM, STARFM, FusionOptions
from .plan import Plan, make_plan
from .streaming import Source


@dataclass(frozen=True)
class FusionRun:
    """What is fused and how: bands (empty: all that both sides have), dates (empty: all without a fine image).

    resampling: of layers that are not on the grid of the first fine one. coarse_factor multiplies coarse values.
    evaluate: predict each fine image from the others where there are three or more.
    """

    options: FusionOptions = field(default_factory=FusionOptions)
    bands: Sequence[str] = ()
    dates: Sequence[Period] = ()
    resampling: str = BILINEAR
    coarse_factor: float = 1.0
    evaluate: bool = True


@dataclass(frozen=True)
class FusionResult:
    """What was made: one row per date, the evaluation, pictures of the band `mapped`, what the log should say."""

    plan: Plan
    grid: Grid
    run: FusionRun
    method: str
    dates: list[DateResult]
    left_out: list[LeftOut]
    pictures: list[Picture]
    mapped: int
    how_fine: str
    how_coarse: str
    notes: list[str]

    @property
    def kept(self) -> int:
        return sum(one.kept for one in self.dates)


def fuse_layers(
    fine: Sequence[str],
    coarse: Sequence[str],
    output: str | Path,
    quality: str | Path | None = None,
    details: str | Path | None = None,
    run: FusionRun | None = None,
    progress: Progress | None = None,
    running: Running | None = None,
) -> FusionResult:
    """Write the fused stack and, if asked for, the quality codes and details. Dates already complete are kept.

    fine, coarse: dated layers; coarse ones without a fine image of their date are predicted. Raises InputError for
    layers, bands, dates, scales and grids that do not fit, and Cancelled: finished strips wait beside the output.
    """
    run, progress, running = run or FusionRun(), progress or Progress(), running or Running()
    _check(run, running, fine, coarse, [path for path in (output, quality, details) if path])
    with ExitStack() as stack, small_block_cache():
        stack.callback(close_readers)
        layers = stack.enter_context(opened([*fine, *coarse]))
        remember(layers)
        plan = make_plan(layers[: len(fine)], layers[len(fine) :], run.bands, run.dates)
        options = replace(run.options, method=STARFM) if len(plan.pairs) == 1 else run.options
        source = Source(_grid(plan), run.resampling, run.coarse_factor)
        check_grids(plan, source.grid)
        _check_window(options, source.grid, plan.notes)
        pairs, wanted = plan.pairs, plan.wanted
        images = [one for pair in pairs for one in (pair.fine, pair.coarse)] + wanted
        contents = inspect(images, source.grid, progress.part(0.0, 0.02))
        _check_empty([image for image in wanted if is_empty(image, contents)], wanted, progress)
        found = survey(
            plan,
            source.grid,
            run.resampling,
            run.coarse_factor,
            options.valid_range,
            options.method == ESTARFM,
            progress.part(0.02, 0.05),
        )
        keys = {
            image.period: key_of(group, image, plan.names, source, options, contents)
            for group in plan.groups
            for image in group.wanted
        }
        dates, left_out, pictures, mapped = fuse_dates(
            plan, source, options, found, keys, output, quality, details, run.evaluate, running, progress
        )
        return FusionResult(
            plan,
            source.grid,
            run,
            options.method,
            dates,
            left_out,
            pictures,
            mapped,
            how_resampled([pair.fine for pair in pairs], source.grid, run.resampling),
            how_resampled([*(pair.coarse for pair in pairs), *wanted], source.grid, run.resampling),
            [*plan.notes, *_date_notes(dates)],
        )


def _check(
    run: FusionRun, running: Running, fine: Sequence[str], coarse: Sequence[str], outputs: Sequence[str | Path]
) -> None:
    run.options.check()
    running.check()
    if run.resampling not in METHODS:
        raise InputError(f"Unknown resampling method {run.resampling!r}: choose one of {', '.join(METHODS)}.")
    if not 0 < run.coarse_factor < math.inf:
        raise InputError(f"The factor of the coarse values must be positive, not {run.coarse_factor:g}.")
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        raise InputError("Two outputs would be written to one file: give each a name of its own.")
    if {Path(path).resolve() for path in outputs} & {Path(layer).resolve() for layer in (*fine, *coarse)}:
        raise InputError("An output is also an input: give the output another name.")


def _grid(plan: Plan) -> Grid:
    stack: Stack = next(iter(plan.pairs[0].fine.bands.values()))[0]
    return stack.grid


def _check_empty(empty: Sequence[Image], wanted: Sequence[Image], progress: Progress) -> None:
    if len(empty) == len(wanted):
        raise InputError(
            f"The coarse {'image' if len(empty) == 1 else 'images'} to predict from "
            f"({_listed([image.period.label for image in empty])}) "
            f"{'has' if len(empty) == 1 else 'have'} no valid pixel within the fine images: check extents, reference "
            "systems and nodata."
        )
    for image in empty:
        progress.warn(
            f"The coarse image of {image.period.label} ({image.layer}) has no valid pixel within the fine images: "
            "that date will be empty."
        )


def _check_window(options: FusionOptions, grid: Grid, notes: list[str]) -> None:
    if options.window > min(grid.shape):
        notes.append(
            f"The window of {options.window} pixels is larger than the image ({grid.rows} x {grid.cols}): it ends at "
            "the image's edges."
        )


def _date_notes(dates: Sequence[DateResult]) -> list[str]:
    beyond = [one.period.label for one in dates if not one.enclosed and len(one.pairs) == 2]
    empty = [one.period.label for one in dates if one.gaps == 1.0]
    notes = []
    if beyond:
        notes.append(
            f"{len(beyond)} of {plural(len(dates), 'date')} {'lies' if len(beyond) == 1 else 'lie'} before or after "
            f"all pairs ({_listed(beyond)}): extrapolation from the nearest two."
        )
    if empty:
        notes.append(f"No pixel could be predicted on {_listed(empty)}: the coarse image has no valid pixel there.")
    return notes


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:6]) + (" ..." if len(labels) > 6 else "")
