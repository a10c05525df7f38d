"""A small convolutional network as arrays, applied to patches and to strips of a map without any deep-learning
library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.predictor import Arrays, array_of
from ...progress import Progress
from ..metrics import Floats
from .rows import Rows

Single = NDArray[np.float32]

HALO = 4  # pixels on each side: a patch is 9 x 9
SIDE = 2 * HALO + 1
_CONVOLUTIONS = 3
_FARTHEST = 10.0  # standard deviations; beyond lies a fill value rather than a factor
_CHUNK = 2**15  # pixels whose neighbourhoods are laid out at once


@dataclass(frozen=True)
class Channels:
    """How values become channels: (value - mean) / scale, gaps at the mean, then season, then the share of values that
    are known. mean, scale: (1 + factors,), the product first."""

    mean: Floats
    scale: Floats
    dated: bool

    @property
    def count(self) -> int:
        return len(self.mean) + 2 * self.dated + 1

    def make(self, values: Floats, season: Sequence[float] | Floats) -> Single:
        """(..., channels) from (..., 1 + factors) with NaN in gaps; season: (2,) or (..., 2)."""
        known = np.isfinite(values)
        standard = np.clip((np.where(known, values, self.mean) - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        parts = [standard, known.mean(axis=-1, keepdims=True)]
        if self.dated:
            parts.insert(1, np.broadcast_to(np.asarray(season, float), (*values.shape[:-1], 2)))
        return np.concatenate(parts, axis=-1).astype(np.float32)


class Network:
    """Members of 3 x 3 convolutions (rectified, without padding), mean over what is left of a patch beside the values
    of its middle pixel, a rectified dense layer and a last one.

    kernels: per layer (members, 3, 3, inputs, outputs), biases (members, outputs); hidden (members, features, width)
    and hidden_bias; last (members, width) and last_bias (members,). What it says is multiplied by `scale` (m3/m3).
    """

    kind = "convolutional network"

    def __init__(
        self,
        channels: Channels,
        kernels: Sequence[Single],
        biases: Sequence[Single],
        hidden: Single,
        hidden_bias: Single,
        last: Single,
        last_bias: Single,
        scale: float,
    ) -> None:
        self.channels, self.scale = channels, float(scale)
        self.kernels = [np.ascontiguousarray(one, np.float32) for one in kernels]
        self.biases = [np.ascontiguousarray(one, np.float32) for one in biases]
        self.hidden, self.hidden_bias, self.last, self.last_bias = (
            np.ascontiguousarray(one, np.float32) for one in (hidden, hidden_bias, last, last_bias)
        )
        if not self._fits_together():
            raise InputError("The calibration holds a network whose shapes or numbers do not fit together.")

    @property
    def members(self) -> int:
        return len(self.last_bias)

    def surface(self, east: Floats, north: Floats) -> Floats | None:
        return None

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        """From `rows.features`."""
        assert rows.features is not None
        return rows.z + self.residuals(rows.features).mean(axis=0)

    def features(self, patches: Single) -> Single:
        """(members, n, features) of patches (n, 9, 9, channels)."""
        parts = []
        for start in range(0, len(patches), 1024):
            some = patches[start : start + 1024]
            centre = some[:, HALO, HALO]
            rows = []
            for member in range(self.members):
                deep = self._convolved(some, member)
                rows.append(np.concatenate([deep.mean(axis=(1, 2)), centre], axis=1))
            parts.append(np.stack(rows))
        if not parts:
            return np.empty((self.members, 0, self.hidden.shape[1]), np.float32)
        return np.concatenate(parts, axis=1)

    def residuals(self, features: Single) -> Floats:
        """(members, n) in m3/m3 of (members, n, features)."""
        return np.stack([self._head(features[member], member) for member in range(self.members)])

    def over_map(self, image: Single, progress: Progress | None = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation over members (rows, cols) of an image (rows + 8, cols + 8, channels)."""
        rows, cols = image.shape[0] - 2 * HALO, image.shape[1] - 2 * HALO
        mean, spread = np.empty((rows, cols)), np.empty((rows, cols))
        # Squares rather than lines: less of each is halo.
        height = max(1, min(rows, 192))
        width = max(1, _CHUNK // height)
        for row in range(0, rows, height):
            for col in range(0, cols, width):
                if progress:
                    progress.check()
                part = image[row : row + height + 2 * HALO, col : col + width + 2 * HALO]
                own = self._over_part(part)
                mean[row : row + height, col : col + width] = own.mean(axis=0)
                spread[row : row + height, col : col + width] = own.std(axis=0)
        return mean, spread

    def with_head(self, hidden: Single, hidden_bias: Single, last: Single, last_bias: Single, scale: float) -> Network:
        """The same convolutions with other dense layers."""
        return Network(self.channels, self.kernels, self.biases, hidden, hidden_bias, last, last_bias, scale)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        layers: dict[str, NDArray[Any]] = {}
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases)):
            layers[f"kernel{number}"], layers[f"bias{number}"] = kernel, bias
        return {
            **layers,
            "hidden": self.hidden,
            "hidden_bias": self.hidden_bias,
            "last": self.last,
            "last_bias": self.last_bias,
            "mean": self.channels.mean,
            "scale": self.channels.scale,
            "other": np.array([self.scale, float(self.channels.dated)]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Network:
        scale, dated = (float(value) for value in array_of(arrays, "other", "f"))
        mean, spread = array_of(arrays, "mean", "f"), array_of(arrays, "scale", "f")
        kernels, biases = (
            [array_of(arrays, f"{name}{k}", "f") for k in range(_CONVOLUTIONS)] for name in ("kernel", "bias")
        )
        hidden, hidden_bias, last, last_bias = (
            array_of(arrays, name, "f") for name in ("hidden", "hidden_bias", "last", "last_bias")
        )
        return cls(Channels(mean, spread, bool(dated)), kernels, biases, hidden, hidden_bias, last, last_bias, scale)

    def _over_part(self, image: Single) -> Floats:
        rows, cols = image.shape[0] - 2 * HALO, image.shape[1] - 2 * HALO
        centre = image[HALO : HALO + rows, HALO : HALO + cols].reshape(rows * cols, -1)
        values = []
        for member in range(self.members):
            deep = self._convolved(image[None], member)[0]
            window = deep.shape[0] - rows + 1
            down = sum(deep[k : k + rows] for k in range(window))
            pooled = sum(down[:, k : k + cols] for k in range(window)) / np.float32(window**2)
            features = np.concatenate([pooled.reshape(rows * cols, -1), centre], axis=1)
            values.append(self._head(features, member).reshape(rows, cols))
        return np.stack(values)

    def _convolved(self, images: Single, member: int) -> Single:
        """(n, rows - 6, cols - 6, outputs) of (n, rows, cols, channels)."""
        layer = images
        for kernels, biases in zip(self.kernels, self.biases):
            n, rows, cols, inputs = layer.shape
            around = windows_of(layer, 3, (1, 2))
            flat = around.transpose(0, 1, 2, 4, 5, 3).reshape(n * (rows - 2) * (cols - 2), 9 * inputs)
            layer = flat @ kernels[member].reshape(9 * inputs, -1)
            layer += biases[member]
            np.maximum(layer, 0, out=layer)
            layer = layer.reshape(n, rows - 2, cols - 2, -1)
        return layer

    def _head(self, features: Single, member: int) -> Floats:
        hidden = np.maximum(features @ self.hidden[member] + self.hidden_bias[member], 0)
        return self.scale * (hidden @ self.last[member] + self.last_bias[member]).astype(np.float64)

    def _fits_together(self) -> bool:
        members, inputs = len(self.last_bias), self.channels.count
        if len(self.kernels) != _CONVOLUTIONS or len(self.biases) != _CONVOLUTIONS or members < 1:
            return False
        for kernel, bias in zip(self.kernels, self.biases):
            if kernel.ndim != 5 or kernel.shape[:4] != (members, 3, 3, inputs):
                return False
            inputs = kernel.shape[4]
            if bias.shape != (members, inputs):
                return False
        width = self.hidden.shape[-1]
        numbers: list[NDArray[Any]] = [*self.kernels, *self.biases, self.hidden, self.hidden_bias, self.last]
        numbers += [self.last_bias, self.channels.mean, self.channels.scale, np.array(self.scale)]
        return (
            self.hidden.shape == (members, inputs + self.channels.count, width)
            and self.hidden_bias.shape == self.last.shape == (members, width)
            and self.channels.mean.shape == self.channels.scale.shape
            and self.channels.mean.ndim == 1
            and all(np.isfinite(one).all() for one in numbers)
            and bool((self.channels.scale > 0).all())
        )


def windows_of(values: NDArray[Any], side: int, axes: tuple[int, int]) -> NDArray[Any]:
    """Views of all windows of `side` x `side` along two axes, their rows and columns last."""
    view: Any = np.lib.stride_tricks.sliding_window_view
    return view(values, (side, side), axis=axes)


def with_features(rows: Rows, network: Network, patches: Floats) -> Rows:
    """Rows with the features of their patches (n, 9, 9, 1 + factors), made in parts."""
    parts = []
    for start in range(0, len(rows), 2048):
        some = slice(start, start + 2048)
        season = rows.season[some, None, None, :] if network.channels.dated else ()
        parts.append(network.features(network.channels.make(patches[some], season)))
    return replace(rows, features=np.concatenate(parts, axis=1))
