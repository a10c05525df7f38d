"""Bilinear interpolation from the centres of coarse cells to fine pixels."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .grid import Grid
from .support import Array, two_sided

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Interpolation:
    """U: bilinear interpolation from the centres of coarse cells that have a value.

    Borders are held constant, gaps lean on the neighbours that are there. The weights of a pixel sum to one.
    """

    def __init__(self, fine: Grid, coarse: Grid, valid: NDArray[np.bool_]) -> None:
        """`valid` (coarse rows, coarse cols) marks the cells with a value. Raises InputError where there is none."""
        if not valid.any():
            raise InputError("The coarse layer has no valid cell in the region.")
        self.rows = linear_weights(-fine.y_centres(), -coarse.y_centres())
        self.cols = linear_weights(fine.x_centres(), coarse.x_centres())
        self.valid = valid
        self._complete = bool(valid.all())

    def without_gaps(self) -> Interpolation:
        """The same interpolation for nodes that all have a value."""
        other = copy(self)
        other.valid, other._complete = np.ones_like(self.valid), True
        return other

    def __call__(self, nodes: Array, row0: int = 0, count: int | None = None) -> Array:
        """Interpolate `nodes` to `count` fine rows from `row0`; NaN where no valid cell centre is near."""
        rows = self.rows[row0 : None if count is None else row0 + count]
        if self._complete:
            return two_sided(rows, nodes, self.cols)
        total = two_sided(rows, np.where(self.valid, nodes, 0.0), self.cols)
        weight = self.reach(row0, count)
        field = np.full(total.shape, np.nan)
        np.divide(total, weight, out=field, where=weight > 1e-9)
        return field

    def reach(self, row0: int = 0, count: int | None = None) -> Array:
        """The summed weight of valid neighbours, 0 where there is none; shaped as the field."""
        rows = self.rows[row0 : None if count is None else row0 + count]
        if self._complete:
            return np.ones((rows.shape[0], self.cols.shape[0]))
        return two_sided(rows, self.valid.astype(np.float64), self.cols)


def linear_weights(points: Array, nodes: Array) -> csr_matrix:
    """(points, nodes): linear interpolation along one axis, constant beyond the outer nodes.

    `nodes` ascend; `points` come in any order.
    """
    from scipy.sparse import csr_matrix

    lower, upper, share = between(points, nodes)
    rows = np.repeat(np.arange(len(points)), 2)
    cols = np.column_stack([lower, upper]).ravel()
    data = np.column_stack([1.0 - share, share]).ravel()
    matrix = csr_matrix((data, (rows, cols)), shape=(len(points), len(nodes)))
    matrix.eliminate_zeros()
    return matrix


def between(points: Array, nodes: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Per point the node below, the node above and the weight of the latter, as in `linear_weights`."""
    if len(nodes) == 1:
        zero = np.zeros(len(points), np.intp)
        return zero, zero, np.zeros(len(points))
    lower = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, len(nodes) - 2)
    share = np.clip((points - nodes[lower]) / (nodes[lower + 1] - nodes[lower]), 0.0, 1.0)
    return lower, lower + 1, share
