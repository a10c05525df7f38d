"""Small files with the layouts that station networks deliver, made up value by value."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, object, str]  # moment, value, flag


def header_values(
    folder: Path,
    rows: Sequence[Row],
    station: str = "Moor-1",
    network: str = "NET_A",
    variable: str = "sm",
    depth: tuple[float, float] = (0.05, 0.05),
    sensor: str = "Probe-X_1",
    place: tuple[float, float] = (49.5, -98.25),
    header: str | None = None,
) -> Path:
    """A file of the ISMN layout 'header and values'; `place` is latitude and longitude."""
    path = _path(folder, station, network, variable, depth, sensor)
    first = (
        f"{network} {network} {station} {place[0]:.5f} {place[1]:.5f} 250.0 {depth[0]:.4f} {depth[1]:.4f} '{sensor}'"
    )
    lines = [first if header is None else header, *(f"{moment} {value} {flag} M" for moment, value, flag in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def ceop(
    folder: Path,
    rows: Sequence[Row],
    station: str = "Moor-1",
    network: str = "NET_A",
    depth: tuple[float, float] = (0.0, 0.05),
    sensor: str = "Probe-X",
    place: tuple[float, float] = (49.5, -98.25),
) -> Path:
    """A file of the ISMN layout 'CEOP in separate files': 15 words in every line."""
    path = _path(folder, station, network, "sm", depth, sensor)
    path.write_text(
        "".join(
            f"{moment} {moment} {network}   {network}    {station}   {place[0]:9.5f} {place[1]:10.5f}  250.00 "
            f"{depth[0]:7.2f} {depth[1]:7.2f} {value:>8} {flag} M\n"
            for moment, value, flag in rows
        )
    )
    return path


def hours(day: str, values: Sequence[object], flag: str = "G", start: int = 0) -> list[Row]:
    """One row per hour of a day (`2019/04/15`)."""
    return [(f"{day} {start + k:02d}:00", value, flag) for k, value in enumerate(values)]


def table(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return target


def _path(folder: Path, station: str, network: str, variable: str, depth: tuple[float, float], sensor: str) -> Path:
    inside = folder / network / station
    inside.mkdir(parents=True, exist_ok=True)
    name = f"{network}_{network}_{station}_{variable}_{depth[0]:.6f}_{depth[1]:.6f}_{sensor}_20190401_20190501.stm"
    return inside / name
