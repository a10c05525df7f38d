"""ESTARFM and STARFM pixel by pixel in plain loops: what the fast code is measured against. Shares no code with it."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def window_pixels(y, x, half, shape):
    rows = range(max(0, y - half), min(shape[0], y + half + 1))
    return [(i, j) for i in rows for j in range(max(0, x - half), min(shape[1], x + half + 1))]


def mean_change(wanted, coarse, inside):
    found = [wanted[i] - coarse[i] for i in inside if math.isfinite(wanted[i]) and math.isfinite(coarse[i])]
    return sum(found) / len(found) if found else math.nan


def dissimilarity(fine, coarse, i, sd, scale):
    """Of pixel i; fine and coarse (pairs, bands, rows, cols), sd of each fine band, scale: mean and sd of all pairs."""
    f, c = (image[(slice(None), slice(None), *i)] for image in (fine, coarse))
    if f.size < 3:
        return np.mean(np.abs(f - c) / sd) + 1e-3
    f, c = (((image - scale[0]) / scale[1]).ravel() for image in (f, c))
    if np.ptp(f) == 0 or np.ptp(c) == 0:
        return 1.0 + 1e-3
    return 1 - np.corrcoef(f, c)[0, 1] + 1e-3


def slope(x, y, alpha, through_origin=False):
    """Slope where the F test finds it significant, else None."""
    x, y = np.array(x), np.array(y)
    if not through_origin:
        x, y = x - x.mean(), y - y.mean()
    free = len(x) - (1 if through_origin else 2)
    if free < 1 or (x @ x) == 0 or (y @ y) == 0:
        return None
    b = (x @ y) / (x @ x)
    rest = ((y - b * x) ** 2).sum()
    f = math.inf if rest <= 1e-20 * (y @ y) else b * b * (x @ x) / (rest / free)
    return b if stats.f.sf(f, 1, free) <= alpha else None


def estarfm(fine, coarse, wanted, half, classes=4, alpha=0.05, uncertainty=0.5, conversion="changes"):
    """fine, coarse (2, bands, rows, cols), wanted (bands, rows, cols) -> fused, similar pixels, coefficient, share."""
    bands, shape = fine.shape[1], fine.shape[2:]
    limit = 2 * np.nanstd(fine, axis=(2, 3)) / classes
    sd_one = np.nanstd(fine, axis=(2, 3))
    scale = np.nanmean(fine, axis=(0, 2, 3)), np.nanstd(fine, axis=(0, 2, 3))
    sd_coarse = np.nanstd(coarse, axis=(0, 2, 3))
    valid = [np.isfinite(f).all(axis=0) & np.isfinite(c).all(axis=0) for f, c in zip(fine, coarse)]
    usable = valid[0] & valid[1]
    out = np.full((4, bands, *shape), np.nan)

    means = {k: np.nanmean(fine[k : k + 1], (0, 2, 3)) for k in (0, 1)}

    def weight_of(i, y, x, k=None):
        """Of neighbour i, from both pairs or from pair k alone."""
        if k is None:
            unlike = dissimilarity(fine, coarse, i, sd_one.mean(axis=0), scale)
        else:
            unlike = dissimilarity(fine[k : k + 1], coarse[k : k + 1], i, sd_one[k], (means[k], sd_one[k]))
        return 1 / (unlike * (1 + math.hypot(i[0] - y, i[1] - x) / half))

    for y, x in np.ndindex(*shape):
        inside = window_pixels(y, x, half, shape)
        similar = [
            i
            for i in inside
            if usable[i] and usable[y, x] and np.all(np.abs(fine[:, :, i[0], i[1]] - fine[:, :, y, x]) <= limit)
        ]
        for b in range(bands):
            seen = [i for i in similar if math.isfinite(wanted[b][i])]
            out[1, b, y, x] = len(seen)
            change = [mean_change(wanted[b], coarse[k, b], inside) for k in (0, 1)]
            weights = [abs(change[1]), abs(change[0])] if change != [0, 0] else [1, 1]
            share = weights[0] / sum(weights)
            v = 1.0
            if similar and conversion == "pooled":
                c = [coarse[k, b][i] for k in (0, 1) for i in similar]
                f = [fine[k, b][i] for k in (0, 1) for i in similar]
                found = slope(c, f, alpha) if np.std(c) > uncertainty * sd_coarse[b] else None
                v = found if found is not None and 0 < found <= 5 else 1.0
            elif similar and conversion == "changes":
                c = [coarse[1, b][i] - coarse[0, b][i] for i in similar]
                f = [fine[1, b][i] - fine[0, b][i] for i in similar]
                if slope(c, f, alpha, through_origin=True) is not None:
                    total = sum(weight_of(i, y, x) for i in similar)
                    dc = sum(weight_of(i, y, x) * change for i, change in zip(similar, c)) / total
                    df = sum(weight_of(i, y, x) * change for i, change in zip(similar, f)) / total
                    gap = fine[1, b] - fine[0, b] - coarse[1, b] + coarse[0, b]
                    apart = np.mean([gap[i] for i in inside if math.isfinite(gap[i])])
                    noise = (uncertainty * sd_coarse[b]) ** 2 + apart**2
                    found = (df * dc + noise) / (dc * dc + noise)
                    v = found if 0 < found <= 5 else 1.0
            alone = [k for k in (0, 1) if valid[k][y, x] and not usable[y, x]]
            if alone:
                k = alone[0]
                near = [
                    i
                    for i in inside
                    if valid[k][i] and np.all(np.abs(fine[k, :, i[0], i[1]] - fine[k, :, y, x]) <= limit[k])
                ]
                seen = [i for i in near if math.isfinite(wanted[b][i])]
                v = 1.0
                out[1, b, y, x] = len(seen)
            out[2, b, y, x] = v
            out[3, b, y, x] = 1.0 - alone[0] if alone else share
            if not math.isfinite(wanted[b, y, x]):
                continue
            if len(seen) <= 5:
                known = [k for k in (0, 1) if math.isfinite(fine[k, b, y, x]) and math.isfinite(change[k])]
                parts = {k: fine[k, b, y, x] + change[k] for k in known}
                if len(known) == 2:
                    out[0, b, y, x] = share * parts[0] + (1 - share) * parts[1]
                elif known:
                    out[0, b, y, x] = parts[known[0]]
                continue
            if alone:
                weight = {i: weight_of(i, y, x, k) for i in seen}
                step = sum(w * (wanted[b][i] - coarse[k, b][i]) for i, w in weight.items()) / sum(weight.values())
                out[0, b, y, x] = fine[k, b, y, x] + step
                continue
            weight = {i: weight_of(i, y, x) for i in seen}
            total = sum(weight.values())
            parts = [
                fine[k, b, y, x] + v * sum(w / total * (wanted[b][i] - coarse[k, b][i]) for i, w in weight.items())
                for k in (0, 1)
            ]
            out[0, b, y, x] = share * parts[0] + (1 - share) * parts[1]
    return out


def starfm(fine, coarse, wanted, half, classes=4, uncertainty=0.5):
    """fine, coarse (pairs, rows, cols) of one band, wanted (rows, cols) -> fused (rows, cols)."""
    shape = wanted.shape
    sd_coarse = np.nanstd(coarse)
    out = np.full(shape, np.nan)
    for y, x in np.ndindex(*shape):
        if not math.isfinite(wanted[y, x]):
            continue
        total = value = 0.0
        for f, c in zip(fine, coarse):
            if not (math.isfinite(f[y, x]) and math.isfinite(c[y, x])):
                continue
            spectral = np.abs(f - c) / np.nanstd(f)
            temporal = np.abs(wanted - c) / sd_coarse
            for i in window_pixels(y, x, half, shape):
                if not (math.isfinite(spectral[i]) and math.isfinite(temporal[i])):
                    continue
                if abs(f[i] - f[y, x]) > 2 * np.nanstd(f) / classes:
                    continue
                if spectral[i] > spectral[y, x] + uncertainty or temporal[i] > temporal[y, x] + uncertainty:
                    continue
                distance = 1 + math.hypot(i[0] - y, i[1] - x) / half
                weight = 1 / ((spectral[i] + 1e-3) * (temporal[i] + 1e-3) * distance)
                total += weight
                value += weight * (f[i] + wanted[i] - c[i])
        out[y, x] = value / total if total else np.nan
    return out
