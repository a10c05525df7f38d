"""Inputs as downloaded: folders, wildcards and archives become a list of files that can be opened."""

from __future__ import annotations

import glob
import gzip
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Optional, cast

from ...errors import InputError
from .arrays import BadFile
from .filecheck import content_of, expected

# What product files are called; what else lies in a folder (.xml, .met, .txt, .json, .png ...) is beside them.
_RASTERS = (
    ".h5 .hdf5 .he5 .nc .nc4 .cdf .hdf .tif .tiff .jp2 .img .hgt .vrt .bil .flt .asc .dat .grib .grib2 .grb .grb2"
).split()
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".gz")
# Formats that are read piece by piece from within a zip or tar file.
_READ_IN_PLACE = (".tif", ".tiff", ".jp2", ".hgt", ".img")

OnBad = Optional[Callable[[BadFile], None]]


@contextmanager
def expand(inputs: Iterable[str | Path], on_bad: OnBad = None) -> Iterator[list[str]]:
    """The files that `inputs` (files, folders, wildcards, archives) stand for, each once, in order.

    GeoTIFF and the like inside .zip and .tar are read in place; everything else inside archives is unpacked to a
    temporary folder that is removed when the block ends. Raises InputError where an input stands for no file, BadFile
    for an archive that is damaged, unless `on_bad` takes it.
    """
    folder = Path(tempfile.mkdtemp(prefix="soilmoisture-"))
    try:
        found: list[str] = []
        for number, path in enumerate(_listed(inputs)):
            try:
                kind = _archive_kind(path)
                found.extend(_members(path, kind, folder / str(number)) if kind else [path])
            except BadFile as bad:
                if on_bad is None:
                    raise
                on_bad(bad)
        yield list(dict.fromkeys(found))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listed(inputs: Iterable[str | Path]) -> Iterator[str]:
    for entry in inputs:
        text = os.path.expanduser(str(entry))
        if os.path.isdir(text):
            inside = sorted(_in_folder(text))
            if not inside:
                raise InputError(f"The folder {text} holds no raster, HDF, netCDF or archive: choose another one.")
            yield from inside
        elif os.path.exists(text) or text.startswith("/vsi"):
            yield text
        elif glob.has_magic(text):
            matched = sorted(glob.glob(text, recursive=True))
            files = [path for path in matched if os.path.isfile(path) and _is_product(path)]
            folders = [path for path in matched if os.path.isdir(path) and "**" not in text]
            files += [path for folder in folders for path in sorted(_in_folder(folder))]
            if not files:
                raise InputError(f"No file fits {text}: check the folder and the wildcard.")
            yield from files
        else:
            raise BadFile(text, f"there is no such file or folder ({text}).")


def _in_folder(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for path in (os.path.join(parent, name) for name in names) if _is_product(path))


def _is_product(path: str) -> bool:
    name = os.path.basename(path.replace("\\", "/")).lower()
    return not name.startswith((".", "__macosx")) and name.endswith((*_RASTERS, *_ARCHIVES))


def _archive_kind(path: str) -> str:
    """`zip`, `tar`, `tar.gz`, `gz`, or empty; by the name and by the first bytes (portals send zip files named .nc)."""
    lower = path.lower()
    if lower.startswith("/vsi"):
        return ""
    try:
        with open(path, "rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise BadFile(path, f"the file cannot be read ({error.strerror}); check its permissions.") from error
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "tar.gz" if lower.endswith((".tar.gz", ".tgz")) else "gz"
    if start[257:262] == b"ustar":
        return "tar"
    if lower.endswith(_ARCHIVES):
        content_of(path)  # a web page or an empty file has its own sentence
        raise BadFile(path, f"this is not {expected(path)}; the download is damaged or mislabelled, repeat it.")
    return ""


def _members(path: str, kind: str, folder: Path) -> Iterator[str]:
    try:
        if kind == "zip":
            yield from _zip_members(path, folder)
        elif kind in ("tar", "tar.gz"):
            yield from _tar_members(path, kind, folder)
        else:
            name = Path(path).name
            with gzip.open(path) as stream:
                yield _unpack(
                    cast(IO[bytes], stream), name[:-3] if name.lower().endswith(".gz") else name, folder, path
                )
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFile(path, f"the archive is truncated or damaged ({error}); download it again.") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python does not know
        raise BadFile(path, f"the archive cannot be opened ({error}); unpack it first.") from error


def _zip_members(path: str, folder: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        members = [item for item in archive.infolist() if not item.is_dir() and _is_product(item.filename)]
        _require(members, path)
        for item in members:
            if item.filename.lower().endswith(_READ_IN_PLACE):
                yield f"/vsizip/{{{os.path.abspath(path)}}}/{item.filename}"
            else:
                with archive.open(item) as stream:
                    yield _unpack(stream, item.filename, folder, path, item.file_size)


def _tar_members(path: str, kind: str, folder: Path) -> Iterator[str]:
    with tarfile.open(path) as archive:
        # Plain files only: links could lead anywhere.
        members = [item for item in archive if item.isfile() and _is_product(item.name)]
        _require(members, path)
        # Seeking in a compressed tar file starts from its beginning each time.
        for item in members:
            if kind == "tar" and item.name.lower().endswith(_READ_IN_PLACE):
                yield f"/vsitar/{{{os.path.abspath(path)}}}/{item.name}"
                continue
            stream = archive.extractfile(item)
            if stream is not None:
                with stream:
                    yield _unpack(stream, item.name, folder, path, item.size)


def _require(members: list, path: str) -> None:
    if not members:
        raise BadFile(path, "the archive holds no raster, HDF or netCDF file; choose another one.")


def _unpack(stream: IO[bytes], member: str, folder: Path, path: str, size: int = 0) -> str:
    """Copy one member under its bare name: its folders, which could lead out of the temporary one, are left out."""
    name = re.sub(r'[<>:"|?*\x00-\x1f]', "_", re.split(r"[/\\]", member)[-1])
    place = folder
    while (place / name).exists():
        place = place / "again"
    place.mkdir(parents=True, exist_ok=True)
    if size > shutil.disk_usage(place).free:
        raise InputError(f"{path} needs {size / 2**30:.1f} GiB in {tempfile.gettempdir()}, which is full: make room.")
    with open(place / name, "wb") as target:
        while piece := stream.read(1 << 20):
            try:
                target.write(piece)
            except OSError as error:
                raise InputError(f"{path} cannot be unpacked to {place} ({error.strerror}): make room.") from error
    return str(place / name)
