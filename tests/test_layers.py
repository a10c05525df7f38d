"""The storeys of the house: core is free of QGIS, imports point downwards, and no data is run as code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("prepare", "train", "downscale", "ground")
QT_AND_QGIS = ("qgis", "PyQt5", "PyQt6", "processing")
SHELL = ("soilmoisture.algorithms", "soilmoisture.plugin", "soilmoisture.provider")
UNSAFE_MODULES = ("pickle", "cloudpickle", "dill", "shelve", "marshal")
UNSAFE_CALLS = ("eval", "exec", "compile", "os.system", "os.popen", "joblib.load", "yaml.load", "torch.load")
UNSAFE_KEYWORDS = ("allow_pickle", "shell")  # with the value True

CORE_FILES = sorted((ROOT / "core").rglob("*.py"))
PACKAGE_FILES = [*sorted(ROOT.glob("*.py")), *CORE_FILES, *sorted((ROOT / "algorithms").rglob("*.py"))]
OTHER_FILES = sorted([*(ROOT / "scripts").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
# Imports the modules it is given where QGIS and Qt cannot be found, and prints what is in memory then.
IMPORT_WITHOUT_QGIS = """
import importlib, importlib.util, sys

class NoQgis:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split():
            raise ImportError("core reached for " + name)

sys.meta_path.insert(0, NoQgis())
spec = importlib.util.spec_from_loader("soilmoisture", loader=None, is_package=True)
sys.modules["soilmoisture"] = importlib.util.module_from_spec(spec)
sys.modules["soilmoisture"].__path__ = [sys.argv[1]]
for module in sys.argv[3:]:
    importlib.import_module(module)
print(*sorted(sys.modules))
"""


@pytest.fixture(scope="module")
def loaded_by_core() -> set[str]:
    """Full names of the modules in memory after a fresh Python has imported all of core."""
    modules = [f"soilmoisture.{module_name(path)}" for path in CORE_FILES]
    command = [sys.executable, "-c", IMPORT_WITHOUT_QGIS, str(ROOT), " ".join(QT_AND_QGIS), *modules]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_core_imports_where_there_is_no_qgis(loaded_by_core: set[str]) -> None:
    assert "soilmoisture.core.errors" in loaded_by_core
    assert loaded_by_core.isdisjoint(QT_AND_QGIS)


@pytest.mark.parametrize("library", ["sklearn", "scipy", "matplotlib", "pandas", "lightgbm", "xgboost"])
def test_core_leaves_slow_libraries_for_when_they_are_used(loaded_by_core: set[str], library: str) -> None:
    assert library not in loaded_by_core


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert list(forbidden_imports(module_name(path), path.name == "__init__.py", source)) == []


@pytest.mark.parametrize("path", PACKAGE_FILES + OTHER_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_data_is_run_as_code(path: Path) -> None:
    assert list(unsafe_code(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.raster.grid", "import qgis.core"),
        ("core.raster.grid", "def f():\n    from qgis.PyQt.QtCore import QDate"),
        ("core.train.samples", "from ..prepare.composite import composite"),
        ("core.train.learners.forest", "from ...ground import metrics"),
        ("core.train.samples", "from .. import downscale"),
        ("core.model.forest", "from ..train import samples"),
        ("core.progress", "from .train import samples"),
        ("core.raster.grid", "from ...algorithms import base"),
        ("algorithms.base", "from core import errors"),
        ("provider", "from soilmoisture.core import errors"),
        ("provider", "from PyQt5.QtGui import QIcon"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert len(list(forbidden_imports(module, False, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.train.samples", "from ..raster.stack import Stack\nfrom ..errors import InputError"),
        ("core.train.samples", "from . import screening"),
        ("core.ground.calibrate.merge", "from ..metrics import rmse\nfrom ...raster import grid"),
        ("algorithms.train.forest", "from qgis.core import Qgis\nfrom ...core.train import samples"),
        ("provider", "from qgis.PyQt.QtGui import QIcon\nfrom .core.errors import InputError"),
    ],
)
def test_a_permitted_import_is_let_through(module: str, source: str) -> None:
    assert list(forbidden_imports(module, False, source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib\njoblib.load('model')",
        "from joblib import load\nload('model')",
        "import joblib as j\nj.load('model')",
        "eval('1 + 1')",
        "exec(text)",
        "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import yaml\nyaml.load(text)",
    ],
)
def test_unsafe_code_is_found(source: str) -> None:
    assert len(list(unsafe_code(source))) == 1


@pytest.mark.parametrize("source", ["json.load(file)", "np.load('a', allow_pickle=False)", "dialog.exec()"])
def test_safe_code_is_let_through(source: str) -> None:
    assert list(unsafe_code(source)) == []


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def forbidden_imports(module: str, is_package: bool, source: str) -> Iterator[str]:
    """Imports in `source`, the text of soilmoisture.`module`, that its storey does not permit."""
    for line, target in imports(module, is_package, source):
        reason = refusal(module, target)
        if reason:
            yield f"line {line}: {module} imports {target}: {reason}"


def refusal(module: str, target: str) -> str | None:
    """Why `module` (named from the root of the package) must not import `target`, or None."""
    if target.split(".")[0] in ("core", "algorithms"):
        return "not importable in QGIS, use a relative import"
    if target.startswith("absolute:"):
        return "the package's name is the folder's, use a relative import"
    if target.split(".")[0] in ("PyQt5", "PyQt6"):
        return "import Qt from qgis.PyQt"
    if not module.startswith("core"):
        return None
    if target.split(".")[0] in QT_AND_QGIS:
        return "core knows nothing of QGIS"
    if target.startswith(SHELL):
        return "core knows nothing of the shell above it"
    home, there = (name.partition("core.")[2].split(".")[0] for name in (module, target))
    if target.startswith("soilmoisture.core.") and there in WINGS and there != home:
        return "wings do not import each other" if home in WINGS else "what lies below does not import a wing"
    return None


def imports(module: str, is_package: bool, source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of all that `source` imports, at any depth of the code, relative ones resolved."""
    package = ["soilmoisture", *(part for part in module.split(".") if part)]
    if not is_package:
        package = package[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, own_name(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, own_name(str(node.module))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + ([node.module] if node.module else [])
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])


def own_name(name: str) -> str:
    return f"absolute:{name}" if name.split(".")[0] == "soilmoisture" else name


def unsafe_code(source: str) -> Iterator[str]:
    """Calls and imports in `source` that would run data as code, or hand text to a shell."""
    tree = ast.parse(source)
    meanings: dict[str, str] = {}  # a name as the file uses it -> what it stands for
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            meanings.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [str(node.module)]
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        else:
            continue
        unsafe = [name for name in modules if name.split(".")[0] in UNSAFE_MODULES]
        yield from (f"line {node.lineno}: import {name}" for name in unsafe)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        first, _, rest = ast.unparse(call.func).partition(".")
        name = ".".join(part for part in (meanings.get(first, first), rest) if part)
        if name in UNSAFE_CALLS:
            yield f"line {call.lineno}: {name}()"
        for keyword in call.keywords:
            refused = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in UNSAFE_KEYWORDS and not refused:
                yield f"line {call.lineno}: {keyword.arg}={ast.unparse(keyword.value)}"
