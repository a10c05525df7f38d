"""A station's scores under the names that QA4SM (qa4sm.eu) gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import StationRow

# Codes of pytesmo's validation framework and of QA4SM.
OK, TOO_FEW, NO_METRIC, NO_OVERLAP, NO_PLACE = 0, 1, 2, 4, 7
STATUS = {
    OK: "scored",
    TOO_FEW: "not enough pairs",
    NO_METRIC: "no correlation: a series does not vary",
    NO_OVERLAP: "no pair at the same time",
    NO_PLACE: "no value of the product at this place",
}


def qa4sm_row(row: StationRow) -> dict[str, str | int | float]:
    """Columns of the station table. Differences are product minus station; baselines carry _smooth or _coarse.

    p values and intervals (_low, _high) are for the effective number of pairs `n_eff`; those that end in _boot_low and
    _boot_high come from resamples of blocks of time. `RSS` is the sum of squared differences.
    """
    score, sure = row.scores["product"], row.significance
    columns: dict[str, str | int | float] = {
        "station": row.station,
        "x": row.x,
        "y": row.y,
        "status": row.status,
        "n_obs": row.n,
        "n_eff": row.n_effective,
        "used": int(row.used),
    }
    for source, own in row.scores.items():
        suffix = "" if source == "product" else f"_{source}"
        values = {
            "R": own.r,
            "R_low": own.r_ci[0],
            "R_high": own.r_ci[1],
            "rho": own.spearman,
            "BIAS": own.bias,
            "RMSD": own.rmse,
            "urmsd": own.ubrmse,
            "MAE": own.mae,
            "mse": own.mse,
            "mse_corr": own.mse_correlation,
            "mse_bias": own.mse_bias,
            "mse_var": own.mse_variance,
            "KGE": own.kge,
            "KGE_alpha": own.kge_variability,
            "KGE_beta": own.kge_bias,
            "slope": own.slope,
            "R_anomaly": row.anomaly_r.get(source, float("nan")),
        }
        columns.update({name + suffix: value for name, value in values.items()})
    columns.update({f"dR_{source}": value for source, value in row.gain.items()})
    columns.update(
        {
            "RSS": score.mse * score.n,
            "p_R": sure.p_r,
            "p_rho": sure.p_spearman,
            "rho_low": sure.spearman_ci[0],
            "rho_high": sure.spearman_ci[1],
            "tau": sure.tau,
            "p_tau": sure.p_tau,
            "BIAS_low": sure.bias.low,
            "BIAS_high": sure.bias.high,
            "urmsd_low": sure.ubrmse.low,
            "urmsd_high": sure.ubrmse.high,
        }
    )
    for name, key in (("R", "r"), ("BIAS", "bias"), ("RMSD", "rmse"), ("urmsd", "ubrmse")):
        drawn = row.drawn.get(key)
        columns[f"{name}_boot_low"] = drawn.low if drawn else float("nan")
        columns[f"{name}_boot_high"] = drawn.high if drawn else float("nan")
    # A layer's fields differ by more than their case.
    taken = {name.lower() for name in columns}
    for kind, label in row.classes.items():
        name = kind.lower().replace(" ", "_")
        columns[f"class_{name}" if name in taken else name] = label
    return columns
