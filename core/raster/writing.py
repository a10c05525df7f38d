"""Writing stacks: GeoTIFF or COG, under a temporary name until they are whole."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ..atomic import whole_file
from ..errors import Cancelled, InputError
from ..progress import Progress
from .bands import Band, write_band
from .grid import Grid
from .running import COG, GEOTIFF, ZSTD

BLOCK = 256  # rows and columns of the tiles
_GTIFF = ("TILED=YES", "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS")
_PACKING = {
    GEOTIFF: ("COMPRESS=DEFLATE", "ZLEVEL=1"),
    ZSTD: ("COMPRESS=ZSTD", "ZSTD_LEVEL=1"),
    COG: ("COMPRESS=DEFLATE", "ZLEVEL=1"),  # of the GeoTIFF that it is made from
}
_COG = ("COMPRESS=DEFLATE", "LEVEL=1", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS")


class StackWriter:
    """Writes a GeoTIFF stack under a temporary name and moves it into place when the block ends well.

    output_format: one of running.FORMATS; a COG is made in the end, from a GeoTIFF. mark: makes the temporary name one
    that the next run with the same mark overwrites. Raises InputError where the output cannot be written; ValueError
    where `dtype` cannot hold `nodata`.
    """

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        bands: Sequence[Band],
        tags: Mapping[str, str] | None = None,
        dtype: str = "float32",
        nodata: float = -9999.0,
        output_format: str = GEOTIFF,
        mark: str = "",
        progress: Progress | None = None,
    ) -> None:
        limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
        if limits and not (limits.min <= nodata <= limits.max and nodata == int(nodata)):
            raise ValueError(f"{dtype} cannot hold the nodata value {nodata}")
        self.path, self.grid, self.bands, self.nodata = Path(path), grid, tuple(bands), nodata
        self._tags, self._dtype, self._format = dict(tags or {}), dtype, output_format
        self._mark, self._progress = mark, progress or Progress()
        self._dataset: gdal.Dataset | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> StackWriter:
        self._whole = whole_file(self.path, self._mark)
        self._work = self._whole.__enter__()
        try:
            self._dataset = create_geotiff(self._work, self.grid, len(self.bands), self._dtype, self._format)
            self._dataset.SetMetadata(self._tags)
            for number, band in enumerate(self.bands, 1):
                write_band(self._dataset.GetRasterBand(number), band, self.nodata)
        except BaseException as error:
            self._dataset = None
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, index: int, values: NDArray[np.generic], row0: int = 0, col0: int = 0) -> None:
        """Write a window of band `index` (1-based); NaN becomes nodata."""
        assert self._dataset is not None
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = np.where(np.isfinite(array), array, array.dtype.type(self.nodata))
        with self._lock, _disk_errors(self.path):
            self._dataset.GetRasterBand(index).WriteArray(array.astype(self._dtype, copy=False), col0, row0)

    def flush(self, index: int) -> None:
        """Write out what band `index` holds back. Whole rows of tiles, flushed in order, give a file of fixed bytes."""
        assert self._dataset is not None
        with self._lock, _disk_errors(self.path):
            self._dataset.GetRasterBand(index).FlushCache()

    def tag(self, index: int, tags: Mapping[str, str]) -> None:
        """Add metadata to band `index` (1-based)."""
        assert self._dataset is not None
        band = self._dataset.GetRasterBand(index)
        band.SetMetadata({**(band.GetMetadata() or {}), **tags})

    def finish(self) -> None:
        """Write all that is held back, and see that it is there; the file is moved into place by `__exit__`."""
        if self._dataset is None:
            return
        with _disk_errors(self.path):
            self._dataset.FlushCache()
            self._close()
            if self._format == COG:
                self._make_cog()
            # A directory that was torn by a full disk shows here at the latest.
            made = gdal.Open(str(self._work))
            if made.RasterCount != len(self.bands):
                raise RuntimeError("the file is not whole")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
            elif self._dataset is not None:
                if hasattr(self._dataset, "MarkSuppressOnClose"):
                    # What is about to be removed need not be compressed first (GDAL 3.7 and newer can leave it).
                    self._dataset.MarkSuppressOnClose()
                with contextlib.suppress(RuntimeError):
                    self._close()
        except BaseException as failure:
            with contextlib.suppress(RuntimeError):
                self._close()
            self._whole.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._whole.__exit__(kind, error, trace)

    def _close(self) -> None:
        """Raises RuntimeError where that fails; left to Python, it would be printed as an error of the program."""
        dataset, self._dataset = self._dataset, None
        if dataset is not None:
            gdal.Dataset.__swig_destroy__(dataset)

    def _make_cog(self) -> None:
        """The finished GeoTIFF as a COG, in its place. Overviews of values are means, of codes the most frequent."""
        resampling = "AVERAGE" if np.dtype(self._dtype).kind == "f" else "MODE"
        made = self._work.with_name(f"{self._work.stem}-cog{self._work.suffix}")

        def go_on(fraction: float, _message: str, _data: object) -> int:
            return 0 if self._progress.cancelled else 1

        try:
            gdal.GetDriverByName("COG").CreateCopy(
                str(made),
                gdal.Open(str(self._work)),
                options=[*_COG, f"OVERVIEW_RESAMPLING={resampling}"],
                callback=go_on,
            )
            os.replace(made, self._work)
        except RuntimeError:
            if self._progress.cancelled:
                raise Cancelled from None
            raise
        finally:
            for leftover in made.parent.glob(f"{made.name}*"):
                with contextlib.suppress(OSError):
                    leftover.unlink()


def create_geotiff(path: str | Path, grid: Grid, count: int, dtype: str, output_format: str = GEOTIFF) -> gdal.Dataset:
    """A new tiled GeoTIFF on `grid`. Raises InputError where the file cannot be made."""
    kind = {"float32": gdal.GDT_Float32, "float64": gdal.GDT_Float64, "uint8": gdal.GDT_Byte}[dtype]
    try:
        dataset = gdal.GetDriverByName("GTiff").Create(
            str(path), grid.cols, grid.rows, count, kind, options=[*_GTIFF, *_PACKING[output_format]]
        )
    except RuntimeError as error:
        raise InputError(f"The output cannot be created: {str(error).splitlines()[0]}") from error
    dataset.SetGeoTransform(grid.transform)
    dataset.SetProjection(grid.crs_wkt)
    return dataset


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{path} cannot be written (is the disk full?): {str(error).splitlines()[0]}") from error
