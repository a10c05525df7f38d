"""The scale step: the same chain one scale up, where the truth is known.

Target and factors are averaged over 2 to 4 cells, the model is trained on these large cells, and its map is downscaled
back to the native cells with every large cell's mean kept. The native target was withheld: what is right inside the
large cells is skill in space without any station, and a second estimate of the detail gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import ANOMALIES, VALUES, Form
from ..model.model import DetailGain
from ..progress import Progress
from ..raster.conserve import Conservation
from ..raster.grid import Grid
from ..raster.interpolation import Interpolation
from ..raster.support import Support
from ..report import plural
from .evaluation import gain_of
from .fitting import Fitted
from .learning import Learning
from .samples import Array, CoarseData, make_samples

RATIOS = (2, 3, 4)
FEW_CELLS = 30  # large cells below which the test is called rough
_FEWEST_CELLS, _FEWEST_SAMPLES = 4, 50
_SHARE = 0.5 - 1e-9  # of a large cell that must be valid; the half counts, whatever the rounding
_FEWEST_PERIODS = 12
_MOST_COMPARED = 100_000  # native cells of all periods; beyond, fewer periods are compared


@dataclass(frozen=True)
class ScaleStep:
    """What the step over `ratio` cells found inside large cells, in target units.

    cells, samples, periods: large cells, training samples among them, periods compared; pixels: native cells compared.
    r and rmse of the anomalies inside large cells: of the smooth conserving interpolation and with the detail times the
    forecast gain. gain: the detail gain by this test; its share is that of what the smooth interpolation leaves over.
    """

    ratio: int
    cell_km: float
    cells: int
    samples: int
    periods: int
    pixels: int
    r_smooth: float
    r_product: float
    rmse_smooth: float
    rmse_product: float
    gain: DetailGain


def scale_steps(
    data: CoarseData,
    form: Form,
    learning: Learning,
    forecast: float,
    edge: int,
    progress: Progress,
    ratios: Sequence[int] = RATIOS,
) -> tuple[list[ScaleStep], list[str]]:
    """The steps that the region allows, and a sentence for those it does not.

    forecast: the detail gain to judge; edge: of the validation's blocks, in native cells.
    """
    steps, notes = [], []
    for number, ratio in enumerate(ratios):
        progress.check()
        try:
            step = progress.part(number / len(ratios), (number + 1) / len(ratios))
            steps.append(scale_step(data, ratio, form, learning, forecast, edge, step))
        except InputError as error:
            notes.append(f"Scale step over {ratio} cells: not possible. {error}")
    return steps, notes


def scale_step(
    data: CoarseData, ratio: int, form: Form, learning: Learning, forecast: float, edge: int, progress: Progress
) -> ScaleStep:
    """One step. Raises InputError where the region has too few large cells."""
    native, valid = _cropped(data, ratio)
    large, support = aggregated(native, valid, ratio, progress)
    cells = int(np.isfinite(large.target).any(axis=0).sum())
    fewest = max(learning.learner.fewest_samples, 3 * len(data.names), _FEWEST_SAMPLES)
    count = int(np.isfinite(large.target).sum())
    if cells < _FEWEST_CELLS or count < fewest:
        raise InputError(
            f"The region has {plural(count, 'sample')} in {plural(cells, 'large cell')} with data; at least {fewest} "
            f"in {_FEWEST_CELLS} are needed."
        )
    samples = make_samples(large, form)
    fitted = learning.fit(samples, progress.part(0.0, 0.7), quick=True)
    periods = _some(np.flatnonzero(np.isfinite(large.target).any(axis=(1, 2))), valid[0].size)
    row, col = np.indices(native.grid.shape)
    edge = max(edge, ratio)
    block = (row // edge) * native.grid.cols + col // edge
    cell = (row // ratio) * native.grid.cols + col // ratio
    columns: list[Array] = []
    for done, t in enumerate(periods):
        progress.check()
        progress.set(0.7 + 0.3 * done / len(periods))
        smooth, detail = _downscaled(native, large, support, valid[t], int(t), form, fitted)
        level = np.repeat(np.repeat(large.target[t], ratio, axis=0), ratio, axis=1)
        use = valid[t] & np.isfinite(level) & np.isfinite(smooth) & np.isfinite(detail)
        when = np.full(int(use.sum()), float(t))
        columns.append(
            np.stack(
                [*((one - level)[use] for one in (native.target[t], smooth)), detail[use], block[use], cell[use], when]
            )
        )
    truth, smooth, detail, *groups = np.concatenate(columns, axis=1)
    product = smooth + forecast * detail
    return ScaleStep(
        ratio=ratio,
        cell_km=math.sqrt(math.prod(large.grid.ground_cell_size())) / 1000,
        cells=cells,
        samples=len(samples),
        periods=len(periods),
        pixels=len(truth),
        r_smooth=_r(truth, smooth),
        r_product=_r(truth, product),
        rmse_smooth=float(np.sqrt(np.mean((truth - smooth) ** 2))),
        rmse_product=float(np.sqrt(np.mean((truth - product) ** 2))),
        gain=gain_of(truth - smooth, detail, [group.astype(np.intp) for group in groups], ratio),
    )


def aggregated(
    native: CoarseData, valid: NDArray[np.bool_], ratio: int, progress: Progress
) -> tuple[CoarseData, Support]:
    """Means of target and factors over the valid cells (periods, rows, cols) in each `ratio` x `ratio` of them.

    Cells that are not half valid have none. The grid's rows and columns are multiples of `ratio`.
    """
    grid = native.grid
    x, width, _, y, _, height = grid.transform
    wide = Grid(grid.crs_wkt, (x, ratio * width, 0.0, y, 0.0, ratio * height), grid.rows // ratio, grid.cols // ratio)
    support = Support(grid, wide)
    shape = (len(native.periods), wide.rows, wide.cols)
    target, share = np.empty(shape), np.empty(shape)
    factors = np.empty((len(native.names), *shape))
    for t, use in enumerate(valid):
        progress.check()
        mean, share[t] = support.mean(np.where(use, native.target[t], np.nan))
        kept = share[t] >= _SHARE
        target[t] = np.where(kept, mean, np.nan)
        for k, values in enumerate(native.factors[:, t]):
            factors[k, t] = np.where(kept, support.mean(np.where(use, values, np.nan))[0], np.nan)
    return replace(native, grid=wide, target=target, factors=factors, share=share), support


def _cropped(data: CoarseData, ratio: int) -> tuple[CoarseData, NDArray[np.bool_]]:
    rows, cols = (size - size % ratio for size in data.grid.shape)
    if rows < ratio or cols < ratio:
        raise InputError(f"The region is less than {ratio} cells wide or high.")
    crop = (slice(0, rows), slice(0, cols))
    native = replace(
        data,
        grid=data.grid.window(0, 0, rows, cols),
        target=data.target[:, crop[0], crop[1]],
        factors=data.factors[:, :, crop[0], crop[1]],
        share=data.share[:, crop[0], crop[1]],
    )
    return native, np.isfinite(native.target) & np.isfinite(native.factors).all(axis=0) & (native.share > 0)


def _downscaled(
    native: CoarseData,
    large: CoarseData,
    support: Support,
    valid: NDArray[np.bool_],
    t: int,
    form: Form,
    fitted: Fitted,
) -> tuple[Array, Array]:
    """Smooth conserving interpolation of the large cells, and the model's detail with mean 0 in each of them."""
    known = np.isfinite(large.target[t])
    system = Conservation(support, known)
    system.add(valid.astype(np.float64), 0)
    x = np.empty((int(valid.sum()), len(native.names)))
    for k in range(len(native.names)):
        x[:, k] = (native.factors[k, t] - _reference(large.factors[k, t], form, support))[valid]
    field = np.full(valid.shape, np.nan)
    usable = np.isfinite(x).all(axis=1)
    where = np.flatnonzero(valid)[usable]
    field.ravel()[where] = fitted.predict(x[usable])
    mean = support.mean(field)[0]
    mean = np.where(known & np.isfinite(mean), mean, np.nan)
    return _conserving(system, large.target[t], known), field - _conserving(system, mean, known)


def _reference(large: Array, form: Form, support: Support) -> Array | float:
    """What the form subtracts from native cells: the large cells' reference, interpolated."""
    if form.kind == VALUES:
        return 0.0
    reference = form.reference(large)
    if form.kind == ANOMALIES:
        return float(reference[np.isfinite(reference)][0])
    return Interpolation(support.fine, support.coarse, np.isfinite(reference))(reference)


def _conserving(system: Conservation, wanted: Array, known: NDArray[np.bool_]) -> Array:
    nodes, left = system.tamed(wanted, known, system.solve(wanted, known)[0])
    ratio = system.support.ratio or 1
    return system.interpolate(nodes) + np.repeat(np.repeat(left, ratio, axis=0), ratio, axis=1)


def _some(periods: NDArray[np.intp], cells: int) -> NDArray[np.intp]:
    most = max(_FEWEST_PERIODS, _MOST_COMPARED // cells)
    if len(periods) <= most:
        return periods
    return periods[np.linspace(0, len(periods) - 1, most).round().astype(int)]


def _r(a: Array, b: Array) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and a.std() > 0 and b.std() > 1e-12 else float("nan")
