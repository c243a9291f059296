#!/usr/bin/env bash
# Installs cathlink on a Debian 12 box: `make install` as root, from a clone. May be run again to upgrade.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/opt/cathlink}
python=/usr/bin/python3  # the one that the unit's user can read, whatever else root has
[ "$(id -u)" = 0 ] || { echo "make install needs root: sudo make install" >&2; exit 1; }

echo "[1/5] system packages"
export DEBIAN_FRONTEND=noninteractive
packages="python3-venv python3-dev gcc pkg-config libsystemd-dev libsdl2-2.0-0 libopus0 libportaudio2 libasound2-plugins"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq --no-install-recommends $packages >/dev/null; }

echo "[2/5] user cathlink"
install -Dm644 deploy/cathlink.sysusers /usr/lib/sysusers.d/cathlink.conf
systemd-sysusers cathlink.conf
install -d -o root -g cathlink -m 750 /etc/cathlink
install -d -o cathlink -g cathlink -m 750 /var/cache/cathlink /var/lib/cathlink

echo "[3/5] programs into $prefix"
[ -x "$prefix/venv/bin/python" ] || "$python" -m venv "$prefix/venv"
"$prefix/venv/bin/pip" install -q --disable-pip-version-check -r requirements.lock
rm -rf build  # of an earlier version: its files would be installed too
"$prefix/venv/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall .
install -Dm644 README.md "$prefix/share/README.md"

echo "[4/5] compiling kernels for this processor"
(cd / && NUMBA_CACHE_DIR=/var/cache/cathlink "$prefix/venv/bin/python" -m daemon.warm)  # not the clone's modules
chown -R cathlink:cathlink /var/cache/cathlink

echo "[5/5] systemd unit"
install -Dm644 deploy/cathlink.service /etc/systemd/system/cathlink.service
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ -f /etc/cathlink/cathlink.toml ]; then
  echo "done. Next: systemctl enable --now cathlink"
else
  echo "done. Next: put this box's configuration and identity into /etc/cathlink (cathlink.toml; for a trial see"
  echo "'$prefix/venv/bin/cathlink-provision lab DIR'), then: systemctl enable --now cathlink"
fi
