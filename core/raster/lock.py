"""One run at a time on an output: a lock file beside it that the system frees when a process dies."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from ..errors import InputError


class OutputLock:
    """Held from `take` to `release`. Systems of files that know no locks go without."""

    def __init__(self, output: Path) -> None:
        self._output = output
        file = Path(os.path.realpath(output))  # one lock for all names of a file
        self._path = file.with_name(f".{file.name}.lock")
        self._file: int | None = None

    def take(self) -> None:
        """Makes missing folders. Raises InputError where another run is writing the same output, or none can here."""
        while self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise InputError(
                    f"The output {self._output} cannot be written ({error.strerror}): choose another folder or check "
                    "its permissions."
                ) from error
            try:
                _lock(file)
            except BlockingIOError as error:
                os.close(file)
                raise InputError(
                    f"Another run is writing {self._output} at this moment: wait until it ends, or choose another name."
                ) from error
            except OSError:
                pass
            # Whoever held it before may have removed the file between the two calls above.
            if _is_at(file, self._path):
                self._file = file
            else:
                os.close(file)

    def release(self) -> None:
        if self._file is None:
            return
        # An open file cannot be removed on Windows: there it goes after it is closed.
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                self._path.unlink()
        os.close(self._file)
        self._file = None
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                self._path.unlink()


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
