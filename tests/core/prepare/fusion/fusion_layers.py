"""What tests of fused layers share."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.stack import Stack

FINE, COARSE = ("2020-05-01", "2020-06-01"), ("2020-05-01", "2020-05-11", "2020-05-21", "2020-06-01")
SMALL = FusionOptions(window=9)
RUN = FusionRun(SMALL)


def read(path):
    with Stack.open(path) as stack:
        return np.stack([stack.read(number) for number in range(1, len(stack.bands) + 1)])


def refused(words, *arguments, **options):
    with pytest.raises(InputError) as caught:
        fuse_layers(*arguments, **options)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith(".") and "\n" not in message


class Fractions(Progress):
    def __init__(self):
        self.seen, self.warned = [0.0], []

    def set(self, fraction, text=""):
        self.seen.append(fraction)

    def warn(self, text):
        self.warned.append(text)
