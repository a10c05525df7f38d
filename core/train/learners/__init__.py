"""Learners: one small file each, one line in the registry."""

from __future__ import annotations

from . import cart, linear, random_forest, svr
from .base import Learner

REGISTRY: dict[str, Learner] = {
    learner.id: learner
    for learner in (
        linear.LEARNER,
        random_forest.LEARNER,
        svr.LEARNER,
        cart.LEARNER,
    )
}

__all__ = ["REGISTRY", "Learner"]
