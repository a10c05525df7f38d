"""The Processing provider: every algorithm, and the models shipped with the plugin."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms.downscale.downscale import Downscale
from .algorithms.ground.calibrate_stations import CalibrateStations
from .algorithms.ground.import_stations import ImportStations
from .algorithms.ground.rain_response import RainResponse
from .algorithms.ground.triple_collocation import TripleCollocation
from .algorithms.ground.validate_points import ValidatePoints
from .algorithms.ground.validate_raster import ValidateRaster
from .algorithms.prepare.antecedent_rain import AntecedentRain
from .algorithms.prepare.composite_periods import CompositePeriods
from .algorithms.prepare.fuse_estarfm import FuseEstarfm
from .algorithms.prepare.import_product import ImportProduct
from .algorithms.prepare.radar_factors import RadarFactors
from .algorithms.prepare.resample_to_grid import ResampleToGrid
from .algorithms.prepare.sample_data import SampleData
from .algorithms.prepare.spectral_indices import SpectralIndices
from .algorithms.prepare.terrain_factors import TerrainFactors
from .algorithms.prepare.thermal_inertia import ThermalInertia
from .algorithms.train.compare_models import CompareModels
from .algorithms.train.screen_factors import ScreenFactors
from .algorithms.train.train_cart import TrainCart
from .algorithms.train.train_lightgbm import TrainLightGBM
from .algorithms.train.train_linear import TrainLinear
from .algorithms.train.train_neural_network import TrainNeuralNetwork
from .algorithms.train.train_random_forest import TrainRandomForest
from .algorithms.train.train_stacking import TrainStacking
from .algorithms.train.train_svr import TrainSvr
from .algorithms.train.train_xgboost import TrainXGBoost

ROOT = Path(__file__).resolve().parent
TITLES = {"quickdownscale": "Quick downscale"}
ALGORITHMS = (
    SampleData,
    ImportProduct,
    CompositePeriods,
    SpectralIndices,
    ThermalInertia,
    TerrainFactors,
    RadarFactors,
    AntecedentRain,
    FuseEstarfm,
    ResampleToGrid,
    ScreenFactors,
    TrainRandomForest,
    TrainSvr,
    TrainCart,
    TrainLinear,
    TrainLightGBM,
    TrainXGBoost,
    TrainNeuralNetwork,
    TrainStacking,
    CompareModels,
    Downscale,
    ImportStations,
    ValidatePoints,
    ValidateRaster,
    TripleCollocation,
    RainResponse,
    CalibrateStations,
)


class ShippedModel(QgsProcessingModelAlgorithm):
    """A model file of the plugin, under a title for people: its name is the id that scripts use."""

    def displayName(self) -> str:
        return TITLES.get(self.name(), self.name())

    def icon(self) -> QIcon:
        return QIcon(str(ROOT / "icons" / "provider.svg"))


class SoilMoistureProvider(QgsProcessingProvider):
    """Provider id `soilmoisture`."""

    def id(self) -> str:
        return "soilmoisture"

    def name(self) -> str:
        return self.tr("Soil moisture downscaling")

    def longName(self) -> str:
        return self.tr("Soil Moisture Downscaling")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(ROOT / "icons" / "provider.svg")

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif"]

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
        for path in sorted((ROOT / "models").glob("*.model3")):
            model = ShippedModel()
            if model.fromFile(str(path)):
                model.setProvider(self)
                self.addAlgorithm(model)
