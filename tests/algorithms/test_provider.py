"""Every algorithm keeps the promises that the Toolbox, models and scripts rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Stored in models and scripts of users: never to change.
IDS = {
    "sampledata": "prepare",
    "importproduct": "prepare",
    "compositeperiods": "prepare",
    "spectralindices": "prepare",
    "thermalinertia": "prepare",
    "terrainfactors": "prepare",
    "radarfactors": "prepare",
    "antecedentrain": "prepare",
    "fuseestarfm": "prepare",
    "resampletogrid": "prepare",
    "screenfactors": "train",
    "trainrandomforest": "train",
    "trainsvr": "train",
    "traincart": "train",
    "trainlinear": "train",
    "trainlightgbm": "train",
    "trainxgboost": "train",
    "trainneuralnetwork": "train",
    "trainstacking": "train",
    "comparemodels": "train",
    "downscale": "downscale",
    "importstations": "ground",
    "validatepoints": "ground",
    "validateraster": "ground",
    "triplecollocation": "ground",
    "rainresponse": "ground",
    "calibratestations": "ground",
}


def test_ids_and_groups_are_fixed(provider: Any) -> None:
    algorithms = {one.name(): one.groupId() for one in provider.algorithms()}
    assert {name: algorithms[name] for name in IDS} == IDS
    assert set(algorithms) - set(IDS) == {"quickdownscale"}


@pytest.mark.parametrize("name", IDS)
def test_every_parameter_explains_itself(provider: Any, name: str) -> None:
    from qgis.core import QgsProcessingParameterDefinition

    algorithm = provider.algorithm(name)
    for parameter in algorithm.parameterDefinitions():
        assert len(parameter.help()) > 10, parameter.name()
        assert parameter.help() in algorithm.shortHelpString(), parameter.name()
        assert not parameter.description().endswith(":")
        assert parameter.name() == parameter.name().upper()
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    shown = [p.name() for p in algorithm.parameterDefinitions() if not p.flags() & advanced]
    assert len(shown) <= 12, shown
    assert algorithm.shortDescription() and not algorithm.icon().isNull()
    assert type(algorithm.createInstance()) is type(algorithm)


@pytest.mark.parametrize("name", sorted(set(IDS) - {"sampledata"}))
def test_every_algorithm_reports(provider: Any, name: str) -> None:
    algorithm = provider.algorithm(name)
    assert algorithm.outputDefinition("REPORT").type() == "outputHtml"
    assert algorithm.outputDefinition("METRICS").type() == "outputFile"


def test_a_missing_package_is_named_with_its_command(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from soilmoisture.core import packages

    real = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "sklearn" else real(name))
    possible, reason = provider.algorithm("trainrandomforest").canExecute()
    assert not possible and "sklearn" in reason and "install" in reason
    assert provider.algorithm("resampletogrid").canExecute()[0]


def test_unloading_and_loading_again(provider: Any) -> None:
    """A second provider of the same id is refused without harm."""
    from soilmoisture.plugin import SoilMoisturePlugin

    plugin = SoilMoisturePlugin(None)
    plugin.initProcessing()
    assert plugin.provider is None
    plugin.unload()


def test_metadata_names_what_qgis_asks_for() -> None:
    from configparser import ConfigParser

    metadata = ConfigParser(interpolation=None)
    metadata.read(ROOT / "metadata.txt", encoding="utf-8")
    general = metadata["general"]
    for key in (
        "name",
        "description",
        "about",
        "version",
        "author",
        "email",
        "qgisMinimumVersion",
        "repository",
        "tracker",
    ):
        assert general[key]
    assert general["hasProcessingProvider"] == "yes" and "plugin_dependencies" not in general
    assert (ROOT / general["icon"]).is_file()
