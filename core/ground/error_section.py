"""The section of a validation report on where the error comes from: level, amplitude, or timing and noise."""

from __future__ import annotations

import math

from ..report import Figure, Table, Text, agreement_charts, fmt
from ..report.html import Block
from .metrics import Agreement
from .results import ProductValidation
from .wording import field_names

_FEWEST_PAIRS = 10


def error_parts(product: ProductValidation) -> list[Block]:
    """Parts of the mean squared error and of the KGE, Taylor and target diagram."""
    names, pooled = field_names(product), product.pooled
    score = pooled["product"]
    if math.isnan(score.mse) or math.isnan(score.r) or score.n < _FEWEST_PAIRS:
        return []
    shares = {
        "its mean level (bias)": score.mse_bias,
        "its amplitude (variance)": score.mse_variance,
        "timing and noise (correlation)": score.mse_correlation,
    }
    largest = max(shares, key=lambda part: shares[part])
    share = 100 * shares[largest] / score.mse if score.mse > 0 else 0.0
    text = (
        "The mean squared error is the sum of three parts. Bias: the map is too wet or too dry as a whole, which a "
        "constant mends. Variance: it swings too little or too much, which a factor mends. Correlation: it is wet and "
        "dry at the wrong times or places, which no rescaling mends. "
        f"Of the error of the map, the largest part is {largest}: {share:.0f}\u00a0%. "
        f"{_amplitude(score)}"
    )
    parts = agreement_charts.error_parts(
        list(names.values()),
        [pooled[source].mse_bias for source in names],
        [pooled[source].mse_variance for source in names],
        [pooled[source].mse_correlation for source in names],
    )
    caption = "Mean squared error over all pairs in its three parts; the number is its square root."
    clouds = [_cloud(product, source, name) for source, name in names.items()]
    diagrams = (
        "Large marks: over all pairs; small dots: single stations; star: the measurements. Left, distance from the "
        "origin is the standard deviation, the angle is R, and distance from the star is ubRMSE (amber rings). Right, "
        "distance from the star is RMSE, upwards is too wet, left of it varies too little; outside the dashed ring, "
        "the mean of the measurements would be the better map. All in multiples of the measured standard deviation; "
        "stations beyond the frame are not drawn."
    )
    rows = []
    for source, name in names.items():
        own = pooled[source]
        percent = [100 * part / own.mse if own.mse > 0 else math.nan for part in _parts(own)]
        rows.append([name, own.mse * 1000, *percent, own.kge, own.r, own.kge_variability, own.kge_bias])
    table = Table(
        ["Field", "MSE (10⁻³)", "Bias %", "Variance %", "Correlation %", "KGE", "R", "α spread", "β level"],
        rows,
        "Parts of the error and of the Kling-Gupta efficiency (KGE), over all pairs.",
        digits=[0, 3, 0, 0, 0, 2, 2, 2, 2],
        notes="KGE = 1 − √((R−1)² + (α−1)² + (β−1)²) with α the ratio of standard deviations and β the ratio of means; "
        "1 is perfect, −0.41 is what the mean of the measurements scores.",
    )
    figures: list[Block] = [
        Figure(parts, caption, "; ".join(f"{row[0]}: bias {fmt(row[2], 0)} %" for row in rows)),
        Figure(
            agreement_charts.taylor_and_target(clouds),
            diagrams,
            "; ".join(f"{cloud.name}: R {fmt(cloud.r, 2)}, deviation {fmt(cloud.deviation, 2)}" for cloud in clouds),
        ),
    ]
    return [Text(text), *figures, table]


def scaled(score: Agreement) -> tuple[float, float]:
    """Bias and ubRMSE in multiples of the measured standard deviation, which follows from the efficiency."""
    if math.isnan(score.r2_efficiency) or score.r2_efficiency >= 1:
        return (math.nan, math.nan) if math.isnan(score.r2_efficiency) else (0.0, 0.0)
    deviation = score.rmse / math.sqrt(1 - score.r2_efficiency)
    return score.bias / deviation, score.ubrmse / deviation


def _cloud(product: ProductValidation, source: str, name: str) -> agreement_charts.Cloud:
    used = [row.scores[source] for row in product.stations if row.used]
    bias, error = zip(*(scaled(score) for score in used)) if used else ((), ())
    own_bias, own_error = scaled(product.pooled[source])
    return agreement_charts.Cloud(
        name,
        product.pooled[source].r,
        product.pooled[source].kge_variability,
        own_bias,
        own_error,
        [score.r for score in used],
        [score.kge_variability for score in used],
        bias,
        error,
    )


def _parts(score: Agreement) -> tuple[float, float, float]:
    return score.mse_bias, score.mse_variance, score.mse_correlation


def _amplitude(score: Agreement) -> str:
    spread = score.kge_variability
    if math.isnan(spread) or 0.95 <= spread <= 1.05:
        return "The map swings about as much as the measurements."
    return (
        f"The map swings {spread:.2f} times as much as the measurements: {'too much' if spread > 1 else 'too little'}."
    )
