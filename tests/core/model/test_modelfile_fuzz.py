"""Model files from a hostile hand: a model that predicts, or one sentence; never a crash, a hang or much memory."""

from __future__ import annotations

import io
import json
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soilmoisture.core.errors import InputError
from soilmoisture.core.model import forest as forest_module
from soilmoisture.core.model.applicability import Applicability
from soilmoisture.core.model.boosted import BoostedPredictor
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.model.network import NetworkPredictor
from soilmoisture.core.model.quantiles import LeafValues
from soilmoisture.core.model.stacked import StackedPredictor
from soilmoisture.core.model.svr import SupportVectorPredictor
from soilmoisture.core.model.uncertainty import QUANTILES, HeldOut, Uncertainty

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
ASKED = np.concatenate([X, X * 1e6, X * 1e300])
MEMORY = 64 * 2**20
SOME = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _compiled_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code without bounds checks is the one to attack."""
    monkeypatch.setattr(forest_module, "_WORTH_COMPILING", 0)
    monkeypatch.setattr(forest_module, "_FEW", 0)


@cache
def members(kind: str) -> dict[str, bytes]:
    from sklearn.ensemble import RandomForestRegressor

    y = X[:, 0] + 0.1 * RNG.normal(size=60)
    grown = RandomForestRegressor(4, min_samples_leaf=4, random_state=0).fit(X, y)
    forest = ForestPredictor.from_trees([tree.tree_ for tree in grown.estimators_], 2)
    vectors = SupportVectorPredictor(X[:20], RNG.normal(size=20), 0.2, 0.5, np.zeros(2), np.ones(2))
    layers = [RNG.normal(size=(2, 2, 5)), RNG.normal(size=(2, 5, 1))]
    biases = [np.zeros((2, 5)), np.zeros((2, 1))]
    network = NetworkPredictor(layers, biases, np.zeros(2), np.ones(2), 0.2, 0.1)
    linear = LinearPredictor(np.array([0.1, -0.02]), 0.3)
    boosted = BoostedPredictor(forest, 0.1)
    predictors = {"forest": forest, "vectors": vectors, "network": network, "boosted": boosted}
    predictors["stack"] = StackedPredictor([linear, forest, vectors, boosted, network], np.full(5, 0.2), 0.0)
    fold = np.arange(60) // 20
    spread = np.sort(RNG.normal(size=(60, 16)), axis=1).astype(np.float32)
    held = HeldOut(y, y * 0.9, y * 0.1, fold.astype(np.int32), spread)
    model = Model(
        "randomforest",
        "A model",
        (Factor("ndvi", "", -3.0, 3.0, 0.0, 1.0), Factor("lst", "K", -3.0, 3.0, 0.0, 1.0)),
        "sm",
        "m3/m3",
        (0.0, 0.5),
        Form("contrasts", 5),
        linear,
        predictors[kind],
        DetailGain(0.7, 0.8, 0.1, 0.35, 3),
        facts={"class_maps": {"landcover": ["a", "b"]}},
        applicability=Applicability.from_training(X, fold, np.ones(2))[0],
        uncertainty=Uncertainty(QUANTILES, held, LeafValues.from_training(forest, X, y)) if kind == "forest" else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, Path(folder) / "m.smdl")
        with zipfile.ZipFile(Path(folder) / "m.smdl") as archive:
            return {name: archive.read(name) for name in archive.namelist()}


KINDS = ["forest", "vectors", "network", "boosted", "stack"]


def written(path: Path, content: dict[str, bytes], extra: tuple[tuple[str, bytes], ...] = ()) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in [*content.items(), *extra]:
            archive.writestr(name, data)
    return path


def survives(path: Path) -> str:
    """The sentence, or nothing where the file holds a model that predicts."""
    began = time.process_time()
    tracemalloc.start()
    try:
        model = load_model(path)
    except InputError as error:
        message = str(error)
        assert path.name in message and "\n" not in message and len(message) < 600, message
        return message
    else:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert model.predict(ASKED).shape == (len(ASKED),)
            if model.applicability is not None:
                assert model.applicability.index(ASKED).shape == (len(ASKED),)
            if model.uncertainty is not None and model.uncertainty.leaves is not None:
                calibration = model.uncertainty.calibration(0.9, model.gain.value)
                assert model.uncertainty.offsets(ASKED, None, calibration).shape == (len(ASKED), 3)
        return ""
    finally:
        assert tracemalloc.get_traced_memory()[1] < MEMORY
        tracemalloc.stop()
        assert time.process_time() - began < 10


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_unharmed_they_predict(kind: str, tmp_path: Path) -> None:
    assert survives(written(tmp_path / "m.smdl", members(kind))) == ""


@SOME
@given(
    kind=st.sampled_from(KINDS),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=12),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    doubled=st.one_of(st.none(), st.tuples(st.floats(0, 1), st.floats(0, 1))),
)
def test_bytes(kind: str, flips: Any, cut: Any, doubled: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "m.smdl", members(kind))
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[int(place * len(content))] ^= change
    if doubled:
        low, high = sorted(int(one * len(content)) for one in doubled)
        content[low:low] = content[low:high]
    if cut is not None:
        del content[int(cut * len(content)) :]
    path.write_bytes(content)
    survives(path)


WHOLE = st.sampled_from([-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 59, 60, 2**31 - 1, 2**31, 2**62, 2**63 - 1])
BROKEN = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e-45, 1e30, 1e38, 3.5e38, 1e150, 1e300, -1e300, np.nan, np.inf, -np.inf]
)
DTYPES = ["<f8", "<f4", "<i8", "<i4", "|u1", ">f8", "<f2", "<c16", "|b1", "<M8[s]", "|S3", "<U2"]


@st.composite
def edits(draw: Any, kind: str) -> tuple[str, bytes]:
    """A member and what it is replaced by: some of its numbers, its shape, its type, or all of it."""
    arrays = members(kind)
    name = draw(st.sampled_from(sorted(one for one in arrays if one.endswith(".npy"))))
    array = np.load(io.BytesIO(arrays[name]))
    how = draw(st.sampled_from(["numbers", "numbers", "numbers", "shape", "type", "header"]))
    if how == "numbers" and array.size:
        array = array.copy()
        for _ in range(draw(st.integers(1, 4))):
            place = draw(st.integers(0, array.size - 1))
            value = draw(BROKEN if array.dtype.kind == "f" else WHOLE)
            with np.errstate(all="ignore"):
                array.flat[place] = np.array([value]).astype(array.dtype)[0]
    elif how == "shape":
        shape = draw(st.lists(st.integers(0, 4), max_size=4))
        array = np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    elif how == "type":
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.zeros(array.shape, draw(st.sampled_from(DTYPES)))
    elif how == "header":
        shape = draw(st.lists(st.sampled_from([0, 1, 2, 60, 2**20, 2**31, 2**40, 2**62, -1]), min_size=1, max_size=3))
        text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n"
        data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + array.tobytes()
        return name, data
    return name, npy(array)


@settings(SOME, max_examples=120)
@given(data=st.data())
def test_arrays(data: Any, tmp_path: Path) -> None:
    """A file whose checksums are right, as an attacker would make it."""
    kind = data.draw(st.sampled_from(KINDS))
    content = dict(members(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        content.update([data.draw(edits(kind))])
    survives(written(tmp_path / "m.smdl", content))


VALUES = st.one_of(
    st.none(), st.booleans(), WHOLE, BROKEN.filter(np.isfinite), st.text(max_size=3), st.just([]), st.just({}),
    st.sampled_from(["trees", "linear", "stacked", "contrasts", "values", QUANTILES, "x" * 2000]),
)  # fmt: skip


@settings(SOME, max_examples=50)
@given(data=st.data())
def test_descriptions(data: Any, tmp_path: Path) -> None:
    content = dict(members(data.draw(st.sampled_from(KINDS))))
    document = json.loads(content["model.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        at = document
        while True:
            keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], (dict, list)) and data.draw(st.booleans()):
                at = at[key]
                continue
            if isinstance(at, dict) and data.draw(st.booleans()):
                del at[key]
            else:
                at[key] = data.draw(VALUES)
            break
    content["model.json"] = json.dumps(document).encode()
    survives(written(tmp_path / "m.smdl", content))


@pytest.mark.parametrize("kind", KINDS)
def test_two_entries_of_a_name_are_refused(kind: str, tmp_path: Path) -> None:
    content = members(kind)
    for name in content:
        assert "same name" in survives(written(tmp_path / "m.smdl", content, ((name, content[name]),)))


@given(
    parts=st.lists(st.sampled_from(["..", "/", "\\", "predictor", "C:", ".npy", "\0", "x", "é", "trend"]), max_size=7)
)
@settings(SOME, max_examples=30)
def test_names_lead_nowhere(parts: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    path = written(
        folder / "m.smdl",
        members("forest"),
        (("x" + "".join(parts) if parts[:1] == ["\0"] else "".join(parts) or "x", npy(np.zeros(3))),),
    )
    survives(path)
    assert [one.name for one in tmp_path.iterdir()] == ["in"] and [one.name for one in folder.iterdir()] == ["m.smdl"]


def test_starts_of_trees_whose_differences_overflow(tmp_path: Path) -> None:
    """Each is larger than the one before, as whole numbers of 64 bits go round."""
    content = dict(members("forest"))
    count = len(np.load(io.BytesIO(content["predictor/feature.npy"])))
    content["predictor/start.npy"] = npy(np.array([0, 2**63 - 1, -(2**63), -1, count]))
    assert "do not fit together" in survives(written(tmp_path / "m.smdl", content))


def test_a_layer_that_would_take_all_memory_is_refused(tmp_path: Path) -> None:
    content = dict(members("network"))
    wide = 2**20
    content["predictor/weights0.npy"] = npy(np.zeros((2, 2, wide), np.float32))
    content["predictor/biases0.npy"] = npy(np.zeros((2, wide), np.float32))
    content["predictor/weights1.npy"] = npy(np.zeros((2, wide, 1), np.float32))
    (tmp_path / "m.smdl").touch()
    with zipfile.ZipFile(tmp_path / "m.smdl", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match="do not fit together"):
        load_model(tmp_path / "m.smdl")
