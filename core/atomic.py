"""Outputs appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block ends well, remove it when it does not.

    Raises InputError when the folder cannot be written to.
    """
    target = Path(path)
    # The suffix stays last: GDAL and QGIS choose formats by it.
    work = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(work, "wb"):
            pass
    except OSError as error:
        raise InputError(
            f"The output {target} cannot be written ({error.strerror}): choose another folder or check its permissions."
        ) from error
    try:
        yield work
        try:
            os.replace(work, target)
        except OSError as error:
            raise InputError(
                f"The finished output could not be moved to {target} ({error.strerror}): "
                "close the program that holds it open, or choose another name."
            ) from error
    finally:
        for leftover in (work, work.with_name(work.name + ".aux.xml")):
            leftover.unlink(missing_ok=True)
