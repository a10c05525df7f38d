"""Files, folders and zip files as one list of texts to read, each bounded in size."""

from __future__ import annotations

import glob
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import InputError
from ...progress import Progress

_TABLES = (".csv", ".txt", ".tsv", ".dat", ".tab")
# What ISMN downloads hold beside the readings.
_COMPANION = re.compile(r"readme|ismn_qualityflags|licen|provenance|metadata\.xml$|.*static_variables", re.I)
_LARGEST = 1 << 30  # bytes of one text: 10 years of minutes are a quarter of this
_HEAD = 1 << 16
# ISMN texts shrink by about 20; what shrinks much more is made to fill memory.
_MOST_SHRUNK = 1000
_SMALL = 1 << 24


class BadStationFile(Exception):
    """A file that cannot be used; the text says why, after its name."""


def refusal(name: str, error: BadStationFile) -> InputError:
    """What the user reads where a file that cannot be used ends the run."""
    return InputError(
        f"{name} {str(error).rstrip('.')}. Tick 'Leave out files that cannot be used' to go on without it."
    )


@dataclass(frozen=True)
class SourceFile:
    """One text: `name` without folders, `label` to be shown, `folder` it lies in (within a zip too)."""

    name: str
    label: str
    folder: str
    read: Callable[[], bytes]
    head: Callable[[], bytes]

    @property
    def stem(self) -> str:
        return self.name.rsplit(".", 1)[0]

    @property
    def is_ismn(self) -> bool:
        return self.name.lower().endswith(".stm")


def source_files(
    inputs: Iterable[str | Path], on_bad: Callable[[str, BadStationFile], None], progress: Progress
) -> list[SourceFile]:
    """The station files that `inputs` (files, folders, wildcards, zip files) stand for, each once, in order.

    Zip files are read in place. Raises InputError where an input does not exist or holds no station file.
    """
    found: dict[str, SourceFile] = {}
    for text in (os.path.expanduser(str(one)) for one in inputs):
        here: list[SourceFile] = []
        failed = False
        for path in _listed(text, on_bad):
            progress.check()
            try:
                here.extend(_members(path) if path.lower().endswith(".zip") else [_plain(path)])
            except (OSError, zipfile.BadZipFile) as error:
                failed = True
                on_bad(path, BadStationFile(f"cannot be opened as a zip file ({error}): download it again"))
        if any(one.is_ismn for one in here):
            # Texts beside ISMN files are lists and licences.
            here = [one for one in here if one.is_ismn or one.name.lower().endswith(".csv")]
        if not here and not failed:
            raise InputError(f"{text} holds no station file (.stm, .csv, .txt or .zip): choose another one.")
        for one in here:
            found.setdefault(one.label, one)
    ismn = any(one.is_ismn for one in found.values())
    return [one for one in found.values() if not (ismn and _COMPANION.match(one.name))]


def is_station_file(name: str, folder: str = "") -> bool:
    """Whether a file found in a folder is read, as its name tells."""
    low = name.lower()
    if low.startswith((".", "~")) or "python_metadata" in folder.replace("\\", "/").split("/"):
        return False
    return _COMPANION.match(name) is None and low.endswith((".stm", ".zip", *_TABLES))


def _listed(text: str, on_bad: Callable[[str, BadStationFile], None]) -> Iterator[str]:
    def closed(error: OSError) -> None:
        on_bad(str(error.filename), BadStationFile(f"cannot be listed ({error.strerror})"))

    if os.path.isdir(text):
        for folder, folders, names in os.walk(text, onerror=closed):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(names) if is_station_file(name, folder))
    elif os.path.exists(text):
        yield text
    elif glob.has_magic(text):
        for path in sorted(glob.glob(text, recursive=True)):
            if os.path.isfile(path) and is_station_file(os.path.basename(path), os.path.dirname(path)):
                yield path
    else:
        raise InputError(f"There is no such file or folder: {text}.")


def _plain(path: str) -> SourceFile:
    def read() -> bytes:
        if os.path.getsize(path) > _LARGEST:
            raise BadStationFile(f"has more than {_LARGEST >> 20} MB: split it by years or stations")
        return Path(path).read_bytes()

    def head() -> bytes:
        with open(path, "rb") as file:
            return file.read(_HEAD)

    return SourceFile(os.path.basename(path), path, os.path.dirname(path), _safe(read), _safe(head))


def _members(path: str) -> Iterator[SourceFile]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    opened: list[zipfile.ZipFile] = []  # one for all members: opening reads the whole list of names

    def text_of(member: zipfile.ZipInfo, most: int | None) -> bytes:
        if not opened:
            opened.append(zipfile.ZipFile(path))
        size, packed = member.file_size, max(1, member.compress_size)
        if size > _LARGEST or (size > _SMALL and size / packed > _MOST_SHRUNK):
            raise BadStationFile(f"would unpack to {size >> 20} MB, which no station file has")
        with opened[0].open(member) as file:
            # Never more than the archive declares, whatever it holds.
            return file.read(size if most is None else min(size, most))

    for member in sorted(members, key=lambda one: one.filename):
        inside = PurePosixPath(member.filename)
        if member.is_dir() or not is_station_file(inside.name, str(inside.parent)) or inside.suffix.lower() == ".zip":
            continue
        yield SourceFile(
            inside.name,
            f"{path}/{member.filename}",
            f"{path}/{inside.parent}",
            _safe(lambda member=member: text_of(member, None)),  # type: ignore[misc]
            _safe(lambda member=member: text_of(member, _HEAD)),  # type: ignore[misc]
        )


def _safe(read: Callable[[], bytes]) -> Callable[[], bytes]:
    def safe() -> bytes:
        try:
            return read()
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadStationFile("is damaged: download the zip file again") from error
        except (RuntimeError, NotImplementedError) as error:
            raise BadStationFile("is locked by a password or packed in an unknown way: unpack it first") from error
        except OSError as error:
            raise BadStationFile(f"cannot be read ({error.strerror or error})") from error

    return safe
