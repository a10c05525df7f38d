"""Corrections by the value alone, against pytesmo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.calibrate import scaling

from .conftest import rows_of


@pytest.mark.parametrize(
    ("name", "fit"),
    [("linreg", scaling.linear), ("mean_std", scaling.mean_and_deviation), ("cdf_match", scaling.match_cdf)],
)
def test_as_pytesmo(golden: dict[str, Any], name: str, fit: Any) -> None:
    numbers = golden["scaling"]
    rows = rows_of(numbers["src"], numbers["ref"])
    np.testing.assert_allclose(fit(rows).predict(rows), numbers[name], atol=1e-9)


def test_cdf_of_values_with_ties_as_pytesmo(golden: dict[str, Any]) -> None:
    numbers = golden["scaling"]
    rows = rows_of(np.round(numbers["src"], 2), numbers["ref"])
    np.testing.assert_allclose(scaling.match_cdf(rows).predict(rows), numbers["cdf_ties"], atol=1e-9)


def test_a_falling_relation_keeps_its_sign() -> None:
    rows = rows_of([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    np.testing.assert_allclose(scaling.linear(rows).predict(rows), rows.y, atol=1e-12)


def test_the_mean_bias_alone_is_removed() -> None:
    rows = rows_of([0.1, 0.2, 0.3], [0.2, 0.25, 0.36])
    np.testing.assert_allclose(scaling.mean_bias(rows).predict(rows), np.array([0.1, 0.2, 0.3]) + 0.07)


@pytest.mark.parametrize("fit", [scaling.linear, scaling.mean_and_deviation, scaling.match_cdf])
def test_a_product_without_variation_is_shifted(fit: Any) -> None:
    rows = rows_of(np.full(50, 0.2), np.linspace(0.1, 0.2, 50))
    np.testing.assert_allclose(fit(rows).predict(rows), 0.15, atol=1e-9)


def test_a_curve_must_ascend() -> None:
    with pytest.raises(InputError, match="ascend"):
        scaling.Curve(np.array([0.1, 0.1]), np.array([0.1, 0.2]))
