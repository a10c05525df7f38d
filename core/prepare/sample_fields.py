"""The ground of the sample region: terrain, soil, land cover and lakes, made of smooth random fields."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ..raster.grid import Grid

Field = NDArray[np.float64]

PAD = 16  # pixels around the region: rasters in degrees reach a little beyond it
WATER, FOREST, SAVANNA, SHRUB, GRASS, WETLAND, CROPS, TOWN, BARREN = 17, 3, 8, 7, 10, 11, 12, 13, 16
_POTENTIAL_VEGETATION = {
    FOREST: 0.82,
    SAVANNA: 0.68,
    SHRUB: 0.30,
    GRASS: 0.56,
    WETLAND: 0.70,
    CROPS: 0.62,
    TOWN: 0.22,
    BARREN: 0.13,
    WATER: 0.0,
}


@dataclass(frozen=True)
class Land:
    """What does not change in a year; `elevation` and `north` have `PAD` more pixels on each side than the grid."""

    elevation: Field  # m
    slope: Field  # degrees
    hollow: Field  # standard deviations: positive in valleys that gather water, negative on ridges
    clay: Field  # percent
    sand: Field  # percent
    cover: NDArray[np.uint8]  # IGBP codes
    water: NDArray[np.bool_]
    north: Field  # degrees of latitude from 47 N


class Noise:
    """Random fields; each name has its own stream, so that no field depends on how many were drawn before it."""

    def __init__(self, seed: int, width_km: float, height_km: float) -> None:
        self.seed, self._width, self._height = seed, width_km, height_km

    def on_cells(self, times: float) -> Noise:
        """The same streams for a grid whose cells are `times` as wide and high."""
        return Noise(self.seed, times * self._width, times * self._height)

    def generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def white(self, name: str, shape: tuple[int, ...]) -> Field:
        return self.generator(name).standard_normal(shape)

    def smooth(self, name: str, shape: tuple[int, ...], length: float, decay: float = 3.0) -> Field:
        """Mean 0, sd 1 over a wide area; amplitudes fall with wave number k as (1 + (k length)^2)^(-decay/2); km."""
        from scipy import fft

        # Filtering joins opposite edges, and a small window sees little of a long wave: draw more than is kept.
        rows, cols = (
            fft.next_fast_len(int(max(n + 3 * length / size, 8 * length / size)) + 4, real=True)
            for n, size in zip(shape, (self._height, self._width))
        )
        ky = 2 * np.pi * fft.fftfreq(rows, self._height)[:, None]
        kx = 2 * np.pi * fft.rfftfreq(cols, self._width)[None, :]
        amplitude = (1 + (kx**2 + ky**2) * length**2) ** (-decay / 2)
        field = fft.irfft2(fft.rfft2(self.white(name, (rows, cols))) * amplitude, (rows, cols))
        field = (field - field.mean()) / field.std()
        return field[: shape[0], : shape[1]]


def make_land(grid: Grid, ratio: int, noise: Noise) -> Land:
    """Mountains and larch in the north, steppe, sandy semi-desert in the south; `grid` is the fine one."""
    from scipy.ndimage import gaussian_filter

    shape = (grid.rows + 2 * PAD, grid.cols + 2 * PAD)
    north = np.repeat(_latitudes(grid)[:, None] - 47.0, shape[1], axis=1)
    broad, range_of = (noise.smooth(f"terrain {name}", shape, 60.0) for name in ("broad", "ranges"))
    mountains = 1 / (1 + np.exp(-(0.55 * north + 1.3 * range_of)))
    ridges = 1.2 - np.abs(noise.smooth("ridges", shape, 9.0, 2.6))
    rough = noise.smooth("rough", shape, 4.0, 2.4)
    elevation = (
        1420
        + 90 * north
        + 190 * broad
        + mountains * (400 * ridges + 130 * rough)
        + (1 - mountains) * (70 * ridges + 30 * rough)
    )
    elevation = np.maximum(elevation, 640 + 20 * rough)

    inner = (slice(PAD, -PAD), slice(PAD, -PAD))
    water = _lakes(gaussian_filter(elevation, 4)[inner], ratio, noise)
    level = gaussian_filter(elevation, 6)
    elevation[inner] = np.where(water, np.round(level[inner], -1), elevation[inner])
    width, height = grid.ground_cell_size()
    fall_y, fall_x = np.gradient(elevation, height, width)
    # A slope averaged over 1 km is steeper than the slope of the averages.
    slope = np.degrees(np.arctan(1.25 * np.hypot(fall_x, fall_y)))
    slope += (0.4 + 2.2 * mountains) * np.exp(0.4 * rough)
    near, far = (_standard(gaussian_filter(elevation, size) - elevation, mountains) for size in (3.0, 8.0))
    hollow = 0.6 * near + 0.5 * far
    north_facing = np.clip(fall_y / np.hypot(1e-3, np.hypot(fall_x, fall_y)), -1, 1)

    texture = noise.smooth("soil texture", shape, 5.0, 2.0)
    clay = 17 + 2.0 * north + 4.0 * noise.smooth("clay", shape, 40.0) + 2.6 * texture + 2.0 * hollow
    sand = 66 - 1.25 * (clay - 17) - 2.0 * north + 5.0 * noise.smooth("sand", shape, 6.0, 2.0)
    clay = np.clip(clay, 4, 48)
    sand = np.clip(sand, 8, 96 - clay)

    humid = (
        0.75 * north
        + (elevation - 1450) / 800
        + 0.3 * hollow
        + 0.5 * noise.smooth("cover broad", shape, 12.0)
        + 0.35 * noise.smooth("cover patches", shape, 2.5, 2.0)
    )
    cover = np.full(shape, GRASS)
    cover[humid < -1.0] = SHRUB
    cover[humid < -1.9] = BARREN
    cover[humid + 0.35 * north_facing > 1.15] = SAVANNA
    cover[humid + 0.45 * north_facing > 1.7] = FOREST
    lowland = (slope < 4) & (humid > -0.6)
    cover[lowland & (hollow > 1.6)] = WETLAND
    cover[lowland & (noise.smooth("crops", shape, 3.0) > 1.9)] = CROPS
    cover[(slope < 4) & (noise.smooth("towns", shape, 1.5) > 3.3)] = TOWN
    cover = cover[inner]
    cover[water] = WATER
    return Land(elevation, slope[inner], hollow[inner], clay[inner], sand[inner], cover.astype(np.uint8), water, north)


def geographic(reference: Grid) -> osr.CoordinateTransformation:
    """From WGS 84 longitude and latitude to the CRS of `reference`."""
    wgs84 = osr.SpatialReference()
    wgs84.ImportFromEPSG(4326)
    wgs84.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return osr.CoordinateTransformation(wgs84, reference.crs)


def potential_vegetation(cover: NDArray[np.uint8]) -> Field:
    """The greenness that the class would reach with all the water it wants, 0 to 1."""
    table = np.zeros(256)
    table[list(_POTENTIAL_VEGETATION)] = list(_POTENTIAL_VEGETATION.values())
    return table[cover]


def _latitudes(grid: Grid) -> Field:
    """Of the rows' centres with `PAD` more rows on both sides."""
    y = grid.transform[3] + grid.transform[5] * (np.arange(-PAD, grid.rows + PAD) + 0.5)
    back = geographic(grid).GetInverse()
    return np.array([back.TransformPoint(grid.transform[0], float(value))[1] for value in y])


def _lakes(surface: Field, ratio: int, noise: Noise) -> NDArray[np.bool_]:
    """One large lake per 300 coarse cells, around a cell's centre so that this cell is mostly water, and ponds."""
    rows, cols = surface.shape
    random = noise.generator("lakes")
    large = max(1, round(rows * cols / ratio**2 / 300))
    shore = 1 + 0.3 * noise.smooth("shore", surface.shape, 4.0)
    y, x = np.mgrid[:rows, :cols]
    water = np.zeros(surface.shape, bool)
    for number in range(4 * large):
        row = random.integers(1, rows // ratio - 1, 25) * ratio + ratio // 2
        col = random.integers(1, cols // ratio - 1, 25) * ratio + ratio // 2
        lowest = np.argmin(surface[row, col] + 1e4 * water[row, col])
        if number < large:
            reach = np.maximum(random.uniform(0.9, 1.7) * ratio * shore, 0.65 * ratio)
        else:
            reach = random.uniform(0.2, 0.5) * ratio * shore
        water |= np.hypot(y - row[lowest], x - col[lowest]) < reach
    return water


def _standard(field: Field, weight: Field) -> Field:
    """Scaled to sd 1, hills counted less where relief is weak anyway."""
    scaled = field / (60 + 150 * weight)
    return np.clip(scaled / scaled.std(), -3, 3)
