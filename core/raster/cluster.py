"""Parts of a run on a dask.distributed cluster: this package is sent there, results come back as files all can see.

Nothing but small texts passes through the scheduler: inputs are read and parts are written by the workers, at paths
that they share with this computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..errors import InputError
from ..packages import required
from .parts import Arrays, Compute, Part, is_remote, write_part
from .shipping import archive, module_of
from .travel import name_of, pack

_PATIENCE = 8.0  # seconds for the scheduler to answer
_FIRST_WORKER = 20.0  # seconds for a first worker to come
_NO_WORKERS = 120.0  # seconds without any worker after which a run gives up
_LOOKS = 2.0  # seconds between looks at whether there are workers
_RETRIES = 3  # of a part that fails for another reason than a mistake of the user
_AGAIN = 3  # times that a part is sent again where its answer was lost
_AHEAD = 3  # parts in flight for each thread of the workers
_FEWEST_AHEAD = 8  # for workers that come later


class ClusterExecutor:
    """Computes parts on the cluster at `address`. Raises InputError where it cannot be reached or used.

    folder: where parts are written, under a path that all workers share. Files that `common` names as its `inputs` are
    looked for by every worker before it computes. Close it at the end: what is not finished is cancelled, the cluster
    itself stays as it is.
    """

    def __init__(self, address: str, folder: str) -> None:
        self._address, self._folder = address, _absolute(folder)
        self._commons: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._waiting: dict[Future[Arrays | None], Any] = {}
        self._closing = threading.Event()
        self.most = 2  # parts that are worth having under way
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._watch_workers, daemon=True)
        self._client: Any = None
        try:
            self._client = _connected(address)
            self.most = _ahead(self._first_workers())
            self._module = self._send_package()
        except BaseException:
            self.close()
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # made for this run, and empty but for an earlier one's parts
            raise
        self._watch.start()

    def submit(self, function: Compute, common: Any, part: Part, path: str, key: str) -> Future[Arrays | None]:
        """Have `part` computed and written to `path`. Raises InputError where a worker cannot do its share; so does
        the future."""
        task = {**self._task(common, key), "function": name_of(function), "part": pack(part).decode()}
        task["path"] = _absolute(path)
        result: Future[Arrays | None] = Future()
        result.set_running_or_notify_cancel()
        self._start(result, json.dumps(task).encode(), task["path"])
        return result

    def close(self) -> None:
        """Cancel what is not finished and let go of the cluster."""
        self._closing.set()
        with self._lock:
            waiting, self._waiting = dict(self._waiting), {}
        if self._client is None:
            return
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.cancel(list(waiting.values()), force=True)
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
        if self._watch.is_alive():
            self._watch.join(0.5)

    def _start(self, result: Future[Arrays | None], text: bytes, path: str, again: int = _AGAIN) -> None:
        sent = self._client.submit(
            self._module.compute, text, key=f"soilmoisture-{uuid.uuid4().hex}", pure=False, retries=_RETRIES
        )
        with self._lock:
            self._waiting[result] = sent
        sent.add_done_callback(lambda done: self._finish(result, done, text, path, again))

    def _finish(self, result: Future[Arrays | None], done: Any, text: bytes, path: str, again: int) -> None:
        with self._lock:
            known = self._waiting.pop(result, None) is not None
        if self._closing.is_set() or not known:
            return
        try:
            # The answer of a worker that has died since would come late or never: the file says enough.
            if done.status == "error":
                raise done.exception(timeout=_PATIENCE)
            if done.status == "finished" and (_exists(path) or self._has_answered(done)):
                result.set_result(None)
            elif again and self._alive():
                self._start(result, text, path, again - 1)
            else:
                raise self._lost()
        except Exception as error:
            result.set_exception(self._reason(error))

    def _has_answered(self, done: Any) -> bool:
        """Whether a worker says that the part is written. Raises InputError where it says why it cannot be."""
        try:
            answer = done.result(timeout=_PATIENCE)
        except Exception:  # of dask's many ways to lose a worker
            return False
        if "error" in answer:
            raise InputError(answer["error"])
        return True

    def _reason(self, error: BaseException) -> BaseException:
        """What the user is told of an error that dask reports."""
        if isinstance(error, InputError):
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
            text, inputs = (
                pack(common),
                [one for one in getattr(common, "inputs", ()) if gdal.VSIStatL(one) is not None],
            )
            digest = hashlib.sha256(text + repr((self._folder, key)).encode()).hexdigest()
            path = f"{self._folder}/common-{digest[:16]}.shared"
            write_part(path, key, {"common": np.frombuffer(text, np.uint8)})
            task = {"common": path, "digest": digest, "key": key, "inputs": inputs, "numpy": np.__version__}
            self._look(task)
            self._commons[id(common)] = common, task  # holds `common`, whose id stays its own
        return self._commons[id(common)][1]

    def _look(self, task: dict[str, Any]) -> None:
        """Raise InputError where a worker cannot do its share."""
        found = self._client.run(self._module.look, json.dumps(task).encode(), on_error="return")
        for worker, problem in found.items():
            if isinstance(problem, str) and problem:
                raise InputError(f"The worker {worker} of the cluster {problem}.")
            if isinstance(problem, BaseException) and not isinstance(problem, OSError):  # a worker that just left
                raise InputError(f"The worker {worker} of the cluster does not start the computing: {problem}.")

    def _first_workers(self) -> int:
        """Threads of the workers that are there, or of the first that come."""
        until = time.monotonic() + _FIRST_WORKER
        while True:
            threads = sum(self._client.nthreads().values())
            if threads:
                return threads
            if time.monotonic() > until:
                raise InputError(
                    f"The scheduler {self._address} has no workers: start some (dask worker {self._address})."
                )
            time.sleep(0.2)

    def _send_package(self) -> Any:
        """Send this package to all who have it not yet; dask hands it to workers that come later."""
        package, content = archive()
        module = module_of(package, "raster.remote")
        if not self._there(module):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{package}.zip"
                path.write_bytes(content)
                self._client.upload_file(str(path))
        return module

    def _there(self, module: Any) -> bool:
        try:
            self._client.run_on_scheduler(module.ready)
            return all(self._client.run(module.ready).values())
        except Exception:  # dask's and Python's ways to say that a module is absent
            return False

    def _watch_workers(self) -> None:
        """Give up where scheduler or workers are gone for long: parts would wait without end."""
        seen = time.monotonic()
        while not self._closing.wait(_LOOKS):
            threads = None
            with contextlib.suppress(Exception):
                threads = sum(self._client.nthreads().values())
            if threads:
                self.most, seen = _ahead(threads), time.monotonic()
            elif not self._alive() or time.monotonic() - seen > _NO_WORKERS:
                self._give_up(
                    self._lost()
                    if threads is None
                    else InputError(
                        f"The scheduler {self._address} has had no workers for {_NO_WORKERS:.0f} seconds: start some "
                        "and run the same call."
                    )
                )

    def _give_up(self, reason: InputError) -> None:
        with self._lock:
            waiting, self._waiting = dict(self._waiting), {}
        for result in waiting:
            result.set_exception(reason)


def _connected(address: str) -> Any:
    distributed = required("distributed")

    async def try_it() -> None:
        arguments = distributed.Security().get_connection_args("client")
        comm = await distributed.comm.connect(address, timeout=_PATIENCE, **arguments)
        await comm.close()

    try:
        # A client that finds no scheduler takes long to give up, and longer to go: knock first.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, try_it()).result()
        return distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except Exception as error:  # of many kinds: what answers there may be anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"The scheduler {address} does not answer ({reason}): check the address, such as tcp://192.168.1.20:8786, "
            "and that the scheduler runs, or leave it empty to compute on this machine."
        ) from error


def _absolute(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())


def _ahead(threads: int) -> int:
    return max(_FEWEST_AHEAD, _AHEAD * threads)


def _exists(path: str) -> bool:
    return gdal.VSIStatL(path) is not None if is_remote(path) else os.path.exists(path)
