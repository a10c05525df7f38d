"""Recipe files: mistakes are said one by one; files are recognised by name and by what they hold."""

from __future__ import annotations

import copy
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.container import BadFile, Container
from soilmoisture.core.prepare.products.decode import decode
from soilmoisture.core.prepare.products.quality import kept
from soilmoisture.core.prepare.products.recipe import Recipe
from soilmoisture.core.prepare.products.registry import detect, load_recipes, match, read_recipe
from soilmoisture.core.prepare.products.times import time_steps

OWN = {
    "id": "agency_soil_water",
    "title": "Soil water of the agency",
    "sources": ["Manual, version 2"],
    "checked": "three files",
    "notes": ["In percent of volume."],
    "version": "product_version",
    "merge": "first",
    "merge_dims": ["release"],
    "files": {
        "names": [r"^asw_(?P<date>\d{8})_v(?P<version>\d+)\.nc$"],
        "arrays": ["soil_water", "flags"],
        "attributes": {"project": "ASW"},
    },
    "grid": {"kind": "coordinates", "x": "lon", "y": "lat", "crs": "EPSG:4326"},
    "times": [{"kind": "name", "format": "%Y%m%d", "length": {"_v1": "day", "_v2": "dekad"}, "stamp": "end"}],
    "default": ["water"],
    "quality": {
        "frozen": {"name": "frozen soil", "array": "flags", "bits": [2, 3], "keep": {"best": [0], "good": [0, 1]}},
        "error": {
            "array": "sd",
            "keep": {"best": {"max": 5}},
            "scale": 0.5,
            "offset": 1,
            "fill": [255],
            "missing": True,
        },
    },
    "variables": {
        "water": {
            "title": "Soil water",
            "array": "soil_water|sw",
            "unit": "m3/m3",
            "scale": 0.01,
            "offset": 0,
            "factor": 2,
            "fill": [-1, 255],
            "valid": [0, 100],
            "stored_unit": ["%"],
            "depth": "0-5 cm",
            "select": {"level": 1},
            "quality": ["frozen", "error"],
            "note": "sampled",
        },
        "sd": {"array": "sd", "scale": None},
    },
}


def written(folder, content, name="own.json"):
    path = Path(folder) / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_every_key_reaches_the_recipe(tmp_path):
    recipe = read_recipe(written(tmp_path, OWN))
    water, sd = recipe.variables["water"], recipe.variables["sd"]
    assert (recipe.id, recipe.title, recipe.version, recipe.merge) == (
        "agency_soil_water",
        "Soil water of the agency",
        "product_version",
        "first",
    )
    assert recipe.merge_dims == ("release",) and recipe.default == ("water",) and recipe.checked == "three files"
    assert recipe.sources == ("Manual, version 2",) and recipe.notes == ("In percent of volume.",)
    assert recipe.files.names == tuple(OWN["files"]["names"]) and recipe.files.arrays == ("soil_water", "flags")
    assert dict(recipe.files.attributes) == {"project": "ASW"}
    assert (recipe.grid.kind, recipe.grid.x, recipe.grid.y, recipe.grid.crs) == (
        "coordinates",
        "lon",
        "lat",
        "EPSG:4326",
    )
    (rule,) = recipe.times
    assert (rule.kind, rule.format, rule.stamp) == ("name", "%Y%m%d", "end")
    assert dict(rule.length) == {"_v1": "day", "_v2": "dekad"}
    assert (water.name, water.title, water.array, water.unit) == ("water", "Soil water", "soil_water|sw", "m3/m3")
    assert (water.scale, water.offset, water.factor, water.fill) == (0.01, 0, 2, (-1, 255))
    assert (water.valid, water.stored_unit, water.depth) == ((0, 100), ("%",), "0-5 cm")
    assert dict(water.select) == {"level": 1} and water.note == "sampled"
    frozen, error = water.quality
    assert (frozen.name, frozen.array, frozen.bits, frozen.missing) == ("frozen soil", "flags", (2, 3), False)
    assert dict(frozen.keep) == {"best": (0,), "good": (0, 1)} and dict(error.keep) == {"best": {"max": 5}}
    assert (error.name, error.bits, error.scale, error.offset, error.fill, error.missing) == (
        "error",
        None,
        0.5,
        1,
        (255,),
        True,
    )
    assert (sd.title, sd.scale, sd.offset, sd.factor, sd.valid, sd.quality) == ("sd", None, None, 1, None, ())


def changed(path, value):
    """OWN with one value changed; deleted where `value` is None."""
    content = copy.deepcopy(OWN)
    *parents, last = path
    inside = content
    for key in parents:
        inside = inside[key]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return content


FROZEN, WATER, TIME = ("quality", "frozen"), ("variables", "water"), ("times", 0)
MISTAKES = [
    (("titel",), "X", r"'titel' is not a known key; known here are id, title"),
    (("title",), None, "'title' is missing"),
    (("variables",), None, "'variables' is missing"),
    (("variables",), {}, "'variables' names no variable"),
    (("id",), "Own product", "'id' must be lower-case letters"),
    (("title",), 5, "'title' must be a text in quotes, not 5"),
    (("merge",), "newest", "'merge' must be one of refuse, first, mean, not 'newest'"),
    (("default",), ["rain"], "'default' names 'rain', which is no variable; there are water, sd"),
    (("notes",), "text", "'notes' must be a list of texts"),
    (("files", "names"), ["asw_(?P<date>"], r"'files.names' holds .* which is no regular expression"),
    (("files", "names"), ["asw_(?P<day>.)"], "'files.names' has a group 'day'; known groups are product, date"),
    (("files",), {}, "'files.names' is missing, and so are arrays and attributes"),
    (("files", "attributes"), {"project": "("}, "'files.attributes.project' holds '\\(', which is no regular"),
    (("files", "folder"), "x", "'files.folder' is not a known key"),
    (("grid", "kind"), "sinusoidal", "'grid.kind' must be one of own, coordinates"),
    (("grid",), {"kind": "ease2 indices", "row": "r"}, "'grid.column' is missing: a grid of the kind 'ease2 indices'"),
    (("grid", "cell_km"), 10, "'grid.cell_km' must be 1, 3, 9, 25 or 36, not 10"),
    (("times",), [], "'times' must be a list of rules"),
    ((*TIME, "kind"), "clock", r"'times\[0\].kind' must be one of name, attributes, axis, static, not 'clock'"),
    ((*TIME, "length"), "week", r"'times\[0\].length' must be one of hour, .* not 'week'"),
    ((*TIME, "length"), "axis", r"'times\[0\].length' must be one of"),
    ((*TIME, "length"), {"(": "day"}, r"'times\[0\].length.\(' holds '\(', which is no regular expression"),
    ((*TIME, "length"), {"v1": 8}, r"'times\[0\].length.v1' must be a text"),
    ((*TIME, "stamp"), "middle", r"'times\[0\].stamp' must be one of start, centre, end"),
    ((*TIME, "format"), "%Y %B", r"'times\[0\].format' holds '%Y %B'; known are %Y"),
    ((*TIME, "axis"), 3, r"'times\[0\].axis' must be a text"),
    (("times",), [{"kind": "axis"}], r"'times\[0\].axis' is missing"),
    (("times",), ["static"], r"'times\[0\]' must be a mapping"),
    (("files", "names"), ["asw"], r"'times\[0\].kind' reads the group `date` of the file name"),
    ((*FROZEN, "bits"), [3, 2], "'quality.frozen.bits' must be two numbers, the lower one first"),
    ((*FROZEN, "bits"), [0, 40], "'quality.frozen.bits' must be whole numbers from 0"),
    ((*FROZEN, "keep"), {"good": [4]}, "'quality.frozen.keep.good' must list whole numbers from 0 to 3"),
    ((*FROZEN, "keep"), {"good": {"max": 1}}, "'quality.frozen.keep.good' must be a list of codes, since the rule"),
    ((*FROZEN, "keep"), {"fair": [0]}, "'quality.frozen.keep' must say what is kept for one or more of best, good"),
    ((*FROZEN, "keep"), {"good": []}, "'quality.frozen.keep.good' keeps nothing"),
    ((*FROZEN, "array"), None, "'quality.frozen.array' is missing"),
    (("quality", "error", "keep"), {"best": {"most": 5}}, "'quality.error.keep.best.most' is not a known key"),
    (("quality", "error", "missing"), 1, "'quality.error.missing' must be true or false"),
    (("quality", "error", "scale"), 0, "'quality.error.scale' must not be 0"),
    (("variables", "soil water"), {"array": "x"}, "'variables.soil water' must be letters, digits"),
    (("variables", "soil,water"), {"array": "x"}, "'variables.soil,water' must be letters, digits"),
    ((*WATER, "quality"), ["snow"], "'variables.water.quality' names 'snow', which is not defined; there are frozen"),
    ((*WATER, "fill"), ["none"], "'variables.water.fill' must be a list of numbers"),
    ((*WATER, "fill"), -9999, r"'variables.water.fill' must be a list of numbers such as \[-9999\], not -9999"),
    ((*WATER, "scale"), "0.01", "'variables.water.scale' must be a number"),
    ((*WATER, "scale"), True, "'variables.water.scale' must be a number, not true"),
    ((*WATER, "factor"), 0, "'variables.water.factor' must not be 0"),
    ((*WATER, "valid"), [100, 0], "'variables.water.valid' must be two numbers, the lower one first"),
    ((*WATER, "select"), {"level": -1}, "'variables.water.select.level' must be a whole number from 0"),
    ((*WATER, "array"), None, "'variables.water.array' is missing"),
    ((*WATER, "colour"), "blue", "'variables.water.colour' is not a known key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "why"), MISTAKES, ids=[f"{'.'.join(map(str, m[0]))}={m[1]}"[:60] for m in MISTAKES]
)
def test_every_mistake_is_named_with_file_and_key(tmp_path, path, value, why):
    with pytest.raises(InputError, match=f"^The recipe own.json: {why}"):
        read_recipe(written(tmp_path, changed(path, value)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"id": "a",}', "not valid JSON: line 1, column 12"),
        ('{"id": "a", "id": "b"}', "the key 'id' is written twice"),
        ("[]", "its content must be a mapping in braces"),
        ('{"id": NaN}', "'title' is missing"),
        ("[" * 100_000, "is not valid"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, text, why):
    with pytest.raises(InputError, match=why):
        read_recipe(written(tmp_path, text))


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "own.json"
    path.write_bytes(b"\xff\xfe\x00\x81" * 10)
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        read_recipe(path)
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_recipe(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "absent.json")


def test_own_recipes_come_after_the_built_in_ones(tmp_path):
    written(tmp_path, OWN)
    alone = written(tmp_path, OWN | {"id": "another"}, "another.txt")
    built_in, all_recipes = list(load_recipes()), list(load_recipes([tmp_path, alone]))
    assert built_in and all_recipes == [*built_in, "agency_soil_water", "another"]
    assert list(load_recipes()) == built_in, "own recipes do not stay"


def test_own_recipes_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="There is no recipe in"):
        load_recipes([tmp_path / "absent"])
    with pytest.raises(InputError, match="There is no recipe in"):
        load_recipes([tmp_path])
    written(tmp_path, OWN | {"id": next(iter(load_recipes()))})
    with pytest.raises(InputError, match=r"own.json: its id '\w+' is taken already"):
        load_recipes([tmp_path])


class File:
    """What the registry sees of a file."""

    def __init__(self, name, *arrays, format="netCDF", **attributes):
        self.path, self.name, self.format = f"/data/{name}", name, format
        self.arrays = dict.fromkeys(arrays)
        self.attributes = attributes

    def find(self, pattern):
        for one in pattern.split("|"):
            for name in self.arrays:
                if fnmatchcase(name, one) or fnmatchcase(name.rsplit("/", 1)[-1], one):
                    return name
        return None


def simple(tmp_path, name, names=(), arrays=(), **attributes) -> Recipe:
    files = {"names": list(names), "arrays": list(arrays), "attributes": attributes}
    content = {"id": name, "title": name.title(), "files": files, "times": [{"kind": "static"}]}
    return read_recipe(written(tmp_path, content | {"variables": {"v": {"array": "v"}}}, f"{name}.json"))


@pytest.fixture
def recipes(tmp_path):
    made = [
        simple(
            tmp_path, "lst", [r"^(?P<product>M[OY]D11\w\d)\.A(?P<date>\d{7})(\.(?P<array>\w+)\.tif)?"], ["LST_*", "QC"]
        ),
        simple(tmp_path, "vegetation", [r"^(?P<product>M[OY]D13\w\d)"], ["*NDVI"]),
        simple(tmp_path, "reanalysis", [], ["swvl1"], Centre="^ecmf$"),
        simple(tmp_path, "terrain", [r"^dem_"]),
    ]
    return {one.id: one for one in made}


def test_recognised_by_name_and_content(recipes):
    found, groups = detect(File("mod11a2.A2016145.hdf", "grid/LST_Day", "grid/QC"), recipes)
    assert found.id == "lst" and groups == {"product": "mod11a2", "date": "2016145"}


def test_recognised_by_content_alone(recipes):
    found, groups = detect(File("download(3).nc", "swvl1", "lat", Centre="ecmf"), recipes)
    assert found.id == "reanalysis" and groups == {}
    with pytest.raises(BadFile, match="was not recognised as any known product: choose the product, or 'generic'"):
        detect(File("download(3).nc", "swvl1", "lat", Centre="ncep"), recipes)
    with pytest.raises(BadFile, match="not recognised"):
        detect(File("download(3).nc", "swvl1"), recipes)


def test_one_file_of_a_granule_shows_its_array_in_its_name(recipes):
    found, groups = detect(File("MOD11A2.A2016145.QC.tif", "band_1"), recipes)
    assert found.id == "lst" and groups["array"] == "QC"


def test_mislabelled_granule_names_both(recipes):
    with pytest.raises(
        BadFile,
        match=r"^MOD11A2.A2016145.hdf: its name says Lst, but it has no array LST_\*; what it holds is Vegetation",
    ):
        detect(File("MOD11A2.A2016145.hdf", "grid/NDVI", format="HDF4"), recipes)
    with pytest.raises(BadFile, match="its name says Lst, but inside it says MYD11A2"):
        detect(File("MOD11A2.A2016145.hdf", "LST_Day", "QC", SHORTNAME="MYD11A2"), recipes)


def test_several_products_fit(recipes, tmp_path):
    recipes["other"] = simple(tmp_path, "other", ["^dem_"])
    with pytest.raises(BadFile, match="it fits Terrain and Other: choose the product"):
        detect(File("dem_1.tif", "band_1", format="GTiff"), recipes)
    recipes["bands"] = simple(tmp_path, "bands", ["^dem_"], ["VV"])
    del recipes["other"], recipes["terrain"]
    recipes["linear"] = simple(tmp_path, "linear", ["^dem_"], ["Sigma0_VV"])
    assert detect(File("dem_1.tif", "Sigma0_VV", format="GTiff"), recipes)[0].id == "linear"


def test_own_recipe_of_a_known_product_is_taken(tmp_path):
    own = simple(tmp_path, "mine", [r"^chirps-v2"])
    recipes = load_recipes([tmp_path])
    assert detect(File("chirps-v2.0.2010.06.tif", "band_1", format="GTiff"), recipes)[0].id == own.id


def test_chosen_product_is_held_against_the_file(recipes):
    lst = recipes["lst"]
    assert match(File("MOD11A1.A2016145.hdf", "LST_Day", "QC"), lst) == {"product": "MOD11A1", "date": "2016145"}
    assert match(File("renamed.hdf", "LST_Day", "QC"), lst) == {}
    with pytest.raises(BadFile, match=r"x.tif: it does not look like Terrain: neither its name nor"):
        match(File("x.tif", "band_1", format="GTiff"), recipes["terrain"])
    with pytest.raises(BadFile, match=r"it looks like MODIS vegetation.*, not Lst \(it has no array LST_\*\)"):
        match(File("MOD13A2.A2016145.h18v04.006.2016166145124.hdf", "1 km 16 days NDVI", format="HDF4"), lst)


def test_the_example_of_the_guide_works(tmp_path):
    text = (Path(__file__).parents[4] / "docs" / "recipes.md").read_text(encoding="utf-8")
    written(tmp_path, re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    with netCDF4.Dataset(tmp_path / "ASW_20210811_v2.nc", "w") as file:
        for name, centres in (("lat", [47.5, 46.5]), ("lon", [100.5, 101.5, 102.5])):
            file.createDimension(name, len(centres))
            file.createVariable(name, "f8", name)[:] = centres
        for name, scale, values in (
            ("soil_water", 0.5, [[40, 60, 255], [0, 200, 201]]),
            ("flags", None, [[0, 1, 0], [0, 6, 0]]),
            ("sd", 0.1, [[10, 10, 10], [255, 10, 10]]),
        ):
            one = file.createVariable(name, "u1", ("lat", "lon"))
            one.setncatts({"units": "%"} | ({"scale_factor": scale} if scale else {}))
            one.set_auto_maskandscale(False)
            one[:] = values
    with Container.open(tmp_path / "ASW_20210811_v2.nc") as container:
        recipe, groups = detect(container, load_recipes([tmp_path]))
        variable = recipe.variables["soil_moisture"]
        array = container.find(variable.array)
        (step,) = time_steps(container, container.arrays[array], recipe, groups, variable)
        values = decode(container.read(array), container.arrays[array], variable)
        frozen, error = (
            {strictness: kept(rule, strictness, container.read(rule.array)) for strictness in ("best", "good", "all")}
            for rule in variable.quality
        )
    assert step.period.label == "2021-08-11/2021-08-21" and groups["version"] == "2"
    np.testing.assert_allclose(values, [[0.2, 0.3, np.nan], [0, 1, np.nan]], rtol=1e-6)
    assert frozen["good"].tolist() == [[True] * 3, [True, False, True]] and frozen["all"] is None
    assert frozen["best"].tolist() == [[True, False, True], [True, False, True]]
    assert error["good"] is None and error["best"].tolist() == [[True] * 3, [False, True, True]]


REAL = {
    "cgls_1km/*SSM1km*.nc": "cgls_surface_soil_moisture",
    "cgls_1km/*SWI1km*.nc": "cgls_soil_water",
    "era5_land/*.nc": "era5_land",
    "esa_cci_sm/*.nc": "esa_cci",
    "gldas/*.nc4": "gldas",
    "modis/MOD11B2*.hdf": "modis_lst",
    "modis/MOD13A2*.hdf": "modis_vegetation",
    "mod13q1_qa/*NDVI.tif": "modis_vegetation",
    "smap/*.h5": "smap_l2",
    "terrain/chirps*.tif": "chirps",
}


@pytest.mark.parametrize(("pattern", "name"), REAL.items())
def test_real_files_are_recognised(shared_data, pattern, name):
    paths = sorted((shared_data / "native_products").glob(pattern))
    assert paths
    for path in paths:
        with Container.open(path) as container:
            assert detect(container, load_recipes())[0].id == name


def test_built_in_recipes_are_complete():
    for recipe in load_recipes().values():
        assert recipe.title and recipe.sources and recipe.checked, f"{recipe.id} does not say where it comes from"
        for variable in recipe.variables.values():
            assert variable.title != variable.name, f"{recipe.id}: {variable.name} has no title"
            assert re.fullmatch(r"[a-z][a-z0-9_]*", variable.name)
