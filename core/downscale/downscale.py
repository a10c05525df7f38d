"""Apply a model: product = smooth conserving interpolation of the coarse field + detail gain x conserving detail.

Both parts conserve every coarse value, so the product does, for every gain. Written as one field: with model field d,
support A, bilinear interpolation U and gain g, product = U a + g d where A U a = Z - g A d. A d is gathered while d is
predicted (first pass); a is solved on the coarse grid; a second pass adds U a. Neither pass holds the fine raster in
memory: both are parts of a run that may be stopped and continued (core/raster/work.py).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from ..atomic import check_output
from ..errors import InputError
from ..model.model import Model
from ..progress import Progress
from ..raster.running import Running
from ..raster.stack import Band, Stack, small_block_cache
from ..raster.work import Work
from .assembly import Output
from .key import downscaling_key
from .options import DownscaleOptions
from .product import CODES, VALUES
from .quality import NODATA
from .results import Downscaling, PeriodResult, Picture
from .run import Run
from .trust import DISSIMILARITY, INTERVAL, index_bands, interval_bands

__all__ = ["DownscaleOptions", "Downscaling", "PeriodResult", "Picture", "downscale"]


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
    running: Running | None = None,
) -> Downscaling:
    """Write the fine map, one band per period, and what else is asked for.

    quality: codes. applicability: dissimilarity index, which then decides the quality code for what is unlike training.
    uncertainty: lower end, median, upper end and width of the interval of each period, around the product. running: on
    which machines, and where finished parts wait; the files are the same bytes however it is run or interrupted.
    Raises InputError for missing factors, other units, ranges that do not fit, grids that do not overlap, and no period
    to do.
    """
    options, progress, running = options or DownscaleOptions(), progress or Progress(), running or Running()
    options.check(model)
    running.check()
    files = [one for one in (output, quality, applicability, uncertainty) if one]
    _check_paths([fine_path, coarse_path], files)
    for file in files:
        check_output(file)
    with ExitStack() as stack:
        fine, coarse = stack.enter_context(Stack.open(fine_path)), stack.enter_context(Stack.open(coarse_path))
        together = len(model.factors) * fine.block_row_bytes(1)
        stack.enter_context(small_block_cache(running.block_cache_mib(together)))
        run = Run(model, fine, coarse, options, progress, applicability is not None, uncertainty is not None)
        bands = [Band(coarse.target_name or model.target, period, model.target_unit) for period in run.periods]
        tags = {"MODEL": model.title, "DETAIL_GAIN": f"{run.gain:.4g}", "CONSERVE": options.conserve}
        outputs = [Output(Path(output), [VALUES], bands, tags)]
        if quality is not None:
            codes = [Band("quality", band.period) for band in bands]
            code_tags = {"CODE_1": "outside the area of applicability" if applicability else "factor out of its range"}
            outputs.append(Output(Path(quality), [CODES], codes, {**tags, **code_tags}, "uint8", NODATA))
        trust_tags = {**tags, **run.trust.tags}
        if applicability is not None:
            outputs.append(Output(Path(applicability), [DISSIMILARITY], index_bands(bands), trust_tags))
        if uncertainty is not None:
            outputs.append(Output(Path(uncertainty), INTERVAL, interval_bands(bands), trust_tags))
        key = downscaling_key(model, fine, coarse, options, run.trust.index, run.trust.interval)
        with Work(output, key, running, progress, others=files[1:]) as work:
            return run.all_periods(work, outputs)


def _check_paths(inputs: list[str | Path], outputs: list[str | Path]) -> None:
    taken = [Path(one).resolve() for one in inputs]
    for one in outputs:
        if Path(one).resolve() in taken:
            raise InputError(f"The output {one} is also an input or another output: give it a name of its own.")
        taken.append(Path(one).resolve())
