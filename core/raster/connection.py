"""Reaching a dask.distributed cluster and sending this package there, for as long as the user wants to wait."""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any, TypeVar

from ..errors import Cancelled, InputError
from ..packages import required
from ..progress import Progress
from .shipping import archive, module_of

PATIENCE = 8.0  # seconds for the scheduler to answer
_FIRST_WORKER = 20.0  # seconds for a first worker to come
_GLANCE = 0.1  # seconds between two looks at whether the user asked to stop
_ADDRESS = re.compile(r"(\w+://)?(\[[^\]]+\]|[^:/\s]+):\d{1,5}(/\S+)?")

T = TypeVar("T")


def connected(address: str, progress: Progress) -> Any:
    """A client of the scheduler at `address`. Raises InputError where none answers, and Cancelled."""
    if not _ADDRESS.fullmatch(address):
        raise _no_answer(address, "that is no address with a port")
    distributed = required("distributed")
    progress.info(f"Connecting to {address} ...")
    try:
        # A client that finds no scheduler takes long to give up, and longer to go: knock first.
        _beside(lambda: asyncio.run(_knock(distributed, address, progress)))
        return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except Cancelled:
        raise
    except Exception as error:  # of many kinds: what answers there may be anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise _no_answer(address, reason) from error


def first_workers(client: Any, address: str, progress: Progress) -> int:
    """Threads of the workers that are there, or of the first that come. Raises InputError where none does."""
    begun = time.monotonic()
    while True:
        threads = sum(client.nthreads().values())
        if threads:
            return threads
        progress.check()
        if time.monotonic() - begun > _FIRST_WORKER:
            raise InputError(f"The scheduler {address} has no workers: start some (dask worker {address}).")
        time.sleep(_GLANCE)


def sent_package(client: Any) -> Any:
    """The module of this package that the workers run, sent to all who have it not yet; dask hands it to workers that
    come later."""
    package, content = archive()
    module = module_of(package, "raster.remote")
    if not _has(client, module):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{package}.zip"
            path.write_bytes(content)
            client.upload_file(str(path))
    return module


def patiently(call: Callable[[], T], progress: Progress) -> T:
    """What `call` returns, which may take long. Raises Cancelled where the user does not want to wait for it."""
    result = _started(call)
    while True:
        progress.check()
        try:
            return result.result(_GLANCE)
        except NotYet:
            if result.done():
                raise


def _beside(call: Callable[[], T]) -> T:
    """In a thread of its own: this one may have an event loop already."""
    return _started(call).result()


def _started(call: Callable[[], T]) -> Future[T]:
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="cluster", daemon=True).start()
    return result


def _has(client: Any, module: Any) -> bool:
    """Whether scheduler and workers have the package of `module`."""
    try:
        client.run_on_scheduler(module.ready)
        return all(client.run(module.ready).values())
    except Exception:  # dask's and Python's ways to say that a module is absent
        return False


async def _knock(distributed: Any, address: str, progress: Progress) -> None:
    arguments = distributed.Security().get_connection_args("client")
    coming = asyncio.ensure_future(distributed.comm.connect(address, timeout=PATIENCE, **arguments))
    while not (await asyncio.wait([coming], timeout=_GLANCE))[0]:
        if progress.cancelled:
            coming.cancel()
            raise Cancelled
    await (await coming).close()


def _no_answer(address: str, reason: str) -> InputError:
    return InputError(
        f"The scheduler {address} does not answer ({reason}): check the address, such as tcp://192.168.1.20:8786, "
        "and that the scheduler runs, or leave it empty to compute on this machine."
    )
