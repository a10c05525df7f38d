"""Time and memory of `importproduct`, as ratios to the plain reading and writing of the same arrays in one run.

    python benchmarks/import_files.py [--files 8] [--folder DIR] [--case smap_l4 ...]

Made after the products' layouts, at full size:
  smap_l4   global SPL4SMGP granules, 1624 x 3856: two variables and their two quality layers, HDF5
  esa_cci   daily global files, 720 x 1440: soil moisture and flags, netCDF
  era5      a month of hours, 744 x 150 x 200, packed, in chunks that span many hours, netCDF
  floor     h5py or netCDF4 reads the arrays that the import needs, GDAL writes as many bands, one after the other
  ours      `import_product`
Each runs in a process of its own, so that its peak memory is its own; times are the best of `--repeat` runs in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "core" / "prepare" / "products")]

import h5py  # noqa: E402
import manitoba  # noqa: E402, F401  (registers the package)
import netCDF4  # noqa: E402
import numpy as np  # noqa: E402
from osgeo import gdal  # noqa: E402

from soilmoisture.core.prepare.products.importing import ImportOptions, import_product  # noqa: E402
from soilmoisture.core.raster.grid import Grid  # noqa: E402
from soilmoisture.core.raster.stack import create_geotiff  # noqa: E402

CASES = ("smap_l4", "esa_cci", "era5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--case", nargs="*", choices=CASES, default=CASES)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure(*chosen.only, chosen.folder)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        print(f"{'':12}{'bands':>7}{'floor s':>10}{'ours s':>10}{'ratio':>8}{'peak MiB':>10}")
        for case in chosen.case:
            folder = Path(name) / case
            folder.mkdir()
            {"smap_l4": smap_l4, "esa_cci": esa_cci, "era5": era5}[case](folder, chosen.files)
            runs = [(child("floor", case, folder), child("ours", case, folder)) for _ in range(chosen.repeat)]
            floor, ours = (min((run[k] for run in runs), key=lambda row: row["seconds"]) for k in (0, 1))
            ratio = ours["seconds"] / floor["seconds"]
            print(
                f"{case:12}{ours['bands']:7.0f}{floor['seconds']:10.2f}{ours['seconds']:10.2f}{ratio:8.2f}"
                f"{ours['mebibytes']:10.0f}"
            )


def smap_l4(folder: Path, files: int) -> None:
    """Whole granules by the maker of the tests, with plausible fields and the sea as fill."""
    import granules_netcdf

    rng = np.random.default_rng(0)
    row, col = np.mgrid[:1624, :3856]
    land = np.sin(row * 0.01) * np.cos(col * 0.007) > -0.3
    for k in range(files):
        noise = rng.normal(0, 0.01, row.shape)
        moist = 0.25 + 0.1 * np.sin(row * 0.02 + k) * np.cos(col * 0.01) + noise
        fields = {
            "sm_surface": (moist, "m3 m-3"),
            "sm_rootzone": (0.8 * moist, "m3 m-3"),
            "soil_temp_layer1": (285 + 10 * np.cos(row * 0.003) + 20 * noise, "K"),
            "snow_mass": (np.zeros(row.shape), "kg m-2"),
        }
        planted = {
            f"Geophysical_Data/{name}": (np.where(land, one, -9999), unit) for name, (one, unit) in fields.items()
        }
        stamp = f"201906{k // 8 + 1:02}T{(k % 8) * 3 + 1:02}3000"
        granules_netcdf.smap_l4(folder, planted, stamp, corner=(0, 0))


def esa_cci(folder: Path, files: int) -> None:
    import granules_netcdf

    rng = np.random.default_rng(0)
    lat, lon = 89.875 - 0.25 * np.arange(720), -179.875 + 0.25 * np.arange(1440)
    for k in range(5 * files):
        date = np.datetime64("2016-06-01") + k
        sm = np.where(rng.uniform(size=(720, 1440)) < 0.3, rng.uniform(0.05, 0.5, (720, 1440)), -9999.0)
        stamp = str(date).replace("-", "")
        granules_netcdf.soil_moisture_cci(
            folder / f"ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-{stamp}000000-fv07.1.nc",
            "ESA CCI Surface Soil Moisture COMBINED active+passive Product",
            "m3 m-3",
            lat,
            lon,
            date.astype(object),
            sm,
            {"flag": (np.zeros(sm.shape), "i2", -9999)},
        )


def era5(folder: Path, files: int) -> None:
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(folder / "era5_land_202106.nc", "w") as out:
        for name, size in (("time", 744), ("latitude", 150), ("longitude", 200)):
            out.createDimension(name, size)
        out.createVariable("time", "i4", ("time",))[:] = 24 * 44346 + np.arange(744)
        out["time"].units = "hours since 1900-01-01 00:00:00.0"
        out.createVariable("latitude", "f4", ("latitude",))[:] = 50 - 0.1 * np.arange(150)
        out.createVariable("longitude", "f4", ("longitude",))[:] = 100 + 0.1 * np.arange(200)
        swvl = out.createVariable(
            "swvl1", "i2", ("time", "latitude", "longitude"), zlib=True, chunksizes=(186, 75, 100), fill_value=-32767
        )
        swvl.scale_factor, swvl.add_offset, swvl.units = 1e-5, 0.3, "m**3 m**-3"
        swvl[:] = 0.3 + 0.1 * rng.uniform(-1, 1, (744, 150, 200))


def child(what: str, case: str, folder: Path) -> dict[str, float]:
    """Run one measurement in its own process."""
    command = [sys.executable, __file__, "--only", what, case, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(what: str, case: str, folder: Path) -> None:
    start = time.perf_counter()
    paths = sorted(str(path) for path in folder.iterdir() if path.suffix in (".h5", ".nc"))
    out = folder / f"{what}.tif"
    bands = len(import_product(paths, out, ImportOptions()).bands) if what == "ours" else plain(case, paths, out)
    seconds = time.perf_counter() - start
    # Not ru_maxrss, which begins with the peak of the parent.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "mebibytes": peak, "bands": bands}))


def plain(case: str, paths: list[str], path: Path) -> int:
    """Read what the import needs, write what it writes, decide nothing."""
    grid = Grid("EPSG:4326", (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
    if case == "era5":
        with netCDF4.Dataset(paths[0]) as file:
            planes = [np.ma.filled(file["swvl1"][:], -9999)]
        bands = [one for block in planes for one in block]
        out = _output(path, grid, bands[0].shape, len(bands))
        for number, values in enumerate(bands, 1):
            out.GetRasterBand(number).WriteArray(values)
        out.FlushCache()
        return len(bands)
    names = {
        "smap_l4": [
            f"Geophysical_Data/{name}" for name in ("sm_surface", "sm_rootzone", "soil_temp_layer1", "snow_mass")
        ],
        "esa_cci": ["sm", "flag"],
    }[case]
    out = None
    for number, one in enumerate(paths, 1):
        with h5py.File(one) as file:
            arrays = [np.squeeze(file[name][:]) for name in names]
        written = len(names) // 2
        out = out or _output(path, grid, arrays[0].shape, written * len(paths))
        for k in range(written):
            out.GetRasterBand((number - 1) * written + k + 1).WriteArray(arrays[k])
    assert out is not None
    out.FlushCache()
    return out.RasterCount


def _output(path: Path, grid: Grid, shape: tuple[int, ...], count: int) -> gdal.Dataset:
    gdal.SetCacheMax(192 * 2**20)
    return create_geotiff(path, Grid("", grid.transform, shape[0], shape[1]), count, "float32")


if __name__ == "__main__":
    main()
