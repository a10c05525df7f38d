"""What a band holds, and where in a raster that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal

from .periods import Period, period_in_name, without_date

TARGET = "target"
SHARE_UNIT = "share"  # of a class, from 0 to 1
CLASS_UNIT = "class"  # numbers that are names of classes
SATURATION_UNIT = "% saturation"
_PERCENT = ("%", "percent", "m3/m3*100", "vol%", "vol.%", "% vol", "%vol")


@dataclass(frozen=True)
class Band:
    """What a band holds: a factor (or the target) in a period, or for all time when `period` is None."""

    name: str
    period: Period | None = None
    unit: str = ""
    role: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.period.label}" if self.period else self.name


def read_band(band: gdal.Band, layer: str, count: int, tags: Mapping[str, str]) -> Band:
    """What `band` holds, one of `count` in the file `layer` with metadata `tags`.

    Name and period come from the band's metadata (`PERIOD_START`, `PERIOD_END`, `STATIC`, `ROLE`), then from the
    dataset's, then from the band's description, then from the file name. Raises InputError for a period that is no
    pair of dates.
    """
    metadata = band.GetMetadata() or {}
    description = band.GetDescription() or metadata.get("NETCDF_VARNAME", "")
    period = None
    if "PERIOD_START" in metadata:
        period = Period.parse(metadata["PERIOD_START"], metadata.get("PERIOD_END", metadata["PERIOD_START"]))
    elif "PERIOD_START" in tags and not metadata.get("STATIC"):
        period = Period.parse(tags["PERIOD_START"], tags.get("PERIOD_END", tags["PERIOD_START"]))
    elif not metadata.get("STATIC"):
        period = period_in_name(description) or period_in_name(layer)
    # A stack of ours says what its bands are called; other names may hold the date.
    ours = "STATIC" in metadata or ("PERIOD_START" in metadata and bool(description))
    name = description if ours and description else without_date(description) or without_date(layer) or layer
    if not description and count > 1:
        name = f"{name}_band{band.GetBand()}"
    return Band(name, period, band.GetUnitType() or "", metadata.get("ROLE", ""))


def write_band(band: gdal.Band, what: Band, nodata: float) -> None:
    """Label a new band so that `read_band` gives `what`."""
    band.SetDescription(what.name)
    band.SetNoDataValue(nodata)
    if what.unit:
        band.SetUnitType(what.unit)
    metadata = {"ROLE": what.role} if what.role else {}
    if what.period is None:
        metadata["STATIC"] = "YES"
    else:
        metadata |= {"PERIOD_START": what.period.start.isoformat(), "PERIOD_END": what.period.end.isoformat()}
    band.SetMetadata(metadata)


def is_saturation(unit: str) -> bool:
    """Whether a declared unit means a share of the pores that is filled, which is no m3/m3 without the porosity."""
    return "saturation" in unit.lower()


def is_percent(unit: str) -> bool:
    """Whether a declared unit of soil moisture means percent of volume."""
    return unit.strip().lower() in _PERCENT


def layer_name(path: str) -> str:
    """What a file or a subdataset (`NETCDF:"file.nc":variable`) is called."""
    if path.upper().startswith(("NETCDF:", "HDF5:", "HDF4_EOS:", "HDF4_SDS:")):
        return path.rsplit(":", 1)[-1].strip('"/').rsplit("/", 1)[-1]
    return Path(path.split("|")[0]).stem
