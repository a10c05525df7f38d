"""Spectral indices and thermal inertia through `processing.run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

GRID = ease_grid(1, 3000, 27000, 80, 90)
PERIODS = [Period.parse("2021-08-05", "2021-08-13"), Period.parse("2021-08-13", "2021-08-21")]
UNITS = {"lst_day": "K", "lst_night": "K"}


def fields(number: int) -> dict[str, np.ndarray]:
    """A triangle of NDVI and temperature, and what belongs to it."""
    rng = np.random.default_rng(number)
    ndvi, dryness = rng.uniform(0.1, 0.9, GRID.shape), rng.uniform(0, 1, GRID.shape)
    red = np.full(GRID.shape, 0.06)
    day = 290 + dryness * (40 - 36 * ndvi)
    return {
        "blue": red / 2,
        "green": red + 0.02,
        "red": red,
        "nir": red * (1 + ndvi) / (1 - ndvi),
        "lst_day": day,
        "lst_night": day - rng.uniform(5, 20, GRID.shape),
        "albedo_white_sky_shortwave": rng.uniform(0.1, 0.3, GRID.shape),
    }


@pytest.fixture(scope="module")
def layers(tmp_path_factory: Any) -> dict[str, str]:
    """One stack per variable with two periods, as the import leaves them."""
    folder, both = tmp_path_factory.mktemp("layers"), [fields(0), fields(1)]
    paths = {}
    for name in both[0]:
        paths[name] = str(folder / f"{name}.tif")
        bands = [Band(name, period, UNITS.get(name, "1")) for period in PERIODS]
        with StackWriter(paths[name], GRID, bands) as out:
            for number, values in enumerate(both, 1):
                out.write(number, values[name])
                out.tag(number, {"SOURCE_PRODUCT": "MOD11A2" if name.startswith("lst") else "MCD43A4"})
    return paths


def reflectances(layers: dict[str, str]) -> list[str]:
    return [layers[name] for name in ("blue", "green", "red", "nir")]


def test_indices_and_tvdi(run: Any, tmp_path: Path, layers: dict[str, str]) -> None:
    from qgis.core import QgsRasterLayer

    result = run(
        "spectralindices",
        LAYERS=reflectances(layers),
        INDICES=["NDVI", "EVI", "NDWI_McFeeters", "TVDI"],
        TEMPERATURE=[layers["lst_day"]],
        CLIP=True,
        OUTPUT=str(tmp_path / "indices.tif"),
        REPORT=str(tmp_path / "indices.html"),
        METRICS=str(tmp_path / "indices.json"),
    )
    assert result["MISSING"] == 0 and QgsRasterLayer(result["OUTPUT"]).bandCount() == 8
    one = fields(1)
    with Stack.open(result["OUTPUT"]) as made:
        assert made.factor_names == ["ndvi", "evi", "ndwi_mcfeeters", "tvdi"]
        ndvi = made.read(made.index("ndvi", PERIODS[1]))
        np.testing.assert_allclose(ndvi, (one["nir"] - one["red"]) / (one["nir"] + one["red"]), rtol=1e-5)
        tvdi = made.read(made.index("tvdi", PERIODS[1]))
        assert 0 <= np.nanmin(tvdi) and np.nanmax(tvdi) <= 1
    numbers = json.loads(Path(result["METRICS"]).read_text())["data"]
    assert [edge["fitted"] for edge in numbers["tvdi_edges"]] == [True, True]
    assert numbers["factors"]["ndvi"]["maximum"] == pytest.approx(0.9, abs=0.01)
    assert "Edges of TVDI" in Path(result["REPORT"]).read_text(encoding="utf-8")


def test_what_is_missing_is_counted_and_warned(run: Any, tmp_path: Path, layers: dict[str, str]) -> None:
    from qgis.core import QgsProcessingFeedback

    feedback = QgsProcessingFeedback(False)
    result = run(
        "spectralindices",
        feedback,
        LAYERS=[layers["red"], layers["nir"]],
        ROLES="nir=nir",
        OUTPUT=str(tmp_path / "indices.tif"),
    )
    assert result["MISSING"] == 1 and "Not made: evi: no blue." in feedback.textLog()


def test_indices_go_on_to_the_common_grid(run: Any, tmp_path: Path, layers: dict[str, str]) -> None:
    target = str(tmp_path / "target.tif")
    coarse = ease_grid(9, 3000 // 9 + 1, 3000, 8, 9)
    with StackWriter(target, coarse, [Band("soil_moisture", period, "m3/m3") for period in PERIODS]) as out:
        for number in (1, 2):
            out.write(number, np.full(coarse.shape, 0.2 + 0.01 * number))
    indices = run("spectralindices", LAYERS=reflectances(layers), OUTPUT=str(tmp_path / "indices.tif"))
    ati = run(
        "thermalinertia",
        LST_DAY=[layers["lst_day"]],
        LST_NIGHT=[layers["lst_night"]],
        ALBEDO=[layers["albedo_white_sky_shortwave"]],
        OUTPUT=str(tmp_path / "ati.tif"),
    )
    grids = run(
        "resampletogrid",
        TARGET=[target],
        FACTORS=[indices["OUTPUT"], ati["OUTPUT"]],
        FINE=str(tmp_path / "fine.tif"),
        COARSE=str(tmp_path / "coarse.tif"),
    )
    assert grids["MISSING"] == 0
    with Stack.open(grids["FINE"]) as fine:
        assert fine.factor_names == ["ndvi", "evi", "ati"] and fine.periods == PERIODS


def test_thermal_inertia(run: Any, tmp_path: Path, layers: dict[str, str]) -> None:
    result = run(
        "thermalinertia",
        LST_DAY=[layers["lst_day"]],
        LST_NIGHT=[layers["lst_night"]],
        ALBEDO=[layers["albedo_white_sky_shortwave"]],
        SOLAR_CORRECTION=False,
        OUTPUT=str(tmp_path / "ati.tif"),
        REPORT=str(tmp_path / "ati.html"),
        METRICS=str(tmp_path / "ati.json"),
    )
    one = fields(0)
    with Stack.open(result["OUTPUT"]) as made:
        expected = (1 - one["albedo_white_sky_shortwave"]) / (one["lst_day"] - one["lst_night"])
        np.testing.assert_allclose(made.read(1), expected, rtol=1e-4)
        assert [band.label for band in made.bands] == [f"ati {period.label}" for period in PERIODS]
    assert result["MISSING"] == 0
    numbers = json.loads(Path(result["METRICS"]).read_text())["data"]
    assert numbers["platform"] == "Terra" and not numbers["solar_correction"]
    assert "10:30" in Path(result["REPORT"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("algorithm", "parameters", "sentence"),
    [
        ("spectralindices", {"LAYERS": ["lst_day"]}, "nir and red, and no band is known as that"),
        ("spectralindices", {"LAYERS": ["red", "nir"], "ROLES": "red=B4"}, "No band is called 'B4'"),
        ("spectralindices", {"LAYERS": ["red", "nir"], "SCALE": 0.001}, "set the scale to 1"),
        ("spectralindices", {"LAYERS": ["red", "nir"], "INDICES": ["TVDI"]}, "tvdi needs lst_day"),
        ("thermalinertia", {"LST_DAY": ["lst_day"]}, "No band is called lst_night"),
        ("thermalinertia", {"LST_DAY": ["lst_day"], "LST_NIGHT": ["lst_night"]}, "No band is an albedo"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Any, tmp_path: Path, layers: dict[str, str], algorithm: str, parameters: dict[str, Any], sentence: str
) -> None:
    from qgis.core import QgsProcessingException

    known = {
        name: [layers[one] for one in value] if isinstance(value, list) and value[0] in layers else value
        for name, value in parameters.items()
    }
    with pytest.raises(QgsProcessingException, match=sentence) as raised:
        run(algorithm, **known, OUTPUT=str(tmp_path / "out.tif"))
    assert "\n" not in str(raised.value).strip() and not (tmp_path / "out.tif").exists()


def test_layers_are_styled_and_dated(layers: dict[str, str], run: Any, tmp_path: Path) -> None:
    from qgis.core import QgsRasterLayer, QgsSingleBandPseudoColorRenderer

    from soilmoisture.algorithms.styling import factor_style

    made = run("spectralindices", LAYERS=reflectances(layers), INDICES=["NDVI"], OUTPUT=str(tmp_path / "ndvi.tif"))
    layer = QgsRasterLayer(made["OUTPUT"])
    factor_style([*PERIODS], ["ndvi"], (0.1, 0.9))(layer)
    assert isinstance(layer.renderer(), QgsSingleBandPseudoColorRenderer)
    assert (layer.renderer().classificationMin(), layer.renderer().classificationMax()) == (0.1, 0.9)
    assert layer.temporalProperties().isActive()
    factor_style([*PERIODS, *PERIODS], ["ndvi", "evi"], (0.1, 0.9))(layer)
    span = layer.temporalProperties().fixedTemporalRange()
    assert (span.begin().date().toPyDate(), span.end().date().toPyDate()) == (PERIODS[0].start, PERIODS[1].end)
    # A constant field has no ramp, but dates.
    factor_style([None], ["ndvi"], (0.5, 0.5))(layer)


def test_a_layer_on_another_grid_is_warned_of(run: Any, tmp_path: Path, layers: dict[str, str]) -> None:
    from qgis.core import QgsProcessingFeedback

    class Feedback(QgsProcessingFeedback):
        def __init__(self) -> None:
            super().__init__(False)
            self.warnings: list[str] = []

        def pushWarning(self, text: str) -> None:
            self.warnings.append(text)

    wide, feedback = str(tmp_path / "wide.tif"), Feedback()
    with StackWriter(wide, ease_grid(3, 1000, 9000, 27, 30), [Band("nir", PERIODS[0], "1")]) as out:
        out.write(1, np.full((27, 30), 0.4))
    run(
        "spectralindices",
        feedback,
        LAYERS=[layers["red"], wide],
        INDICES=["NDVI"],
        OUTPUT=str(tmp_path / "out.tif"),
        REPORT=str(tmp_path / "out.html"),
    )
    told = "nir (3 km, EPSG:6933, wide) was brought to the grid of the result"
    assert any(told in one for one in feedback.warnings)
    assert "Nir (3" in Path(tmp_path / "out.html").read_text(encoding="utf-8")


def test_the_polar_night_is_warned_of(run: Any, tmp_path: Path) -> None:
    from qgis.core import QgsProcessingException

    north, paths = ease_grid(9, 10, 2000, 3, 4), {}  # 79 degrees north
    period = Period.parse("2020-12-10", "2020-12-18")
    for name, value in (("lst_day", 260.0), ("lst_night", 250.0), ("albedo", 0.6)):
        paths[name] = str(tmp_path / f"{name}.tif")
        with StackWriter(paths[name], north, [Band(name, period, UNITS.get(name, "1"))]) as out:
            out.write(1, np.full(north.shape, value))
    given = {"LST_DAY": [paths["lst_day"]], "LST_NIGHT": [paths["lst_night"]], "ALBEDO": [paths["albedo"]]}
    with pytest.raises(QgsProcessingException, match="The sun never rises .polar night. at 100 %"):
        run("thermalinertia", **given, OUTPUT=str(tmp_path / "ati.tif"))
    assert not (tmp_path / "ati.tif").exists()
