"""The page of a comparison of learners: which is best, by how much, and whether a simpler one would do."""

from __future__ import annotations

import math
from typing import Any

from ..report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural, typeset
from ..report.comparison_charts import fold_boxes, taylor
from .comparison import Comparison, Entry
from .training_numbers import numbers_of
from .training_report import training_report
from .training_sections import visible


def comparison_report(comparison: Comparison) -> Report:
    """First the comparison, then all that a training report says of the model that was written."""
    best, own = comparison.entries[0], training_report(comparison.training)
    unit = typeset(comparison.training.model.target_unit)
    table = _ranking(comparison)
    notes = [*comparison.notes, *comparison.training.notes]
    return Report(
        title=f"Comparison of {plural(len(comparison.entries), 'learner')}",
        subtitle=own.subtitle,
        verdict="\n".join(_verdict(comparison)),
        tone=own.tone,
        key_figures=[
            KeyFigure("Best learner", best.learner.title, typeset(best.choice.chosen.form.label))
            if best.share > 0
            else KeyFigure("Model written", best.learner.title, f"{_why_written(comparison)}; none is better"),
            KeyFigure(
                "Share explained", percent(best.share), "of differences between neighbouring cells, unseen blocks"
            ),
            KeyFigure("Detail gain", fmt(best.choice.chosen.gain.value, 2), "1: detail in full, 0: none"),
            KeyFigure("R², spatial blocks", fmt(best.score.r2, 2), "in its training form"),
        ],
        sections=[
            Section("Which learner", [table, *_charts(comparison), _beside(comparison, unit)]),
            Section("Which training form", [_forms(comparison)]),
            *(section for section in own.sections if section.heading != "Notes"),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in notes))])] if notes else []),
        ],
        details=own.details,
        data={
            **numbers_of(comparison.training),
            "learners": [_numbers(entry) for entry in comparison.entries],
            "simpler": None if comparison.simpler is None else comparison.simpler.learner.id,
            "notes": notes,
        },
        main_table=table,
    )


def _verdict(comparison: Comparison) -> list[str]:
    best, simpler = comparison.entries[0], comparison.simpler
    if best.share <= 0:
        return [
            "No learner explains anything of the differences between neighbouring coarse cells in blocks it has not "
            "seen: the downscaled map will equal the smooth interpolation of the coarse map, whichever is taken.",
            f"None is better than another; the model of {best.learner.title} was written, {_why_written(comparison)}.",
            *_absent(comparison),
        ]
    lines = [
        f"Of {plural(len(comparison.entries), 'learner')}, {best.learner.title} explains the largest share of the "
        f"differences between neighbouring coarse cells in blocks it has not seen: {percent(best.share)}."
    ]
    if simpler is not None:
        lines.append(
            f"{simpler.learner.title} is simpler and as good: it explains {percent(simpler.share)}, and the difference "
            f"of {_points(simpler.difference[0])} (95\u00a0% interval {_interval(simpler)}) is within noise."
        )
    elif len(comparison.entries) > 1:
        second = comparison.entries[1]
        beyond = second.difference[1] > 0
        lines.append(
            f"The next, {second.learner.title}, explains {percent(second.share)}; the difference of "
            f"{_points(second.difference[0])} is {'more than noise' if beyond else 'within noise'}."
        )
    lines.append(f"The model of {best.learner.title} was written. All learners were judged on the same folds.")
    lines += _absent(comparison)
    if comparison.blocks < 10:
        lines.append(f"The region holds only {comparison.blocks} blocks: the intervals are rough.")
    lines.append("The best of several is flattered a little by having been picked on the blocks that score it.")
    return lines


def _absent(comparison: Comparison) -> list[str]:
    """A sentence on the learners that were asked for and did not run."""
    names = comparison.left_out
    if not names:
        return []
    return [f"{' and '.join(names)} could not run and {'was' if len(names) == 1 else 'were'} left out: see the notes."]


def _why_written(comparison: Comparison) -> str:
    return f"the simplest of the {len(comparison.entries)}"


def _ranking(comparison: Comparison) -> Table:
    rows = [
        [
            entry.learner.title,
            typeset(entry.choice.chosen.form.label),
            100 * entry.share,
            100 * entry.choice.chosen.spread,
            100 * entry.difference[0] if k else None,
            _interval(entry) if k else "",
        ]
        for k, entry in enumerate(comparison.entries)
    ]
    return Table(
        ["Learner", "Trained on", "Share explained (%)", "± folds", "Behind the best", "95\u00a0% interval"],
        rows,
        "Learners by the share of the differences between neighbouring cells they explain in held-out blocks.",
        highlight=0,
        notes="Behind the best: in percentage points, with an interval from drawing the blocks with replacement; where "
        "it reaches 0, the difference is within noise.",
        digits=[0, 0, 1, 1, 1, 0],
    )


def _beside(comparison: Comparison, unit: str) -> Table:
    rows = [
        [
            entry.learner.title,
            entry.choice.chosen.gain.value,
            None if entry.pooled is None else entry.pooled.r2,
            None if entry.pooled is None else entry.pooled.rmse,
            entry.fit_seconds,
            entry.predict_seconds,
        ]
        for entry in comparison.entries
    ]
    return Table(
        [
            "Learner",
            "Detail gain",
            "R², pooled values",
            f"RMSE, pooled values{f' ({unit})' if unit else ''}",
            "Fit (s)",
            "Predict (s per million)",
        ],
        rows,
        "Detail gain, scores of pooled values, and times.",
        highlight=0,
        notes="Pooled values: plain values of all dates together in the same blocks, which mostly tell wet dates from "
        "dry ones. Times: a fit on all samples and a million predictions on this machine, beside whatever else it did.",
        digits=[0, 2, 2, 4, 1, 2],
    )


def _charts(comparison: Comparison) -> list[Any]:
    """The figures that show something; where no learner explains anything there is little to draw."""
    entries = comparison.entries
    names = [entry.learner.title for entry in entries]
    blocks: list[Any] = []
    if any(visible(entry.difference) for entry in entries):
        rest = entries[1:]
        blocks.append(
            Figure(
                charts.difference_ci(
                    names[1:],
                    [-100 * entry.difference[0] for entry in rest],
                    [-100 * entry.difference[2] for entry in rest],
                    [-100 * entry.difference[1] for entry in rest],
                    xlabel="Percentage points",
                    digits=1,
                ),
                f"Share explained less that of {names[0]}: how far each learner stays behind the best, with "
                "95\u00a0% intervals over blocks. Grey intervals cross 0: the blocks cannot tell the two apart.",
                "Differences to the best learner with intervals",
            )
        )
    if any(visible(entry.fold_shares) for entry in entries):
        shares = [[100 * share for share in entry.fold_shares] for entry in entries]
        blocks.append(
            Figure(
                fold_boxes(names, shares, "Share explained (%)"),
                "Share explained in each held-out fold. Where the boxes lie over each other the learners do equally "
                "well; wide boxes mean that skill differs from place to place.",
                "Box per learner of the share explained in each fold",
            )
        )
    if any(math.isfinite(entry.r) for entry in entries):
        r, deviation = [entry.r for entry in entries], [entry.deviation for entry in entries]
        blocks += [
            Figure(
                taylor(names, r, deviation, "true differences"),
                "Taylor diagram of the differences between neighbouring cells in held-out blocks, with the detail "
                "gain applied. The nearer to the star the better; on the inner side the map is too smooth. Orange "
                "arcs are equal errors. Learners without any detail are not drawn.",
                "Taylor diagram of the learners",
            ),
            Table(
                ["Learner", "R", "Standard deviation (true: 1)"],
                [list(row) for row in zip(names, r, deviation)],
                "Where the learners lie in the Taylor diagram, for points on top of each other.",
                highlight=0,
                digits=[0, 3, 3],
            ),
        ]
    if not blocks:
        blocks.append(Text("With a share explained of 0 for every learner and fold there is nothing to draw."))
    return blocks


def _forms(comparison: Comparison) -> Table:
    forms = list(dict.fromkeys(trial.form for entry in comparison.entries for trial in entry.choice.trials))
    rows = []
    for entry in comparison.entries:
        shares = {trial.form: 100 * trial.gain.share_explained for trial in entry.choice.trials}
        rows.append([entry.learner.title, *(shares.get(form, math.nan) for form in forms)])
    return Table(
        ["Learner", *(typeset(form.label).capitalize() for form in forms)],
        rows,
        "Share of differences explained (%) by each learner in each training form, with the settings as given.",
        highlight=0,
        notes="Down a column the learners differ, along a row the forms.",
        digits=1,
    )


def _numbers(entry: Entry) -> dict[str, Any]:
    chosen = entry.choice.chosen
    return {
        "learner": entry.learner.id,
        "form": chosen.form.kind,
        "window": chosen.form.window,
        "share_explained": entry.share,
        "detail_gain": chosen.gain.value,
        "fold_shares": entry.fold_shares,
        "difference": list(entry.difference),
        "score": entry.score.as_dict(),
        "pooled": None if entry.pooled is None else entry.pooled.as_dict(),
        "forms": [{"form": t.form.label, "share_explained": t.gain.share_explained} for t in entry.choice.trials],
        "settings": dict(entry.choice.learning.settings),
        "fit_seconds": entry.fit_seconds,
        "predict_seconds_per_million": entry.predict_seconds,
    }


def _interval(entry: Entry) -> str:
    return f"{fmt(100 * entry.difference[1], 1)} to {fmt(100 * entry.difference[2], 1)}"


def _points(difference: float) -> str:
    return f"{fmt(100 * difference, 1)}\u00a0percentage points"
