# shellcheck shell=bash
# Rule: a source that cannot work is refused here, in one line that names the variable and what to do.

# find_ffmpeg: makes HOTCOLD_FFMPEG absolute and sets DEMUXERS, its list of inputs.
find_ffmpeg() {
    local found
    found=$(type -P -- "$HOTCOLD_FFMPEG") ||
        fail 2 "HOTCOLD_FFMPEG=$HOTCOLD_FFMPEG: no such program: install ffmpeg, or name its path"
    [[ $found == /* ]] || found=$PWD/$found
    HOTCOLD_FFMPEG=$found
    DEMUXERS=$("$HOTCOLD_FFMPEG" -hide_banner -demuxers 2>/dev/null)
    [[ $DEMUXERS ]] || fail 2 "HOTCOLD_FFMPEG=$HOTCOLD_FFMPEG does not run as ffmpeg: try \`$HOTCOLD_FFMPEG -demuxers\`"
}

# read_source: sets INPUT (ffmpeg's arguments up to the outputs) and SOUND (what to -map for the sound, empty for none).
# shellcheck disable=SC2034 # SOUND: outputs.sh reads it
read_source() {
    local extra address
    read -ra extra <<<"$HOTCOLD_INPUT_OPTIONS"
    "source_$HOTCOLD_SOURCE"
    INPUT+=("${extra[@]}" -i "$address")
    case $HOTCOLD_AUDIO in
    none) SOUND='' ;;
    own) SOUND='0:a:0?' ;;
    *)
        need_demuxer "${HOTCOLD_AUDIO%%:*}" HOTCOLD_AUDIO
        INPUT+=(-thread_queue_size 512 -f "${HOTCOLD_AUDIO%%:*}" -i "${HOTCOLD_AUDIO#*:}")
        SOUND=1:a:0
        ;;
    esac
}

# Each source_* checks what it needs and sets INPUT (its options) and address (what comes after -i).

source_v4l2() {
    need_demuxer v4l2 HOTCOLD_SOURCE
    refuse_own_sound
    [[ -c $HOTCOLD_INPUT ]] ||
        fail 2 "HOTCOLD_INPUT=$HOTCOLD_INPUT is no video device: plug it in, or name another (ls /dev/video*)"
    [[ -r $HOTCOLD_INPUT ]] ||
        fail 2 "HOTCOLD_INPUT=$HOTCOLD_INPUT may not be read: put $(id -un) into the group $(stat -c %G "$HOTCOLD_INPUT")"
    INPUT=(-thread_queue_size 64 -f v4l2 -framerate "$HOTCOLD_FPS" ${HOTCOLD_SIZE:+-video_size "$HOTCOLD_SIZE"})
    address=$HOTCOLD_INPUT
}

source_x11grab() {
    need_demuxer x11grab HOTCOLD_SOURCE
    refuse_own_sound
    [[ $HOTCOLD_INPUT ]] || fail 2 'HOTCOLD_INPUT and DISPLAY are not set: name an X display such as :0'
    [[ $HOTCOLD_INPUT == *:[0-9]* ]] ||
        fail 2 "HOTCOLD_INPUT=$HOTCOLD_INPUT is no X display: name one such as :0 or :0.0+10,20"
    INPUT=(-thread_queue_size 64 -f x11grab -framerate "$HOTCOLD_FPS" ${HOTCOLD_SIZE:+-video_size "$HOTCOLD_SIZE"})
    address=$HOTCOLD_INPUT
}

source_rtsp() {
    need_demuxer rtsp HOTCOLD_SOURCE
    [[ $HOTCOLD_INPUT =~ ^rtsps?://[^/]+ ]] ||
        fail 2 "HOTCOLD_INPUT=$HOTCOLD_INPUT is no RTSP address: name one such as rtsp://192.0.2.7:554/stream"
    # Before ffmpeg 5.0 the same time limit was called -stimeout, and -timeout made a server of ffmpeg.
    local limit=-timeout
    [[ $("$HOTCOLD_FFMPEG" -hide_banner -h demuxer=rtsp 2>/dev/null) != *' -stimeout '* ]] || limit=-stimeout
    INPUT=(-thread_queue_size 512 -f rtsp -rtsp_transport "$HOTCOLD_RTSP_TRANSPORT"
        "$limit" "$((HOTCOLD_RTSP_TIMEOUT * 1000000))")
    address=$HOTCOLD_INPUT
}

source_file() {
    [[ $HOTCOLD_INPUT ]] || fail 2 'HOTCOLD_INPUT is not set: name a video file'
    [[ -f $HOTCOLD_INPUT && -r $HOTCOLD_INPUT ]] ||
        fail 2 "HOTCOLD_INPUT=$HOTCOLD_INPUT is no file that can be read: name a video file"
    local turns=-1
    [[ $HOTCOLD_LOOP == yes ]] || turns=0
    INPUT=(-re -stream_loop "$turns")
    # `file:` keeps a colon in the name from being read as a protocol.
    address=file:$(readlink -f -- "$HOTCOLD_INPUT")
}

source_test() {
    need_demuxer lavfi HOTCOLD_SOURCE
    INPUT=(-f lavfi)
    address=$(test_picture)
}

# need_demuxer NAME VARIABLE
need_demuxer() {
    local pattern=$'\n D[d ]* ([a-z0-9_]+,)*'"$1"'[, ]'
    [[ $DEMUXERS =~ $pattern ]] ||
        fail 2 "$2=${!2}: this ffmpeg ($HOTCOLD_FFMPEG) has no $1 input: name another ffmpeg in HOTCOLD_FFMPEG"
}

refuse_own_sound() {
    [[ $HOTCOLD_AUDIO != own ]] ||
        fail 2 "HOTCOLD_AUDIO=own: $HOTCOLD_SOURCE carries no sound: name none, alsa:DEVICE or pulse:DEVICE"
}
