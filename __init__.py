"""Soil Moisture Downscaling: a QGIS Processing provider."""


def classFactory(iface):
    """Called by QGIS with its interface, which is None in batch runs."""
    # Imported here: pytest loads this file outside its package.
    from .plugin import SoilMoisturePlugin

    return SoilMoisturePlugin(iface)
