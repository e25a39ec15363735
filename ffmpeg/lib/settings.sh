# shellcheck shell=bash
# Rule: every HOTCOLD_* variable is read here, checked here, and has its row in README.md. Afterwards each is set, to
# what was given or to its default.

readonly RATE='[1-9][0-9]{0,5}(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*|[1-9][0-9]{0,6}/[1-9][0-9]{0,6}'
readonly SECONDS_LONG='[1-9][0-9]{0,4}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9]'
readonly SIZE='[1-9][0-9]{1,3}x[1-9][0-9]{1,3}'

# setting NAME DEFAULT PATTERN MEANING: an empty value is an unset one. PATTERN must match as a whole.
setting() {
    declare -g "$1=${!1:-$2}"
    [[ ${!1} =~ ^($3)$ ]] || fail 2 "$1=${!1} is not $4"
}

# read_settings DEVICE_DIR
read_settings() {
    [[ ${HOTCOLD_SOURCE-} ]] || fail 2 'HOTCOLD_SOURCE is not set: name one of v4l2, x11grab, rtsp, file, test'
    setting HOTCOLD_SOURCE '' 'v4l2|x11grab|rtsp|file|test' 'a source: name one of v4l2, x11grab, rtsp, file, test'

    local input='' size='' fps=25 audio=none
    case $HOTCOLD_SOURCE in
    v4l2) input=/dev/video0 ;;
    x11grab) input=${DISPLAY-} ;;
    rtsp | file) fps='' audio=own ;;
    test) size=640x360 audio=own ;;
    esac
    setting HOTCOLD_INPUT "$input" '.*' ''
    setting HOTCOLD_INPUT_OPTIONS '' '.*' ''
    setting HOTCOLD_SIZE "$size" "($SIZE)?" 'WIDTHxHEIGHT with two to four digits each, such as 1280x720'
    setting HOTCOLD_FPS "$fps" "($RATE)?" 'a rate in pictures a second, such as 25 or 30000/1001'
    setting HOTCOLD_AUDIO "$audio" 'none|own|(alsa|pulse):.+' 'a sound: none, own, alsa:DEVICE or pulse:DEVICE'
    setting HOTCOLD_LOOP yes 'yes|no' 'yes or no'
    setting HOTCOLD_RTSP_TRANSPORT tcp 'tcp|udp' 'tcp or udp'
    setting HOTCOLD_RTSP_TIMEOUT 10 '[1-9][0-9]{0,3}' 'whole seconds from 1 to 9999'
    setting HOTCOLD_TEST_LABEL "$(basename -- "$1")" '.*' ''
    setting HOTCOLD_TEST_EVENTS '' '( *(black|frozen|silent):[0-9]{1,6}-[0-9]{1,6}(/[0-9]{1,6})?)* *' \
        'a list such as "black:10-15 frozen:20-25 silent:30-35/300" (seconds since the start, and every 300 from then on)'

    setting HOTCOLD_SEGMENT_SECONDS 1 '[1-9][0-9]?' 'whole seconds from 1 to 99'
    setting HOTCOLD_LIST_SIZE 6 '[1-9][0-9]{0,2}' 'a number of segments from 1 to 999'
    setting HOTCOLD_SEGMENT_SIZE '' "($SIZE)?" 'WIDTHxHEIGHT with two to four digits each, such as 640x360'
    setting HOTCOLD_VIDEO_CODEC libx264 '[A-Za-z0-9_]+' 'the name of an encoder, or copy'
    local preset=''
    [[ $HOTCOLD_VIDEO_CODEC != libx26[45] ]] || preset=ultrafast
    setting HOTCOLD_PRESET "$preset" '[A-Za-z0-9]*' "a preset's name, such as veryfast"
    setting HOTCOLD_BITRATE 800k '[1-9][0-9]*[kM]?' 'a bit rate such as 800k or 2M'
    setting HOTCOLD_VIDEO_OPTIONS '' '.*' ''
    setting HOTCOLD_AUDIO_CODEC aac '[A-Za-z0-9_]+' 'the name of an encoder, or copy'
    setting HOTCOLD_AUDIO_BITRATE 64k '[1-9][0-9]*k?' 'a bit rate such as 64k'
    setting HOTCOLD_AUDIO_RATE 48000 '[1-9][0-9]{3,5}' 'a sample rate such as 48000'

    setting HOTCOLD_CAPTURE_FPS 2 "$RATE" 'a rate in pictures a second, such as 2 or 0.5'
    setting HOTCOLD_THUMBNAIL_FPS 5 "$RATE" 'a rate in pictures a second, such as 5 or 0.5'
    setting HOTCOLD_THUMBNAIL_WIDTH 320 '[1-9][0-9]{1,3}' 'a width in pixels from 10 to 9999'
    setting HOTCOLD_JPEG_QUALITY 4 '[2-9]|[12][0-9]|3[01]' "ffmpeg's -q:v, from 2 (best) to 31"

    setting HOTCOLD_ANALYSIS auto 'auto|yes|no' 'yes, no or auto'
    setting HOTCOLD_ANALYZER hotcold '.+' ''
    setting HOTCOLD_BLACK_LUMA 32 '[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]' 'a brightness from 0 to 255'
    setting HOTCOLD_FREEZE_NOISE -60 '0|-[1-9][0-9]?' 'a level in dB from -99 to 0'
    setting HOTCOLD_FREEZE_SECONDS 0.5 "$SECONDS_LONG" 'a time in seconds such as 0.5 or 10'
    setting HOTCOLD_SILENCE_DB -60 '0|-[1-9][0-9]?' 'a level in dB from -99 to 0'
    setting HOTCOLD_SILENCE_SECONDS 0.4 "$SECONDS_LONG" 'a time in seconds such as 0.4 or 10'

    setting HOTCOLD_COLD_DIR '' '(/.*)?' 'an absolute path'
    setting HOTCOLD_FFMPEG ffmpeg '.+' ''
    setting HOTCOLD_ACTIVE_CAPTURES '' '(/.*)?' 'an absolute path'
    setting HOTCOLD_QUALITY sd '[A-Za-z0-9_.-]+' "a word of letters, digits, '_', '.' and '-'"
    local event from to every
    for event in $HOTCOLD_TEST_EVENTS; do
        IFS=:-/ read -r _ from to every <<<"$event"
        ((10#$from < 10#$to)) || fail 2 "HOTCOLD_TEST_EVENTS: ${event#*:} does not end after its start"
        [[ ! $every ]] || ((10#$to - 10#$from < 10#$every)) ||
            fail 2 "HOTCOLD_TEST_EVENTS: ${event#*:} begins again before its end"
    done
    # Every picture, also a 320 wide one, must show the clock and the strip (lib/test_picture.sh).
    if [[ $HOTCOLD_SOURCE == test ]] && ((${HOTCOLD_SIZE%x*} < 160 || ${HOTCOLD_SIZE#*x} < 90)); then
        fail 2 "HOTCOLD_SIZE=$HOTCOLD_SIZE is too small for the test picture: 160x90 or more"
    fi
}
