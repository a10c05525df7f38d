"""Charts of effects and of models beside each other take what comes and say what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.report.comparison_charts import fold_boxes, taylor
from soilmoisture.core.report.effect_charts import EffectPanel, effects

NAN = float("nan")


def test_effects_show_every_panel_up_to_the_limit() -> None:
    x = np.linspace(0, 1, 9)
    panels = [EffectPanel(f"factor {k}", x, x**2, [x, -x], [0.2, 0.8], (0.1, 0.9), "value (K)") for k in range(8)]
    svg = effects(panels, "Effect (m³/m³)")
    assert all(f"factor {k}" in svg for k in range(6)) and "factor 6" not in svg and "Effect (m³/m³)" in svg


@pytest.mark.parametrize("panels", [[], [EffectPanel("a", [], [])], [EffectPanel("a", [1, 2], [NAN, NAN])]])
def test_effects_of_nothing_say_so(panels: list[EffectPanel]) -> None:
    assert "No valid values to show" in effects(panels)


def test_a_constant_factor_and_dollar_signs_are_drawn() -> None:
    assert "price $x$" in effects([EffectPanel("price $x$", [1.0, 1.0], [0.0, 0.0], limits=(1.0, 1.0))])


def test_taylor_names_models_and_truth() -> None:
    svg = taylor(["Forest", "Tree", "No skill"], [0.9, -0.2, NAN], [0.8, 1.4, 0.0], "true differences")
    assert "Forest" in svg and "Tree" in svg and "true differences" in svg and "No skill" not in svg
    assert "No valid values to show" in taylor(["a"], [NAN], [0.0]) and "No valid" in taylor([], [], [])


def test_boxes_of_folds() -> None:
    svg = fold_boxes(["Forest", "Tree", "None"], [[40.0, 41.0, 30.0], [12.0], [NAN]], "Share explained (%)")
    assert "Forest" in svg and "None" in svg and "Share explained (%)" in svg
    assert "No valid values to show" in fold_boxes(["a"], [[NAN]]) and "No valid" in fold_boxes([], [])
