#!/bin/sh
# Prints the newest Python here that the lock files' packages run on: one of the machine's own, best
# one that can make environments, else what uv has or brings. Where there is none it says how this
# distribution gets one. Called by `inv`; another file than this machine's os-release may be named.
os_release=${1:-/etc/os-release}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

# the minor versions in `requires-python = ">=3.A,<3.B"`: A, and the one before B
range=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' \
  "$root/pyproject.toml")
oldest=${range% *}
newest=$((${range#* } - 1))

is() { # whether program $1 is Python 3.$2 and, with $3, has that module; a shim of pyenv may not be
  command -v "$1" >/dev/null && "$1" -c "
import sys${3:+, $3}
sys.exit(sys.version_info[:2] != (3, $2))" >/dev/null 2>&1
}

# by a name with its version: plain python3 may be another one after an upgrade of the distribution
on_path() {
  minor=$newest
  while [ "$minor" -ge "$oldest" ]; do
    for name in "python3.$minor" python3; do
      is "$name" "$minor" "$1" && command -v "$name" && return
    done
    minor=$((minor - 1))
  done
  return 1
}

by_uv() {
  command -v uv >/dev/null || return 1
  wanted=">=3.$oldest,<3.$((newest + 1))"
  uv python find --system --no-python-downloads "$wanted" 2>/dev/null && return
  echo "inv: uv installs Python 3.$newest, as this machine has none that fits" >&2
  uv python install "3.$newest" >&2 && uv python find --system "3.$newest"
}

# the command that brings a Python of that range, '' where the distribution has none
package() {
  ID='' ID_LIKE='' VERSION_ID='' VERSION_CODENAME='' UBUNTU_CODENAME=''
  # shellcheck source=/dev/null # os-release(5) is made to be read so
  [ -r "$os_release" ] && . "$os_release"
  [ "$(uname -s)" = Darwin ] && ID=macos
  for name in $ID $ID_LIKE; do
    case "$name ${UBUNTU_CODENAME:-${VERSION_CODENAME:-$VERSION_ID}}" in
      'ubuntu jammy') # its own is 3.10; universe has one beside it
        echo 'sudo apt-get update; sudo apt-get install python3.11 python3.11-venv' ;;
      'debian '* | 'ubuntu '*)
        own 'sudo apt-get update; sudo apt-get install python3 python3-venv' ;;
      'alpine '*) own 'sudo apk add python3' ;;
      'fedora '*) echo "sudo dnf install python3.$newest" ;;
      'rhel '* | 'centos '*) echo 'sudo dnf install python3.12' ;;
      *suse*' 15'*) echo 'sudo zypper install python311' ;;
      *suse*) echo "sudo zypper install python3$newest" ;;
      'arch '*) echo 'sudo pacman -S uv' ;; # its one Python is the newest there is
      'macos '*) echo "brew install python@3.$newest" ;;
      *) continue ;;
    esac
    return
  done
}

# prints $1, unless the distribution's one Python is there: then it is too old or too new
own() {
  command -v python3 >/dev/null || echo "$1"
}

on_path ensurepip || on_path '' || by_uv && exit
next=$(package)
uv='install uv (https://docs.astral.sh/uv/getting-started/installation), which brings one'
echo "error: no Python from 3.$oldest to 3.$newest on this machine
  why:  the packages that kubeup is made of run on no other
  next: ${next:-$uv}" >&2
exit 1
