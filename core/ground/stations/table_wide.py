"""Tables with one column per date."""

from __future__ import annotations

import re

from .table_columns import Columns
from .table_text import TextTable

# A unit in brackets may follow the date.
_DATE_NAME = re.compile(
    r"(?:^|.*?[^0-9])((?:19|20)\d\d[-_./]?(?:0[1-9]|1[0-2])(?:[-_./]?(?:0[1-9]|[12]\d|3[01]))?)\s*(?:[(\[].*[)\]])?$"
)


def date_of_name(name: str) -> str | None:
    """The date at a column's end (`sm_20190415`, `2019-04`) as ISO text, None where it has none."""
    match = _DATE_NAME.match(name.strip())
    if match is None:
        return None
    digits = re.sub(r"\D", "", match[1])
    return "-".join(filter(None, (digits[:4], digits[4:6], digits[6:8])))


def date_columns(names: list[str], columns: Columns) -> list[tuple[int, str]]:
    """Columns whose name ends in a date, where there are two or more, in order of date."""
    taken = set(columns.role.values())
    found = [
        (i, match[1]) for i, name in enumerate(names) if i not in taken and (match := _DATE_NAME.match(name.strip()))
    ]
    return sorted(found, key=lambda one: one[1]) if len(found) > 1 else []


def melted(table: TextTable, columns: Columns, dated: list[tuple[int, str]]) -> tuple[TextTable, Columns]:
    """A table with a column per date as one with a row per date."""
    kept = list(dict.fromkeys(columns.role.values()))
    value = table.names[dated[0][0]]
    result = [[text for _ in dated for text in table.columns[i]] for i in kept]
    result.append([date_of_name(table.names[i]) or "" for i, _ in dated for _ in range(len(table))])
    result.append([text for i, _ in dated for text in table.columns[i]])
    names = [*(table.names[i] for i in kept), "date", value]
    units = [*(table.units[i] for i in kept), "", table.units[dated[0][0]]]
    role = {name: kept.index(i) for name, i in columns.role.items()}
    role["date"] = len(kept)
    return TextTable(names, result, units, table.separator, table.notes), Columns(role, [len(kept) + 1])
