# shellcheck shell=bash
# Rule: nothing but this launcher's ffmpeg writes into the hot folders of a device, so what has a number here is taken,
# and what ends in `.tmp` here belongs to an ffmpeg that is dead. One exception: while a host changes over, an ffmpeg of
# the old layout goes on in `captures/`; then ours begins far above its numbers, and leaves its `.tmp` alone.

readonly KINDS=(segments captures thumbnails metadata)
# What ffmpeg writes: a name before its number, and everything after it.
declare -rA PREFIX=([segments]=segment_ [captures]=capture_ [thumbnails]=capture_ [metadata]=capture_)
declare -rA SUFFIX=([segments]=.ts [captures]=.jpg [thumbnails]=_thumbnail.jpg)
# ffmpeg's image2 counts in a C int.
readonly HIGHEST=2000000000
# Numbers between two writers in one folder: 4 days if the other one makes 25 pictures a second more than ours.
readonly APART=10000000

# make_device DIR: sets DEVICE, absolute. It makes the last folder of the path only: a missing parent is a disk that is
# not mounted, or a slip of the pen.
make_device() {
    make_last_folder "$1" DEVICE_DIR
    DEVICE=$(cd -- "$1" && pwd) || fail 1 "cannot enter $1"
    [[ -z $HOTCOLD_COLD_DIR ]] || make_last_folder "$HOTCOLD_COLD_DIR" HOTCOLD_COLD_DIR
}

# make_last_folder DIR WHAT
make_last_folder() {
    [[ ! -d $1 ]] || return 0
    local parent reason
    parent=$(dirname -- "$1")
    [[ -d $parent ]] || fail 2 "$2=$1: the folder $parent does not exist: make or mount it first"
    reason=$(mkdir -- "$1" 2>&1) || fail 1 "$2: ${reason%%$'\n'*}"
}

# hold_device: takes the device's lock for as long as this process, or the ffmpeg that inherits the descriptor, lives.
# One second is for an ffmpeg that the kernel is just taking away.
hold_device() {
    local holder held_ffmpeg
    { exec {lock}>>"$DEVICE/.capture.lock"; } 2>/dev/null || fail 1 "cannot write to $DEVICE"
    if ! flock --wait 1 "$lock"; then
        read -r holder held_ffmpeg <"$DEVICE/.capture.lock"
        fail 1 "$DEVICE is captured already, by process ${holder:-unknown}${held_ffmpeg:+ (its ffmpeg: $held_ffmpeg)}:" \
            "stop that one first"
    fi
    name_holder "$$"
}

# name_holder TEXT: what the next launcher says of us.
name_holder() { printf '%s\n' "$1" >"$DEVICE/.capture.lock"; }

# make_folders: the 4 x 25. With a cold directory the hour folders are made there, and the hot side has the four roots.
make_folders() {
    local kind reason folders=()
    for kind in "${KINDS[@]}"; do
        folders+=("$DEVICE/$kind" "${HOTCOLD_COLD_DIR:-$DEVICE}/$kind/"{0..23})
    done
    reason=$(mkdir -p -- "${folders[@]}" 2>&1) || fail 1 "cannot make the folders: ${reason%%$'\n'*}"
    for kind in "${KINDS[@]}"; do
        [[ -w $DEVICE/$kind ]] || fail 1 "cannot write to $DEVICE/$kind"
    done
}

# next_numbers: sets NEXT[kind] to one more than the highest number on disk: hot, in hour folders, and in the hidden
# folders where retired hours wait for their deletion. Both the plain names and those with a `_r1` count, and `.tmp` too.
# A capture and its metadata have the same number, and the metadata is kept longer.
next_numbers() {
    local kind hour where name number
    declare -gA NEXT=()
    for kind in "${KINDS[@]}"; do
        where=("$DEVICE/$kind")
        [[ -z $HOTCOLD_COLD_DIR ]] || where+=("$HOTCOLD_COLD_DIR/$kind")
        # find does not look behind a symbolic link that it meets on its way, only behind one that it is given.
        for hour in {0..23}; do
            [[ ! -L $DEVICE/$kind/$hour ]] || where+=("$DEVICE/$kind/$hour")
        done
        # One pass and no stat: 430,000 names in half a second. The reactor may delete under it: that is no error.
        name=$(find -H "${where[@]}" -ignore_readdir_race -name "${PREFIX[$kind]}[0-9]*" -printf '%f\n' |
            LC_ALL=C sort -t _ -k 2,2n | tail -n 1) || fail 1 "cannot list every folder of $kind, so no number is safe"
        NEXT[$kind]=0
        [[ $name =~ _0*([0-9]+) ]] || continue
        number=${BASH_REMATCH[1]}
        ((${#number} <= 10 && 10#$number < HIGHEST)) ||
            fail 1 "$kind holds $name, too high a number to count on from: move it away or rename it"
        NEXT[$kind]=$((10#$number + 1))
    done
    ((NEXT[captures] >= NEXT[metadata])) || NEXT[captures]=${NEXT[metadata]}
}

# keep_apart: sets OLD_WRITER to what an ffmpeg of the old layout has written in the last minute, empty for nothing; its
# segments and thumbnails are where ours never are. It counts in captures/ as well, so with numbers next to its own each
# would overwrite the other's files. Where some of the last minute are far below all others already, those are its own,
# and the high ones are ours, of before a restart.
keep_apart() {
    local lowest
    declare -g OLD_WRITER=''
    OLD_WRITER=$(
        find -H "$DEVICE" -maxdepth 1 -name output.m3u8 -newermt '-60 seconds' -printf '%f\n'
        find -H "$DEVICE" -maxdepth 1 -name 'segment_[0-9]*.ts' -newermt '-60 seconds' -printf '%f\n' -quit
        find -H "$DEVICE/captures" -maxdepth 1 -name 'capture_[0-9]*_thumbnail.jpg' -newermt '-60 seconds' \
            -printf 'captures/%f\n' -quit
    )
    OLD_WRITER=${OLD_WRITER%%$'\n'*}
    [[ $OLD_WRITER ]] || return 0
    lowest=$(find -H "$DEVICE/captures" -maxdepth 1 -name 'capture_[0-9]*.jpg' ! -name '*_thumbnail.jpg' \
        -newermt '-60 seconds' -printf '%f\n' | LC_ALL=C sort -t _ -k 2,2n | head -n 1)
    if [[ $lowest =~ _0*([0-9]+) ]] && ((10#${BASH_REMATCH[1]} < NEXT[captures] - APART / 2)); then
        return 0
    fi
    ((NEXT[captures] < HIGHEST - APART)) ||
        fail 1 "another ffmpeg writes into $DEVICE ($OLD_WRITER), and above its captures no numbers are left: stop it first"
    NEXT[captures]=$((NEXT[captures] + APART))
    say "another ffmpeg writes into $DEVICE ($OLD_WRITER): captures begin $APART above its own," \
        "so that neither overwrites the other's"
}

# remove_leftovers: the unfinished files of an ffmpeg that was killed. The lock is held: it is not running.
remove_leftovers() {
    local kind kinds=(segments thumbnails)
    [[ $OLD_WRITER ]] || kinds+=(captures)
    for kind in "${kinds[@]}"; do
        find "$DEVICE/$kind" -maxdepth 1 -type f -name "${PREFIX[$kind]}[0-9]*${SUFFIX[$kind]}.tmp" -delete
    done
    rm -f -- "$DEVICE/segments/output.m3u8.tmp"
}
