"""The network as arrays: equal to torch, the same for patches and for maps; and its training."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.ground.calibrate.convolution import Channels, Network, windows_of
from soilmoisture.core.ground.calibrate.rows import Rows
from soilmoisture.core.progress import Progress

from .conftest import rows_of

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def _wave(shape: tuple[int, ...], step: float, size: float) -> np.ndarray:
    return (size * np.sin(step * np.arange(np.prod(shape, dtype=int), dtype=float))).reshape(shape).astype(np.float32)


def _network(members: int = 1) -> Network:
    channels = Channels(np.zeros(3), np.ones(3), False)
    kernels = [_wave((3, 3, 4, 5), 0.7, 0.3), _wave((3, 3, 5, 5), 1.1, 0.3), _wave((3, 3, 5, 6), 1.7, 0.3)]
    biases = [_wave((5,), 2.0, 0.1), _wave((5,), 2.3, 0.1), _wave((6,), 2.9, 0.1)]
    head = [_wave((10, 7), 0.9, 0.4), _wave((7,), 1.3, 0.1), _wave((7,), 0.4, 0.5), np.float32(0.05)]
    kernels, biases, head = (
        [np.stack([one * (1 + 0.1 * k) for k in range(members)]) for one in part] for part in (kernels, biases, head)
    )
    return Network(channels, kernels, biases, *head, 1.0)


def _patches(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(windows_of(image, 9, (0, 1)).transpose(0, 1, 3, 4, 2).reshape(-1, 9, 9, image.shape[2]))


def test_layers_as_torch(golden: dict[str, Any]) -> None:
    mean, spread = _network().over_map(_wave((11, 12, 4), 0.37, 1.0))
    np.testing.assert_allclose(mean, golden["network"]["said"], atol=1e-5)
    np.testing.assert_allclose(spread, 0.0)


def test_a_map_is_its_patches(monkeypatch: Any) -> None:
    network = _network(members=3)
    image = np.random.default_rng(0).normal(size=(29, 31, 4)).astype(np.float32)
    said = network.residuals(network.features(_patches(image)))
    # Small parts, so that their seams are in the picture.
    monkeypatch.setattr("soilmoisture.core.ground.calibrate.convolution._CHUNK", 100)
    mean, spread = network.over_map(image)
    np.testing.assert_allclose(mean.ravel(), said.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(spread.ravel(), said.std(axis=0), atol=1e-5)


def test_gaps_are_filled_with_the_mean_and_marked() -> None:
    channels = Channels(np.array([0.2, 10.0]), np.array([0.1, 2.0]), True)
    made = channels.make(np.array([[0.3, 14.0], [np.nan, 14.0]]), (0.6, 0.8))
    np.testing.assert_allclose(made, [[1, 2, 0.6, 0.8, 1], [0, 2, 0.6, 0.8, 0.5]], atol=1e-6)


def test_arrays_make_the_same_network_and_wrong_ones_none() -> None:
    network = _network(members=2)
    arrays = dict(network.arrays())
    image = _wave((10, 10, 4), 0.3, 1.0)
    np.testing.assert_array_equal(Network.from_arrays(arrays).over_map(image)[0], network.over_map(image)[0])
    for name in ("kernel1", "hidden", "last_bias"):
        with pytest.raises((InputError, ValueError)):
            Network.from_arrays({**arrays, name: arrays[name][..., :1]})
    with pytest.raises(InputError):
        Network.from_arrays({**arrays, "last": arrays["last"] * np.nan})


@needs_torch
def test_the_trained_form_is_the_applied_form() -> None:
    import torch

    from soilmoisture.core.ground.calibrate.network_training import forward

    network = _network()
    patches = _patches(np.random.default_rng(1).normal(size=(12, 13, 4)).astype(np.float32))
    layers = [torch.from_numpy(np.asarray(one[0])) for pair in zip(network.kernels, network.biases) for one in pair]
    layers += [
        torch.from_numpy(np.asarray(one[0]))
        for one in (network.hidden, network.hidden_bias, network.last, network.last_bias)
    ]
    expected = forward(torch, torch.from_numpy(patches), layers).numpy()
    np.testing.assert_allclose(network.residuals(network.features(patches))[0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def pretrained() -> Any:
    pytest.importorskip("torch")
    from soilmoisture.core.ground.calibrate.network_training import Curves, Pretraining, pretrain

    random = np.random.default_rng(4)
    patches = random.normal(0.25, 0.05, (300, 9, 9, 2))
    target = 0.5 * (patches[:, 4, 4, 1] - 0.25)
    data = Pretraining(patches, np.zeros((300, 0)), np.arange(300) // 20, target)
    curves = Curves()
    make = lambda: pretrain(data, 0, Progress(), curves, members=2, rounds=3)  # noqa: E731
    return make, make(), curves


@needs_torch
def test_phase_one_learns_and_is_repeatable(pretrained: Any) -> None:
    import torch

    make, network, curves = pretrained
    assert all(curve[-1] < curve[0] < 1.2 for curve in curves.phase1[:2])
    before = torch.get_num_threads()
    again = make()
    assert torch.get_num_threads() == before
    for name, array in network.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])


def _station_rows(network: Network, n: int = 120) -> Rows:
    random = np.random.default_rng(6)
    patches = random.normal(0.25, 0.05, (n, 9, 9, 2))
    z = patches[:, 4, 4, 0]
    y = z + 0.03 + 0.4 * (patches[:, 4, 4, 1] - 0.25)
    rows = rows_of(z, y, station=np.arange(n) // 4)
    return replace(rows, features=network.features(network.channels.make(patches, ())))


@needs_torch
def test_phase_two_keeps_the_convolutions_and_comes_closer_to_stations(pretrained: Any) -> None:
    from soilmoisture.core.ground.calibrate.network_training import Curves, finetune

    _, network, _ = pretrained
    rows = _station_rows(network)
    curves = Curves()
    tuned = finetune(network, rows, rows.station, 0, Progress(), curves)
    for before, after in zip(network.kernels, tuned.kernels):
        np.testing.assert_array_equal(before, after)
    error = np.sqrt(np.mean((tuned.predict(rows) - rows.y) ** 2))
    bias_only = np.std(rows.y - rows.z)
    assert error < 0.8 * bias_only
    assert len(curves.phase2) == 2 and curves.phase2[0][-1] <= curves.phase2[0][0] + 1e-6


@needs_torch
def test_training_can_be_cancelled(pretrained: Any) -> None:
    from soilmoisture.core.ground.calibrate.network_training import finetune

    class Stopped(Progress):
        cancelled = True  # type: ignore[assignment]

    _, network, _ = pretrained
    rows = _station_rows(network)
    with pytest.raises(Cancelled):
        finetune(network, rows, rows.station, 0, Stopped())
