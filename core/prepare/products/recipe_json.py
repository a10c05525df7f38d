"""JSON written by people: where each value stands, and what is wrong with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...errors import InputError

_LARGEST_FILE = 2**20


def read_json(path: Path) -> Part:
    """The content of a JSON file. Raises InputError where it is none, and for a key that is written twice."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path.name} is larger than 1 MB, so it is no recipe.")
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_twins)
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The recipe {path.name} is not a text file in UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"The recipe {path.name} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except (_Twin, RecursionError) as error:
        raise InputError(f"The recipe {path.name} is not valid: {error}.") from error
    return Part(path.name, "", content)


class Part:
    """A JSON object inside the recipe that knows its place for messages."""

    def __init__(self, file: str, where: str, content: Any) -> None:
        self.file, self.where = file, where
        if not isinstance(content, dict):
            raise self.wrong("", "must be a mapping in braces {}")
        self.content: dict[str, Any] = content

    def wrong(self, key: str, what: str) -> InputError:
        place = ".".join(part for part in (self.where, key) if part)
        return InputError(f"The recipe {self.file}: {repr(place) if place else 'its content'} {what}.")

    def known(self, keys: Collection[str], required: Collection[str] = ()) -> None:
        for key in self.content:
            if key not in keys:
                raise self.wrong(key, f"is not a known key; known here are {', '.join(keys)}")
        for key in required:
            if key not in self.content:
                raise self.wrong(key, "is missing")

    def part(self, key: str) -> Part:
        return Part(self.file, ".".join(part for part in (self.where, key) if part), self.content.get(key, {}))

    def text(self, key: str, default: str = "", choices: Collection[str] = ()) -> str:
        value = self.content.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, f"must be a text in quotes, not {shown(value)}")
        if choices and value not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, f'must be a list of texts such as ["a", "b"], not {shown(value)}')
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, f"must be true or false, not {shown(value)}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.content.get(key, default)
        if not _is_number(value):
            raise self.wrong(key, f"must be a number, not {shown(value)}")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(_is_number(one) for one in value):
            raise self.wrong(key, f"must be a list of numbers such as [-9999], not {shown(value)}")
        return tuple(value)

    def pair(self, key: str) -> tuple[Any, Any] | None:
        if self.content.get(key) is None:
            return None
        value = self.numbers(key)
        if len(value) != 2 or value[0] > value[1]:
            raise self.wrong(key, f"must be two numbers, the lower one first, not {shown(list(value))}")
        return value[0], value[1]

    def expression(self, key: str, text: Any) -> str:
        """`text` where it is a regular expression."""
        if not isinstance(text, str):
            raise self.wrong(key, f"must be a regular expression in quotes, not {shown(text)}")
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.wrong(key, f"holds {text!r}, which is no regular expression ({error})") from error
        return text


def shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


class _Twin(ValueError):
    pass


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        twin = next(key for key in seen if sum(key == other for other, _ in pairs) > 1)
        raise _Twin(f"the key {twin!r} is written twice in one place")
    return seen
