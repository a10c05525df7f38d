"""Which Python packages are missing, and the command that installs them on this system."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .errors import InputError

# Import name -> name in the package index.
_NAMES = {"sklearn": "scikit-learn", "joblib": "joblib", "scipy": "scipy", "matplotlib": "matplotlib"}
# Those that every Debian and Ubuntu with QGIS packages; the others come from the package index there too.
_BY_APT = {
    "scikit-learn": "python3-sklearn",
    "joblib": "python3-joblib",
    "scipy": "python3-scipy",
    "matplotlib": "python3-matplotlib",
}


def missing(packages: Sequence[str]) -> str:
    """A sentence with the install command where a package is absent, else an empty string."""
    absent = [_index_name(name) for name in packages if find_spec(name) is None]
    if not absent:
        return ""
    return (
        f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed for the Python of QGIS. "
        f"{_how(absent)}"
    )


def required(package: str) -> Any:
    """The imported package. Raises InputError with the install command where it is absent, or says why it fails."""
    absent = missing([package])
    if absent:
        raise InputError(absent)
    try:
        return import_module(package)
    except Exception as error:
        # A library it is built on may be missing (OpenMP on macOS): each package has an error of its own for that.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{_index_name(package)} is installed but does not start ({reason[0]}): install it again."
        ) from error


def _index_name(package: str) -> str:
    if package == "xgboost":
        # The package without GPU code, a tenth of the size; macOS has none of that code anyway.
        return "xgboost" if sys.platform == "darwin" else "xgboost-cpu"
    return _NAMES.get(package, package)


def _how(names: Sequence[str]) -> str:
    if os.name == "nt":
        return f"Open the OSGeo4W Shell that came with QGIS and run: {_pip('python', names)}"
    if sys.platform == "darwin":
        return f"In Terminal run: {_pip(shlex.quote(f'{sys.exec_prefix}/bin/python3'), names)}"
    if os.path.exists("/etc/debian_version"):
        by_apt = [_BY_APT[name] for name in names if name in _BY_APT]
        by_pip = [name for name in names if name not in _BY_APT]
        commands = [f"sudo apt install {' '.join([*by_apt, *(['python3-pip'] if by_pip else [])])}"]
        if by_pip:
            commands.append(_pip("python3", by_pip))
        return f"Run: {' && '.join(commands)}"
    return f"Run: {_pip('python3', names)}"


def _pip(python: str, names: Sequence[str]) -> str:
    # GDAL's Python part is built against the numpy that QGIS runs: its major version must not be crossed.
    import numpy

    stay = f'"numpy<{int(numpy.__version__.split(".")[0]) + 1}"'
    managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
    return f"{python} -m pip install --user {'--break-system-packages ' if managed else ''}{stay} {' '.join(names)}"
