"""Classes and colours of scores on maps of points and zones."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import (
    QgsClassificationRange,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsMapLayer,
    QgsRendererRange,
    QgsVectorLayer,
)

GAIN_CLASSES = [
    (-2.0, -0.1, "#8c3b1a", "worse by more than 0.1"),
    (-0.1, -0.02, "#d98f5f", "worse by 0.02 to 0.1"),
    (-0.02, 0.02, "#f0ead9", "about the same"),
    (0.02, 0.1, "#85b7d4", "better by 0.02 to 0.1"),
    (0.1, 2.0, "#1f5a93", "better by more than 0.1"),
]
R_CLASSES = [
    (-1.0, 0.0, "#8c3b1a", "R below 0"),
    (0.0, 0.2, "#d98f5f", "0 to 0.2"),
    (0.2, 0.4, "#f0d9b5", "0.2 to 0.4"),
    (0.4, 0.6, "#cfe2ea", "0.4 to 0.6"),
    (0.6, 0.8, "#7fb3d1", "0.6 to 0.8"),
    (0.8, 1.0, "#1f5a93", "0.8 to 1"),
]
SNR_CLASSES = [
    (-100.0, -3.0, "#8c3b1a", "below -3 dB: mostly noise"),
    (-3.0, 0.0, "#d98f5f", "-3 to 0 dB"),
    (0.0, 3.0, "#f0d9b5", "0 to 3 dB"),
    (3.0, 6.0, "#7fb3d1", "3 to 6 dB"),
    (6.0, 100.0, "#1f5a93", "above 6 dB"),
]


def polygons(field: str, classes: list[tuple[float, float, str, str]]) -> Callable[[QgsMapLayer], None]:
    """Polygons coloured by `field`; classes are (low, high, colour, label)."""

    def apply(layer: QgsMapLayer) -> None:
        if isinstance(layer, QgsVectorLayer):
            ranges = []
            for low, high, colour, label in classes:
                symbol = QgsFillSymbol.createSimple(
                    {"color": colour, "outline_color": "#24323f", "outline_width": "0.2"}
                )
                ranges.append(QgsRendererRange(QgsClassificationRange(label, low, high), symbol))
            layer.setRenderer(QgsGraduatedSymbolRenderer(field, ranges))
            layer.triggerRepaint()

    return apply
