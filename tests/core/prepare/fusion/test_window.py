"""The moving window's sums and means against plain loops, with and without numba."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.prepare.fusion import kernel
from soilmoisture.core.prepare.fusion.window import Part, Window
from soilmoisture.core.progress import Progress

ROOT = Path(__file__).resolve().parents[4]


def test_means_are_exact_and_leave_out_what_is_not_there():
    values = np.random.default_rng(0).normal(size=(2, 9, 11))
    values[0, 2:5, 3:9] = np.nan
    window = Window(5)
    means = window.means(window.padded(values, Part(0, 9, 0, 11), np.nan), 1.0)
    for k, y, x in np.ndindex(2, 9, 11):
        box = values[k, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        known = box[np.isfinite(box)]
        if known.size:
            assert means[k, y, x] == pytest.approx(known.mean(), abs=1e-10)
        else:
            assert np.isnan(means[k, y, x])


def test_no_change_beside_large_ones_is_exactly_none():
    values = np.zeros((1, 9, 40))
    values[..., :10] = 1e4 / 3
    window = Window(5)
    assert (window.means(window.padded(values, Part(0, 9, 0, 40), np.nan), 1e3)[..., 15:] == 0).all()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("count", [1, 5, 12])
def test_sums_over_similar_pixels(compiled, count):
    random = np.random.default_rng(1)
    image, fields = random.normal(size=(7, 150)), random.normal(size=(count, 7, 150))
    image[3, 70] = np.nan
    window, part = Window(5, halving=1.5), Part(0, 7, 0, 150)
    padded = window.padded(fields, part, 0.0)
    weighted, counted = list(padded[: count // 2]), list(padded[count // 2 :])
    tested = window.padded(image[None], part, np.nan)
    sums = window.similar_sums(tested, image[None] - 0.5, image[None] + 0.5, weighted, counted, Progress(), compiled)
    sums = np.concatenate(sums)
    for y, x in [(0, 0), (3, 70), (2, 69), (6, 149), (3, 127), (4, 128)]:
        total = np.zeros(count)
        for i in range(max(0, y - 2), min(7, y + 3)):
            for j in range(max(0, x - 2), min(150, x + 3)):
                if abs(image[i, j] - image[y, x]) <= 0.5:
                    near = 1 / (1 + np.hypot(i - y, j - x) / 1.5)
                    total += fields[:, i, j] * np.where(np.arange(count) < count // 2, near, 1.0)
        np.testing.assert_allclose(sums[:, y, x], total, atol=1e-12)


_RUN = """
import sys
sys.path.insert(0, {tests!r})
import conftest, numba
from soilmoisture.core.prepare.fusion import kernel
print(kernel.fastest() is kernel.numpy_sums)
"""


@pytest.mark.parametrize("folder", ["writable", "read-only", "no folder at all"])
def test_compiled_code_is_kept_with_the_user_and_its_place_never_fails(tmp_path, folder):
    """Also where another plugin has loaded numba before."""
    pytest.importorskip("numba")
    cache = tmp_path / "cache"
    if folder == "read-only":
        cache.write_text("a file where the folder should be")
    environment = {"PATH": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache)}
    if folder == "no folder at all":
        environment["XDG_CACHE_HOME"] = "/dev/null/nowhere"
    before = set((ROOT / "core").rglob("*.nb*"))
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(tests=str(ROOT / "tests"))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False", done.stderr
    assert any(cache.rglob("*.nbi")) == (folder == "writable")
    assert set((ROOT / "core").rglob("*.nb*")) == before


def test_without_numba_it_is_numpy(monkeypatch):
    monkeypatch.setattr("soilmoisture.core.compiled.find_spec", lambda name: None)
    kernel.fastest.cache_clear()
    try:
        assert kernel.fastest() is kernel.numpy_sums
    finally:
        kernel.fastest.cache_clear()
