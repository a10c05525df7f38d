"""This package as an archive that computers of a cluster import, under a name that no other version of it shares."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

_CORE = Path(__file__).resolve().parent.parent
_KINDS = (".py", ".json")
# Unpacked where it arrives: modules find the files beside them, and numba keeps what it compiled only for real files.
_UNPACK = '''"""The computing core of the Soil Moisture Downscaling plugin; it unpacks itself beside the archive."""

import os
import tempfile
import zipfile

_archive = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.isfile(_archive):
    _folder = _archive + ".unpacked"
    if not os.path.isdir(_folder):
        _made = tempfile.mkdtemp(dir=os.path.dirname(_archive))
        with zipfile.ZipFile(_archive) as _packed:
            _packed.extractall(_made)
        try:
            os.rename(_made, _folder)
        except OSError:  # another process was faster
            import shutil

            shutil.rmtree(_made, ignore_errors=True)
    __path__ = [os.path.join(_folder, __name__)]
'''


@lru_cache(maxsize=1)
def archive() -> tuple[str, bytes]:
    """The archive and the name of the package in it, which ends in the digest of all files: same files, same bytes."""
    files = {
        path.relative_to(_CORE.parent).as_posix(): path.read_bytes()
        for path in sorted(_CORE.rglob("*"))
        if path.suffix in _KINDS
        and not any(part.startswith((".", "__")) for part in path.relative_to(_CORE).parts[:-1])
    }
    digest = hashlib.sha256()
    for name, content in [("", _UNPACK.encode()), *files.items()]:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    package = f"soilmoisture_{digest.hexdigest()[:16]}"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        for name, content in [("__init__.py", _UNPACK.encode()), *files.items()]:
            # A date of its own would change the bytes.
            entry = zipfile.ZipInfo(f"{package}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, content)
    return package, target.getvalue()


def module_of(package: str, module: str) -> ModuleType:
    """A module of this package (relative to `core`) under the name that it has in the archive.

    What is sent to a cluster names its functions by module: here they must be found under the name that is known there.
    """
    if package not in sys.modules:
        alias = ModuleType(package, "This package, as computers of a cluster know it.")
        alias.__path__ = [str(_CORE.parent)]
        sys.modules[package] = alias
    return import_module(f"{package}.{_CORE.name}.{module}")
