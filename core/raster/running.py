"""How a long run uses this machine or a cluster, and where it keeps what is finished."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal

from ..errors import InputError

GEOTIFF, ZSTD, COG = "GeoTIFF", "GeoTIFF zstd", "COG"
FORMATS = (GEOTIFF, ZSTD, COG)
LEAST_MEMORY = 64  # MiB
_UNKNOWN_MEMORY = 4 * 2**30
_MIB = 2**20


@dataclass(frozen=True)
class Running:
    """What the user says about a run; none of it changes a result.

    scheduler: address of a dask.distributed cluster, empty for threads of this machine. work_folder: where finished
    parts wait, empty for beside the output. memory_mib: what blocks in work may take, None for a quarter of the free
    memory. threads: None for one per core. output_format: one of FORMATS. start_afresh: remove what earlier runs on
    the same output have left, and begin anew.
    """

    scheduler: str = ""
    work_folder: str = ""
    memory_mib: int | None = None
    threads: int | None = None
    output_format: str = GEOTIFF
    start_afresh: bool = False

    def check(self) -> None:
        """Raise InputError for what cannot be had."""
        if self.memory_mib is not None and self.memory_mib < LEAST_MEMORY:
            raise InputError(f"The memory for blocks is at least {LEAST_MEMORY} MiB, not {self.memory_mib}.")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"A run needs at least 1 thread, not {self.threads}.")
        if self.output_format not in FORMATS:
            raise InputError(f"The format is one of {', '.join(FORMATS)}, not {self.output_format!r}.")
        driver = gdal.GetDriverByName("GTiff")
        if self.output_format == ZSTD and "ZSTD" not in driver.GetMetadataItem("DMD_CREATIONOPTIONLIST"):
            raise InputError("This GDAL cannot write zstd: choose GeoTIFF, which is compressed with deflate.")
        if self.output_format == COG and gdal.GetDriverByName("COG") is None:
            raise InputError("This GDAL cannot write COG files: choose GeoTIFF.")

    @property
    def memory(self) -> int:
        """Bytes that blocks in work may take."""
        return free_memory() // 4 if self.memory_mib is None else self.memory_mib * _MIB

    def block_cache_mib(self, block_rows: int) -> int:
        """MiB that GDAL may hold of decoded blocks. block_rows: bytes of the rows of blocks that are read together.

        These serve several parts: where they do not stay, every part decodes them again.
        """
        # Parts at work at one time may lie in two rows of blocks.
        return max(16, min(max(192, 2 * block_rows // _MIB + 1), self.memory // 4 // _MIB))

    @property
    def workers(self) -> int:
        """Threads in use."""
        return self.threads or os.cpu_count() or 1


def free_memory() -> int:
    """Bytes of memory that programs can still have, by the system's own account; a guess where it gives none."""
    try:
        if sys.platform == "win32":
            return _free_on_windows()
        if os.path.exists("/proc/meminfo"):
            line = next(one for one in Path("/proc/meminfo").read_text().splitlines() if one.startswith("MemAvailable"))
            return min(int(line.split()[1]) * 1024, _left_in_container())
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // 2
    except (OSError, ValueError, StopIteration, AttributeError):
        return _UNKNOWN_MEMORY


def _left_in_container() -> int:
    """What a container's limit leaves; very much without one."""
    try:
        limit, used, pages = (
            Path(f"/sys/fs/cgroup/memory.{what}").read_text(encoding="ascii") for what in ("max", "current", "stat")
        )
        # Files that were read count as used, until another use comes.
        files = next((int(line.split()[1]) for line in pages.splitlines() if line.startswith("inactive_file ")), 0)
        return max(0, int(limit) - int(used) + files)
    except (OSError, ValueError):
        return sys.maxsize


def _free_on_windows() -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        ]

    status = Status()
    status.length = ctypes.sizeof(status)
    getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009  (absent elsewhere)
    return int(status.free)
