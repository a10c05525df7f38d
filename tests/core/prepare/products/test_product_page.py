"""The page of known products is the one that the recipes give."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def test_the_page_of_products_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("product_table", ROOT / "scripts" / "product_table.py")
    assert spec and spec.loader
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run: python scripts/product_table.py"
