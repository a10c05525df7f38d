"""Where the finished parts of a run wait: a hidden folder beside its output, or in one that the user chose."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .fingerprint import KEY_LENGTH
from .parts import SUFFIX, is_remote, list_folder, remove, remove_folder


def work_folder(output: str | Path, chosen: str, key: str) -> str:
    """The folder of the run on `output` with `key`. chosen: by the user, empty for beside the output."""
    output = Path(output).absolute()
    if not chosen:
        return f"{output.parent}/.{output.stem}-work-{key}"
    # Outputs of the same name in different folders may share the work folder.
    place = hashlib.sha256(str(output).encode()).hexdigest()[:8]
    return f"{chosen.rstrip('/')}/.{output.stem}-{place}-work-{key}"


def make_ready(folder: str) -> None:
    """Make the folder, or remove from it what a killed run was writing at that moment."""
    if not is_remote(folder):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The work folder {folder} cannot be made ({error.strerror}): choose another one, or check its "
                "permissions."
            ) from error
    for name in list_folder(folder):
        if SUFFIX in name and not name.endswith(SUFFIX):
            with contextlib.suppress(OSError, RuntimeError):
                remove(f"{folder}/{name}")


def remove_leftovers(output: str | Path, chosen: str = "", others: Sequence[str | Path] = ()) -> None:
    """Remove what earlier runs on `output`, whatever their options, have left: work folders, and unfinished files of
    `output` and `others` under their temporary names."""
    parent, _, stem = work_folder(output, chosen, "").rpartition("/")
    for name in list_folder(parent):
        if name.startswith(stem) and len(name) == len(stem) + KEY_LENGTH:
            remove_folder(f"{parent}/{name}")
    for file in (Path(os.path.realpath(one)) for one in (output, *others)):
        for leftover in file.parent.glob(f".{glob.escape(file.stem)}-{'[0-9a-f]' * KEY_LENGTH}*{file.suffix}*"):
            with contextlib.suppress(OSError):
                leftover.unlink()
