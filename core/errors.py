"""The two ways a run ends early that are not defects of the program."""

from __future__ import annotations


class InputError(ValueError):
    """A mistake in what the user gave: one sentence saying what is wrong, where, and what to do."""


class Cancelled(Exception):
    """The user stopped the run; unfinished outputs have been removed."""

    def __init__(self) -> None:
        super().__init__("The run was cancelled. Unfinished outputs have been removed.")
