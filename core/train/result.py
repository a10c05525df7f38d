"""What the user chooses for a training, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..model.model import Model
from ..raster.grid import Grid
from . import evaluation as ev
from .block_size import BlockSize
from .effects import Effect
from .form_choice import FormTrial
from .importance import Importance
from .samples import Array
from .scale_step import ScaleStep
from .trust import Trust
from .tuning import Tuning

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Options:
    """What the user chooses.

    learner: a name in the registry, with its own settings. train_on: automatic, values, anomalies or contrasts. window:
    of contrasts, in cells; 0 means 3, or the footprint if wider. linear_trend: a ridge first, the learner on what it
    leaves. validation: designs to score. tuning: settings to try besides those given. buffer: cells around held-out
    blocks that are not seen either.
    """

    learner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    train_on: str = AUTOMATIC
    window: int = 0
    linear_trend: bool = True
    validation: Sequence[str] = ev.DEFAULT_DESIGNS
    seed: int = 0
    tuning: int = 0
    buffer: int = 0


@dataclass(frozen=True)
class Training:
    """A trained model and all that its report shows.

    block_score: on held-out spatial blocks, whatever designs were asked for. observed and predicted (n,): held out by
    the same blocks, in training form. mean_residual (rows, cols): observed less predicted, mean over the periods.
    pooled: scores of plain values under the random split and the blocks, where both are known. static: factors that
    never change.
    """

    model: Model
    scores: list[ev.Score]
    block_score: ev.Score
    forms: list[FormTrial]
    importance: list[Importance]
    samples: int
    cells: int
    periods: list[str]
    block_edge: int
    designs: list[str]
    notes: list[str]
    observed: Array
    predicted: Array
    mean_residual: Array
    grid: Grid
    blocks: BlockSize | None = None
    effects: list[Effect] = field(default_factory=list)
    steps: list[ScaleStep] = field(default_factory=list)
    step_notes: list[str] = field(default_factory=list)
    tuning: Tuning | None = None
    pooled: list[ev.Score] = field(default_factory=list)
    static: list[str] = field(default_factory=list)
    trust: Trust | None = None
