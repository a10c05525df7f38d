"""Windows tile a grid along the blocks of its files, and reading ahead keeps the order."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.blocks import Job, read_ahead, run_jobs, windows
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.stack import Band, Stack, StackWriter


@pytest.mark.parametrize("shape", [(1, 1), (255, 700), (1624, 3856), (2000, 2000)])
@pytest.mark.parametrize("block", [(1, 2000), (256, 256), (512, 512), (100, 100), (1624, 3856), (7, 3)])
@pytest.mark.parametrize("pixels", [1, 2**16, 2**19])
def test_windows_cover_each_pixel_once(shape, block, pixels):
    grid = ease_grid(1, 0, 0, *shape)
    seen = np.zeros(shape, np.uint8)
    for row0, rows, col0, cols in windows(grid, pixels, block):
        assert rows > 0 and cols > 0
        assert rows * cols <= max(8 * pixels, 256 * 256)
        seen[row0 : row0 + rows, col0 : col0 + cols] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("block", [(1, 3856), (16, 3856), (256, 256), (512, 512)])
def test_no_block_lies_in_two_windows(block):
    grid = ease_grid(9, 0, 0, 1624, 3856)
    starts = [(row0, col0) for row0, _, col0, _ in windows(grid, 2**19, block)]
    for side in (0, 1):
        assert all(start[side] % block[side] == 0 and start[side] % 256 == 0 for start in starts)


def test_a_block_of_the_whole_grid_is_one_window_where_it_fits():
    grid = ease_grid(9, 0, 0, 1624, 3856)
    assert windows(grid, 2**20, (1624, 3856)) == [(0, 1624, 0, 3856)]
    assert len(windows(grid, 2**20, (1624, 3856), most=2**20)) > 1


def test_reading_ahead_keeps_the_order_and_stays_near():
    started, most, lock, taken = [], [], threading.Lock(), 0

    def read(task):
        with lock:
            started.append(task)
            most.append(len(started) - taken)
        time.sleep(0.001 * (task % 3))
        return 10 * task

    for task, result in read_ahead(range(30), read, workers=3):
        assert result == 10 * task == 10 * taken
        with lock:
            taken += 1
    assert taken == 30 and max(most) <= 5


def test_reading_ahead_passes_errors_on():
    def read(task):
        if task == 2:
            raise ValueError("broken")
        return task

    with pytest.raises(ValueError, match="broken"):
        list(read_ahead(range(9), read, workers=2))


def test_jobs_write_what_they_compute(tmp_path):
    grid = ease_grid(1, 0, 0, 900, 700)
    fields = [np.random.default_rng(k).random(grid.shape) for k in range(3)]
    readers = [lambda row0, rows, field=field: field[row0 : row0 + rows] for field in fields]
    jobs = [
        Job([2], readers[:2], lambda both: [both[0] - both[1]]),
        Job([1, 3], readers[2:], lambda one: [*one, one[0] * 2]),
    ]
    with StackWriter(tmp_path / "out.tif", grid, [Band(name) for name in "abc"], dtype="float64") as out:
        run_jobs(jobs, grid, out, Progress())
    with Stack.open(tmp_path / "out.tif") as made:
        for number, wanted in enumerate((fields[2], fields[0] - fields[1], fields[2] * 2), 1):
            np.testing.assert_array_equal(made.read(number), wanted)
