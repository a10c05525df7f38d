"""Outputs appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

# What GDAL keeps beside a raster; beside a new one the old one's would be wrong.
_SIDECARS = (".aux.xml", ".ovr", ".msk")


@contextmanager
def whole_file(path: str | Path, mark: str = "") -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block ends well, remove it when it does not.

    mark: part of the name, random by default; what a killed run left is overwritten under the same mark. Missing
    folders are made. Statistics and overviews that belong to a raster which is replaced go with it.
    Raises InputError when the output cannot be written there.
    """
    target = _file_name(path)
    # The suffix stays last: GDAL and QGIS choose formats by it.
    work = target.with_name(f".{target.stem}-{mark or uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(work, "wb"):
            pass
    except OSError as error:
        raise _not_writable(target, error) from error
    try:
        yield work
        try:
            os.replace(work, target)
        except OSError as error:
            raise InputError(
                f"The finished output could not be moved to {target} ({error.strerror}): "
                "close the program that holds it open, or choose another name."
            ) from error
        for suffix in _SIDECARS:
            _remove(target.with_name(target.name + suffix))
    finally:
        for leftover in (work, *(work.with_name(work.name + suffix) for suffix in _SIDECARS)):
            _remove(leftover)


def check_output(path: str | Path) -> None:
    """Raise InputError where `whole_file` could not write `path`, before the work rather than after it."""
    target = _file_name(path)
    folder = next(parent for parent in target.absolute().parents if os.path.exists(parent))
    trial = folder / f".{uuid.uuid4().hex}"
    try:
        with open(trial, "wb"):
            pass
    except OSError as error:
        raise _not_writable(target, error) from error
    finally:
        _remove(trial)


def _file_name(path: str | Path) -> Path:
    if Path(path).as_posix().startswith("/vsi"):
        raise InputError(f"The output {path} lies in no folder of this computer: give a file name in a folder.")
    # Through a link, to the disk that the user means.
    target = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    if not target.name or os.path.isdir(target):
        raise InputError(f"The output {str(path)!r} is not the name of a file: give a file name in a folder.")
    return target


def _not_writable(target: Path, error: OSError) -> InputError:
    return InputError(
        f"The output {target} cannot be written ({error.strerror}): choose another folder or check its permissions."
    )


def _remove(path: Path) -> None:
    # Where another program holds a leftover open, the reason the run ended matters more.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
