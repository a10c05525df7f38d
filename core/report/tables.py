"""Numbers as people read them, and tables as HTML and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DASH, MINUS = "–", "−"
# Dates and spans of dates must not break at their hyphens.
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2})?)?(/\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?)?")
ROWS_SHOWN = 200  # more belong in the CSV and JSON, not on a page


@dataclass
class Table:
    """Rows under named columns; cells are raw values (numbers, strings, dates, None), rounded only for the page.

    `digits` are the decimals of the numbers, one for all columns or one each; `highlight` is the row to emphasise.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    highlight: int | None = None
    notes: str = ""
    digits: int | Sequence[int] = 3


def fmt(x: Any, digits: int = 3, signed: bool = False) -> str:
    """Return a value for people: 1234 -> "1,234", -0.5 -> "−0.500" (a true minus), -0.0001 -> "0.000", NaN -> "–".

    `signed` puts a plus before positive numbers, for differences.
    """
    if signed:
        text = fmt(x, digits)
        return "+" + text if text[:1] in "0123456789∞" and any(c in "123456789∞" for c in text) else text
    if x is None or x is np.ma.masked:
        return DASH
    if isinstance(x, (bool, np.bool_)):
        return "yes" if x else "no"
    if isinstance(x, (int, np.integer)):
        return f"{int(x):,}".replace("-", MINUS)
    if isinstance(x, (float, np.floating)):
        return _fmt_float(float(x), digits)
    if isinstance(x, np.datetime64):
        return DASH if np.isnat(x) else str(x)
    if isinstance(x, dt.datetime):
        return x.isoformat(sep=" ", timespec="minutes")
    return x.isoformat() if isinstance(x, dt.date) else str(x)


def fmt_p(p: float, digits: int = 3) -> str:
    """Return a p-value: never "0.000" but "<0.001"."""
    smallest = 10.0**-digits
    return f"<{smallest:.{digits}f}" if 0 <= p < smallest else fmt(float(p), digits)


def table_html(table: Table, number: int = 0) -> str:
    """Return the table as HTML, numbers flush right; a very long one is cut with a note."""
    digits = _digits(table)
    numeric = [_is_numeric([_cell(row, j) for row in table.rows]) for j in range(len(table.columns))]
    head = "".join(_tag("th", str(c), numeric[j]) for j, c in enumerate(table.columns))
    body = []
    for i, row in enumerate(table.rows[:ROWS_SHOWN]):
        cells = "".join(_tag("td", fmt(_cell(row, j), digits[j]), numeric[j]) for j in range(len(table.columns)))
        body.append(f'<tr class="best">{cells}</tr>' if i == table.highlight else f"<tr>{cells}</tr>")
    caption = f"<b>Table {number}.</b> " if number else ""
    caption += html.escape(table.caption)
    notes = html.escape(table.notes)
    if len(table.rows) > ROWS_SHOWN:
        cut = f"The first {ROWS_SHOWN} of {len(table.rows):,} rows; the JSON file holds all of them."
        notes = f"{notes} {cut}" if notes else cut
    if not table.rows:
        body.append(f'<tr><td colspan="{max(1, len(table.columns))}">No rows.</td></tr>')
    return (
        '<div class="table">'
        + (f'<p class="caption">{caption}</p>' if caption else "")
        + f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(body)
        + "\n</tbody></table></div>"
        + (f'<p class="notes">{notes}</p>' if notes else "")
        + "</div>"
    )


def table_csv(table: Table) -> str:
    """Return the table as CSV with the full precision of its numbers; missing values are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_csv_cell(str(c)) for c in table.columns])
    for row in table.rows:
        writer.writerow([_csv_cell(_cell(row, j)) for j in range(len(table.columns))])
    return out.getvalue()


def jsonable(value: Any) -> Any:
    """Return `value` as what JSON knows: numpy as plain numbers and lists, NaN and infinity as None, keys sorted."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, np.ndarray):  # masked cells become None
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((jsonable(v) for v in value), key=str)
    if value is None or isinstance(value, str) or value is np.ma.masked:
        return None if value is np.ma.masked else value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.datetime64) and np.isnat(value):
        return None
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else str(value)


def _fmt_float(x: float, digits: int) -> str:
    if math.isnan(x):
        return DASH
    if math.isinf(x):
        return "∞" if x > 0 else MINUS + "∞"
    if abs(x) >= 1e15:
        return f"{x:.2e}".replace("-", MINUS)
    if abs(x) >= 1e4:  # nobody reads the thousandths of ten thousand
        digits = 0
    text = f"{abs(x):,.{digits}f}"
    return MINUS + text if x < 0 and any(c in "123456789" for c in text) else text


def _digits(table: Table) -> list[int]:
    if isinstance(table.digits, int):
        return [table.digits] * len(table.columns)
    return (list(table.digits) + [3] * len(table.columns))[: len(table.columns)]


def _cell(row: Sequence[Any], j: int) -> Any:
    return row[j] if j < len(row) else None


def _is_numeric(values: list[Any]) -> bool:
    """Whether a column reads as numbers: numbers, gaps, and strings such as "0.41 ± 0.02" or "<0.001"."""
    known = [v for v in values if v is not None and v != ""]
    return bool(known) and all(_reads_as_number(v) for v in known)


def _reads_as_number(value: Any) -> bool:
    if isinstance(value, str):
        text = value.strip()
        if text[4:5] == "-" and text[:4].isdigit():  # an ISO date
            return False
        return text in (DASH, "-") or (text[:1] in "<>+-−±0123456789" and not any(c.isalpha() for c in text))
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _tag(tag: str, text: str, numeric: bool) -> str:
    kind = ' class="num"' if numeric else ' class="date"' if _DATE.fullmatch(text) else ""
    return f"<{tag}{kind}>{html.escape(text)}</{tag}>"


def _csv_cell(value: Any) -> Any:
    value = jsonable(value)
    # A spreadsheet runs a text that starts like a formula; names of stations and layers come from other people.
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r") else value
