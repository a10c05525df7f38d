"""Comparison, tuning and designs by `processing.run`: outputs, numbers, sentences for mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProcessingException, QgsProcessingParameterDefinition


@pytest.fixture(scope="module")
def compare(run: Any, provider: Any, grids: dict[str, Any]) -> Any:
    from soilmoisture.algorithms.train.compare_models import CompareModels

    added = provider.algorithm("comparemodels") is None
    if added:
        provider.addAlgorithm(CompareModels())
    yield lambda **parameters: run("comparemodels", **{"COARSE": grids["COARSE"], **parameters})
    if added:
        provider.refreshAlgorithms()


def test_the_best_of_the_learners_is_written(compare: Any, folder: Path) -> None:
    from soilmoisture.core.model.modelfile import load_model

    result = compare(
        LEARNERS=["linear", "cart"],
        VALIDATION=["blocks"],
        MODEL=str(folder / "best.smdl"),
        REPORT=str(folder / "compared.html"),
        METRICS=str(folder / "compared.json"),
    )
    data = json.loads(Path(result["METRICS"]).read_text())["data"]
    assert result["BEST"] == data["learners"][0]["learner"] == load_model(result["MODEL"]).learner
    assert result["SHARE_EXPLAINED"] == pytest.approx(max(one["share_explained"] for one in data["learners"]))
    assert "Taylor diagram" in Path(result["REPORT"]).read_text(encoding="utf-8")


def test_one_learner_cannot_be_compared(compare: Any, folder: Path) -> None:
    with pytest.raises((QgsProcessingException, ValueError), match="at least two learners"):
        compare(LEARNERS=["linear"], MODEL=str(folder / "none.smdl"))


def test_tuning_buffer_and_designs(run: Any, folder: Path, grids: dict[str, Any]) -> None:
    result = run(
        "traincart",
        COARSE=grids["COARSE"],
        MODEL=str(folder / "tuned.smdl"),
        METRICS=str(folder / "tuned.json"),
        REPORT=str(folder / "tuned.html"),
        TRAIN_ON="contrasts",
        TUNING=2,
        BUFFER=True,
        VALIDATION=["kfold", "blocks", "years", "seasons", "blocks_and_periods"],
    )
    data = json.loads(Path(result["METRICS"]).read_text())["data"]
    assert len(data["tuning"]["trials"]) == 3
    assert {one["design"] for one in data["scores"]} >= {"kfold", "blocks", "blocks_and_periods"}
    assert any(note.startswith("Leave years out: not possible") for note in data["notes"])
    assert "a buffer of 1 cell" in Path(result["REPORT"]).read_text(encoding="utf-8")


def test_no_training_algorithm_asks_too_much(provider: Any, compare: Any) -> None:
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    for algorithm in provider.algorithms():
        if algorithm.id().split(":")[1].startswith(("train", "compare")):
            plain = [one for one in algorithm.parameterDefinitions() if not one.flags() & advanced]
            assert len(plain) <= 12, algorithm.id()
            assert all(one.help() for one in algorithm.parameterDefinitions()), algorithm.id()
