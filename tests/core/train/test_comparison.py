"""Learners compared on the same folds: the order, the paired intervals, the simpler one that is as good, the page."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import CONTRASTS, VALUES
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.progress import Progress
from soilmoisture.core.report import Figure, Table, render_html, render_json
from soilmoisture.core.train import learners
from soilmoisture.core.train.comparison import compare, simpler_than
from soilmoisture.core.train.comparison_report import comparison_report
from soilmoisture.core.train.designs import block_folds, block_of
from soilmoisture.core.train.result import Options
from soilmoisture.core.train.training import train

FEW = {"svr": {"most_samples": 300}, "randomforest": {"trees": 20}}
BLOCKS = Options("", validation=("blocks",))


def test_every_entry_is_what_training_alone_would_give(coarse_data):
    data = coarse_data(14, 16, 3, noise=0.02)
    found = compare(data, ["linear", "cart"], BLOCKS)
    for entry in found.entries:
        alone = train(data, dataclasses.replace(BLOCKS, learner=entry.learner.id))
        assert entry.choice.chosen == next(trial for trial in alone.forms if trial.chosen)
        np.testing.assert_array_equal(entry.choice.predicted, alone.predicted)
        assert entry.score.rmse == alone.block_score.rmse
    shares = [entry.share for entry in found.entries]
    assert shares == sorted(shares, reverse=True) and found.training.model.learner == found.entries[0].learner.id


def test_on_a_linear_relation_the_linear_model_wins_beyond_noise(coarse_data, tmp_path):
    found = compare(
        coarse_data(20, 20, 3, noise=0.005, season=0.0),
        ["cart", "linear"],
        dataclasses.replace(BLOCKS, linear_trend=False),
    )
    best, other = found.entries
    assert best.learner.id == "linear" and other.difference[1] > 0.05 and found.simpler is None
    assert best.r > other.r > 0 and best.difference == (0.0, 0.0, 0.0)
    save_model(found.training.model, tmp_path / "m.smdl")
    assert load_model(tmp_path / "m.smdl").learner == "linear"
    report = comparison_report(found)
    assert "Of 2 learners, Linear (ridge) explains the largest share" in report.verdict
    assert "is more than noise" in report.verdict and "as good" not in report.verdict


def test_a_simpler_learner_within_noise_is_named(coarse_data):
    found = compare(coarse_data(14, 14, 2, noise=0.03, seed=4), ["linear", "cart", "svr"], BLOCKS, FEW)
    by_name = {entry.learner.id: entry for entry in found.entries}
    for entry in found.entries[1:]:
        assert entry.difference[0] == pytest.approx(found.entries[0].share - entry.share)
        assert entry.difference[1] <= entry.difference[0] <= entry.difference[2]

    def ranked(*given):
        return [dataclasses.replace(by_name[name], difference=(0.01, low, 0.03)) for name, low in given]

    assert simpler_than(ranked(("svr", 0.0), ("cart", -0.01), ("linear", 0.005))).learner.id == "cart"
    assert simpler_than(ranked(("svr", 0.0), ("cart", -0.01), ("linear", -0.001))).learner.id == "linear"
    assert simpler_than(ranked(("svr", 0.0), ("cart", 0.001), ("linear", 0.005))) is None
    assert simpler_than(ranked(("linear", 0.0), ("cart", -0.01), ("svr", -0.01))) is None
    named = dataclasses.replace(found, simpler=found.entries[1])
    sentence = next(line for line in comparison_report(named).verdict.splitlines() if "is simpler and as good" in line)
    assert sentence.count("percentage points") == 1


def test_intervals_by_a_plain_loop(coarse_data):
    data = coarse_data(15, 15, 2, noise=0.02, season=0.0)
    found = compare(data, ["linear", "cart"], dataclasses.replace(BLOCKS, train_on=VALUES, linear_trend=False))
    best, other = found.entries
    samples, y = best.choice.samples, best.choice.samples.y
    edge = found.training.block_edge
    block = block_of(samples, edge)

    def contrast(values):
        result = np.empty(len(values))
        for n in range(len(values)):
            near = (
                (samples.period == samples.period[n])
                & (np.abs(samples.row - samples.row[n]) <= 1)
                & (np.abs(samples.col - samples.col[n]) <= 1)
            )
            result[n] = values[n] - values[near].mean()
        return result

    true = contrast(y)
    errors = [(true - one.choice.chosen.gain.value * contrast(one.choice.predicted)) ** 2 for one in found.entries]
    assert other.difference[0] == pytest.approx((errors[1] - errors[0]).sum() / (true**2).sum())
    numbers = sorted(set(block))
    rng, draws = np.random.default_rng(5), []
    for _ in range(2000):
        picked = rng.choice(numbers, len(numbers))
        gained = sum((errors[1] - errors[0])[block == b].sum() for b in picked)
        draws.append(gained / sum((true**2)[block == b].sum() for b in picked))
    wide = np.sqrt(len(numbers) / (len(numbers) - 1))
    wanted = other.difference[0] + wide * (np.quantile(draws, [0.025, 0.975]) - other.difference[0])
    np.testing.assert_allclose(other.difference[1:], wanted, atol=0.1 * (wanted[1] - wanted[0]))
    folds = block_folds(samples, edge, 0)
    for number, share in enumerate(best.fold_shares):
        rows = folds.fold == number
        assert share == pytest.approx(1 - errors[0][rows].sum() / (true[rows] ** 2).sum())


def test_the_page_and_its_numbers(coarse_data):
    found = compare(coarse_data(14, 16, 3, noise=0.02), ["linear", "cart"], Options(""), FEW)
    report = comparison_report(found)
    page = render_html(report)
    assert page.count("<svg") >= 6 and "Taylor diagram" in page and ">nan<" not in page.lower()
    data = json.loads(render_json(report))["data"]
    assert [one["learner"] for one in data["learners"]] == [one.learner.id for one in found.entries]
    assert data["share_explained"] == data["learners"][0]["share_explained"]
    assert all(one["fit_seconds"] >= 0 and one["pooled"]["r2"] < 1 for one in data["learners"])
    forms = next(b for s in report.sections for b in s.blocks if isinstance(b, Table) and "Values" in b.columns)
    assert len(forms.columns) == 5 and len(forms.rows) == 2


def test_tuning_is_part_of_the_comparison(coarse_data):
    found = compare(
        coarse_data(12, 12, 2, noise=0.02),
        ["linear", "cart"],
        dataclasses.replace(BLOCKS, train_on=CONTRASTS, tuning=2),
    )
    by_name = {entry.learner.id: entry for entry in found.entries}
    assert by_name["cart"].choice.tuning is not None and by_name["linear"].choice.tuning is None


def test_a_learner_that_cannot_run_is_left_out_and_named(coarse_data, monkeypatch):
    def missing(settings, seed, quick):
        raise InputError("The package is not installed: pip install it.")

    broken = dataclasses.replace(learners.REGISTRY["cart"], id="broken", title="Broken", build=missing)
    monkeypatch.setitem(learners.REGISTRY, "broken", broken)
    data = coarse_data(12, 12, 2, noise=0.02)
    found = compare(data, ["broken", "linear", "cart"], BLOCKS)
    assert {entry.learner.id for entry in found.entries} == {"linear", "cart"}
    assert found.notes == ["Broken was left out. The package is not installed: pip install it."]
    report = comparison_report(found)
    assert "Broken could not run and was left out" in report.verdict and found.notes[0] in render_html(report)
    with pytest.raises(InputError, match="at least two learners, and only Linear .*pip install"):
        compare(data, ["linear", "broken"], BLOCKS)


def test_a_learner_without_its_package_is_refused_before_anything_is_trained(coarse_data, monkeypatch):
    absent = dataclasses.replace(learners.REGISTRY["cart"], id="absent", title="Absent", package="no_such_package")
    monkeypatch.setitem(learners.REGISTRY, "absent", absent)
    monkeypatch.setattr("soilmoisture.core.train.comparison.ground", lambda *given: pytest.fail("training began"))
    with pytest.raises(InputError, match="only Linear .* is left. Absent was left out. no_such_package is not inst"):
        compare(coarse_data(8, 8, 2), ["linear", "absent"], BLOCKS)
    monkeypatch.setitem(learners.REGISTRY, "absent2", dataclasses.replace(absent, id="absent2"))
    with pytest.raises(InputError, match="none is left"):
        compare(coarse_data(8, 8, 2), ["absent", "absent2"], BLOCKS)


def test_a_page_without_skill_names_no_best_learner_and_draws_nothing_empty(coarse_data):
    found = compare(coarse_data(12, 12, 2, noise=0.02), ["linear", "cart"], BLOCKS)

    def without_skill(entry):
        gain = dataclasses.replace(entry.choice.chosen.gain, value=0.0, share_explained=0.0)
        choice = dataclasses.replace(entry.choice, chosen=dataclasses.replace(entry.choice.chosen, gain=gain))
        return dataclasses.replace(
            entry, choice=choice, fold_shares=[1e-12] * 5, difference=(0.0, -1e-12, 1e-12), r=float("nan"), deviation=0
        )

    blank = dataclasses.replace(found, entries=[without_skill(entry) for entry in found.entries], simpler=None)
    report, with_skill = comparison_report(blank), comparison_report(found)
    title = blank.entries[0].learner.title
    assert f"the model of {title} was written, the simplest of the 2" in report.verdict
    assert [one.label for one in report.key_figures][0] == "Model written"
    assert with_skill.key_figures[0].label == "Best learner"

    def drawn(one):
        return [block for block in one.sections[0].blocks if isinstance(block, Figure)]

    assert len(drawn(with_skill)) == 3 and not drawn(report)
    assert "nothing to draw" in render_html(report)


def test_what_the_taylor_diagram_shows_stands_beside_it(coarse_data):
    found = compare(coarse_data(12, 12, 2, noise=0.02), ["linear", "cart"], BLOCKS)
    table = next(
        block
        for block in comparison_report(found).sections[0].blocks
        if isinstance(block, Table) and "R" in block.columns
    )
    assert table.rows == [[entry.learner.title, entry.r, entry.deviation] for entry in found.entries]


def test_what_cannot_be_compared(coarse_data):
    data = coarse_data(8, 8, 2)
    with pytest.raises(InputError, match="at least two learners"):
        compare(data, ["linear", "linear"], BLOCKS)
    with pytest.raises(InputError, match="Unknown learner 'magic'"):
        compare(data, ["linear", "magic"], BLOCKS)
    with pytest.raises(InputError, match="Unknown validation design"):
        compare(data, ["linear", "cart"], Options("", validation=["bootstrap"]))
    data.target[:] = 0.2
    with pytest.raises(InputError, match="constant"):
        compare(data, ["linear", "cart"], BLOCKS)


def test_a_permuted_target_gives_every_learner_nothing(coarse_data):
    data = coarse_data(16, 16, 3, season=0.0)
    shuffled = np.random.default_rng(0).permutation(data.target.ravel()).reshape(data.target.shape)
    found = compare(dataclasses.replace(data, target=shuffled), ["linear", "cart"], BLOCKS)
    assert all(abs(entry.share) < 0.02 for entry in found.entries)


def test_it_can_be_stopped_and_progress_rises(coarse_data):
    class Recorder(Progress):
        def __init__(self, left=10**9):
            self.fractions, self.left = [], left

        def set(self, fraction, text=""):
            self.fractions.append(fraction)

        @property
        def cancelled(self):
            self.left -= 1
            return self.left < 0

    data, recorder = coarse_data(10, 10, 2, noise=0.02), Recorder()
    compare(data, ["linear", "cart"], BLOCKS, progress=recorder)
    assert min(np.diff(recorder.fractions)) > -1e-12 and recorder.fractions[-1] == 1.0
    for left in (0, 5, 40):
        with pytest.raises(Cancelled):
            compare(data, ["linear", "cart"], BLOCKS, progress=Recorder(left))
