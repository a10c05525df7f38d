"""Fusion near Kranj: Landsat of days 68 and 93 of 2020 and MODIS of day 77, against the Landsat observed on day 77."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.fusion.evaluation import score
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import STARFM, FusionOptions, parse_dates

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
PAIRS = ("2020068_191-28", "2020093_190-28")
# R may not fall below these; linear interpolation of the two Landsat images: .940 .967 .967 .982 .977 .961.
LEAST_R = (0.925, 0.970, 0.976, 0.977, 0.979, 0.973)


@pytest.fixture(scope="module")
def kranj(shared_data: Path) -> Path:
    folder = shared_data / "estarfm_kranj"
    if not folder.is_dir():
        pytest.skip(f"the Kranj images are not in {folder}")
    return folder


def _fuse(folder: Path, output: Path, options: FusionOptions, factor: float = 1e4) -> np.ndarray:
    fine = [str(folder / "landsat_filled" / f"{name}.tif_filled_kranj.tif") for name in PAIRS]
    coarse = sorted(str(path) for path in (folder / "modis_filled").glob("*.tif"))
    run = FusionRun(options, dates=parse_dates(["2020-03-17"]), coarse_factor=factor)
    fuse_layers(fine, coarse, output, run=run)
    return np.asarray(gdal.Open(str(output)).ReadAsArray(), float)


def _observed(path: Path) -> np.ndarray:
    values = gdal.Open(str(path)).ReadAsArray().astype(float)
    values[values < -1e30] = np.nan
    return values


def test_estarfm_against_observed_landsat_and_both_baselines(kranj: Path, tmp_path: Path) -> None:
    truth = _observed(kranj / "landsat_unfilled" / "2020077_190-28_kranj.tif")
    first, last = (_observed(kranj / "landsat_filled" / f"{name}.tif_filled_kranj.tif") for name in PAIRS)
    share = (77 - 68) / (93 - 68)
    linear = (1 - share) * first + share * last
    fused = _fuse(kranj, tmp_path / "estarfm.tif", FusionOptions())
    simple = _fuse(kranj, tmp_path / "starfm.tif", FusionOptions(STARFM))
    rows = {
        name: [score(values[band], truth[band]) for band in range(6)]
        for name, values in (("estarfm", fused), ("starfm", simple), ("linear", linear), ("nearest", first))
    }
    shown = {
        name: [f"{s.r:.3f} {s.rmse:.0f} {s.ubrmse:.0f} {s.ssim:.3f}" for s in found] for name, found in rows.items()
    }
    print("\n", *(f"{name}: {values}\n" for name, values in shown.items()))
    for band, least in enumerate(LEAST_R):
        assert rows["estarfm"][band].r > least, (BANDS[band], shown)
        # Better than the nearest fine image in every band and score.
        assert rows["estarfm"][band].rmse < 0.8 * rows["nearest"][band].rmse
        assert rows["estarfm"][band].ssim > rows["nearest"][band].ssim
        assert rows["estarfm"][band].rmse < rows["starfm"][band].rmse
    better = [rows["estarfm"][band].rmse < rows["linear"][band].rmse for band in range(6)]
    assert better == [True, True, True, False, True, True]  # near infrared is interpolated better
    mean = {name: np.mean([one.rmse for one in found]) for name, found in rows.items()}
    assert mean["estarfm"] < 0.85 * mean["linear"]


def test_the_scale_of_modis_is_noticed(kranj: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="10000"):
        _fuse(kranj, tmp_path / "out.tif", FusionOptions(), factor=1.0)
