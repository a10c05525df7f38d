#!/usr/bin/env bash
# Links this checkout as `soilmoisture` into the user's QGIS profile, so that QGIS runs it as it stands.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -n "${QGIS_CUSTOM_CONFIG_PATH:-}" ]; then
    settings=$QGIS_CUSTOM_CONFIG_PATH
elif [ "$(uname)" = Darwin ]; then
    settings="$HOME/Library/Application Support/QGIS/QGIS3"
else
    settings="${XDG_DATA_HOME:-$HOME/.local/share}/QGIS/QGIS3"
fi
plugins="$settings/profiles/${QGIS_PROFILE:-default}/python/plugins"
link="$plugins/soilmoisture"

if [ -e "$link" ] && [ ! -L "$link" ]; then
    printf 'install: %s is a folder, not a link: uninstall that copy in the Plugin Manager first.\n' "$link" >&2
    exit 1
fi
mkdir -p "$plugins"
ln -sfn "$root" "$link"
cat <<TEXT
Linked $link
Start QGIS with the Python packages of this checkout:
    PATH="$root/.venv/bin:\$PATH" qgis
and tick "Soil Moisture Downscaling" in Plugins > Manage and Install Plugins > Installed.
For qgis_process, once:
    PATH="$root/.venv/bin:\$PATH" qgis_process plugins enable soilmoisture
TEXT
[ -e "$root/.venv/.ready" ] || echo "(.venv is not there yet: run make setup.)"
