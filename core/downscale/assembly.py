"""The outputs, put together from finished parts in one order by one thread: their bytes do not depend on the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from ..raster.bands import Band
from ..raster.grid import Grid
from ..raster.stack import StackWriter
from ..raster.work import Work
from ..raster.writing import BLOCK
from .store import Rows


@dataclass(frozen=True)
class Output:
    """A file: of every period the arrays `names` of its parts, one band each."""

    path: Path
    names: Sequence[str]
    bands: Sequence[Band]
    tags: dict[str, str]
    kind: str = "float32"
    nodata: float = field(default=-9999.0)


def assemble(
    work: Work, outputs: Sequence[Output], grid: Grid, periods: Sequence[Sequence[Rows]], progress: Progress
) -> None:
    """Write `outputs` from the parts of all periods; all appear, or none."""
    total = sum(len(output.bands) for output in outputs)
    done = 0
    writers = []
    with ExitStack() as stack:
        for output in outputs:
            writer = stack.enter_context(
                StackWriter(
                    output.path,
                    grid,
                    output.bands,
                    output.tags,
                    output.kind,
                    output.nodata,
                    work.running.output_format,
                    work.key,
                    progress,
                )
            )
            writers.append(writer)
            for number, parts in enumerate(periods):
                for k, name in enumerate(output.names, 1):
                    band = number * len(output.names) + k
                    for row0, values in tile_rows(work, parts, name):
                        progress.check()
                        writer.write(band, values, row0)
                        writer.flush(band)
                        progress.set((done + (row0 + len(values)) / grid.rows) / total, "Writing the outputs")
                    done += 1
        # All are whole before the first one is moved into place.
        for writer in writers:
            progress.check()
            writer.finish()


def tile_rows(work: Work, parts: Sequence[Rows], name: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """(row0, array) of whole rows of the output's tiles, from array `name` of parts whose rows end elsewhere."""
    held: list[NDArray[Any]] = []
    row0 = 0
    for number, part in enumerate(parts, 1):
        held.append(work.read(part, (name,))[name])
        count = sum(len(one) for one in held)
        if count < BLOCK and number < len(parts):
            continue
        rows = np.concatenate(held)
        whole = count if number == len(parts) else count - count % BLOCK
        yield row0, rows[:whole]
        held, row0 = [rows[whole:]], row0 + whole
