"""Attributes of vector layers, the same on Qt 5 and Qt 6."""

from __future__ import annotations

import datetime as dt
from typing import Any

from qgis.core import QgsField
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType, QVariant


def field_of_type(name: str, kind: QMetaType.Type) -> QgsField:
    """A field of a Qt type; QGIS before 3.38 knows only the older type numbers, which are the same."""
    try:
        return QgsField(name, kind)
    except TypeError:
        return QgsField(name, QVariant.Type(int(kind)))


def plain(value: Any) -> Any:
    """An attribute as plain Python: dates as date or datetime, null as None."""
    if value is None or (isinstance(value, QVariant) and value.isNull()):
        return None
    if isinstance(value, QDateTime):
        return dt.datetime.fromisoformat(value.toString("yyyy-MM-ddTHH:mm:ss")) if value.isValid() else None
    if isinstance(value, QDate):
        return dt.date(value.year(), value.month(), value.day()) if value.isValid() else None
    return value
