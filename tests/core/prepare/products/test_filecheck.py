"""A file that is there but cannot be opened is a sentence, whichever way GDAL says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal

from soilmoisture.core.prepare.products.arrays import BadFile
from soilmoisture.core.prepare.products.filecheck import content_of


def _raises(*_: Any) -> None:
    raise RuntimeError("Permission denied")


@pytest.mark.parametrize("opening", [_raises, lambda *_: None], ids=["newer GDAL raises", "older GDAL gives nothing"])
def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Any) -> None:
    path = tmp_path / "granule.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr(gdal, "VSIFOpenL", opening)
    with pytest.raises(BadFile, match="cannot be read; check its permissions"):
        content_of(str(path))
