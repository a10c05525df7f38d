"""Compiled functions: kept in the user's folder, and absent rather than an error wherever numba does not work."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.compiled import compiled

ROOT = Path(__file__).resolve().parents[2]


def example() -> list[np.ndarray]:
    return [np.zeros(1)]


def twice(x: np.ndarray) -> np.ndarray:
    return x + x


def test_without_numba_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soilmoisture.core.compiled.find_spec", lambda name: None)
    assert compiled(twice, example) is None


@pytest.mark.parametrize("fault", ["import", "compiler", "run"])
def test_a_numba_that_does_not_work_is_no_error(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = types.ModuleType("numba")

    def njit(**options: bool) -> object:
        if fault == "compiler":
            raise SystemError("built for another Python")
        return lambda function: lambda *arguments: 1 / 0

    if fault != "import":
        broken.njit = njit  # type: ignore[attr-defined]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("soilmoisture.core.compiled.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "numba", broken)
    assert compiled(twice, example) is None


_RUN = """
import sys
sys.path.insert(0, {tests!r})
import conftest
import numpy as np
from soilmoisture.core.model import tree_kernel
from soilmoisture.core.model.boosted import BoostedPredictor, RegressionTree
tree = RegressionTree(*(np.array(one) for one in ([0, -1, -1], [.5, 0, 0], [1, -1, -1], [2, -1, -1], [0, 1.0, 2.0])))
y = BoostedPredictor.from_trees([tree] * 50, 0.0, 1.0, 1).predict(np.linspace(0, 1, 100_000)[:, None])
print(tree_kernel.functions() is not None, (y == np.where(np.linspace(0, 1, 100_000) <= .5, 50.0, 100.0)).all())
"""


@pytest.mark.parametrize("folder", ["the user's", "named", "read-only"])
def test_trees_are_compiled_wherever_their_code_may_be_kept(folder: str, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    environment = {"PATH": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if folder == "named":
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "named")
    if folder == "read-only":
        (tmp_path / "cache").write_text("a file where the folder should be")
    before = set((ROOT / "core").rglob("*.nb*"))
    command = [sys.executable, "-c", _RUN.format(tests=str(ROOT / "tests"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True", done.stderr
    kept = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.nbi")}
    assert kept == {"the user's": {"cache"}, "named": {"named"}, "read-only": set()}[folder]
    assert set((ROOT / "core").rglob("*.nb*")) == before
