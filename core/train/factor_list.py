"""The factor list: what screening found and kept, as JSON that training reads back."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..plain import plain

if TYPE_CHECKING:
    from .screening import ScreeningResult

KIND, VERSION = "factor list", 1
_MAX_BYTES = 50_000_000


def to_json_dict(result: ScreeningResult) -> dict[str, Any]:
    """The result in plain values for `json.dump` (numbers that do not exist are null)."""
    content: dict[str, Any] = plain(
        {
            "kind": KIND,
            "version": VERSION,
            "target": result.target,
            "factors": list(result.kept),
            "warnings": list(result.warnings),
            "settings": dict(result.settings),
            "rows": result.rows,
            "condition_number": result.condition_number,
            "correlation": {"names": list(result.names), "matrix": result.correlation},
            "scores": [dataclasses.asdict(score) for score in result.scores],
        }
    )
    return content


def read_factor_list(path: str | os.PathLike[str]) -> list[str]:
    """The kept factor names of a factor list file, in order of importance.

    Raises InputError if the file is missing, is not a factor list, or names no factor or one factor twice.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is too large for a factor list; choose the file that factor screening wrote.")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"The factor list {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not JSON; choose the file that factor screening wrote.") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"{path} is not a factor list; choose the file that factor screening wrote.")
    if type(content.get("version")) is not int or content["version"] != VERSION:
        raise InputError(
            f"The factor list {path} has version {content.get('version')!r}, but only {VERSION} can be read; "
            "run factor screening again."
        )
    names = content.get("factors")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"The factor list {path} names no factors; run factor screening again.")
    if len(set(names)) < len(names):
        raise InputError(f"The factor list {path} names a factor twice; run factor screening again.")
    return list(names)
