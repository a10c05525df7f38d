"""Which Python packages are missing, and the command that installs them on this system."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

# Import name -> name in the package index.
_NAMES = {"sklearn": "scikit-learn", "joblib": "joblib", "scipy": "scipy", "matplotlib": "matplotlib"}


def missing(packages: Sequence[str]) -> str:
    """A sentence with the install command where a package is absent, else an empty string."""
    absent = [_NAMES.get(name, name) for name in packages if find_spec(name) is None]
    if not absent:
        return ""
    return (
        f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed for the Python of QGIS. "
        f"{_how(' '.join(absent))}"
    )


def _how(names: str) -> str:
    if os.name == "nt":
        return (
            "Open the OSGeo4W Shell that came with QGIS and run: python -m pip install --user "
            f'"numpy<{_next_numpy()}" {names}'
        )
    if sys.platform == "darwin":
        return f'In Terminal run: {sys.exec_prefix}/bin/python3 -m pip install --user "numpy<{_next_numpy()}" {names}'
    if os.path.exists("/etc/debian_version"):
        return (
            "Run: sudo apt install "
            f"{' '.join('python3-' + ('sklearn' if n == 'scikit-learn' else n) for n in names.split())}"
        )
    return f'Run: python3 -m pip install --user "numpy<{_next_numpy()}" {names}'


def _next_numpy() -> int:
    """The major version that must not be crossed: GDAL's Python part is built against the one that QGIS runs."""
    import numpy

    return int(numpy.__version__.split(".")[0]) + 1
