"""Learners: one small file each, one line in the registry."""

from __future__ import annotations

from . import cart, lightgbm, linear, neural_network, random_forest, stacking, svr, xgboost
from .base import Learner

REGISTRY: dict[str, Learner] = {
    learner.id: learner
    for learner in (
        linear.LEARNER,
        random_forest.LEARNER,
        svr.LEARNER,
        cart.LEARNER,
        lightgbm.LEARNER,
        xgboost.LEARNER,
        neural_network.LEARNER,
        stacking.LEARNER,
    )
}

__all__ = ["REGISTRY", "Learner"]
