#!/usr/bin/env bash
# Rule: one launcher, one ffmpeg, one device. No name that is on disk is ever given out again, and no ffmpeg outlives
# its launcher. README.md beside this file has the table of settings.
#
# usage: capture.sh DEVICE_DIR
# exit:  0 stopped on request, or a file played to its end · 1 failure · 2 usage or settings · else ffmpeg's own code

set -uo pipefail
shopt -s extglob
# A log reader that goes away must not take the recording with it.
trap '' PIPE

say() { printf 'capture.sh: %s\n' "$*" >&2; }

# fail CODE TEXT: the one clear line, then out.
fail() {
    say "${@:2}"
    exit "$1"
}

rooms=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib
# shellcheck source=lib/settings.sh
source "$rooms/settings.sh"
# shellcheck source=lib/folders.sh
source "$rooms/folders.sh"
# shellcheck source=lib/test_picture.sh
source "$rooms/test_picture.sh"
# shellcheck source=lib/sources.sh
source "$rooms/sources.sh"
# shellcheck source=lib/analysis.sh
source "$rooms/analysis.sh"
# shellcheck source=lib/outputs.sh
source "$rooms/outputs.sh"
# shellcheck source=lib/active_captures.sh
source "$rooms/active_captures.sh"

readonly ASK_SECONDS=2 TERM_SECONDS=10
child='' stopping='' complaint=''

main() {
    if [[ ${1-} == -h || ${1-} == --help ]]; then
        printf 'usage: capture.sh DEVICE_DIR\nSettings are HOTCOLD_* environment variables: %s\n' "${rooms%/lib}/README.md"
        exit 0
    fi
    [[ $# == 1 && $1 ]] || fail 2 'usage: capture.sh DEVICE_DIR (settings: the HOTCOLD_* table in README.md)'
    trap stop TERM INT HUP
    read_settings "$1"
    find_ffmpeg
    find_analyzer
    read_source
    make_device "$1"
    hold_device
    make_folders
    next_numbers
    keep_apart
    remove_leftovers
    read_outputs
    trap leave_active_captures EXIT
    enter_active_captures
    start
    relay
    wait "$child"
    local code=$?
    end_analyzer
    finish "$code"
}

# start: ffmpeg as a child with `keys` as its standard input and `log` as its standard error.
start() {
    # The kernel kills ffmpeg when this process dies without a word (kill -9). Without setpriv the device's lock, which
    # ffmpeg inherits, still keeps a second one out of the folder.
    local tie=()
    ! setpriv --pdeathsig KILL true 2>/dev/null || tie=(setpriv --pdeathsig KILL)
    open_lines
    # The child waits at the gate until this shell has its own copies of both pipe ends: bash forgets a coprocess, and
    # its descriptors with it, in the moment that it ends.
    coproc FFMPEG {
        { cd -- "$DEVICE" && read -r _; } || exit 1
        exec "${tie[@]}" "$HOTCOLD_FFMPEG" -hide_banner -nostats -loglevel level+warning -y \
            "${INPUT[@]}" "${OUTPUTS[@]}" 2>&1
    }
    exec {log}<&"${FFMPEG[0]}" {keys}>&"${FFMPEG[1]}"
    close_lines
    # shellcheck disable=SC2154 # coproc sets it
    child=$FFMPEG_PID
    name_holder "$$ $child"
    say "$HOTCOLD_SOURCE to $DEVICE: segments from ${NEXT[segments]}, captures from ${NEXT[captures]}," \
        "thumbnails from ${NEXT[thumbnails]} (process $$, ffmpeg $child)"
    [[ ! $NO_ANALYSIS ]] || say "nothing is analysed: $NO_ANALYSIS (HOTCOLD_ANALYSIS=no wants no such line)"
    press $'go\n'
}

# press TEXT: types on ffmpeg's standard input. One that is gone does not hear it, which is no error.
press() { { printf '%s' "$1" >&"$keys"; } 2>/dev/null; }

# relay: passes on what ffmpeg says, until it ends. Of the errors it keeps the first of the last two seconds: one that
# kills ffmpeg draws others after it, and those say less.
relay() {
    local line since=-9
    while IFS= read -r line <&"$log"; do
        printf '%s\n' "$line" >&2
        if [[ $line == *'['@(error|fatal)']'* ]] && ((SECONDS - since > 2)); then
            complaint=$line since=$SECONDS
        fi
    done
}

# stop: the end that was asked for. `q` on ffmpeg's standard input comes first and a signal only when that is not heard:
# systemd and the terminal signal the whole group, and ffmpeg answers a further signal by leaving a 0-byte segment and a
# 0-byte playlist behind.
# shellcheck disable=SC2317 # a trap calls it
stop() {
    [[ $child ]] || exit 0
    [[ ! $stopping ]] || return 0
    stopping=yes
    press q
    ended_within "$ASK_SECONDS" && return
    kill -TERM "$child" 2>/dev/null
    ended_within "$((TERM_SECONDS - ASK_SECONDS))" && return
    say "ffmpeg did not end within $TERM_SECONDS s and was killed"
    stopping=killed
    kill -KILL "$child" 2>/dev/null
}

# ended_within SECONDS: 0 as soon as ffmpeg is gone, 1 when it is still there after SECONDS.
# shellcheck disable=SC2317 # stop calls it
ended_within() {
    local tick
    for ((tick = 0; tick < $1 * 20; tick++)); do
        kill -0 "$child" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# finish STATUS: the exit code and, when nobody asked for the end, the one clear line.
finish() {
    case $stopping/$1/$HOTCOLD_SOURCE in
    yes/*) exit 0 ;;
    killed/*) exit 1 ;;
    /0/file) exit 0 ;;
    /0/*) fail 1 "the source ended, and ffmpeg with it${complaint:+; its reason: $complaint}" ;;
    *) fail "$1" "ffmpeg ended by itself with exit code $1: ${complaint:-it gave no reason}" ;;
    esac
}

main "$@"
