#!/usr/bin/env bash
# Packs a stage of deploy/install.sh, with dpkg-deb and nothing else: all that a clone needs to build it is there.
#
#   build.sh STAGE OUTDIR       prints the package's path
set -euo pipefail
umask 022
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
(($# == 2)) || { sed -n '4s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
stage=$1 out=$2

python=$stage/opt/hotcold/bin/python
version=$("$python" -I -c 'from hotcold_inotify import __version__; print(__version__)')
# Its libraries are compiled for one version of Python.
read -r from below <<<"$("$python" -I -c 'import sys; a, b = sys.version_info[:2]; print(f"{a}.{b}~ {a}.{b + 1}~")')"
architecture=$(dpkg --print-architecture)

mkdir -p -- "$stage/DEBIAN" "$out"
install -m 755 "$here"/{postinst,prerm,postrm} "$stage/DEBIAN/"
(cd -- "$stage" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) >"$stage/DEBIAN/conffiles"
(cd -- "$stage" && find . -path ./DEBIAN -prune -o -path ./etc -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z |
    xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
size=$(du -k --summarize --exclude=DEBIAN -- "$stage" | cut -f 1)
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/; s/@FROM@/$from/; s/@BELOW@/$below/" \
    "$here/control" >"$stage/DEBIAN/control"

package=$out/hotcold-inotify_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$stage" "$package" >/dev/null
printf '%s\n' "$package"
