"""Strips cover every row once."""

from __future__ import annotations

import pytest

from soilmoisture.core.raster.tiles import strips


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 100, 101])
@pytest.mark.parametrize("multiple", [1, 9])
@pytest.mark.parametrize("pixels", [1, 500, 10**6])
def test_strips_cover_each_row_once(rows: int, multiple: int, pixels: int) -> None:
    found = list(strips(rows, 50, multiple, pixels))
    assert [row for start, count in found for row in range(start, start + count)] == list(range(rows))
    assert all(count % multiple == 0 for _, count in found[:-1])
    assert all(count * 50 <= max(pixels, multiple * 50) for _, count in found)


def test_a_raster_without_columns_is_no_error() -> None:
    assert sum(count for _, count in strips(10, 0)) == 10
