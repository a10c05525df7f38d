"""What tests of several wings need."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from soilmoisture.core.progress import Progress
from soilmoisture.core.report import render_html, render_json


class _Words(HTMLParser):
    text, inside = "", 0

    def handle_starttag(self, tag, attrs):
        self.inside += tag == "style"

    def handle_endtag(self, tag):
        self.inside -= tag == "style"

    def handle_data(self, data):
        self.text += "" if self.inside else data + " "


@pytest.fixture(scope="session")
def words():
    """words(report): all that a reader sees, checked for what no page may show."""

    def read(report):
        parser = _Words()
        parser.feed(render_html(report))
        text = parser.text.replace(report.date, "").replace("2019-", "")
        assert not re.search(r"\b(nan|None(?! of)|inf)\b|[^\w]-\d", text)
        json.loads(render_json(report), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        return parser.text

    return read


class _CancelsAfter(Progress):
    def __init__(self, checks):
        self.left = checks

    @property
    def cancelled(self):
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="session")
def cancels_after():
    """cancels_after(n): a progress that is cancelled after it was looked at n times."""
    return _CancelsAfter
