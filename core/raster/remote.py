"""What runs on the computers of a cluster: a look at what is there, and one part of a run at a time.

Imported on the scheduler too, where neither numpy nor GDAL need be: nothing but the standard library at the top.
"""

from __future__ import annotations

import json
import os
import threading
import time
from importlib import import_module
from typing import Any

_kept: dict[str, Any] = {}  # what parts share, by digest; the last few runs
_seen: list[str] = []  # digests of runs of which all was found
_lock = threading.Lock()
_MOST_KEPT = 4
_MOST_SEEN = 1000
_LOOKS = 1.0  # seconds between looks at whether the run goes on
_BLOCK_CACHE = 192 * 2**20  # of GDAL, instead of a share of the memory that other workers on the computer count on too


def ready() -> bool:
    """That this module can be imported."""
    return True


def compute(text: bytes) -> dict[str, Any]:
    """Compute a part and write it to the folder that all share; what comes back is small.

    A mistake of the user comes back as the sentence that says so under `error`: trying it elsewhere would not help.
    """
    task = json.loads(text)
    problem = look(text)
    if problem:
        from distributed import get_worker

        return {"error": f"The worker {get_worker().address} of the cluster {problem}."}
    from ..errors import Cancelled, InputError
    from .parts import compute_part
    from .threads import computing
    from .travel import named, unpack

    try:
        common, part = _common(task), unpack(task["part"].encode())
        with computing(_Ended(task["common"])):
            compute_part(named(task["function"]), common, part, task["path"], task["key"])
        return {}
    except InputError as error:
        return {"error": str(error)}
    except Cancelled:
        return {"error": "The run has ended."}  # nobody waits for it


class _Ended:
    """Whether a run's work folder has gone, which is how its workers learn that it was cancelled."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._looked = time.monotonic()

    def is_set(self) -> bool:
        if self._path.startswith("/vsi") or time.monotonic() - self._looked < _LOOKS:
            return False
        self._looked = time.monotonic()
        return not os.path.exists(self._path)


def look(text: bytes) -> str:
    """Why this worker cannot do its share, as `has no GDAL ...`; empty where it can. Looked at once per run."""
    task = json.loads(text)
    with _lock:
        if task["digest"] in _seen:
            return ""
        problem = _problem(task)  # which the user may mend before the next call
        if not problem:
            _seen.append(task["digest"])
            del _seen[:-_MOST_SEEN]
        return problem


def _problem(task: dict[str, Any]) -> str:
    for package in ("numpy", "osgeo.gdal", "scipy"):
        name = {"osgeo.gdal": "GDAL for Python"}.get(package, package)
        try:
            module = import_module(package)
        except Exception as error:  # whatever keeps it from starting
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            return f"has no {name} ({reason}): install it in that worker's environment, or stop that worker"
        if package == "numpy" and module.__version__.split(".")[0] != task["numpy"].split(".")[0]:
            return (
                f"has numpy {module.__version__}, this computer {task['numpy']}: numbers could differ, so install the "
                "same major version there, or stop that worker"
            )
    from osgeo import gdal

    gdal.UseExceptions()
    gdal.SetCacheMax(min(gdal.GetCacheMax(), _BLOCK_CACHE))
    from .parts import read_part

    if read_part(task["common"], task["key"], only=[]) is None:
        return (
            f"cannot see the work folder ({os.path.dirname(task['common'])}): set the work folder to one that all "
            "workers reach under the same path, or to cloud storage (/vsis3/...)"
        )
    for path in task["inputs"]:
        if gdal.VSIStatL(path) is None:
            return (
                f"cannot see the input {path}: put the inputs where all workers reach them under the same path, or "
                "into cloud storage (/vsis3/...)"
            )
    return ""


def _common(task: dict[str, Any]) -> Any:
    """What all parts of a run share, unpacked once."""
    from .parts import read_part
    from .readers import close_readers
    from .travel import unpack

    with _lock:
        if task["digest"] not in _kept:
            found = read_part(task["common"], task["key"])
            if found is None:
                raise OSError(f"{task['common']} is gone")  # the run has ended
            while len(_kept) >= _MOST_KEPT:
                del _kept[next(iter(_kept))]
            close_readers()  # files may have changed since the run before
            _kept[task["digest"]] = unpack(found["common"].tobytes())
        return _kept[task["digest"]]
