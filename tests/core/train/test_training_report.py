"""The page of a training run: what it says first, and that its numbers are those of the result."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from soilmoisture.core.model.form import CONTRASTS, VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.report import Report, Table, render_html, render_json
from soilmoisture.core.train import evaluation as ev
from soilmoisture.core.train.training import FormTrial, Importance, Training
from soilmoisture.core.train.training_report import training_report

NAN = float("nan")


def _training(share: float = 0.48, gain: float = 0.9, factors: int = 2, **changes: object) -> Training:
    names = [f"factor_{k}" for k in range(factors)]
    estimate = DetailGain(gain, 0.92, 0.07, share, 3)
    model = Model(
        learner="linear",
        title="Linear (ridge)",
        factors=tuple(Factor(name, "K", 270.0, 310.0, 290.0, 5.0) for name in names),
        target="soil_moisture",
        target_unit="m3/m3",
        target_range=(0.05, 0.41),
        form=Form(CONTRASTS, 3),
        trend=None,
        predictor=LinearPredictor(np.zeros(factors), 0.0),
        gain=estimate,
        facts={"seed": 7, "settings": {"penalty": None}, "versions": {"numpy": "1.24"}},
    )
    random = np.random.default_rng(0)
    on_blocks = ev.Score(ev.BLOCKS, model.title, 300, 0.52, 0.031, 0.73, -0.002, 0.44, 0.47, 0.004)
    training = Training(
        model=model,
        scores=[
            ev.Score(ev.RANDOM, model.title, 60, 0.71, 0.021, 0.84, 0.001, 0.66, 0.6, 0.0),
            on_blocks,
            ev.Score(ev.BLOCKS, "No factors (mean)", 300, -0.01, 0.045, 0.0, 0.0, 0.0, 0.0, 0.006),
        ],
        block_score=on_blocks,
        forms=[
            FormTrial(Form(VALUES), DetailGain(0.4, 0.4, 0.04, 0.2, 3), False),
            FormTrial(Form(CONTRASTS, 3), estimate, True),
        ],
        importance=[
            Importance(name, None if k else 1.0, (factors - k) / sum(range(1, factors + 1)), 0.01)
            for k, name in enumerate(names)
        ],
        samples=300,
        cells=150,
        periods=["2021-07", "2021-08"],
        block_edge=5,
        designs=["Random 80/20", "Spatial blocks: 6 blocks of 5 x 5 cells in 5 folds"],
        notes=["Factor 'depth' is constant (3) on the coarse grid and was left out."],
        observed=random.normal(0, 0.04, 300),
        predicted=random.normal(0, 0.03, 300),
        mean_residual=random.normal(0, 0.01, (10, 15)),
        grid=ease_grid(9, 200, 3000, 10, 15),
    )
    return dataclasses.replace(training, **changes)


def _first(report: Report) -> str:
    return report.verdict.splitlines()[0]


@pytest.mark.parametrize(
    ("share", "gain", "tone", "says"),
    [
        (0.48, 0.9, "good", "explains 48 % of the differences between neighbouring coarse cells"),
        (0.25, 0.9, "good", "the fine detail is worth adding."),
        (0.12, 0.4, "neutral", "expect a small gain over the smooth interpolation"),
        (0.03, 0.2, "bad", "explains only 3 %"),
        (0.0, 0.0, "bad", "explains nothing of the differences"),
        (-0.0, 0.0, "bad", "will equal the smooth interpolation of the coarse map"),
        (NAN, 0.0, "bad", "explains nothing"),
    ],
)
def test_the_verdict_is_the_share_of_unseen_differences_explained(
    share: float, gain: float, tone: str, says: str
) -> None:
    report = training_report(_training(share, gain))
    assert report.tone == tone
    assert says in _first(report)


def test_a_gain_of_0_is_not_called_worth_adding() -> None:
    report = training_report(_training(0.0, 0.0))
    assert "worth adding" not in report.verdict and "will take its detail" not in report.verdict
    assert "give the footprint" in report.verdict


def test_a_baseline_that_does_better_is_named_in_the_verdict() -> None:
    training = _training()
    assert "does better" not in training_report(training).verdict
    scores = [dataclasses.replace(one, r2=0.9) if "No factors" in one.model else one for one in training.scores]
    assert "'no factors (mean)' does better than this model: R² 0.90 against 0.52" in (
        training_report(dataclasses.replace(training, scores=scores)).verdict
    )


def test_few_blocks_are_called_rough() -> None:
    assert "rough" not in training_report(_training()).verdict
    assert "about 4 blocks of 6 × 6 cells: these figures are rough" in (
        training_report(_training(block_edge=6)).verdict
    )


def test_the_random_split_is_called_optimistic() -> None:
    report = training_report(_training())
    card = next(one for one in report.key_figures if "random" in one.label)
    assert card.value == "0.71" and "optimistic" in card.note
    table = next(b for s in report.sections for b in s.blocks if isinstance(b, Table) and "Validation" in b.columns)
    assert all("optimistic" in str(row[0]) for row in table.rows if row[2] == 60)


def test_data_are_the_numbers_of_the_result() -> None:
    training = _training()
    data = json.loads(render_json(training_report(training)))["data"]
    assert (data["share_explained"], data["detail_gain"], data["detail_gain_standard_error"]) == (0.48, 0.9, 0.07)
    assert (data["r2_blocks"], data["rmse_blocks"], data["r2_random"]) == (0.52, 0.031, 0.71)
    assert data["r2_periods"] is None
    assert (data["samples"], data["cells"], data["periods"]) == (300, 150, 2)
    assert data["scores"] == [one.as_dict() for one in training.scores]
    assert [one["chosen"] for one in data["forms"]] == [False, True]
    assert data["forms"][0]["share_explained"] == 0.2
    assert sum(one["permutation"] for one in data["importances"]) == pytest.approx(1.0)
    assert data["factors"][1]["maximum"] == 310.0


def test_block_scores_are_known_even_if_blocks_were_not_asked_for() -> None:
    data = training_report(_training(scores=[])).data
    assert (data["r2_blocks"], data["rmse_blocks"], data["r2_random"]) == (0.52, 0.031, None)


def test_nan_one_factor_and_one_period_survive() -> None:
    nothing = ev.Score(ev.BLOCKS, "Linear (ridge)", 0, *[NAN] * 7)
    training = _training(
        NAN,
        0.0,
        factors=1,
        scores=[nothing],
        block_score=nothing,
        importance=[Importance("factor_0", None, 0.0, -0.001)],
        periods=["undated"],
        observed=np.full(3, np.nan),
        predicted=np.full(3, np.nan),
        mean_residual=np.full((2, 2), np.nan),
        notes=[],
    )
    report = training_report(training)
    page = render_html(report)
    assert "1 factor;" in report.subtitle and ">nan<" not in page.lower()
    assert "Shuffling a factor never raises the error" in page
    assert json.loads(render_json(report))["data"]["r2_blocks"] is None
