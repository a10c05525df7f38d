"""Functions that numba compiles, an optional package: where compiled code is kept, and what holds where it fails."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_lock = threading.RLock()
_kept: dict[Callable[..., Any], Any] = {}


def compiled(function: Callable[..., Any], example: Callable[[], Sequence[Any]], **options: Any) -> Any:
    """`function` compiled so that threads run it side by side, or None where numba is absent or does not work.

    example: gives arguments of the types it is called with later; it is run on them once, which compiles it or takes it
    from the user's cache. options: numba's own. Never an error: what keeps numba from working (its numpy, its cache,
    its compiler) is the business of another place, and the caller has another way to the same numbers.
    """
    if not find_spec("numba"):
        return None
    with _lock:
        if function in _kept:  # by another thread, meanwhile
            return _kept[function]
        for cached in (_choose_cache(), False):
            try:
                import numba

                fast = numba.njit(nogil=True, cache=cached, **options)(function)
                fast(*example())
                _kept[function] = fast
                return fast
            except Exception:
                continue
    return None


def _choose_cache() -> bool:
    """Point numba to a folder of the user for compiled code, never to the plugin's own; whether it can be written."""
    try:
        folder = os.environ.get("NUMBA_CACHE_DIR") or str(_user_cache() / "soilmoisture-numba")
        Path(folder).mkdir(parents=True, exist_ok=True)
        trial = Path(folder) / f".{os.getpid()}-{threading.get_ident()}"
        trial.touch()
        trial.unlink()
    except (OSError, RuntimeError):  # no place to write, or no home
        return False
    os.environ.setdefault("NUMBA_CACHE_DIR", folder)
    config: Any = sys.modules.get("numba.core.config")
    if config is not None:  # loaded by another plugin, which read the environment then
        config.reload_config()
    return True


def _user_cache() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
