"""TVDI of layers: which NDVI belongs to which temperature, edges in one pass over them, the index in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Callable

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import Array, Job, Reader
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Band
from ...raster.tiles import strips
from .checks import sample_values
from .common import Dated, OnGrid, Source, by_period, label_of, listed, mean_of, over, provenance
from .indices import normalised_difference
from .output import FactorBand
from .roles import known_role
from .temperatures import Temperatures
from .tvdi import (
    FLAT,
    SLOPED,
    Edges,
    Scatter,
    TvdiOptions,
    at_sea_level,
    chosen_for_charts,
    fit_edges,
    tvdi,
)

NAME = "tvdi"
TITLE = "Temperature-vegetation dryness index"
FORMULA = "(T - wet edge) / (dry edge - wet edge), dry edge a line over NDVI, wet edge {}, both fitted to the scene"
WET_EDGES = {FLAT: "flat", SLOPED: "a line over NDVI"}
SOURCE = "Sandholt et al. 2002, doi:10.1016/S0034-4257(01)00274-7"

Reflectances = Callable[[Source, str], Reader]
Missing = tuple[str, "Period | None", list[str]]


@dataclass(frozen=True)
class TvdiPlan:
    """Edges of all periods with temperature and NDVI, and how the index is read where they could be fitted."""

    edges: list[Edges]
    missing: list[Missing]
    sources: list[Source]
    parts: list[tuple[Edges, Reader, Reader, dict[str, str]]]

    def jobs(self, before: int, clip: bool) -> tuple[list[FactorBand], list[Job]]:
        """Bands and jobs of the fitted periods; `before` bands of the result come first."""
        outputs, jobs = [], []
        for number, (edges, ndvi, temperature, tags) in enumerate(self.parts, before + 1):
            outputs.append(FactorBand(Band(NAME, edges.period, "1"), tags))
            compute = partial(_compute, edges, clip)
            jobs.append(Job([number], [ndvi, temperature], compute, f"TVDI {label_of(edges.period)}"))
        return outputs, jobs


def temperature_roles(hot: Sequence[Source], high: Sequence[Source]) -> dict[str, Dated]:
    """The roles `lst_day` and `elevation` of layers that were given as such; a single variable needs no name."""
    found: dict[str, Dated] = {}
    for role, what, sources in (("lst_day", "surface temperature", hot), ("elevation", "elevation", high)):
        if not sources:
            continue
        own = [source for source in sources if known_role(source) == role]
        names = list(dict.fromkeys(source.name for source in sources))
        if not own and len(names) > 1:
            raise InputError(
                f"None of the bands of the {what} is called {role}; they are {listed(names)}: give a layer that holds "
                "only that."
            )
        found[role] = by_period(own or sources, f"The {what}")
    return found


def plan_tvdi(
    roles: dict[str, Dated],
    grid: Grid,
    options: TvdiOptions,
    reflectance: Reflectances,
    progress: Progress,
) -> TvdiPlan:
    """Fit the edges of every period of the temperature; NDVI is taken by its days of overlap.

    `roles` need lst_day and ndvi, or red and nir in its place; elevation corrects the temperature by 0.0065 K/m.
    Raises InputError for units that do not fit.
    """
    plan = TvdiPlan([], [], [], [])
    if "lst_day" not in roles or not ("ndvi" in roles or {"red", "nir"} <= set(roles)):
        lacking = ["lst_day"] if "lst_day" not in roles else ["ndvi (or red and nir)"]
        plan.missing.append((NAME, None, lacking))
        return plan
    temperatures = Temperatures(roles["lst_day"].values(), grid)
    elevation = _elevation(roles.get("elevation", {}), grid)
    ordered = sorted(roles["lst_day"].items(), key=lambda item: str(item[0] and item[0].first))
    drawn = chosen_for_charts(len(ordered))
    for number, (period, source) in enumerate(ordered):
        step = progress.part(number / len(ordered), (number + 1) / len(ordered))
        found = _ndvi(roles, period, grid, reflectance)
        if found is None:
            plan.missing.append((NAME, period, ["ndvi (or red and nir)"]))
            continue
        ndvi, used = found
        temperature: Reader = temperatures.reader(source)
        if elevation is not None:
            temperature = at_sea_level(temperature, elevation[0])
            used = [*used, elevation[1]]
        scatter = Scatter(options)
        for row0, rows in strips(grid.rows, grid.cols):
            step.check()
            step.set(row0 / grid.rows, f"Edges of TVDI {label_of(period)}")
            scatter.add(ndvi(row0, rows), temperature(row0, rows))
        edges = fit_edges(scatter, options, period, density=number in drawn)
        plan.edges.append(edges)
        plan.sources.extend([source, *used])
        if edges.fitted:
            tags = {
                "LONG_NAME": f"{TITLE}: {FORMULA.format(WET_EDGES[options.wet_edge])}; {SOURCE}",
                "BANDS": ", ".join(dict.fromkeys(one.name for one in (source, *used))),
                **provenance([source, *used]),
            }
            plan.parts.append((edges, ndvi, temperature, tags))
    return plan


def _compute(edges: Edges, clip: bool, arrays: list[Array]) -> list[Array]:
    ndvi, temperature = arrays
    return [tvdi(ndvi, temperature, edges, clip)]


def _ndvi(
    roles: dict[str, Dated], period: Period | None, grid: Grid, reflectance: Reflectances
) -> tuple[Reader, list[Source]] | None:
    """NDVI of a period, given or made of reflectances, and the bands that it is read from."""
    given = over(roles.get("ndvi", {}), period)
    if given:
        parts: list[tuple[Reader, float]] = [(OnGrid(source, grid, _IsNdvi(source)), days) for source, days in given]
        return mean_of(parts), [source for source, _ in given]
    near, red = over(roles.get("nir", {}), period), roles.get("red", {})
    both = [(source, red[source.period], days) for source, days in near if source.period in red]
    if not both:
        return None
    parts = [(_computed_ndvi(reflectance(n, "nir"), reflectance(r, "red")), days) for n, r, days in both]
    return mean_of(parts), [source for n, r, _ in both for source in (n, r)]


def _computed_ndvi(near: Reader, red: Reader) -> Reader:
    return lambda row0, rows: normalised_difference(near(row0, rows), red(row0, rows))


class _IsNdvi:
    """Raises InputError for stored integers in the place of NDVI."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, values: Array) -> Array:
        with np.errstate(invalid="ignore"):
            beyond = int((np.abs(values) > 1.01).sum())
        if beyond > 0.01 * max(1, int(np.isfinite(values).sum())):
            raise InputError(
                f"NDVI goes from -1 to 1, but {self._source.where} holds {np.nanmax(np.abs(values)):.5g}: import it "
                "with 'Import product files', or set its scale (0.0001 for MODIS)."
            )
        return np.where(np.abs(values) > 1.01, np.nan, values) if beyond else values


def _elevation(dated: Dated, grid: Grid) -> tuple[Reader, Source] | None:
    if not dated:
        return None
    if len(dated) > 1:
        raise InputError(f"The elevation has {len(dated)} dates: give one layer.")
    source = next(iter(dated.values()))
    values = sample_values(source)
    if values.size and not (-600 <= float(values.min()) and float(values.max()) <= 9000):
        raise InputError(
            f"{source.at_start} is no elevation in metres: it holds {values.min():.5g} to {values.max():.5g}; check "
            "its unit and nodata value."
        )
    return OnGrid(source, grid), source
