"""Training of the network in two phases: on the gridded product alone, then its dense layers on stations.

What a station network is too small to teach, what surroundings and factors look like, is learnt from thousands of
pixels of a gridded product; the convolutions then stay as they are and only the dense layers are moved, slowly and
tied to where they were (transfer learning, as in Zhang et al. 2025; their layout is not published in full).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...packages import required
from ...progress import Progress
from ..metrics import Floats
from .convolution import HALO, Channels, Network, Single
from .rows import Rows

MEMBERS = 5
WIDTHS = (32, 32, 64)
HIDDEN = 64
_ROUNDS, _BATCH, _RATE, _PATIENCE = 12, 128, 1e-3, 3  # phase 1
_STEPS, _SLOW, _LOOK, _WAIT = 1500, 1e-4, 10, 25  # phase 2: steps, rate, steps between looks, looks without gain
_PULL = 1e-3  # weight of the squared distance to where phase 2 began
MOST_ROWS = 2000  # of stations, drawn at random from more
_HIDE = 1  # pixels around the middle whose product value phase 1 does not see


@dataclass(frozen=True)
class Pretraining:
    """What phase 1 learns from: patches (n, 9, 9, 1 + factors), season (n, 2) and where each patch lies (a number of
    the window it was read from). target: (n,) m3/m3, or None to predict the product from its surroundings."""

    patches: Floats
    season: Floats
    window: NDArray[np.intp]
    target: Floats | None = None


@dataclass
class Curves:
    """Held-out errors by round, per member: of phase 1 (relative to the target's spread), and of phase 2 (m3/m3)."""

    phase1: list[list[float]] = field(default_factory=list)
    phase2: list[list[float]] = field(default_factory=list)


def pretrain(
    data: Pretraining, seed: int, progress: Progress, curves: Curves, members: int = MEMBERS, rounds: int = _ROUNDS
) -> Network:
    """Phase 1: a network from the gridded product, without any station.

    With a target (the gridded product's difference) all values are seen. Without, the product is hidden at the pixel
    and its eight neighbours, and what is predicted is how much the pixel differs from the mean of what is seen.
    """
    torch = required("torch")
    values = data.patches.reshape(-1, data.patches.shape[-1])
    deviation = np.nanstd(values, axis=0)
    channels = Channels(
        np.nan_to_num(np.nanmean(values, axis=0)),
        np.where(np.isfinite(deviation) & (deviation > 1e-9), deviation, 1.0),
        data.season.shape[1] == 2,
    )
    x, y, scale = _images_and_target(data, channels)
    held_out = _window_folds(data.window, members, seed)
    layers = []
    with threads(torch):
        for member in range(members):
            part = progress.part(member / members, (member + 1) / members)
            start = _initial(channels.count, np.random.default_rng([seed, member]))
            curve: list[float] = []
            layers.append(_train_member(torch, x, y, start, held_out == member, seed + member, rounds, part, curve))
            curves.phase1.append(curve)
    stacked = [np.stack([layer[k] for layer in layers]) for k in range(len(layers[0]))]
    # Phase 2 predicts what stations differ by: without a gridded target that is another quantity, and starts at 0.
    last = stacked[8] if data.target is not None else np.zeros_like(stacked[8])
    bias = stacked[9] if data.target is not None else np.zeros_like(stacked[9])
    return Network(channels, stacked[0:6:2], stacked[1:6:2], stacked[6], stacked[7], last, bias, scale)


def finetune(
    base: Network, rows: Rows, group: NDArray[np.intp], seed: int, progress: Progress, curves: Curves | None = None
) -> Network:
    """Phase 2: dense layers moved towards the stations of `rows` (with features), each member stopped by a fifth of
    the groups of stations that it does not see."""
    torch = required("torch")
    random = np.random.default_rng(seed)
    assert rows.features is not None
    if len(rows) > MOST_ROWS:
        chosen = np.sort(random.choice(len(rows), MOST_ROWS, replace=False))
        rows, group = rows.take(chosen), group[chosen]
    features = rows.features
    assert features is not None
    residual = rows.y - rows.z
    scale = float(residual.std()) or 1.0
    shrink = base.scale / scale
    first = shrink * _said(base, features)
    # The mean bias is given from the start; only what deviates from it must be learnt.
    shift = residual.mean() / scale - first.mean(axis=1)
    _, member_of = np.unique(group, return_inverse=True)
    fold = (random.permutation(int(member_of.max()) + 1) % max(2, min(base.members, int(member_of.max()) + 1)))[
        member_of
    ]
    held = np.stack([fold == member % (int(fold.max()) + 1) for member in range(base.members)])
    with threads(torch):
        start = [base.hidden, base.hidden_bias, base.last * shrink, base.last_bias * shrink + shift]
        best = _train_heads(torch, features, residual / scale, held, start, progress, curves, scale)
    return base.with_head(*best, scale)


@contextmanager
def threads(torch: Any) -> Iterator[None]:
    """One thread, so that the same seed gives the same weights on any machine; put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _images_and_target(data: Pretraining, channels: Channels) -> tuple[Single, Single, float]:
    patches, target = data.patches, data.target
    if target is None:
        middle = slice(HALO - _HIDE, HALO + _HIDE + 1)
        own = patches[:, HALO, HALO, 0]
        patches = patches.copy()
        patches[:, middle, middle, 0] = np.nan
        target = own - np.nanmean(patches[..., 0], axis=(1, 2))
    season = data.season[:, None, None, :] if channels.dated else ()
    scale = float(np.std(target)) or 1.0
    return channels.make(patches, season), (target / scale).astype(np.float32), scale


def _window_folds(window: NDArray[np.intp], members: int, seed: int) -> NDArray[np.intp]:
    """Which member does not see a window."""
    names, number = np.unique(window, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % max(2, members))[number]


def _initial(inputs: int, random: np.random.Generator) -> list[NDArray[np.float32]]:
    """He et al. 2015 (doi:10.1109/ICCV.2015.123): kernels and biases of each layer in turn, in the Network's layout."""
    layers: list[NDArray[np.float32]] = []
    width = inputs
    for outputs in WIDTHS:
        layers.append(random.normal(0, np.sqrt(2 / (9 * width)), (3, 3, width, outputs)).astype(np.float32))
        layers.append(np.zeros(outputs, np.float32))
        width = outputs
    layers.append(random.normal(0, np.sqrt(2 / (width + inputs)), (width + inputs, HIDDEN)).astype(np.float32))
    layers.append(np.zeros(HIDDEN, np.float32))
    layers.append(random.normal(0, np.sqrt(1 / HIDDEN), HIDDEN).astype(np.float32))
    layers.append(np.zeros((), np.float32))
    return layers


def forward(torch: Any, x: Any, layers: list[Any]) -> Any:
    """What one member says, (n,), of patches (n, 9, 9, channels)."""
    deep = x.permute(0, 3, 1, 2)
    for kernel, bias in zip(layers[0:6:2], layers[1:6:2]):
        deep = torch.relu(torch.nn.functional.conv2d(deep, kernel.permute(3, 2, 0, 1), bias))
    features = torch.cat([deep.mean(dim=(2, 3)), x[:, HALO, HALO]], dim=1)
    return torch.relu(features @ layers[6] + layers[7]) @ layers[8] + layers[9]


def _train_member(
    torch: Any,
    x: Single,
    y: Single,
    start: list[NDArray[np.float32]],
    held: NDArray[np.bool_],
    seed: int,
    rounds: int,
    progress: Progress,
    curve: list[float],
) -> list[NDArray[np.float32]]:
    layers = [torch.tensor(one, requires_grad=True) for one in start]
    optimiser = torch.optim.Adam(layers, lr=_RATE)
    seen, out = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(seen) or not len(out):
        seen = out = np.arange(len(y))
    images, target = torch.from_numpy(x), torch.from_numpy(y)
    random = np.random.default_rng(seed)
    best, lowest, waited = [one.copy() for one in start], np.inf, 0
    for number in range(rounds):
        order = random.permutation(seen)
        for at in range(0, len(order), _BATCH):
            progress.check()
            batch = torch.from_numpy(order[at : at + _BATCH])
            optimiser.zero_grad()
            loss = torch.nn.functional.huber_loss(forward(torch, images[batch], layers), target[batch])
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            error = float(((forward(torch, images[out], layers) - target[out]) ** 2).mean().sqrt())
        curve.append(error)
        progress.set((number + 1) / rounds, "Training the network on the gridded product")
        waited += 1
        if error < lowest:
            best, lowest, waited = [one.detach().numpy().copy() for one in layers], error, 0
        elif waited >= _PATIENCE:
            break
    return best


def _said(base: Network, features: Single) -> Floats:
    return base.residuals(features) / base.scale


def _train_heads(
    torch: Any,
    features: Single,
    target: Floats,
    held: NDArray[np.bool_],
    start: list[Any],
    progress: Progress,
    curves: Curves | None,
    scale: float,
) -> tuple[Single, Single, Single, Single]:
    """All members side by side: every step takes all rows that a member sees."""
    began = [torch.tensor(np.asarray(one, np.float32)) for one in start]
    heads = [one.clone().requires_grad_() for one in began]
    optimiser = torch.optim.Adam(heads, lr=_SLOW)
    x, y = torch.from_numpy(features), torch.tensor(target, dtype=torch.float32)
    out = torch.tensor(held, dtype=torch.float32)
    seen = 1 - out

    def said() -> Any:
        hidden = torch.relu(torch.bmm(x, heads[0]) + heads[1][:, None])
        return (hidden * heads[2][:, None]).sum(dim=2) + heads[3][:, None]

    best = [one.clone() for one in began]
    lowest = torch.full((len(held),), float("inf"))
    waited = np.zeros(len(held), int)
    shown: list[NDArray[Any]] = []
    for step in range(_STEPS + 1):
        progress.check()
        optimiser.zero_grad()
        answer = said()
        if step % _LOOK == 0:
            with torch.no_grad():
                error = ((answer - y) ** 2 * out).sum(dim=1) / out.sum(dim=1)
                better = error < lowest
                lowest = torch.where(better, error, lowest)
                for kept, one in zip(best, heads):
                    kept[better] = one.detach()[better]
            shown.append(scale * error.sqrt().numpy())
            waited = np.where(better.numpy(), 0, waited + 1)
            if (waited >= _WAIT).all():
                break
            progress.set(step / _STEPS)
        loss = torch.nn.functional.huber_loss(answer, y.expand_as(answer), reduction="none")
        loss = ((loss * seen).sum(dim=1) / seen.sum(dim=1)).sum()
        loss = loss + _PULL * sum(((one - at) ** 2).sum() for one, at in zip(heads, began))
        loss.backward()
        optimiser.step()
    if curves is not None:
        curves.phase2 = np.stack(shown, axis=1).tolist()
    hidden, hidden_bias, last, last_bias = (one.numpy() for one in best)
    return hidden, hidden_bias, last, last_bias
