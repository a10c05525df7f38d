"""The advanced parameters of long runs: where they are computed, and where finished parts wait."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from ..core.raster.running import FORMATS, LEAST_MEMORY, Running
from .base import SoilMoistureAlgorithm

SCHEDULER, WORK_FOLDER, MEMORY, THREADS = "SCHEDULER", "WORK_FOLDER", "MEMORY", "THREADS"
FORMAT, START_AFRESH = "FORMAT", "START_AFRESH"


def add_running(algorithm: SoilMoistureAlgorithm) -> None:
    """Add the parameters; `running_of` reads them."""
    tr = algorithm.tr
    algorithm.add_number(
        MEMORY,
        tr("Memory for blocks (MiB)"),
        None,
        tr(
            "What blocks in work may take, from 64. Empty: a quarter of the free memory. It changes the speed, never "
            "the result."
        ),
        advanced=True,
        whole=True,
        optional=True,
        minValue=LEAST_MEMORY,
    )
    algorithm.add_number(
        THREADS,
        tr("Threads"),
        None,
        tr("How many blocks are computed at once, from 1. Empty: as QGIS is set to. It never changes the result."),
        advanced=True,
        whole=True,
        optional=True,
        minValue=1,
    )
    algorithm.add_choice(
        FORMAT,
        tr("Format"),
        list(FORMATS),
        tr(
            "GeoTIFF: packed with deflate, which every program reads. GeoTIFF zstd: faster to write and read, for "
            "newer programs. COG: a cloud optimised GeoTIFF with overviews, made from a GeoTIFF in the end."
        ),
        advanced=True,
    )
    algorithm.add(
        QgsProcessingParameterFile(
            WORK_FOLDER,
            tr("Work folder"),
            behavior=QgsProcessingParameterFile.Behavior.Folder,
            optional=True,
        ),
        tr(
            "Where finished parts wait until the output is whole; empty: a hidden folder beside the output, removed in "
            "the end. A run that was broken off (power, crash, full disk) goes on from there when it is called again "
            "with the same parameters, inputs and output. With a cluster: a folder that all its computers share, or "
            "cloud storage (/vsis3/...)."
        ),
        advanced=True,
    )
    algorithm.add(
        QgsProcessingParameterBoolean(START_AFRESH, tr("Start afresh"), False),
        tr(
            "Removes what earlier runs on this output that were broken off have left, whatever their parameters, and "
            "begins anew."
        ),
        advanced=True,
    )
    algorithm.add(
        QgsProcessingParameterString(SCHEDULER, tr("Dask scheduler"), optional=True),
        tr(
            "Empty: the threads of this computer. An address such as tcp://10.0.0.5:8786: the cluster of that "
            "dask.distributed scheduler, whose computers read the inputs and write finished parts at the same paths."
        ),
        advanced=True,
    )


def running_of(algorithm: SoilMoistureAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext) -> Running:
    """What the user chose."""
    memory, threads = (algorithm.optional_number(parameters, name, context) for name in (MEMORY, THREADS))
    return Running(
        scheduler=algorithm.parameterAsString(parameters, SCHEDULER, context).strip(),
        work_folder=algorithm.parameterAsFile(parameters, WORK_FOLDER, context),
        memory_mib=None if memory is None else int(memory),
        threads=_threads_of_qgis() if threads is None else int(threads),
        output_format=algorithm.parameterAsString(parameters, FORMAT, context),
        start_afresh=algorithm.parameterAsBool(parameters, START_AFRESH, context),
    )


def _threads_of_qgis() -> int:
    chosen = QgsApplication.maxThreads()
    return chosen if chosen > 0 else os.cpu_count() or 1
