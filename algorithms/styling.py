"""How results look when they are added to the project: colours, legends and dates."""

from __future__ import annotations

from collections.abc import Callable

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

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsRasterLayer):
            shader = QgsRasterShader()
            ramp = QgsColorRampShader(low, high, None, QgsColorRampShader.Type.Interpolated)
            steps = len(MOISTURE) - 1
            ramp.setColorRampItemList(
                [
                    QgsColorRampShader.ColorRampItem(
                        low + (high - low) * i / steps, QColor(colour), f"{low + (high - low) * i / steps:.2f}"
                    )
                    for i, colour in enumerate(MOISTURE)
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


def quality(periods: list[Period | None]) -> Callable[[QgsMapLayer], None]:
    """Style of a quality stack: its codes with their meaning."""

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsRasterLayer):
            classes = [
                QgsPalettedRasterRenderer.Class(code, QColor(colour), text) for code, (text, colour) in MEANING.items()
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
