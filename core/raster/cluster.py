"""Parts of a run on a dask.distributed cluster: this package is sent there, results come back as files all can see.

Nothing but small texts passes through the scheduler: inputs are read and parts are written by the workers, at paths
that they share with this computer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..errors import Cancelled, InputError
from ..progress import Progress
from .connection import PATIENCE, connected, first_workers, patiently, sent_package
from .parts import Arrays, Compute, Part, is_remote, write_part
from .travel import name_of, pack

_LOGS = [logging.getLogger(f"distributed.{one}") for one in ("client", "batched", "core", "comm.tcp", "utils")]
_NO_WORKERS = 120.0  # seconds without any worker after which a run gives up
_LOOKS = 2.0  # seconds between looks at whether there are workers
_GLANCE = 0.01  # seconds between looks at what has come back
_RETRIES = 3  # of a part that fails for another reason than a mistake of the user
_AGAIN = 3  # times that a part is sent again where its answer was lost
_AHEAD = 3  # parts in flight for each thread of the workers
_FEWEST_AHEAD = 8  # for workers that come later


@dataclass(frozen=True)
class _Sent:
    """A part under way: dask's future, the task, where the part will lie, how often it may be sent again."""

    future: Any
    text: bytes
    path: str
    again: int


class ClusterExecutor:
    """Computes parts on the cluster at `address`. Raises InputError where it cannot be reached or used.

    folder: where parts are written, under a path that all workers share. Files that `common` names as its `inputs` are
    looked for by every worker before it computes. Close it at the end: what is not finished is cancelled, the cluster
    itself stays as it is.
    """

    def __init__(self, address: str, folder: str, progress: Progress) -> None:
        self._address, self._folder, self._progress = address, _absolute(folder), progress
        self._commons: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._waiting: dict[Future[Arrays | None], _Sent] = {}
        self._failure: BaseException | None = None  # of the cluster as a whole
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._client = connected(address, progress)
        for log in _LOGS:
            log.addFilter(self._tells)
        self._attendant = threading.Thread(target=self._attend, name="cluster", daemon=True)
        self._attendant.start()
        try:
            self.most = _ahead(first_workers(self._client, address, progress))  # parts that are worth having under way
            self._module = patiently(lambda: sent_package(self._client), progress)
        except BaseException as error:
            self.close()
            if isinstance(error, (InputError, Cancelled)) or not isinstance(error, Exception):
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(f"The workers of {address} cannot be prepared ({reason}): see their logs.") from error

    def submit(self, function: Compute, common: Any, part: Part, path: str, key: str) -> Future[Arrays | None]:
        """Have `part` computed and written to `path`. Raises InputError where a worker cannot do its share; so does
        the future."""
        task = {**self._task(common, key), "function": name_of(function), "part": pack(part).decode()}
        task["path"] = _absolute(path)
        result: Future[Arrays | None] = Future()
        result.set_running_or_notify_cancel()
        self._send(result, json.dumps(task).encode(), task["path"])
        return result

    def close(self) -> None:
        """Cancel what is not finished and let go of the cluster."""
        self._closing.set()
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.cancel([sent.future for sent in self._take_all().values()], force=True)
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
        self._attendant.join(PATIENCE)
        for log in _LOGS:
            log.removeFilter(self._tells)

    def _tells(self, _: logging.LogRecord) -> bool:
        """Nothing of dask goes to the log while it is used: of a lost connection the run itself tells."""
        return False

    def _send(self, result: Future[Arrays | None], text: bytes, path: str, again: int = _AGAIN) -> None:
        try:
            future = self._client.submit(
                self._module.compute, text, key=f"soilmoisture-{uuid.uuid4().hex}", pure=False, retries=_RETRIES
            )
        except Exception as error:
            raise self._failure or self._reason(error) from error
        with self._lock:
            if self._failure:
                raise self._failure
            self._waiting[result] = _Sent(future, text, path, again)

    def _attend(self) -> None:
        """Take in what comes back, in a thread of its own."""
        try:
            seen = looked = time.monotonic()
            while not self._closing.wait(_GLANCE):
                for result, sent in self._take_all(back=True).items():
                    self._finish(result, sent)
                if time.monotonic() - looked > _LOOKS:
                    looked = time.monotonic()
                    seen = looked if self._has_workers() else seen
                    if looked - seen > _NO_WORKERS:
                        raise InputError(
                            f"The scheduler {self._address} has had no workers for {_NO_WORKERS:.0f} seconds: start "
                            "some and run the same call."
                        )
        except BaseException as error:  # parts would wait without end
            self._failure = error
            for result in self._take_all():
                result.set_exception(error)

    def _take_all(self, back: bool = False) -> dict[Future[Arrays | None], _Sent]:
        """Parts that nothing waits for any more: all, or those that have come back."""
        with self._lock:
            taken = {result: sent for result, sent in self._waiting.items() if not back or sent.future.done()}
            for result in taken:
                del self._waiting[result]
        return taken

    def _has_workers(self) -> bool:
        """Whether there are any, so far as is known. Raises InputError where the scheduler is lost."""
        if not self._alive():
            raise self._lost()
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # it may be lost at this moment, which shows at the next look
                threads = sum(self._client.nthreads().values())
                self.most = _ahead(threads)
                return threads > 0
        return True

    def _finish(self, result: Future[Arrays | None], sent: _Sent) -> None:
        done = sent.future
        try:
            if done.status == "error":
                raise done.exception(timeout=PATIENCE)
            # The answer of a worker that has died since would come late or never: the file says enough.
            if done.status == "finished" and (_exists(sent.path) or self._has_answered(done)):
                result.set_result(None)
            elif sent.again and self._alive():
                self._send(result, sent.text, sent.path, sent.again - 1)
            else:
                raise self._lost()
        except Exception as error:
            result.set_exception(self._reason(error))

    def _has_answered(self, done: Any) -> bool:
        """Whether a worker says that the part is written. Raises InputError where it says why it cannot be."""
        try:
            answer = done.result(timeout=PATIENCE)
        except Exception:  # of dask's many ways to lose a worker
            return False
        if "error" in answer:
            raise InputError(answer["error"])
        return True

    def _reason(self, error: BaseException) -> BaseException:
        """What the user is told of an error that dask reports."""
        if isinstance(error, (InputError, Cancelled)):
            return error
        if type(error).__name__ == "KilledWorker":
            return InputError(
                "Several workers of the cluster died while they computed the same part, for want of memory it seems: "
                "give workers more memory or fewer threads and run again."
            )
        return error if self._alive() else self._lost()

    def _lost(self) -> InputError:
        return InputError(
            f"The connection to the scheduler {self._address} was lost: start it again, and its workers, and run the "
            "same call."
        )

    def _alive(self) -> bool:
        return self._client.status in ("running", "connecting")

    def _task(self, common: Any, key: str) -> dict[str, Any]:
        """What is the same in all tasks with this `common`, which is written to the folder once."""
        if id(common) not in self._commons:
            text = pack(common)
            inputs = [one for one in getattr(common, "inputs", ()) if gdal.VSIStatL(one) is not None]
            digest = hashlib.sha256(text + repr((self._folder, key)).encode()).hexdigest()
            path = f"{self._folder}/common-{digest[:16]}.shared"
            write_part(path, key, {"common": np.frombuffer(text, np.uint8)})
            task = {"common": path, "digest": digest, "key": key, "inputs": inputs, "numpy": np.__version__}
            self._look(task)
            self._commons[id(common)] = common, task  # holds `common`, whose id stays its own
        return self._commons[id(common)][1]

    def _look(self, task: dict[str, Any]) -> None:
        """Raise InputError where a worker cannot do its share."""
        text = json.dumps(task).encode()
        try:
            found = patiently(lambda: self._client.run(self._module.look, text, on_error="return"), self._progress)
        except Exception as error:
            raise self._reason(error) from error
        for worker, problem in found.items():
            if isinstance(problem, str) and problem:
                raise InputError(f"The worker {worker} of the cluster {problem}.")
            if isinstance(problem, BaseException) and not isinstance(problem, OSError):  # a worker that just left
                raise InputError(f"The worker {worker} of the cluster does not start the computing: {problem}.")


def _absolute(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())


def _ahead(threads: int) -> int:
    return max(_FEWEST_AHEAD, _AHEAD * threads)


def _exists(path: str) -> bool:
    return gdal.VSIStatL(path) is not None if is_remote(path) else os.path.exists(path)
