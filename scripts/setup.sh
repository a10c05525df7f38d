#!/usr/bin/env bash
# Installs what is missing to test and run the plugin: QGIS with its Python (by apt), then .venv beside it (by pip).
# Safe to repeat: what is there already is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

least_qgis=3.34
system_python=/usr/bin/python3 # the Python that QGIS embeds; any other one first on PATH cannot import qgis
apt_packages=(qgis python3-qgis python3-gdal python3-numpy python3-scipy python3-matplotlib python3-venv)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONHOME PYTHONPATH
export PYTHONNOUSERSITE=1              # a numpy in the user's own site-packages would hide the one QGIS runs
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin" # dpkg needs the sbin folders, which `su` leaves out

main() {
    system_is_ready || install_system
    system_is_ready || fail "QGIS is installed, but its Python still lacks: $(missing). Install that and run this again."
    make_venv
}

say() { printf '%s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Runs a command silently; shows the end of its output only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 </dev/null || {
        tail -n 25 "$work/log" >&2
        fail "this command failed (its last lines are above): $*"
    }
}

# ---- the system: QGIS and the libraries it brings ----

# Names what QGIS's Python lacks, one word each; prints nothing when all is there.
missing() {
    [ -x "$system_python" ] || { printf 'python3'; return; }
    QT_QPA_PLATFORM=offscreen "$system_python" - "$least_qgis" <<'PY' 2>/dev/null || printf 'python3'
import importlib.util, sys

least = int("%d%02d00" % tuple(int(part) for part in sys.argv[1].split(".")))
absent = [name for name in ("osgeo", "numpy", "scipy", "matplotlib", "venv", "ensurepip")
          if importlib.util.find_spec(name) is None]
try:
    from qgis.core import Qgis
    if Qgis.QGIS_VERSION_INT < least:
        absent.append("QGIS>=" + sys.argv[1])
except ImportError:
    absent.append("qgis")
print(" ".join(absent), end="")
PY
}

system_is_ready() { [ -z "$(missing)" ]; }

install_system() {
    command -v apt-get >/dev/null || fail "install QGIS $least_qgis or newer with its Python (python3, numpy, scipy, matplotlib," \
        "GDAL, venv) from your system's packages so that '$system_python -c \"import qgis.core\"' works, then run this again."
    as_root true || fail "QGIS $least_qgis or newer is missing ($(missing)) and installing it needs root: run this as root or install sudo."

    local release=()
    # shellcheck disable=SC1091
    if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ]; then
        use_backports bookworm # Debian 12 itself has QGIS 3.22
        release=(-t bookworm-backports)
    fi
    say "Reading the package lists ..."
    quietly as_root apt-get update
    local offered
    offered=$(apt-cache ${release[@]+"${release[@]}"} policy qgis | awk '/Candidate:/ {print $2}')
    dpkg --compare-versions "${offered:-0}" ge "$least_qgis" 2>/dev/null ||
        fail "this system offers QGIS ${offered:-nowhere}, the plugin needs $least_qgis or newer:" \
            "add the package source that qgis.org describes for your release, then run this again."
    say "Installing QGIS ${offered%%+*} and its Python (a few minutes) ..."
    quietly as_root apt-get install -y --no-install-recommends ${release[@]+"${release[@]}"} "${apt_packages[@]}"
}

# Adds the backports suite on the mirror this machine already uses, unless it is configured.
use_backports() {
    local suite="$1-backports" keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    apt_sources | grep -q "^$suite main " && return
    mirror=$(apt_sources | sed -nE "s/^($1|stable|oldstable) main //p" | head -n 1)
    [ -n "$mirror" ] || fail "no package source for $1 is configured, so no mirror to take $suite from: add $suite and run this again."
    say "Adding $suite from this system's own mirror ..."
    [ -e "$keyring" ] && mirror="[signed-by=$keyring] $mirror"
    echo "deb $mirror $suite main" | as_root tee /etc/apt/sources.list.d/soilmoisture-backports.list >/dev/null
}

# Every configured source as "suite component uri", whichever way its file is written and before any list is fetched.
apt_sources() {
    apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages'
}

as_root() {
    local apt=(env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=a "$@")
    if [ "$(id -u)" = 0 ]; then "${apt[@]}"; elif command -v sudo >/dev/null; then sudo "${apt[@]}"; else return 1; fi
}

# ---- the virtual environment: what QGIS does not bring ----

make_venv() {
    say "Preparing .venv (a minute) ..."
    local clear=()
    [ ! -e .venv ] || .venv/bin/python -m pip --version >/dev/null 2>&1 || clear=(--clear) # left half-made
    quietly "$system_python" -m venv --system-site-packages ${clear[@]+"${clear[@]}"} .venv
    # Another numpy ahead of QGIS's own breaks GDAL's arrays without a word, so pip may not bring one.
    "$system_python" -c 'import numpy, scipy; print(f"numpy=={numpy.__version__}\nscipy=={scipy.__version__}")' >.venv/constraints.txt
    quietly env PIP_USER=0 .venv/bin/python -m pip install --progress-bar off -c .venv/constraints.txt -r requirements-dev.txt
    # PyTorch's usual build brings gigabytes for graphics cards: only its build for processors is taken, where one is offered.
    env PIP_USER=0 .venv/bin/python -m pip install -q -c .venv/constraints.txt torch==2.13.0+cpu >"$work/log" 2>&1 </dev/null ||
        say "Without PyTorch (no build for processors is offered here): tests of the network for stations are skipped."
    quietly .venv/bin/python -c 'import osgeo.gdal_array, qgis.core, scipy, sklearn, matplotlib, pytest'
    touch .venv/.ready
    .venv/bin/python - <<'PY'
from importlib.metadata import version
from qgis.core import Qgis
print(f"Ready: QGIS {Qgis.QGIS_VERSION} and, in .venv, scikit-learn {version('scikit-learn')}.")
PY
}

main
