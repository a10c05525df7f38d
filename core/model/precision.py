"""The precision that models are applied in."""

from __future__ import annotations

from .predictor import Predictor
from .stacked import StackedPredictor
from .svr import SupportVectorPredictor


def in_double(predictor: Predictor) -> Predictor:
    """The same predictor, which takes double precision even where single precision is known to be good enough."""
    if isinstance(predictor, StackedPredictor):
        return StackedPredictor([in_double(part) for part in predictor.parts], predictor.weights, predictor.intercept)
    if isinstance(predictor, SupportVectorPredictor):
        own = (predictor.vectors, predictor.weights, predictor.intercept, predictor.gamma)
        return SupportVectorPredictor(*own, predictor.mean, predictor.scale, double=True)
    return predictor
