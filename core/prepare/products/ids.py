"""Which products can be named: those with a recipe, and the two general choices."""

from __future__ import annotations

from pathlib import Path

from .options import AUTO, GENERIC

RECIPES = Path(__file__).resolve().parent / "recipes"
PRODUCTS = (AUTO, *sorted(path.stem for path in RECIPES.glob("*.json")), GENERIC)
