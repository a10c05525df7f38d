"""Makes this checkout importable as `soilmoisture`, whatever its folder is called."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if "soilmoisture" not in sys.modules:
    spec = spec_from_file_location("soilmoisture", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    sys.modules["soilmoisture"] = module_from_spec(spec)
