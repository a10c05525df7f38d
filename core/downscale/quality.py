"""What the quality band says of each fine pixel; the higher code wins."""

from __future__ import annotations

NODATA = 255
OK, OUTSIDE_TRAINING, MODEL_ONLY, CLIPPED = 0, 1, 2, 4

# Codes 3 (filled factor) and 5 (masked class) are kept free for the steps that will set them.
MEANING = {
    OK: ("Downscaled", "#d9e6d5"),
    OUTSIDE_TRAINING: ("Unlike training: outside the area of applicability, or a factor's range", "#e5b567"),
    MODEL_ONLY: ("No coarse value here: model and neighbours only", "#8a6fa8"),
    CLIPPED: ("Held at a physical bound", "#c0533f"),
}
