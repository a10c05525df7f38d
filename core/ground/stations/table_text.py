"""Text tables as people keep them: encoding, separator, lines above the header, units below it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...report.wording import plural
from .sources import BadStationFile

SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars", " ": "blanks"}
_SAMPLE = 60  # lines
_MOST_EXTRA = 3  # lines with units below the header
_MOST_LINES = 20  # in one quoted cell


@dataclass(frozen=True)
class TextTable:
    """Columns by position; `units` is what the lines below the header say of each column."""

    names: list[str]
    columns: list[list[str]]
    units: list[str]
    separator: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def read_table(data: bytes) -> TextTable:
    """The table in a file's bytes. Raises BadStationFile where there is none."""
    text, encoding = decode(data)
    lines = [line for line in text.splitlines()[:_SAMPLE] if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise BadStationFile("holds no table with a header and rows")
    separator, width = _separator(lines)
    rows = _rows(text, separator)
    # Loggers write a longer line about themselves above the header.
    wide = [i for i, row in enumerate(rows) if len(row) >= width]
    start = next((i for i in wide if len(rows[i]) == width), wide[0])
    names = [name.strip() for name in rows[start]]
    # Files joined to one repeat the header.
    body = [row for row in rows[start + 1 :] if any(cell.strip() for cell in row) and row != rows[start]]
    extra = 0
    while extra < min(_MOST_EXTRA, len(body)) and not any(_is_data(cell) for cell in body[extra]):
        extra += 1
    units = [" ".join(row[i].strip() for row in body[:extra] if i < len(row)) for i in range(len(names))]
    body = body[extra:]
    if not body:
        raise BadStationFile("holds a header but no rows")
    if all(_is_data(name) for name in names if name):
        raise BadStationFile("has no header: name its columns in the first line")
    short = sum(len(row) != len(names) for row in body)
    if short > len(body) / 2:
        raise BadStationFile(f"has {short} of {len(body)} rows with another number of columns than its header")
    # Rows that break off keep what they have; blanks count as missing.
    columns = [[row[i] if i < len(row) else "" for row in body] for i in range(len(names))]
    notes = []
    if start:
        notes.append(f"Passed over above the header: {plural(start, 'line')}.")
    if short:
        notes.append(f"With another number of columns than the header: {plural(short, 'row')}.")
    if encoding in ("cp1252", "utf-16"):
        notes.append(f"The text is read as {encoding}.")
    return TextTable(names, columns, units, SEPARATORS[separator], tuple(notes))


def decode(data: bytes) -> tuple[str, str]:
    """Text and its encoding: UTF-8, UTF-16 with or without its mark, else Windows Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace"), "utf-16"
    head = data[:4000]
    if head.count(0) > len(head) // 4:
        little = head[1::2].count(0) > head[0::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", errors="replace"), "utf-16"
    if head.count(0):
        raise BadStationFile("is not text: export it as CSV")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "cp1252"


def _separator(lines: Sequence[str]) -> tuple[str, int]:
    """The separator that parts most lines alike, and the columns it makes."""
    best, score = (",", 0), 0.0
    for separator in SEPARATORS:
        widths = Counter(len(row) for row in _rows("\n".join(lines), separator) if len(row) > 1)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        # Blanks part words of a name too, and commas the decimals: they must be clearly better.
        fit = count / len(lines) * {" ": 0.6, ",": 0.9}.get(separator, 1.0)
        if fit > score:
            best, score = (separator, width), fit
    if not score:
        raise BadStationFile("has no columns: part them by comma, semicolon or tab")
    return best


def _rows(text: str, separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        rows = [row for row in reader if row and not row[0].startswith("#")]
    except csv.Error as error:
        raise BadStationFile(f"is no table ({error})") from error
    if rows and rows[-1][-1].count("\n") > _MOST_LINES:
        line = text[: text.rfind(rows[-1][-1])].count("\n") + 1
        raise BadStationFile(f"has a quotation mark in line {line} that is never closed: correct that line")
    return rows


def _is_data(cell: str) -> bool:
    """Whether a cell is a number or begins like a date."""
    text = cell.strip()
    if re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", text):
        return True
    return re.fullmatch(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?", text) is not None
