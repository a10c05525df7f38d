"""The plugin as QGIS loads it: it registers the Processing provider and nothing else."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import SoilMoistureProvider


class SoilMoisturePlugin:
    """QGIS calls `initGui` on the desktop and only `initProcessing` in batch runs."""

    def __init__(self, iface: object) -> None:
        self.provider: SoilMoistureProvider | None = None

    def initProcessing(self) -> None:
        provider = SoilMoistureProvider()
        # QGIS deletes a provider whose id is taken already.
        if QgsApplication.processingRegistry().addProvider(provider):
            self.provider = provider
            # Shipped models know their outputs only once their child algorithms are registered.
            provider.refreshAlgorithms()

    def initGui(self) -> None:
        self.initProcessing()

    def unload(self) -> None:
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
