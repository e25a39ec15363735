#!/usr/bin/env bash
# Lays the services out as they are installed, for `make install`, `make uninstall` and `make deb`.
#
#   install.sh stage DIR [BINDIR]          everything below DIR, by the paths that it will have
#   install.sh install STAGE [DESTDIR]     onto this machine, or below DESTDIR; an old configuration stays
#   install.sh uninstall [DESTDIR] [BINDIR]    takes it away; configuration and recordings stay
#
# Environment: HOTCOLD_PYTHON, the python3 that will run it (/usr/bin/python3); HOTCOLD_PIP, a python that has pip.

set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
umask 022

readonly OPT=/opt/hotcold
readonly UNITS=/usr/lib/systemd/system

# stage DIR [BINDIR]
stage() {
    local dir opt python=${HOTCOLD_PYTHON:-/usr/bin/python3}
    rm -rf -- "$1"
    mkdir -p -- "$1"
    dir=$(cd -- "$1" && pwd)
    opt=$dir$OPT
    "$python" -m venv --without-pip "$opt"
    "${HOTCOLD_PIP:-.venv/bin/python}" -m pip --python "$opt/bin/python" install --quiet --disable-pip-version-check \
        --no-compile --no-warn-script-location .
    # Whoever installs a service has his distribution's ffmpeg, which is kept up to date; this one is 80 MB and is not.
    rm -f -- "$opt"/lib/python3*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*
    # What names the place where it was built, and commands that are other libraries' own.
    sed -i '/^command = /d' "$opt/pyvenv.cfg"
    rm -f -- "$opt"/lib/python3*/site-packages/*.dist-info/direct_url.json
    find "$opt/bin" -mindepth 1 ! -name 'python*' -delete
    printf '#!%s/bin/python -I\nimport sys\n\nfrom hotcold_inotify.cli import main\n\nsys.exit(main(prog_name="hotcold"))\n' \
        "$OPT" >"$opt/bin/hotcold"
    chmod 755 "$opt/bin/hotcold"
    # By its content and not by its time, which a package or a copy may change. The services cannot write there.
    "$opt/bin/python" -m compileall -q -s "$dir" -p / --invalidation-mode unchecked-hash "$opt/lib"
    (cd -- "$opt/bin" && ln -s ../lib/python3*/site-packages/hotcold_inotify/ffmpeg/capture.sh hotcold-capture)
    mkdir -p -- "$dir${2:-/usr/local/bin}"
    ln -s "$OPT/bin/hotcold" "$dir${2:-/usr/local/bin}/hotcold"

    install -d -m 755 "$dir/etc/hotcold"
    install -d -m 700 "$dir/etc/hotcold/devices"
    install -m 600 deploy/systemd/device.env.example "$dir/etc/hotcold/devices/"
    example_configuration "$opt/bin/python" >"$dir/etc/hotcold/hotcold.toml"
    install -D -m 644 -t "$dir$UNITS" deploy/systemd/*.service deploy/systemd/*.target
    local kind
    for kind in sysctl sysusers tmpfiles; do
        install -D -m 644 -t "$dir/usr/lib/$kind.d" "deploy/systemd/$kind.d"/*.conf
    done
    install -D -m 644 -t "$dir/usr/share/doc/hotcold-inotify" README.md CHANGELOG.md
    install -m 644 ffmpeg/README.md "$dir/usr/share/doc/hotcold-inotify/launcher.md"
    install -m 644 deploy/systemd/README.md "$dir/usr/share/doc/hotcold-inotify/services.md"
    install -m 644 LICENSE "$dir/usr/share/doc/hotcold-inotify/copyright"
}

# example_configuration PYTHON: every key, commented, at the default that the program itself has.
example_configuration() {
    printf '# %s\n' 'Every key at its default, as "hotcold config" prints it; README.md says what each means.' \
        'Take the # away from what you change, and from the header of its table: [kinds.captures].' \
        '"systemctl reload hotcold" reads it again; "systemctl restart hotcold-api" for [web].'
    printf '\n'
    "$1" -I -m hotcold_inotify --config /dev/null config | sed 's/^./#&/'
}

# install_ STAGE [DESTDIR]
install_() {
    local stage=$1 dest=${2-}
    # The new one is whole before the old one goes.
    mkdir -p -- "$dest/opt" "$dest/etc/hotcold"
    rm -rf -- "$dest$OPT.new"
    cp -R --preserve=mode,timestamps,links -- "$stage$OPT" "$dest$OPT.new"
    rm -rf -- "$dest$OPT"
    mv -- "$dest$OPT.new" "$dest$OPT"
    cp -R --preserve=mode,timestamps,links --no-clobber -- "$stage/etc/hotcold" "$dest/etc/"
    cp -R --preserve=mode,timestamps,links -- "$stage/usr" "$dest/"
    [[ $dest ]] || sh deploy/debian/postinst configure
}

# uninstall [DESTDIR] [BINDIR]
uninstall() {
    local dest=${1-} kind file
    [[ $dest ]] || sh deploy/debian/prerm remove
    rm -rf -- "$dest$OPT" "$dest/usr/share/doc/hotcold-inotify"
    rm -f -- "$dest${2:-/usr/local/bin}/hotcold"
    for file in deploy/systemd/*.service deploy/systemd/*.target; do
        rm -f -- "$dest$UNITS/${file##*/}"
    done
    for kind in sysctl sysusers tmpfiles; do
        for file in "deploy/systemd/$kind.d"/*.conf; do
            rm -f -- "$dest/usr/lib/$kind.d/${file##*/}"
        done
    done
    [[ $dest ]] || sh deploy/debian/postrm remove
}

case ${1-}/$# in
stage/[23]) stage "${@:2}" ;;
install/[23]) install_ "${@:2}" ;;
uninstall/[123]) uninstall "${@:2}" ;;
*) sed -n '2,8s/^# \?//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
