"""Training forms against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES, Form, window_mean


@pytest.mark.parametrize("window", [1, 3, 5, 31])
@pytest.mark.parametrize("offset", [0.0, 300.0, 1e6])
@pytest.mark.parametrize("holes", [0.0, 0.5, 0.97])
def test_window_means_are_those_of_a_loop(window: int, offset: float, holes: float) -> None:
    rng = np.random.default_rng(window)
    field = rng.normal(0, 1, (17, 13)) + offset
    field[rng.random(field.shape) < holes] = np.nan
    half = window // 2
    expected = np.full(field.shape, np.nan)
    for i in range(17):
        for j in range(13):
            near = field[max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
            if np.isfinite(near).any():
                expected[i, j] = near[np.isfinite(near)].mean()
    found = window_mean(field, window)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-12)


def test_references() -> None:
    field = np.array([[1.0, np.nan, 4.0], [1.0, 2.0, np.inf]])
    assert (Form(VALUES).reference(field) == 0).all()
    assert Form(ANOMALIES).reference(field) == pytest.approx(np.full((2, 3), 2.0))
    np.testing.assert_array_equal(Form(CONTRASTS, 3).reference(field), window_mean(field, 3))
    empty = np.full((2, 2), np.nan)
    assert np.isnan(Form(ANOMALIES).reference(empty)).all() and np.isnan(Form(CONTRASTS).reference(empty)).all()


def test_labels() -> None:
    labels = [Form().label, Form(ANOMALIES).label, Form(CONTRASTS, 5).label]
    assert labels == ["values", "anomalies within each period", "contrasts to 5 x 5 cells"]


@pytest.mark.parametrize(("kind", "window"), [("Values", 3), ("", 3), (CONTRASTS, 1), (CONTRASTS, 4), (CONTRASTS, -3)])
def test_forms_that_are_none_are_refused(kind: str, window: int) -> None:
    with pytest.raises(InputError):
        Form(kind, window)
