"""Which products may not stand together: those that share a sensor, a model's forcing, or each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

SMAP, SENTINEL = "SMAP brightness temperature", "Sentinel-1 backscatter"
SMOS, AMSR, ASCAT = "SMOS brightness temperature", "AMSR brightness temperature", "ASCAT backscatter"
RAIN = "a land model driven by analysed rain"
# What the names and tags of well-known products say about their inputs.
_KNOWN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("SMAP L4", r"spl4sm|smap.?l4|smapl4|\bl4.?sm", (SMAP, RAIN)),
    ("SMAP/Sentinel-1", r"spl2smap.?s|smap.?sentinel|l2.?sm.?sp", (SMAP, SENTINEL)),
    ("SMAP L3", r"spl[123]smp|spl2smap(?!.?s)|spl3sm|smap", (SMAP,)),
    ("SMOS", r"smos", (SMOS,)),
    ("AMSR", r"amsr|lprm", (AMSR,)),
    ("ASCAT", r"ascat|h.?saf|metop|h1(?:11|13|14|19|20)\b", (ASCAT,)),
    ("ESA CCI", r"cci|c3s", (SMAP, SMOS, AMSR, ASCAT)),
    ("Sentinel-1", r"sentinel.?1|s1.?ssm|ssm1km|\bs1\b", (SENTINEL,)),
    ("ERA5", r"era5", (RAIN, ASCAT)),
    ("GLDAS", r"gldas|noah|clsm", (RAIN,)),
    ("MERRA-2", r"merra", (RAIN,)),
    ("GLEAM", r"gleam", (RAIN, SMAP, ASCAT)),
    ("CLDAS or FLDAS", r"[cf]ldas|nldas", (RAIN,)),
)


@dataclass(frozen=True)
class Origin:
    """What is known of a product: its name, tags, and whether it was downscaled here (tag MODEL)."""

    name: str
    source: tuple[str, ...] = ()
    downscaled: bool = False
    station: bool = False

    @property
    def family(self) -> tuple[str, tuple[str, ...]] | None:
        if self.station:
            return None
        text = " ".join((self.name, *self.source)).lower()
        return next(((title, inputs) for title, pattern, inputs in _KNOWN if re.search(pattern, text)), None)


@dataclass(frozen=True)
class Dependence:
    """A sentence about two products; `certain` where it comes from what the files say, not from general knowledge."""

    text: str
    certain: bool


def dependence(origins: Sequence[Origin]) -> list[Dependence]:
    """What speaks against independent errors, one warning per pair."""
    found = []
    for a, b in combinations(origins, 2):
        if a.station or b.station:
            continue
        warning = _between(a, b)
        if warning is not None:
            found.append(warning)
    return found


def _between(a: Origin, b: Origin) -> Dependence | None:
    shared_source = set(a.source) & set(b.source)
    child = a if a.downscaled else b if b.downscaled else None
    parent = b if child is a else a
    families = [one.family for one in (a, b)]
    if child is not None and (
        shared_source or (families[0] and families[1] and set(families[0][1]) & set(families[1][1]))
    ):
        return Dependence(
            f"{child.name} was downscaled from a source of the same kind as {parent.name}: a child and its parent "
            "have the same errors and may not both be in.",
            True,
        )
    if shared_source:
        return Dependence(
            f"{a.name} and {b.name} both come from {', '.join(sorted(shared_source))}: their errors are the same in "
            "part.",
            True,
        )
    if families[0] and families[1]:
        shared = [one for one in families[0][1] if one in families[1][1]]
        if shared:
            return Dependence(
                f"{a.name} ({families[0][0]}) and {b.name} ({families[1][0]}) share {' and '.join(shared)}: their "
                "errors are related, and both look better than they are.",
                False,
            )
    if child is not None:
        return Dependence(
            f"{child.name} was downscaled: its errors are those of its coarse source in part, so that source, and what "
            "shares its sensor, may not be among the other two.",
            False,
        )
    return None
