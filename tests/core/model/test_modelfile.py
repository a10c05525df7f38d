"""Model files: what is saved comes back; whatever else is given gets one sentence that names the file."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import sys
import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.model.svr import SupportVectorPredictor

FACTORS = (Factor("ndvi", "", -0.1, 0.9, 0.4, 0.2), Factor("température de surface", "K", 270.0, 330.0, 300.0, 9.0))


def trees() -> ForestPredictor:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    forest = RandomForestRegressor(5, random_state=0).fit(x, x[:, 0] + rng.normal(size=200))
    return ForestPredictor.from_trees([tree.tree_ for tree in forest.estimators_], 2)


def vectors() -> SupportVectorPredictor:
    rng = np.random.default_rng(1)
    return SupportVectorPredictor(
        rng.normal(size=(40, 2)), rng.normal(size=40), 0.2, 0.5, np.array([0.4, 300.0]), np.array([0.2, 9.0])
    )


PREDICTORS = {"trees": trees, "vectors": vectors, "linear": lambda: LinearPredictor(np.array([0.1, -0.02]), 6.0)}


def model_of(kind: str = "linear", trend: bool = False, **changes: Any) -> Model:
    made = Model(
        learner="randomforest",
        title="Forest, August 2021",
        factors=FACTORS,
        target="sm_surface",
        target_unit="m3/m3",
        target_range=(0.02, 0.45),
        form=Form("contrasts", 5),
        trend=LinearPredictor(np.array([1.0, -2.0]), 0.5) if trend else None,
        predictor=PREDICTORS[kind](),
        gain=DetailGain(0.7, 0.8, 0.1, 0.35, 3),
        footprint_km=33.0,
        min_valid_share=0.6,
        facts={"periods": ("2021-08",), "seed": np.int64(3), "scores": {"r2": np.float64(0.7), "none": math.nan}},
    )
    return replace(made, **changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "forest.smdl"
    save_model(model_of("trees", True), path)
    return path


def rows(n: int = 300) -> Any:
    return np.random.default_rng(5).normal(size=(n, 2)) * [0.2, 9.0] + [0.4, 300.0]


def sentence(path: Path) -> str:
    """The message for a file that is no model: one sentence, with the file's name, quickly and without much memory."""
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert time.perf_counter() - started < 5.0
    message = str(caught.value)
    assert path.name in message and "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("kind", PREDICTORS)
def test_round_trip(tmp_path: Path, kind: str, trend: bool) -> None:
    model = model_of(kind, trend)
    save_model(model, tmp_path / "m.smdl")
    again = load_model(tmp_path / "m.smdl")
    np.testing.assert_array_equal(again.predict(rows()), model.predict(rows()))
    for name in ("learner", "title", "factors", "target", "target_unit", "target_range", "form", "gain"):
        assert getattr(again, name) == getattr(model, name), name
    assert (again.footprint_km, again.min_valid_share) == (33.0, 0.6)
    assert again.facts == {"periods": ["2021-08"], "seed": 3, "scores": {"r2": 0.7, "none": None}}
    assert os.listdir(tmp_path) == ["m.smdl"]


@pytest.mark.parametrize("kind", PREDICTORS)
def test_the_same_model_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        save_model(model_of(kind, True), tmp_path / name)
    save_model(load_model(tmp_path / "a"), tmp_path / "c")
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1] == contents[2]
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert {(info.date_time, info.create_system) for info in archive.infolist()} == {((2000, 1, 1, 0, 0, 0), 3)}


def test_a_gain_that_could_not_be_estimated_survives(tmp_path: Path) -> None:
    model = model_of(gain=DetailGain(0.0, math.nan, math.nan, math.nan, 3), footprint_km=None)
    save_model(model, tmp_path / "m.smdl")
    again = load_model(tmp_path / "m.smdl")
    assert math.isnan(again.gain.slope) and again.gain.value == 0.0 and again.footprint_km is None


def test_the_file_is_plain_json_and_arrays(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        document = json.loads(archive.read("model.json"))
        names = archive.namelist()
        value = np.load(io.BytesIO(archive.read("predictor/value.npy")), allow_pickle=False)
    assert document["format"] == 1 and document["predictor"] == "trees"
    assert names[0] == "model.json" and "trend/coefficients.npy" in names and value.dtype == np.float64


def test_rows_with_gaps_give_nan_and_change_no_neighbour() -> None:
    model, x = model_of("trees", True), rows(50)
    whole = model.predict(x)
    gappy = x.copy()
    gappy[3, 0], gappy[10, 1] = np.nan, np.inf
    found = model.predict(gappy)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 10]
    np.testing.assert_array_equal(np.delete(found, [3, 10]), np.delete(whole, [3, 10]))
    assert np.isnan(model.predict(np.full((2, 2), np.nan))).all() and model.predict(x[:0]).shape == (0,)


def test_trend_and_predictor_add_up() -> None:
    model, x = model_of("trees", True), rows(20)
    np.testing.assert_allclose(model.predict(x), model.predictor.predict(x) + x @ [1.0, -2.0] + 0.5)


def test_missing_factors_are_named() -> None:
    model = model_of()
    assert model.order(["slope", "température de surface", "ndvi"], "The stack") == ["ndvi", "température de surface"]
    with pytest.raises(
        InputError,
        match=r"^The stack lacks the model's factor 'ndvi'; it has température de surface\. Add it in .*without it\.$",
    ):
        model.order(["température de surface"], "The stack")
    with pytest.raises(InputError, match=r"factors 'ndvi', 'température de surface'; it has none\. Add them"):
        model.order([], "The stack")


def test_parts_that_expect_other_factors_are_refused() -> None:
    with pytest.raises(InputError, match="names 2 factors, but its parts expect 3"):
        model_of(trend=False, predictor=LinearPredictor(np.zeros(3), 0.0))


# ---- files that are no models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 50, b"PK\x05\x06" + bytes(18), b"\x00" * 4096])
def test_not_a_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.smdl"
    path.write_bytes(content)
    sentence(path)


def test_no_file_or_a_folder(tmp_path: Path) -> None:
    assert "does not exist" in sentence(tmp_path / "none.smdl")
    (tmp_path / "folder.smdl").mkdir()
    sentence(tmp_path / "folder.smdl")


def test_truncated_anywhere(saved: Path) -> None:
    content = saved.read_bytes()
    for part in range(20):
        saved.write_bytes(content[: len(content) * part // 20])
        sentence(saved)
    saved.write_bytes(content[:-1])
    sentence(saved)


def test_flipped_bytes(saved: Path) -> None:
    """A flip is either noticed or harmless: the same predictions. Never another exception."""
    content, x = saved.read_bytes(), rows(50)
    expected = load_model(saved).predict(x)
    rng = np.random.default_rng(42)
    noticed = 0
    # Most of the file is packed arrays; headers and the directory at the end get their share.
    places = np.concatenate([rng.integers(0, len(content), 250), len(content) - 1 - rng.integers(0, 1200, 250)])
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        saved.write_bytes(damaged)
        try:
            found = load_model(saved).predict(x)
        except InputError as error:
            noticed += 1
            assert saved.name in str(error) and "\n" not in str(error)
        else:
            np.testing.assert_array_equal(found, expected)
    assert noticed > 300


def rebuilt(path: Path, edit: dict[str, Any], compress: int = zipfile.ZIP_DEFLATED) -> Path:
    """The model file with members replaced (bytes, arrays, or a function of the JSON document) or dropped (None)."""
    with zipfile.ZipFile(path) as archive:
        members: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    for name, value in edit.items():
        if callable(value):
            document = json.loads(members[name])
            value = value(document) or document
            value = json.dumps(value).encode()
        if isinstance(value, np.ndarray):
            buffer = io.BytesIO()
            np.save(buffer, value, allow_pickle=True)
            value = buffer.getvalue()
        if value is None:
            members.pop(name)
        else:
            members[name] = value
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return path


def put(*keys: Any) -> Any:
    """A function that sets document[keys[0]]...[keys[-2]] = keys[-1]."""

    def edit(document: Any) -> None:
        for key in keys[:-2]:
            document = document[key]
        document[keys[-2]] = keys[-1]

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        put("format", 0),
        put("format", "1"),
        put("format", True),
        put("format", None),
        put("kind", "recipe"),
        put("predictor", "unheard of"),
        put("predictor", 5),
        put("predictor", "linear"),
        put("trend", "yes"),
        put("factors", []),
        put("factors", {}),
        put("factors", [None]),
        put("factors", 3),
        put("factors", 0, "name", "température de surface"),
        put("factors", 0, "name", "x" * 100_000),
        put("factors", 0, "mean", "0.4"),
        put("factors", 0, "mean", None),
        put("factors", 0, "mean", True),
        put("factors", 0, "minimum", 1e999),
        put("target", None),
        put("target", "range", [0.4]),
        put("target", "range", [0.4, 0.1]),
        put("target", "range", ["0.1", "0.4"]),
        put("form", "kind", "moods"),
        put("form", "window", 4),
        put("form", "window", 3.5),
        put("form", "window", 10**9 + 1),
        put("form", "window", "3"),
        put("gain", "value", 11),
        put("gain", "value", None),
        put("gain", "window", -1),
        put("footprint_km", 0),
        put("footprint_km", "33"),
        put("min_valid_share", 1.5),
        put("facts", []),
        put("title", None),
        lambda document: [document],
        lambda document: "text",
        lambda document: {"kind": "soil moisture model"},
    ],
)
def test_descriptions_that_make_no_sense(saved: Path, edit: Any) -> None:
    sentence(rebuilt(saved, {"model.json": edit}))


def test_a_newer_format_asks_for_an_update(saved: Path) -> None:
    assert "newer version" in sentence(rebuilt(saved, {"model.json": put("format", 2)}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"kind": "soil moisture model", "format": ' + b"9" * 1_000_000 + b"}",
        b'{"kind": "soil moisture model", "format": NaN}',
        b"null",
    ],
)
def test_descriptions_that_are_no_json(saved: Path, text: bytes) -> None:
    sentence(rebuilt(saved, {"model.json": text}))


class Trap:
    """Unpickled, it would leave a mark."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("trap-went-off",)


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)


@pytest.mark.parametrize(
    "array",
    [
        None,
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x02\x00" + bytes(100),
        np.array([[1.0, 2.0]]),
        np.array(1.0),
        np.array([], float),
        np.array([1.0]),
        np.array([1.0, np.nan]),
        np.array([1.0, 2.0], ">f8"),
        np.array([1.0, 2.0], np.complex128),
        np.array(["a", "b"]),
        np.array([1, 2], "datetime64[s]"),
        np.array([(1.0, 2.0)], [("a", float), ("b", float)]),
        np.ones((1, 1, 1, 2)),
        np.ones((2, 3), order="F"),
        np.array([Trap(), Trap()], object),
        pickle.dumps(Trap()),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1000000000000)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': ('2',)}"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"),
        header("{'descr': '<f8', 'fortran_order': False}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)"),
        header("('descr', __import__('os').mkdir('trap-went-off'))"),
        header("(" * 5000),
        header("\n  \t{\n 'descr"),
        header("'''"),
        header("x" * 60000),
    ],
)
def test_arrays_that_make_no_sense(saved: Path, tmp_path: Path, array: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rebuilt(saved, {"trend/coefficients.npy": array})
    tracemalloc.start()
    try:
        sentence(saved)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == ["forest.smdl"]


@pytest.mark.parametrize("name", ["start", "feature", "left", "right", "threshold", "value", "factors"])
def test_trees_with_an_array_missing_or_exchanged(saved: Path, name: str) -> None:
    whole = saved.read_bytes()
    sentence(rebuilt(saved, {f"predictor/{name}.npy": None}))
    saved.write_bytes(whole)
    sentence(rebuilt(saved, {f"predictor/{name}.npy": np.arange(5)}))


def test_cyclic_children(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        left = np.load(io.BytesIO(archive.read("predictor/left.npy")))
    left[np.flatnonzero(left > 0)[3]] = 0
    assert "nodes do not fit together" in sentence(rebuilt(saved, {"predictor/left.npy": left}))


@pytest.mark.parametrize("member", ["predictor/value.npy", "model.json", "notes.txt"])
def test_a_zip_bomb_is_not_unpacked(saved: Path, member: str) -> None:
    rebuilt(saved, {member: bytes(200 * 2**20)})
    assert saved.stat().st_size < 2**20
    tracemalloc.start()
    try:
        message = sentence(saved)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()
    assert "far more data" in message


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(saved: Path) -> None:
    """The directory claims 100 bytes for 200 MB."""
    rebuilt(saved, {"predictor/value.npy": bytes(200 * 2**20)})
    content = saved.read_bytes()
    saved.write_bytes(content.replace((200 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        sentence(saved)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_names_with_paths_write_nothing(saved: Path, tmp_path: Path) -> None:
    tricks = ["../outside.npy", "/tmp/outside.npy", "predictor/../../outside.npy", "C:\\outside.npy"]
    rebuilt(saved, dict.fromkeys(tricks, b"text"))
    try:
        load_model(saved)
    except InputError:
        pass
    assert os.listdir(tmp_path) == ["forest.smdl"] and not (tmp_path.parent / "outside.npy").exists()


def test_an_encrypted_member_or_another_method_is_a_sentence(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        content[place + offset] |= 1
    saved.write_bytes(content)
    sentence(saved)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(saved: Path) -> None:
    saved.chmod(0)
    assert "permissions" in sentence(saved)


def test_loading_a_large_model_takes_about_its_size(tmp_path: Path) -> None:
    """No copies upon copies: the peak stays below five times the arrays."""
    count = 300_000
    rng = np.random.default_rng(0)
    model = model_of(
        predictor=SupportVectorPredictor(
            rng.normal(size=(count, 2)), rng.normal(size=count), 0.0, 1.0, np.zeros(2), np.ones(2)
        )
    )
    save_model(model, tmp_path / "m.smdl")
    tracemalloc.start()
    try:
        load_model(tmp_path / "m.smdl")
        assert tracemalloc.get_traced_memory()[1] < 5 * 24 * count
    finally:
        tracemalloc.stop()
