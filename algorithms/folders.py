"""Where users keep what the plugin reads besides its inputs."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication


def recipe_folder() -> list[Path]:
    """The folder of the user's own recipes, where there is one."""
    folder = Path(QgsApplication.qgisSettingsDirPath()) / "soilmoisture" / "recipes"
    return [folder] if folder.is_dir() else []
