"""Run the plugin of this checkout in the real qgis_process, with a profile of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def environment(folder: Path) -> dict[str, str]:
    """In which QGIS finds this checkout as the plugin `soilmoisture`, enabled; profile and link live in `folder`."""
    plugins, profile = folder / "plugins", folder / "profile"
    plugins.mkdir(parents=True, exist_ok=True)
    link = plugins / "soilmoisture"
    if link.is_symlink() and link.resolve() != ROOT:
        link.unlink()
    if not link.exists():
        link.symlink_to(ROOT, target_is_directory=True)
    settings = profile / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[PythonPlugins]\nsoilmoisture=true\n")
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return inherited | {
        "QGIS_PLUGINPATH": str(plugins),
        "QGIS_CUSTOM_CONFIG_PATH": str(profile),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONNOUSERSITE": "1",
        # The Python inside QGIS takes the packages of the first python3 on the path.
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def call(
    arguments: list[str], folder: Path, stdin: str | None = None, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """`qgis_process` with arguments as typed."""
    return subprocess.run(
        ["qgis_process", *arguments],
        env=environment(folder),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(algorithm: str, inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run an algorithm or a model file and return its outputs; RuntimeError with what QGIS said where it fails."""
    done = call(["run", algorithm, "--json", "-"], folder, json.dumps({"inputs": dict(inputs)}))
    if done.returncode != 0:
        raise RuntimeError(f"{algorithm} failed with exit code {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)["results"]
