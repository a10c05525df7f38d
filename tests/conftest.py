"""What every test shares: the package under its proper name, the provider in a running QGIS, real data."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _register_package() -> None:
    """Make the checkout importable as `soilmoisture` whatever its folder is called, as in QGIS."""
    if "soilmoisture" in sys.modules:
        return
    init = ROOT / "__init__.py"
    folders = [str(ROOT)]
    spec = importlib.util.spec_from_file_location("soilmoisture", init, submodule_search_locations=folders)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["soilmoisture"] = module
    spec.loader.exec_module(module)


_register_package()


@pytest.fixture(scope="session")
def provider(qgis_app: Any, qgis_processing: Any) -> Any:
    """The plugin's provider, registered: `processing.run("soilmoisture:...")` works after asking for it."""
    from qgis.core import QgsApplication

    from soilmoisture.provider import SoilMoistureProvider

    registry = QgsApplication.processingRegistry()
    ours = SoilMoistureProvider()
    assert registry.addProvider(ours), "QGIS refused the provider: its id is taken already"
    ours.refreshAlgorithms()  # the shipped models list their outputs only after this
    yield ours
    registry.removeProvider(ours)


@pytest.fixture(scope="session")
def run(provider: Any) -> Any:
    """`processing.run` of one of our algorithms; failures raise QgsProcessingException."""
    import processing
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback

    def run_(algorithm: str, feedback: Any = None, context: Any = None, **parameters: Any) -> dict[str, Any]:
        return processing.run(
            f"soilmoisture:{algorithm}",
            parameters,
            feedback=feedback or QgsProcessingFeedback(False),
            context=context or QgsProcessingContext(),
        )

    return run_


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real satellite and station data, which does not travel with the repository."""
    folder = Path(os.environ.get("SOILMOISTURE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}: set SOILMOISTURE_DATA to the folder that holds them")
    return folder
