"""Reports for people and programs: `from ..report import Report, Section, Figure, charts, write_report`."""

from __future__ import annotations

from . import charts
from .html import Figure, KeyFigure, Report, Section, Text, render_html, render_json, write_report
from .tables import Table, fmt, fmt_p
from .wording import inside, percent, plural, typeset

__all__ = [
    "Figure",
    "KeyFigure",
    "Report",
    "Section",
    "Table",
    "Text",
    "charts",
    "fmt",
    "fmt_p",
    "inside",
    "percent",
    "plural",
    "render_html",
    "render_json",
    "typeset",
    "write_report",
]
