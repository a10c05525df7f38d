"""Which images there are, which bands are fused, and from which pairs each wanted date is predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...errors import InputError
from ...raster.periods import Period
from ...raster.stack import Stack
from .bands import Image, common_bands, gather


@dataclass(frozen=True)
class Pair:
    """A fine image and the coarse image of its date."""

    fine: Image
    coarse: Image

    @property
    def period(self) -> Period:
        return self.fine.period


@dataclass(frozen=True)
class Group:
    """Wanted coarse images that are predicted from the same pairs (one or two, in order of time)."""

    pairs: tuple[Pair, ...]
    wanted: list[Image] = field(default_factory=list)

    def encloses(self, period: Period) -> bool:
        """Whether the pairs lie on both sides of the date."""
        return len(self.pairs) == 2 and middle(self.pairs[0].period) <= middle(period) <= middle(self.pairs[1].period)


@dataclass(frozen=True)
class Plan:
    """names and units of the bands to fuse; pairs in order of time; groups of wanted dates."""

    names: list[str]
    units: list[str]
    pairs: list[Pair]
    groups: list[Group]
    notes: list[str]

    @property
    def wanted(self) -> list[Image]:
        """In order of time."""
        return sorted((image for group in self.groups for image in group.wanted), key=lambda image: image.period)


def make_plan(
    fine: Sequence[Stack], coarse: Sequence[Stack], names: Sequence[str] = (), dates: Sequence[Period] = ()
) -> Plan:
    """Match bands and dates. names: the bands to fuse, empty for all that both sides have; dates: limits to wanted
    images that fall within one of them.

    Raises InputError for undated or repeated images, bands that do not match, fine images without a coarse one of their
    date, and where no date is left to predict.
    """
    notes: list[str] = []
    images = gather(fine, "fine", notes), gather(coarse, "coarse", notes)
    found, units, fine_images, coarse_images = common_bands(*images, names, notes)
    pairs = _pairs(fine_images, coarse_images, notes)
    taken = {pair.coarse.period for pair in pairs}
    wanted = [image for image in coarse_images if image.period not in taken]
    if dates:
        wanted = [image for image in wanted if any(image.period.overlap_days(one) > 0 for one in dates)]
    if not wanted:
        raise InputError(
            "There is no date to predict: give coarse layers of dates that have no fine image"
            + (f" and fall within {', '.join(one.label for one in dates)}." if dates else ".")
        )
    if len(pairs) == 1:
        notes.append(
            f"There is one pair only ({pairs[0].period.label}): ESTARFM needs two, so STARFM is used for all dates."
        )
    return Plan(found, units, pairs, assign(pairs, wanted), notes)


def assign(pairs: Sequence[Pair], wanted: Iterable[Image]) -> list[Group]:
    """The wanted images by the two pairs on either side of them, or the nearest two (one where there is one)."""
    groups: dict[tuple[Period, ...], Group] = {}
    for image in wanted:
        at = middle(image.period)
        before = [pair for pair in pairs if middle(pair.period) <= at]
        after = [pair for pair in pairs if middle(pair.period) > at]
        if before and after:
            chosen = (before[-1], after[0])
        else:
            chosen = tuple(before[-2:] or after[:2])  # type: ignore[assignment]
        key = tuple(pair.period for pair in chosen)
        groups.setdefault(key, Group(chosen)).wanted.append(image)
    return [groups[key] for key in sorted(groups)]


def middle(period: Period) -> float:
    """In days."""
    return sum(period.ordinals()) / 2.0


def _pairs(fine: Sequence[Image], coarse: Sequence[Image], notes: list[str]) -> list[Pair]:
    pairs: list[Pair] = []
    for image in fine:
        same = [one for one in coarse if one.period == image.period]
        near = [one for one in coarse if one.period.overlap_days(image.period) > 0]
        if not near:
            raise InputError(
                f"The fine image of {image.period.label} ({image.layer}) has no coarse image of the same date: add "
                "that coarse layer, or take the fine one out."
            )
        # The shortest of those that overlap most says most about the fine image's date.
        best = same[0] if same else max(near, key=lambda one: (one.period.overlap_days(image.period), -one.period.days))
        if not same:
            notes.append(f"The fine image of {image.period.label} goes with the coarse image of {best.period.label}.")
        if any(pair.coarse is best for pair in pairs):
            notes.append(f"Two fine images share the coarse image of {best.period.label}.")
        pairs.append(Pair(image, best))
    return pairs
