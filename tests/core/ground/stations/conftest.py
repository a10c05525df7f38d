"""Makes `station_samples` importable: test files are found one by one, not as a package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
