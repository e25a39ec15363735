# shellcheck shell=bash
# Rule: every frame tells when it was drawn: to people by a clock in local time, to programs by a strip of 32 boxes.
# Boxes are all it takes: a bare machine has no font, and not every ffmpeg has drawtext.
#
# The strip is as wide as the frame and 1/18 of its height, at the lower edge. Its 32 equal boxes are the bits of the
# whole seconds since 1970 (UTC), the highest at the left: white is 1, black is 0. The middle of box k is at
# x = (k + 1/2) / 32 of the width and y = 35/36 of the height, at any size.

# The seven strokes of a digit, in units of one stroke's width: the digits that show it, then x, y, width, height.
readonly STROKES=('02356789 0 0 4 1' '01234789 3 0 1 4' '013456789 3 3 1 4' '0235689 0 6 4 1'
    '0268 0 3 1 4' '045689 0 0 1 4' '2345689 0 3 4 1')
# HH:MM:SS: each digit of the time t (whole seconds), and its place in the clock in the same unit.
readonly DIGITS=('floor(mod(t,86400)/36000) 1' 'mod(floor(mod(t,86400)/3600),10) 6'
    'mod(floor(t/600),6) 14' 'mod(floor(t/60),10) 19' 'mod(floor(t/10),6) 27' 'mod(t,10) 32')
readonly COLONS=(11 24)
readonly CLOCK_WIDTH=37 PANEL_HEIGHT=9

# test_picture: prints a lavfi graph, picture and (unless HOTCOLD_AUDIO is something else) tone, paced in real time.
test_picture() {
    local width=${HOTCOLD_SIZE%x*} height=${HOTCOLD_SIZE#*x} boxes=''
    # Time stamps become the wall clock in whole seconds while the boxes are drawn, so that all of them agree on one
    # second, and so that a stalled machine or a clock that is set shows. `realtime` catches up after a stall, as -re does.
    printf '%s' "testsrc2=size=$HOTCOLD_SIZE:rate=$HOTCOLD_FPS,realtime=limit=86400"
    wall_clock
    draw_strip
    printf '%s,%s' "$boxes" "$(local_time)"
    boxes=''
    draw_clock
    draw_number
    printf '%s,%s' "$boxes" "settb=AVTB,setpts=N/($HOTCOLD_FPS)/TB"
    black_events
    printf ',format=yuv420p[out0]'
    [[ $HOTCOLD_AUDIO != own ]] || printf ';sine=frequency=440:sample_rate=48000%s[out1]' "$(silent_events)"
}

# box X Y WIDTH HEIGHT COLOUR [CONDITION]
# shellcheck disable=SC2016 # the quotes are the filter's, not the shell's
box() { boxes+=",drawbox=x=$1:y=$2:w=$3:h=$4:t=fill:color=$5${6:+:enable='$6'}"; }

draw_strip() {
    local top=$((height * 17 / 18)) bit left
    box 0 "$top" "$width" "$((height - top))" black
    for ((bit = 0; bit < 32; bit++)); do
        left=$((width * bit / 32))
        box "$left" "$top" "$((width * (bit + 1) / 32 - left))" "$((height - top))" white \
            "mod(floor(t/$((1 << (31 - bit)))),2)"
    done
}

draw_clock() {
    local unit=$((height / 45)) left top place y
    ((unit * CLOCK_WIDTH <= width)) || unit=$((width / CLOCK_WIDTH))
    left=$(((width - CLOCK_WIDTH * unit) / 2)) top=$((height * 17 / 18 - (PANEL_HEIGHT + 1) * unit))
    box "$left" "$top" "$((CLOCK_WIDTH * unit))" "$((PANEL_HEIGHT * unit))" black
    for place in "${COLONS[@]}"; do
        for y in 3 5; do
            box "$((left + place * unit))" "$((top + y * unit))" "$unit" "$unit" white
        done
    done
    for place in "${DIGITS[@]}"; do
        draw_digit "$((left + ${place##* } * unit))" "$((top + unit))" "${place% *}"
    done
}

# draw_number: the number at the end of HOTCOLD_TEST_LABEL, at the upper right, so that devices can be told apart.
draw_number() {
    local unit=$((height / 45)) left place number
    ((unit * CLOCK_WIDTH <= width)) || unit=$((width / CLOCK_WIDTH))
    number=${HOTCOLD_TEST_LABEL##*[!0-9]}
    number=${number:$((${#number} > 4 ? -4 : 0))} # not more than fits
    [[ $number ]] || return
    left=$((width - (5 * ${#number} + 1) * unit))
    box "$left" 0 "$((width - left))" "$((PANEL_HEIGHT * unit))" black
    for ((place = 0; place < ${#number}; place++)); do
        draw_digit "$((left + (5 * place + 1) * unit))" "$unit" "${number:place:1}"
    done
}

# draw_digit LEFT TOP DIGIT: DIGIT is an expression of the time t. Its caller says how many pixels one unit is.
draw_digit() {
    local stroke shown x y across down digit mask
    for stroke in "${STROKES[@]}"; do
        read -r shown x y across down <<<"$stroke"
        mask=0
        for ((digit = 0; digit < 10; digit++)); do
            [[ $shown != *"$digit"* ]] || mask=$((mask | 1 << digit))
        done
        box "$(($1 + x * unit))" "$(($2 + y * unit))" "$((across * unit))" "$((down * unit))" white \
            "mod(floor($mask/pow(2,$3)),2)"
    done
}

# local_time: prints the filter that moves time stamps from UTC to local time, over the next change of the clocks too.
local_time() {
    local offset before after low=$EPOCHSECONDS high=$EPOCHSECONDS middle
    utc_offset "$low"
    before=$offset after=$offset
    while ((after == before && high < EPOCHSECONDS + 300 * 86400)); do
        low=$high high=$((high + 86400))
        utc_offset "$high"
        after=$offset
    done
    while ((high - low > 1)); do
        middle=$(((low + high) / 2))
        utc_offset "$middle"
        if ((offset == before)); then low=$middle; else high=$middle; fi
    done
    printf "setpts='PTS+(%d)+(%d)*gte(PTS,%d)'" "$before" "$((after - before))" "$high"
}

# utc_offset TIME: sets offset, in seconds east of UTC.
utc_offset() {
    local zone
    printf -v zone '%(%z)T' "$1"
    offset=$((10#${zone:1:2} * 3600 + 10#${zone:3:2} * 60))
    [[ $zone != -* ]] || offset=$((-offset))
}

# wall_clock, black_events, silent_events: print the filters of HOTCOLD_TEST_EVENTS.

# wall_clock: the clock in whole seconds as time stamps. While the picture is frozen it stands still, and what moves
# behind it is covered: each frame is made all the same, for one that is left out holds up the pace.
wall_clock() {
    local event name from to every still=''
    for event in $HOTCOLD_TEST_EVENTS; do
        IFS=:-/ read -r name from to every <<<"$event"
        [[ $name == frozen ]] || continue
        from=$(frame_at "$from") to=$(frame_at "$to")
        ((from > 0)) || from=1
        still+="${still:++}$(during n "$from" "$to" "${every:+$(frame_at "$every")}")"
    done
    printf ',settb=1,setpts='
    if [[ $still ]]; then
        printf "'if(%s,PREV_OUTPTS,time(0))',drawbox=t=fill:color=navy:enable='%s'" "${still//n/N}" "$still"
    else
        printf 'time(0)'
    fi
}

black_events() { timed_events black drawbox=t=fill:color=black; }
silent_events() { timed_events silent volume=0; }

# timed_events NAME FILTER
timed_events() {
    local event name from to every
    for event in $HOTCOLD_TEST_EVENTS; do
        IFS=:-/ read -r name from to every <<<"$event"
        [[ $name != "$1" ]] || printf ",%s:enable='%s'" "$2" "$(during t "$from" "$to" "$every")"
    done
}

# during VARIABLE FROM TO EVERY: prints the condition; without EVERY it comes true once.
during() {
    if [[ $4 ]]; then
        printf 'gte(%s,%s)*lt(mod(%s-%s,%s),%s)' "$1" "$2" "$1" "$2" "$4" "$((10#$3 - 10#$2))"
    else
        printf 'gte(%s,%s)*lt(%s,%s)' "$1" "$2" "$1" "$3"
    fi
}

# frame_at SECONDS: prints the number of the frame that is drawn then.
frame_at() {
    local rate=$HOTCOLD_FPS over=1 decimals
    case $rate in
    */*) over=${rate#*/} rate=${rate%/*} ;;
    *.*) decimals=${rate#*.} over=$((10 ** ${#decimals})) rate=${rate%.*}$decimals ;;
    esac
    printf '%d' "$((10#$1 * 10#$rate / 10#$over))"
}
