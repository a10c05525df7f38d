"""Whether a model's detail can grow where the factors vary more than in training, as they do on a fine grid."""

from __future__ import annotations

from .boosted import BoostedPredictor
from .forest import ForestPredictor
from .model import Model
from .predictor import Predictor
from .stacked import StackedPredictor


def cannot_extrapolate(model: Model) -> bool:
    """Whether it is made of trees without a linear part: these are constant beyond the samples they were grown on."""
    return model.trend is None and _of_trees(model.predictor)


def _of_trees(predictor: Predictor) -> bool:
    if isinstance(predictor, StackedPredictor):
        return all(_of_trees(part) for part, weight in zip(predictor.parts, predictor.weights) if weight)
    return isinstance(predictor, (ForestPredictor, BoostedPredictor))
