"""The report of a run: one page for people (HTML), the same numbers for programs (JSON) and spreadsheets (CSV).

A page answers in this order: the verdict, the key figures, sections with figures and tables that explain
themselves, and at the end the details (inputs, settings, versions) with which the run can be repeated.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Union

from ..atomic import whole_file
from .canvas import AMBER, BLUE, GREEN
from .style import CSS
from .tables import Table, jsonable, table_csv, table_html


@dataclass
class KeyFigure:
    """One number of the row below the verdict, already formatted; `note` says what it is compared with."""

    label: str
    value: str
    note: str = ""


@dataclass
class Text:
    """Paragraphs, parted by blank lines; lines that start with "- " make a list."""

    text: str


@dataclass
class Figure:
    """A chart (see charts.py), a caption that says how to read it, and a short text for those who cannot see it."""

    svg: str
    caption: str
    alt: str = ""


Block = Union[Text, Figure, Table]
_CONTENT_WIDTH = 880.0  # px between the margins of the page


@dataclass
class Section:
    heading: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass
class Report:
    """What a run has to say. `tone` is "good", "neutral" or "bad"; `data` are the metrics of the JSON file.

    The first line of `verdict` is its sentence; further lines are set smaller. `main_table` is the one for
    the CSV file; without it the first table of the sections is taken.
    """

    title: str
    subtitle: str = ""
    verdict: str = ""
    tone: str = "neutral"
    key_figures: Sequence[KeyFigure] = field(default_factory=list)
    sections: Sequence[Section] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    main_table: Table | None = None
    date: str = field(default_factory=lambda: dt.date.today().isoformat())
    version: str = ""  # of the plugin; empty: read from its metadata.txt


def write_report(
    report: Report,
    html_path: str | Path | None = None,
    json_path: str | Path | None = None,
    csv_path: str | Path | None = None,
) -> None:
    """Write the report in the forms that a path is given for: all of them whole, or none.

    The CSV is UTF-8 with a byte order mark, so that spreadsheets read "m³" right. Raises InputError when a
    folder cannot be written to.
    """
    contents: list[tuple[str | Path, bytes]] = []
    if html_path:
        contents.append((html_path, render_html(report).encode("utf-8")))
    if json_path:
        contents.append((json_path, render_json(report).encode("utf-8")))
    if csv_path:
        contents.append((csv_path, _render_csv(report).encode("utf-8-sig")))
    with ExitStack() as files:
        for path, content in contents:
            files.enter_context(whole_file(path)).write_bytes(content)


def render_html(report: Report) -> str:
    """Return the whole page: no network, no script, the same bytes for the same report."""
    parts = [_head(report), _verdict(report), _cards(report.key_figures)]
    numbers = {"figure": 0, "table": 0}
    for section in report.sections:
        parts.append(f'<div class="section"><h2>{html.escape(section.heading)}</h2>')
        parts += [_block(block, numbers) for block in section.blocks]
        parts.append("</div>")
    parts += [_details(report.details), _footer(report), "</div>\n</body>\n</html>\n"]
    return "\n".join(part for part in parts if part)


def render_json(report: Report) -> str:
    """Return the JSON: verdict, key figures, `data`, and the tables with raw numbers; NaN becomes null."""
    tables = [block for section in report.sections for block in section.blocks if isinstance(block, Table)]
    if report.main_table is not None and not any(table is report.main_table for table in tables):
        tables.insert(0, report.main_table)
    content = {
        "title": report.title,
        "subtitle": report.subtitle,
        "verdict": report.verdict,
        "tone": report.tone,
        "key_figures": [{"label": k.label, "value": k.value, "note": k.note} for k in report.key_figures],
        "data": jsonable(report.data),
        "tables": [
            {"caption": t.caption, "columns": [str(c) for c in t.columns], "rows": jsonable(t.rows)} for t in tables
        ],
        "details": {str(name): jsonable(value) for name, value in report.details.items()},
        "date": report.date,
        "version": report.version or _plugin_version(),
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _head(report: Report) -> str:
    shape = "M5.5 0C5.5 0 0 6 0 9a5.5 5 0 0 0 11 0C11 6 5.5 0 5.5 0z"
    drop = f'<svg viewBox="0 0 11 14"><path d="{shape}" fill="{BLUE}"/></svg>'
    subtitle = f'<p class="subtitle">{html.escape(report.subtitle)}</p>' if report.subtitle else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(report.title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<div class="page">\n<p class="eyebrow">{drop}Soil Moisture Downscaling</p>\n'
        f"<h1>{html.escape(report.title)}</h1>\n{subtitle}"
    )


def _verdict(report: Report) -> str:
    if not report.verdict.strip():
        return ""
    tone = report.tone if report.tone in ("good", "bad") else "neutral"
    colour, stroke = {
        "good": (GREEN, "M8 14.5l4 4 8-9"),
        "bad": (AMBER, "M14 7v9M14 20.2v.3"),
        "neutral": (BLUE, "M14 13v8M14 8v.3"),
    }[tone]
    mark = (
        '<svg width="28" height="28" viewBox="0 0 28 28">'
        f'<circle cx="14" cy="14" r="14" fill="{colour}"/><path d="{stroke}" '
        'fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in report.verdict.splitlines() if line.strip())
    row = f'<tr><td class="mark">{mark}</td><td>{lines}</td></tr>'
    return f'<div class="verdict {tone}"><table>{row}</table></div>'


def _cards(figures: Sequence[KeyFigure]) -> str:
    """Rows of at most five cards, evenly filled; a table, for want of anything newer in QtWebKit."""
    if not figures:
        return ""
    rows = -(-len(figures) // 5)
    per_row = -(-len(figures) // rows)
    tables = []
    for start in range(0, rows * per_row, per_row):
        cards = [
            f'<td><span class="value">{html.escape(k.value)}</span>'
            f'<span class="label">{html.escape(k.label)}</span>'
            f'<span class="note">{html.escape(k.note)}</span></td>'
            for k in figures[start : start + per_row]
        ]
        cards += ['<td style="border: 0"></td>'] * (per_row - len(cards))
        tables.append('<table class="cards"><tr>' + '<td class="gap"></td>'.join(cards) + "</tr></table>")
    return "\n".join(tables)


def _block(block: Block, numbers: dict[str, int]) -> str:
    if isinstance(block, Text):
        return f'<div class="text">{_paragraphs(block.text)}</div>'
    if isinstance(block, Table):
        numbers["table"] += 1
        return table_html(block, numbers["table"])
    numbers["figure"] += 1
    number = numbers["figure"]
    size = re.search(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"', block.svg)
    width, height = (float(size.group(1)), float(size.group(2))) if size else (_CONTENT_WIDTH, 400.0)
    described = f'<svg role="img" aria-label="{html.escape(block.alt or block.caption)}" '
    svg = _scoped(block.svg, f"f{number}-").replace("<svg ", described, 1)
    # A share of the page width, so that the letters of all charts shrink alike on paper, in a box that keeps
    # the shape of the chart, which QtWebKit does not do for inline SVG by itself.
    box = (
        f'<div class="plot" style="width: {100 * min(1.0, width / _CONTENT_WIDTH):.2f}%">'
        f'<div style="padding-bottom: {100 * height / width:.2f}%">{svg}</div></div>'
    )
    caption = f'<p class="caption"><b>Figure {number}.</b> {html.escape(block.caption)}</p>'
    return f'<div class="figure">{box}{caption}</div>'


def _scoped(svg: str, prefix: str) -> str:
    """Prefix ids and references to them: two charts on a page must not use each other's clip paths."""
    svg = re.sub(r'(\sid=")([^"]+")', rf"\g<1>{prefix}\g<2>", svg)
    svg = re.sub(r'(href="#)([^"]+")', rf"\g<1>{prefix}\g<2>", svg)
    return re.sub(r"(url\(#)([^)]+\))", rf"\g<1>{prefix}\g<2>", svg)


def _paragraphs(text: str) -> str:
    parts = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in chunk.splitlines()]
        prose = " ".join(line for line in lines if not line.startswith("- "))
        items = [f"<li>{html.escape(line[2:])}</li>" for line in lines if line.startswith("- ")]
        if prose:
            parts.append(f"<p>{html.escape(prose)}</p>")
        if items:
            parts.append(f"<ul>{''.join(items)}</ul>")
    return "".join(parts)


def _details(details: dict[str, Any]) -> str:
    if not details:
        return ""
    rows = "\n".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{'<br>'.join(html.escape(str(value)).splitlines())}</td></tr>"
        for name, value in details.items()
    )
    return f'<div class="section details"><h2>Inputs and settings</h2>\n<table>\n{rows}\n</table></div>'


def _footer(report: Report) -> str:
    name = f"Soil Moisture Downscaling {report.version or _plugin_version()}".strip()
    return f'<p class="footer">{html.escape(name)} · {html.escape(report.date)}</p>'


def _render_csv(report: Report) -> str:
    if report.main_table is not None:
        return table_csv(report.main_table)
    tables = [block for section in report.sections for block in section.blocks if isinstance(block, Table)]
    if tables:
        return table_csv(tables[0])
    return table_csv(Table(["figure", "value"], [[k.label, k.value] for k in report.key_figures]))


@lru_cache(maxsize=1)
def _plugin_version() -> str:
    """Return the version in the plugin's metadata.txt, or "" outside a plugin folder."""
    path = Path(__file__).resolve().parents[2] / "metadata.txt"
    if not path.exists():
        return ""
    match = re.search(r"^version=(.*)$", path.read_text(encoding="utf-8"), flags=re.M)
    return match.group(1).strip() if match else ""
