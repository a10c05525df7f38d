"""Writes docs/products.md from the recipes, so that the page and the plugin never disagree."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "products.md"

INTRO = """# Products that 'Import product files' knows

Made from the recipes in `core/prepare/products/recipes` by `python scripts/product_table.py`; do not edit by hand.

`PRODUCT` takes the id, `VARIABLE` the names below (those in **bold** are taken where none is named), `QUALITY` is
`best`, `good` or `all`. "Checked on" says what a recipe was tried on: real files of the product, or files that were
made after its specification because no real one was at hand. A product that is not here is imported as `generic`, or
with a [recipe of your own](recipes.md).
"""


def page() -> str:
    """The text of the page."""
    from soilmoisture.core.prepare.products.registry import load_recipes

    return "\n".join([INTRO, *(_section(recipe) for recipe in load_recipes().values())])


def _section(recipe) -> str:
    lines = [f"## {recipe.title}", "", f"`{recipe.id}`. Checked on {recipe.checked}.", ""]
    lines += ["| variable | what it is | unit | quality rules |", "|---|---|---|---|"]
    for name, variable in recipe.variables.items():
        shown = f"**{name}**" if name in recipe.default else name
        title = variable.title + (
            f", {variable.depth}" if variable.depth and variable.depth not in variable.title else ""
        )
        rules = "; ".join(rule.name for rule in variable.quality) or "-"
        lines.append(f"| {shown} | {_cell(title)} | {_cell(variable.unit or 'class')} | {_cell(rules)} |")
    lines += ["", *(f"- {note}" for note in recipe.notes)]
    if recipe.sources:
        lines.append(f"- Described in: {'; '.join(recipe.sources)}")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _import_package() -> None:
    spec = importlib.util.spec_from_file_location(
        "soilmoisture", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["soilmoisture"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _import_package()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
