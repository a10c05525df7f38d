"""How results look when they are added to the project: colours, legends and dates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from qgis.core import (
    Qgis,
    QgsClassificationRange,
    QgsColorRampShader,
    QgsDateTimeRange,
    QgsGraduatedSymbolRenderer,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsRasterShader,
    QgsRendererRange,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from qgis.PyQt.QtGui import QColor

from ..core.downscale.quality import MEANING
from ..core.raster.periods import Period

# Dry brown to wet blue, in even steps of lightness.
MOISTURE = ("#6b3f1d", "#a9713a", "#d9b27c", "#f1e7cf", "#c5dfe3", "#7fb8d0", "#3a84b5", "#1a4f86")
VEGETATION = ("#8a5a33", "#c49a62", "#eadfb8", "#cfdc9d", "#93bf6c", "#4f9548", "#1d6b34", "#0b4220")
NEUTRAL = ("#f4f1e8", "#dcd6e3", "#bcb5d3", "#978fbd", "#746aa4", "#564a87", "#3b2f68", "#241a46")
_RAMPS = (
    (("ndvi", "evi", "evi2", "nirv", "savi"), VEGETATION),
    (("ndwi_gao", "ndwi_mcfeeters", "ndmi", "nsdsi1", "nsdsi2", "nsdsi3", "ati", "api"), MOISTURE),
    (("tvdi", "msi"), MOISTURE[::-1]),
)


class _PostProcessor(QgsProcessingLayerPostProcessorInterface):
    """Kept alive here: QGIS forgets to hold the Python half of a post-processor."""

    _alive: list[_PostProcessor] = []

    def __init__(self, apply: Callable[[QgsMapLayer], None]) -> None:
        super().__init__()
        self._apply = apply
        # Old ones have done their work by the time many new ones exist.
        _PostProcessor._alive = [*_PostProcessor._alive[-50:], self]

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        if layer is not None and layer.isValid():
            self._apply(layer)


def style_when_loaded(
    context: QgsProcessingContext, path: str | None, name: str, apply: Callable[[QgsMapLayer], None]
) -> None:
    """Name and style the layer of `path` if it will be added to the project."""
    if path and context.willLoadLayerOnCompletion(path):
        details = context.layerToLoadOnCompletionDetails(path)
        if name:
            details.name = name
        details.setPostProcessor(_PostProcessor(apply))


def moisture(periods: list[Period | None], low: float, high: float) -> Callable[[QgsMapLayer], None]:
    """Style of a soil moisture stack between two values, with its dates for the Temporal Controller."""

    return _ramped(MOISTURE, periods, low, high)


def factor_style(
    periods: list[Period | None], names: Sequence[str], limits: tuple[float, float]
) -> Callable[[QgsMapLayer], None]:
    """Style of a stack of the factors `names`, with the `periods` of its bands: the first band between two values.

    Vegetation goes from brown to green, dryness from wet to dry, all else from light to dark. A stack of several
    factors has its whole span as one date, since its bands follow each other in no order of time.
    """
    name, (low, high) = names[0], limits
    colours = next((ramp for known, ramp in _RAMPS if name in known), NEUTRAL)
    dated = [period for period in periods if period is not None]
    shown: list[Period | None] = [*periods]
    if len(names) > 1 and dated:
        shown = [Period(min(one.first for one in dated), max(one.last for one in dated))]
    if not low < high:
        return dates_only(shown)
    return _ramped(colours, shown, low, high)


def quality(
    periods: list[Period | None], meaning: Mapping[int, tuple[str, str]] = MEANING
) -> Callable[[QgsMapLayer], None]:
    """Style of a quality stack: its codes, each with its text and colour."""

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsRasterLayer):
            classes = [
                QgsPalettedRasterRenderer.Class(code, QColor(colour), text) for code, (text, colour) in meaning.items()
            ]
            layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
            set_dates(layer, periods)
            layer.triggerRepaint()

    return apply


def dates_only(periods: list[Period | None]) -> Callable[[QgsMapLayer], None]:
    """Dates without a style, for stacks of many factors."""

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsRasterLayer):
            set_dates(layer, periods)

    return apply


def _ramped(
    colours: Sequence[str], periods: list[Period | None], low: float, high: float
) -> Callable[[QgsMapLayer], None]:
    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsRasterLayer):
            shader = QgsRasterShader()
            ramp = QgsColorRampShader(low, high, None, QgsColorRampShader.Type.Interpolated)
            steps = len(colours) - 1
            values = [low + (high - low) * i / steps for i in range(steps + 1)]
            # Enough decimals to tell the steps apart: 0.04 in soil moisture, 0.002 in thermal inertia.
            digits = max(2, -math.floor(math.log10((high - low) / steps)))
            ramp.setColorRampItemList(
                [
                    QgsColorRampShader.ColorRampItem(value, QColor(colour), f"{value:.{digits}f}")
                    for value, colour in zip(values, colours)
                ]
            )
            shader.setRasterShaderFunction(ramp)
            renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
            renderer.setClassificationMin(low)
            renderer.setClassificationMax(high)
            layer.setRenderer(renderer)
            set_dates(layer, periods)
            layer.triggerRepaint()

    return apply


def graduated(field: str, classes: list[tuple[float, float, str, str]]) -> Callable[[QgsMapLayer], None]:
    """Points coloured by `field`; classes are (low, high, colour, label)."""

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsVectorLayer):
            ranges = []
            for low, high, colour, label in classes:
                symbol = QgsMarkerSymbol.createSimple({"color": colour, "outline_color": "#24323f", "size": "3"})
                ranges.append(QgsRendererRange(QgsClassificationRange(label, low, high), symbol))
            layer.setRenderer(QgsGraduatedSymbolRenderer(field, ranges))
            layer.triggerRepaint()

    return apply


def set_dates(layer: QgsRasterLayer, periods: list[Period | None]) -> None:
    """Give a dated raster its temporal range: one per band where QGIS can (3.38 on), else the whole span."""
    dated = [period for period in periods if period is not None]
    if not dated:
        return
    properties = layer.temporalProperties()
    per_band = getattr(getattr(Qgis, "RasterTemporalMode", None), "FixedRangePerBand", None)
    if (
        per_band is not None
        and hasattr(properties, "setFixedRangePerBand")
        and len(dated) == len(periods)
        and len(dated) > 1
    ):
        properties.setMode(per_band)
        properties.setFixedRangePerBand({number: _range(period) for number, period in enumerate(dated, 1)})
    else:
        properties.setMode(QgsRasterLayerTemporalProperties.TemporalMode.ModeFixedTemporalRange)
        properties.setFixedTemporalRange(_range(Period(min(p.start for p in dated), max(p.end for p in dated))))
    properties.setIsActive(True)


def _range(period: Period) -> QgsDateTimeRange:
    start, end = (
        QDateTime(QDate(d.year, d.month, d.day), QTime(d.hour, d.minute, d.second)) for d in (period.first, period.last)
    )
    return QgsDateTimeRange(start, end, True, False)
