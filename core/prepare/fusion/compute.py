"""The run itself: strips of dates that are not there yet, on threads or a cluster, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from ...errors import Cancelled
from ...progress import Progress
from ...raster.fingerprint import run_key
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.running import Running
from ...raster.threads import ThreadExecutor
from ...raster.work import Work
from ...raster.work_folder import remove_leftovers
from .assembly import DateResult, Picture, assemble
from .bands import Image
from .evaluation import LeftOut, judge, trials
from .finished import Finished
from .images import Survey
from .kept import QUALITY_BAND, VERSION, Kept, detail_bands
from .options import FusionOptions
from .plan import Group, Plan
from .statistics import pooled
from .streaming import Source, passes
from .strips import COUNTS, SUMS, Shared, fuse_strip, pass_of, strips_of


def fuse_dates(
    plan: Plan,
    source: Source,
    options: FusionOptions,
    found: Survey,
    keys: Mapping[Period, str],
    output: str | Path,
    quality: str | Path | None,
    details: str | Path | None,
    evaluate: bool,
    running: Running,
    progress: Progress,
) -> tuple[list[DateResult], list[LeftOut], list[Picture], int]:
    """Fuse what is not there yet in strips, and write all dates from them and from earlier outputs.

    Returns the dates, the fine images that were predicted from others, pictures, and the band that these show.
    """
    outputs = [Path(path).resolve() for path in (output, quality, details) if path]
    kept = Kept([] if running.start_afresh else outputs)
    needed = [*plan.names, *([QUALITY_BAND] if quality else []), *(detail_bands(plan.names) if details else [])]
    old = {period for period, key in keys.items() if kept.has(key, needed)}
    batches = _batches(plan, old, source.grid, options, details is not None)
    tried = trials(plan, source.grid) if evaluate else []
    shared = Shared(
        tuple(plan.names),
        source.grid,
        source.method,
        source.factor,
        options,
        details is not None,
        (
            *(pass_of(group, images, found.of(group), (0, source.grid.rows)) for group, images in batches),
            *(pass_of(one.group, one.group.wanted, found.of(one.group), one.rows, exact=True) for one in tried),
        ),
        1 if running.scheduler else running.workers,
    )
    strips = [strips_of(shared, number) for number in range(len(shared.passes))]
    of_passes = [[keys[image.period] for image in images] for _, images in batches]
    # Values count, not files: layers may be virtual, lie in archives, or be renamed.
    compared = [[pair.period.label for pair in one.group.pairs] for one in tried]
    content = {"passes": of_passes, "dates": sorted(keys.values()), "strips": strips, "compared": compared}
    key = run_key(f"fuseestarfm {VERSION}", {**content, "details": details is not None}, ())
    # A strip at a time, since its search uses all threads: that is what memory allows.
    executor = None if running.scheduler else ThreadExecutor(1)
    with _Resumable(output, key, running, progress, executor, outputs[1:]) as work:
        done = {number for number, of_pass in enumerate(strips) if work.holds(of_pass, [COUNTS])}
        old |= {image.period for number, (_, images) in enumerate(batches) if number in done for image in images}
        finished = Finished(kept, work, shared, of_passes)
        every = [strip for of_pass in strips for strip in of_pass]
        step = work.progress.part(0.05, 0.9)
        for strip, arrays in work.run(fuse_strip, shared, every, step, "Fusing", [COUNTS, SUMS]):
            finished.add(strip, arrays)
        left_out = []
        for one, of_trial in zip(tried, strips[len(batches) :]):
            progress.check()
            parts = [work.read(strip, ["values_0"])["values_0"] for strip in of_trial]
            left_out.append(judge(one, np.concatenate(parts, axis=1), plan.names, source))
        mapped = _mapped_band(plan, found)
        results = assemble(plan, source, options, finished, keys, old, output, quality, details, mapped, work)
    return results[0], left_out, results[1], mapped


class _Resumable(Work):
    """Keeps finished strips of a run that was cancelled, too, since fusing a year takes hours; the next run on this
    output that ends well removes what such runs have left, whatever their options."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            remove_leftovers(self.output, self.running.work_folder, self._others)
        if isinstance(error, Cancelled):
            kind, error = RuntimeError, RuntimeError("stopped")
        super().__exit__(kind, error, trace)


def _mapped_band(plan: Plan, found: Survey) -> int:
    """Near infrared, which shows most, or the band that varies most."""
    if "nir" in plan.names:
        return plan.names.index("nir")
    spread = [pooled([image[band] for image in found.fine.values()]).sd for band in range(len(plan.names))]
    return spread.index(max(spread))


def _batches(
    plan: Plan, old: set[Period], grid: Grid, options: FusionOptions, details: bool
) -> list[tuple[Group, list[Image]]]:
    """Passes over what is not there yet."""
    found = []
    for group in plan.groups:
        left = Group(group.pairs, [image for image in group.wanted if image.period not in old])
        found += [(group, images) for images in passes(left, plan.names, grid, options, details)]
    return found
