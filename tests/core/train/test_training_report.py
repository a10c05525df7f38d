"""The page of a training run: what it says first, and that its numbers are those of the result."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import CONTRASTS, VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.uncertainty import CONSTANT, HeldOut, Uncertainty
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.report import Report, Table, render_html, render_json
from soilmoisture.core.train import evaluation as ev
from soilmoisture.core.train.effects import Effect
from soilmoisture.core.train.scale_step import ScaleStep
from soilmoisture.core.train.training import FormTrial, Importance, Training
from soilmoisture.core.train.training_report import training_report
from soilmoisture.core.train.training_sections import flattered
from soilmoisture.core.train.trust import Trust
from soilmoisture.core.train.tuning import Trial, Tuning

NAN = float("nan")


def _score(design: str, model: str, share: float, r2: float) -> ev.Score:
    return ev.Score(
        design,
        model,
        n=60 if design == ev.RANDOM else 300,
        share_explained=share,
        share_spread=NAN if design == ev.RANDOM else 0.04,
        r2=r2,
        rmse=0.031,
        rmse_spread=NAN if design == ev.RANDOM else 0.004,
        r=0.7,
        bias=-0.002,
        r2_within_period=0.44,
        r2_within_cell=0.31,
        skill=0.4,
        share_of_contrasts=share,
    )


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
    on_blocks = _score(ev.BLOCKS, model.title, 0.48, 0.52)
    training = Training(
        model=model,
        scores=[
            _score(ev.RANDOM, model.title, 0.6, 0.71),
            on_blocks,
            _score(ev.BLOCKS, "No factors (mean)", 0.0, -0.01),
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


def test_scores_of_nothing_are_not_drawn() -> None:
    def drawn(training: Training) -> bool:
        return "Share explained per validation design and model" in render_html(training_report(training))

    training = _training()
    nothing = [dataclasses.replace(one, share_explained=1e-16) for one in training.scores]
    assert drawn(training) and not drawn(dataclasses.replace(training, scores=nothing))


def test_intervals_of_trees_without_a_linear_part_are_called_too_narrow() -> None:
    nothing = np.full(10, NAN)
    held = HeldOut(*np.random.default_rng(0).normal(size=(3, 40)), np.arange(40) % 4, np.ones((40, 1), np.float32))
    uncertainty = Uncertainty(CONSTANT, held)
    trust = Trust(None, uncertainty, nothing, [uncertainty.calibration(0.9, 0.8)])
    training = _training(factors=1, trust=trust)
    tree = ForestPredictor(
        np.array([0, 1]),
        np.array([-1], np.int32),
        np.zeros(1, np.float32),
        np.array([-1], np.int32),
        np.array([-1], np.int32),
        np.zeros(1),
        1,
    )
    line = LinearPredictor(np.zeros(1), 0.0)
    for predictor, trend, said in ((tree, None, True), (tree, line, False), (line, None, False)):
        model = dataclasses.replace(training.model, predictor=predictor, trend=trend)
        page = render_html(training_report(dataclasses.replace(training, model=model)))
        assert ("probably be too narrow" in page) == said


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
    assert ["optimistic" in str(row[0]) for row in table.rows] == [True, False, False]


def test_data_are_the_numbers_of_the_result() -> None:
    training = _training()
    data = json.loads(render_json(training_report(training)))["data"]
    assert (data["share_explained"], data["detail_gain"], data["detail_gain_standard_error"]) == (0.48, 0.9, 0.07)
    assert (data["r2_blocks"], data["rmse_blocks"], data["r2_random"]) == (0.52, 0.031, 0.71)
    assert data["r2_periods"] is None
    assert (data["samples"], data["cells"], data["periods"]) == (300, 150, 2)
    assert [one["share_explained"] for one in data["scores"]] == [0.6, 0.48, 0.0]
    assert data["scores"][1] == training.scores[1].as_dict()
    assert [one["chosen"] for one in data["forms"]] == [False, True]
    assert data["forms"][0]["share_explained"] == 0.2
    assert sum(one["permutation"] for one in data["importances"]) == pytest.approx(1.0)
    assert data["factors"][1]["maximum"] == 310.0


def test_block_scores_are_known_even_if_blocks_were_not_asked_for() -> None:
    data = training_report(_training(scores=[])).data
    assert (data["r2_blocks"], data["rmse_blocks"], data["r2_random"]) == (0.52, 0.031, None)


def test_nan_one_factor_and_one_period_survive() -> None:
    nothing = ev.Score(ev.BLOCKS, "Linear (ridge)", 0, *[NAN] * 11)
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


def test_what_a_random_split_flatters_is_explained_beside_the_scores() -> None:
    training = _training(static=["clay", "dem"])
    text = flattered(training)
    assert "0.71 and 0.52 for contrasts to 3\u00a0×\u00a03 cells" in text
    assert "neighbours of nearly every held-out cell and the same cell at other dates" in text
    assert "factors that never change (clay, dem) tell it which cell it is" in text
    pooled = [_score(ev.RANDOM, "Linear (ridge)", 0.1, 0.93), _score(ev.BLOCKS, "Linear (ridge)", 0.1, 0.61)]
    text = flattered(dataclasses.replace(training, pooled=pooled))
    assert "0.93 and 0.61 for plain values of all dates together" in text
    lower = [_score(ev.RANDOM, "Linear (ridge)", 0.5, 0.41), *training.scores[1:]]
    mixed = flattered(dataclasses.replace(training, scores=lower, pooled=pooled))
    assert "For plain values of all dates together, as papers report them the difference is no skill" in mixed
    assert "no skill" not in flattered(dataclasses.replace(training, scores=lower))
    alike = [_score(ev.RANDOM, "Linear (ridge)", 0.5, 0.53), *training.scores[1:]]
    assert "hardly flatters" in flattered(dataclasses.replace(training, scores=alike))
    assert flattered(dataclasses.replace(training, scores=training.scores[1:])) == ""
    assert text in render_html(training_report(dataclasses.replace(training, pooled=pooled))).replace("&#x27;", "'")


@pytest.mark.parametrize(("cells", "in_verdict"), [(8, False), (60, True)])
def test_the_scale_step_is_in_the_verdict_where_enough_cells_tell(cells: int, in_verdict: bool) -> None:
    step = ScaleStep(2, 18.0, cells, 200, 4, 800, 0.31, 0.64, 0.02, 0.015, DetailGain(1.0, 1.1, 0.1, 0.4, 2))
    report = training_report(_training(steps=[step], step_notes=["Scale step over 4 cells: not possible. Too small."]))
    said = "R inside the cells rises from 0.31 (smooth interpolation) to 0.64, and the error shrinks by 25\u00a0%"
    assert (said in report.verdict.replace(" %", "\u00a0%")) == in_verdict
    page = render_html(report)
    assert "18 to 9\u00a0km" in page and "Scale step over 4 cells: not possible." in page
    assert ("these figures are rough" in page) != in_verdict
    assert "The region is too small for this test. Too small." in render_html(
        training_report(_training(step_notes=["Scale step over 2 cells: not possible. Too small."]))
    )


def test_tuning_that_paid_and_that_did_not() -> None:
    trials = [Trial({"depth": 4}, 0.5), Trial({"depth": 8}, 0.4)]
    for after, said in ((0.5, "Choosing settings paid"), (0.41, "did not pay")):
        report = training_report(_training(tuning=Tuning(["depth"], [trials, trials], trials, 0.4, after)))
        assert said in render_html(report)
        assert report.data["tuning"]["chosen_in_folds"] == [{"depth": 4}] * 2
    kept = Tuning(["depth"], [trials[1:]] * 2, trials[1:], 0.4, 0.4)
    assert "The settings as given were kept" in render_html(training_report(_training(tuning=kept)))


def test_effects_are_drawn_with_their_partners() -> None:
    x = np.linspace(0, 1, 5)
    effect = Effect("factor_0", x, x - 0.5, np.stack([x, -x]), np.linspace(0, 1, 11), (0.1, 0.9))
    importance = [Importance("factor_0 + factor_1", None, 1.0, 0.01, 0.001, ("factor_0", "factor_1"))]
    page = render_html(training_report(_training(effects=[effect], importance=importance)))
    assert "factor_0 (alike: factor_1)" in page and "difference from the neighbourhood (K)" in page
