"""Soil moisture downscaling as a plain Python library: numpy, GDAL, SciPy and scikit-learn, no QGIS."""
