"""The page: escaping, unique ids, determinism, self-containment, whole files."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.report import (
    Figure,
    KeyFigure,
    Report,
    Section,
    Table,
    Text,
    charts,
    render_html,
    render_json,
    write_report,
)

NASTY = "<script>alert(\"1\")</script> & 'x'"


def _report() -> Report:
    chart = charts.maps([np.arange(6.0).reshape(2, 3)], ["Map"])
    return Report(
        title="Title",
        subtitle="Subtitle",
        verdict="It helped.\nBecause of this.",
        tone="good",
        key_figures=[KeyFigure("R", "0.71", "was 0.62")],
        sections=[
            Section(
                "Scores",
                [
                    Text("One.\n\nTwo:\n- first\n- second"),
                    Figure(chart, "How to read it.", "A map"),
                    Figure(chart, "The same chart again.", "A map"),
                    Table(["Station", "R"], [["K-01", 0.5], ["K-02", np.nan]], "All."),
                ],
            )
        ],
        details={"Input": "a.tif", "Draws": 1000},
        data={"rmse": np.float64(0.04), "r": float("nan"), "per_station": np.array([1.0, np.inf])},
        date="2024-05-02",
        version="9.9.9",
    )


class _Balance(HTMLParser):
    """Checks that every tag that is opened is closed in its turn, and collects visible words."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img", "link"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1:]}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.words += data


def test_the_page_says_the_verdict_before_everything_else() -> None:
    parser = _Balance()
    parser.feed(render_html(_report()))
    assert parser.stack == []
    order = [
        "Title",
        "It helped.",
        "Because of this.",
        "0.71",
        "Scores",
        "How to read it.",
        "Inputs and settings",
    ]
    places = [parser.words.rindex(word) for word in order]
    assert places == sorted(places)
    assert "Soil Moisture Downscaling 9.9.9 · 2024-05-02" in parser.words


def test_all_that_comes_from_outside_is_escaped() -> None:
    report = Report(
        title=NASTY,
        subtitle=NASTY,
        verdict=NASTY,
        tone=NASTY,
        key_figures=[KeyFigure(NASTY, NASTY, NASTY)],
        sections=[
            Section(
                NASTY,
                [
                    Text(f"{NASTY}\n- {NASTY}"),
                    Figure(charts.bars([NASTY], [1.0], title=NASTY, xlabel=NASTY, groups=[NASTY]), NASTY, NASTY),
                    Table([NASTY], [[NASTY]], NASTY, notes=NASTY),
                ],
            )
        ],
        details={NASTY: NASTY},
        date=NASTY,
        version=NASTY,
    )
    page = render_html(report)
    parser = _Balance()
    parser.feed(page)
    assert parser.stack == []
    assert "<script" not in page.lower()
    assert parser.words.count("alert") >= 15  # shown as words, in all those places
    assert json.loads(render_json(report))["title"] == NASTY


def test_the_page_needs_no_network_and_no_script() -> None:
    page = render_html(_report())
    outside = [u for u in re.findall(r"(?:https?:)?//[^\s\"'<>)]+", page) if not u.startswith("http://www.w3.org/")]
    assert [u for u in outside if "." in u.split("/")[2]] == []
    assert not re.search(r"<(script|link|iframe|object)|@import|\son\w+=", page)
    # Old QtWebKit knows none of these.
    assert not re.search(r"display:\s*(grid|flex)|var\(--|\bgap:", page)


def test_ids_are_unique_on_the_page_and_every_reference_has_its_target() -> None:
    page = render_html(_report())
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert ids and len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page))
    assert used and used <= set(ids)


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_html(_report()) == render_html(_report())
    assert render_json(_report()) == render_json(_report())


def test_every_figure_is_described_for_those_who_cannot_see_it() -> None:
    page = render_html(_report())
    assert page.count('role="img" aria-label="A map"') == 2
    assert "<b>Figure 2.</b>" in page and "<b>Table 1.</b>" in page


def test_json_is_strict_and_holds_the_numbers_of_the_page() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    content = json.loads(render_json(_report()), parse_constant=refuse)
    assert list(content)[:3] == ["title", "subtitle", "verdict"]
    assert content["data"] == {"rmse": 0.04, "r": None, "per_station": [1.0, None]}
    assert content["tables"] == [
        {"caption": "All.", "columns": ["Station", "R"], "rows": [["K-01", 0.5], ["K-02", None]]}
    ]
    assert content["details"] == {"Input": "a.tif", "Draws": 1000}


def test_three_files_are_written(tmp_path: Path) -> None:
    report = _report()
    write_report(report, tmp_path / "r.html", tmp_path / "r.json", tmp_path / "r.csv")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == render_html(report)
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == render_json(report)
    with open(tmp_path / "r.csv", encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["Station", "R"], ["K-01", "0.5"], ["K-02", ""]]


def test_the_main_table_goes_into_csv_and_json(tmp_path: Path) -> None:
    report = _report()
    report.main_table = Table(["all"], [[1], [2]])
    write_report(report, None, tmp_path / "r.json", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text(encoding="utf-8-sig") == "all\n1\n2\n"
    assert [t["columns"] for t in json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["tables"]] == [
        ["all"],
        ["Station", "R"],
    ]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    report = _report()
    report.sections = [Section("s", [Figure(None, "no chart")])]  # type: ignore[arg-type]
    with pytest.raises((TypeError, AttributeError)):
        write_report(report, tmp_path / "r.html", tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_path_leaves_nothing_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder is wanted")
    with pytest.raises(ValueError, match="cannot be written"):
        write_report(_report(), tmp_path / "r.html", tmp_path / "blocked" / "r.json")
    assert [p.name for p in tmp_path.iterdir()] == ["blocked"]


def test_many_key_figures_make_even_rows() -> None:
    report = _report()
    report.key_figures = [KeyFigure(f"k{i}", str(i)) for i in range(7)]
    page = render_html(report)
    assert page.count('<table class="cards">') == 2
    rows = re.findall(r'<table class="cards">.*?</table>', page)
    assert [row.count('class="value"') for row in rows] == [4, 3]


def test_an_empty_report_is_still_a_page() -> None:
    parser = _Balance()
    parser.feed(render_html(Report(title="Nothing")))
    assert parser.stack == [] and "Nothing" in parser.words


def test_svg_in_the_page_is_well_formed() -> None:
    page = render_html(_report())
    drawings = re.findall(r"<svg role.*?</svg>", page, flags=re.S)
    assert len(drawings) == 2
    for svg in drawings:
        ET.fromstring(svg)
