#!/bin/sh
# See to it that Chromium and its driver are there; installs Debian's packages when run as root.
set -eu

if { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null &&
  command -v chromedriver >/dev/null; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "expected chromium and chromedriver, found not both; on Debian: sudo apt-get install chromium chromium-driver" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install='apt-get install --yes --quiet --no-install-recommends chromium chromium-driver'
$install >/dev/null 2>&1 || { apt-get update --quiet >/dev/null && $install >/dev/null; }
echo "Installed $(chromium --version)."
