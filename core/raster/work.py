"""Long runs: parts are computed by whoever can, kept in files until all is done, and handed over in one fixed order.

A run that is killed leaves its finished parts in a work folder beside the output (`.<output>-work-<key>`); the same
call finds them by the key, which says what the results rest on, and computes the rest.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from ..errors import Cancelled, InputError
from ..progress import Progress
from .lock import OutputLock
from .parts import (
    SUFFIX,
    Arrays,
    Compute,
    Part,
    is_remote,
    kept_part,
    list_folder,
    part_path,
    read_part,
    remove,
    remove_folder,
    write_part,
)
from .remaining import WithRemaining
from .running import Running
from .threads import ThreadExecutor, check_cancelled
from .work_folder import make_ready, remove_leftovers, work_folder

__all__ = ["Executor", "Part", "Work", "check_cancelled"]

P = TypeVar("P", bound=Part)
_GLANCE = 0.1  # seconds between two looks at whether the user asked to stop


class Executor(Protocol):
    """Computes parts: threads of this process, or a cluster.

    most: parts that are worth having under way at once, where memory does not say less.
    """

    most: int

    def submit(self, function: Compute, common: Any, part: Part, path: str, key: str) -> Future[Arrays | None]:
        """Compute `part` unless its file `path` is whole, and write it (`parts.compute_part`).

        Gives the arrays, or None where they are to be read from the file. An InputError reaches the user.
        """
        ...

    def close(self) -> None:
        """Give up what is under way, and come back when nothing is."""
        ...


class Work:
    """A run on `output`, of which `key` (`fingerprint.run_key`) says what the result rests on; a context manager.

    Ends well: what it kept is removed. Cancelled: likewise. Fails, or is killed: finished parts stay for the same call.
    Raises InputError where the output cannot be written, or another run is writing it.
    """

    def __init__(
        self,
        output: str | Path,
        key: str,
        running: Running,
        progress: Progress,
        executor: Executor | None = None,
        others: Sequence[str | Path] = (),
    ) -> None:
        """others: files that the run writes besides `output`."""
        running.check()
        self.output, self.key, self.running = Path(output), key, running
        self.progress = WithRemaining(progress)
        self.folder = work_folder(self.output, running.work_folder, key)
        self._given, self._others = executor, others
        self._locks = [OutputLock(Path(one)) for one in (output, *others) if not is_remote(str(one))]
        self._executor: Executor | None = None

    def __enter__(self) -> Work:
        try:
            for lock in self._locks:
                lock.take()
        except BaseException:
            self._release()
            raise
        try:
            if self.running.start_afresh:
                remove_leftovers(self.output, self.running.work_folder, self._others)
            make_ready(self.folder)
            self._executor = self._given or self._make_executor()
        except BaseException:
            if not self._kept():
                remove_folder(self.folder)
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._executor is not None:
                self._executor.close()
            if error is None or isinstance(error, Cancelled) or not self._kept():
                remove_folder(self.folder)
        finally:
            self._release()
        if isinstance(error, InputError) and self._kept():
            raise InputError(
                f"{str(error).rstrip('.')}. What is finished is kept in {self.folder}: the same call continues from "
                "there; 'Start afresh' removes it."
            ) from error

    def run(
        self,
        function: Compute,
        common: Any,
        parts: Sequence[P],
        progress: Progress,
        label: str = "",
        only: Sequence[str] | None = None,
        part_bytes: int = 0,
    ) -> Iterator[tuple[P, Arrays]]:
        """Each part with its arrays, in the order of `parts`, whoever computed them.

        function(common, part), at the top of a module, gives the arrays from nothing but its arguments, which are plain
        values or dataclasses of them; it calls `check_cancelled` often. only: the arrays that are needed here; the
        others wait in the file. part_bytes: what computing one part takes, by which the memory bounds how many are
        under way. progress is set in proportion to pixels.
        """
        executor = self._executor
        assert executor is not None, "the work has not begun"
        # What a cluster computes takes memory there.
        fitting = max(1, self.running.memory // max(1, 0 if self.running.scheduler else part_bytes))
        total, done = max(1, sum(part.pixels for part in parts)), 0
        waiting = iter(parts)
        found = set(list_folder(self.folder))
        pending: deque[tuple[P, Future[Arrays | None]]] = deque()
        try:
            progress.set(0.0, label)
            while True:
                while len(pending) < min(executor.most, fitting):
                    part = next(waiting, None)
                    if part is None:
                        break
                    pending.append((part, executor.submit(function, common, part, self.path(part), self.key)))
                if not pending:
                    return
                part, future = pending.popleft()
                arrays = self._result(part, future, only, progress)
                if part.name + SUFFIX in found:
                    self.progress.restart()
                done += part.pixels
                progress.set(done / total, label)
                yield part, arrays
                del arrays
        finally:
            for _, future in pending:
                future.cancel()

    def keep(self, part: Part, arrays: Arrays) -> None:
        """Keep what was made here, from parts, as if it were one."""
        write_part(self.path(part), self.key, arrays)

    def find(self, part: Part) -> Arrays | None:
        """What was kept, by this run or the one before; None where it was not."""
        return read_part(self.path(part), self.key)

    def read(self, part: Part, only: Sequence[str] | None = None) -> Arrays:
        """The arrays of a finished part again."""
        return kept_part(self.path(part), self.key, only)

    def holds(self, parts: Sequence[Part], only: Sequence[str] | None = None) -> bool:
        """Whether all `parts` are finished, and their files whole."""
        return all(read_part(self.path(part), self.key, only) is not None for part in parts)

    def drop(self, parts: Sequence[Part]) -> None:
        """Remove the files of parts that no step needs any more."""
        for part in parts:
            with contextlib.suppress(OSError, RuntimeError):
                remove(self.path(part))

    def discard(self) -> None:
        """Say that nothing kept here is of use, since the same call would fail again."""
        remove_folder(self.folder)

    def path(self, part: Part) -> str:
        return part_path(self.folder, part)

    def _result(
        self, part: Part, future: Future[Arrays | None], only: Sequence[str] | None, progress: Progress
    ) -> Arrays:
        while True:
            progress.check()
            try:
                arrays = future.result(_GLANCE)
                break
            except NotYet:
                if future.done():
                    raise
        if arrays is None:
            return self.read(part, only)
        return arrays if only is None else {name: arrays[name] for name in only}

    def _release(self) -> None:
        for lock in self._locks:
            lock.release()

    def _kept(self) -> bool:
        return any(name.endswith(SUFFIX) for name in list_folder(self.folder))

    def _make_executor(self) -> Executor:
        if self.running.scheduler:
            from .cluster import ClusterExecutor

            return ClusterExecutor(self.running.scheduler, self.folder, self.progress)
        return ThreadExecutor(self.running.workers)
