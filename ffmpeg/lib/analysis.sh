# shellcheck shell=bash
# Rule: nothing that becomes of the analyser stops the recording. ffmpeg writes its lines into a pipe, and a full pipe
# would stop it: so somebody always reads. A keeper holds the reading end, and each second sees to the analyser: one that
# ended is started again, one that lets lines lie for STUCK_SECONDS is killed first. The pipe holds more than that.
#
# Why a pipe: it needs no place on a disk, it is at its end when ffmpeg is, however that ends, and what waits in it is
# still there for the next analyser. A file would grow without a reader, and a socket lose lines.

# 64 KiB, which a pipe has until the analyser makes it deeper, hold 50 seconds of lines.
readonly STUCK_SECONDS=20 LAST_LINES_SECONDS=3
# Below 10, where bash begins when it chooses a descriptor itself.
readonly LINES_FD=9
keeper='' NO_ANALYSIS=''

# find_analyzer: sets ANALYZER, its words, HOTCOLD_ANALYSIS to yes or no, and NO_ANALYSIS, why not if nobody asked for that.
find_analyzer() {
    [[ $HOTCOLD_ANALYSIS != no ]] || return 0
    local reason='' name filters
    # Not -r: a backslash keeps a space in a word.
    # shellcheck disable=SC2162
    read -a ANALYZER <<<"$HOTCOLD_ANALYZER"
    if ! type -P -- "${ANALYZER[0]-}" >/dev/null; then
        reason="HOTCOLD_ANALYZER=$HOTCOLD_ANALYZER: no such program: install hotcold_inotify, or name its path"
    else
        filters=$("$HOTCOLD_FFMPEG" -hide_banner -filters 2>/dev/null)
        for name in blackframe freezedetect signalstats metadata astats ametadata; do
            [[ $filters == *" $name "* ]] && continue
            reason="this ffmpeg ($HOTCOLD_FFMPEG) has no filter $name: name another one in HOTCOLD_FFMPEG"
            break
        done
    fi
    [[ ! $reason || $HOTCOLD_ANALYSIS != yes ]] || fail 2 "HOTCOLD_ANALYSIS=yes: $reason"
    HOTCOLD_ANALYSIS=yes
    [[ $reason ]] || return 0
    HOTCOLD_ANALYSIS=no
    # shellcheck disable=SC2034 # capture.sh says it
    NO_ANALYSIS=$reason
}

# print_key FILTER KEY: ffmpeg's filter that prints the frames that have KEY, each line at once and in one write.
print_key() { printf ',%s=print:key=lavfi.%s:file=pipe\\\\:%s:direct=1' "$1" "$2" "$LINES_FD"; }

# analysed_picture: prints the filters behind the captures' `fps`: what comes of them goes on, each a capture, and a
# small copy of it is looked at. Its brightness is printed last, and always: so the line ends a picture.
analysed_picture() {
    [[ $HOTCOLD_ANALYSIS == yes ]] || return 0
    printf '%s' 'split[seen][picture];[picture]scale=160:-2:out_range=pc:flags=fast_bilinear,format=yuv420p' \
        ",blackframe=amount=98:threshold=$HOTCOLD_BLACK_LUMA" \
        ",freezedetect=n=${HOTCOLD_FREEZE_NOISE}dB:d=$HOTCOLD_FREEZE_SECONDS,signalstats"
    print_key metadata blackframe.pblack
    print_key metadata freezedetect.freeze_start
    print_key metadata freezedetect.freeze_end
    print_key metadata signalstats.YAVG
    printf ',nullsink;[seen]'
}

# analysed_sound: prints the filters that are put behind the segments' `aresample`. Ten levels a second, without time
# stamps: nobody takes one for a picture.
analysed_sound() {
    [[ $HOTCOLD_ANALYSIS == yes ]] || return 0
    printf ':osr=%s,asplit[heard][sound];[sound]asetnsamples=n=%d:p=0,asetpts=NAN' \
        "$HOTCOLD_AUDIO_RATE" "$((HOTCOLD_AUDIO_RATE / 10))"
    printf ',astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=RMS_level'
    print_key ametadata astats.Overall.RMS_level
    printf ',anullsink;[heard]anull'
}

# open_lines: opens LINES_FD, the writing end, for ffmpeg to inherit. close_lines: afterwards, or it never ends.
open_lines() {
    [[ $HOTCOLD_ANALYSIS == yes ]] || return 0
    exec 9> >(keep_analyzer)
    keeper=$!
}
close_lines() { exec 9>&-; }

# keep_analyzer: with the reading end as its standard input, until ffmpeg is gone. Signals to the group are ffmpeg's
# to answer; the lines end when it does.
# shellcheck disable=SC2154 # hold_device sets lock
keep_analyzer() {
    local analyzer='' ticks lines code began stuck pause=0
    trap '' TERM INT HUP
    trap '[[ ! $analyzer ]] || kill -KILL "$analyzer" 2>/dev/null; exit 1' USR1
    # The device is free when ffmpeg is gone, whatever the analyser does.
    exec {lines}<&0 {lock}>&-
    while :; do
        began=$SECONDS stuck=0
        # Its standard output says nothing; that it closes says that it has ended.
        exec {ticks}< <(exec "${ANALYZER[@]}" analyze --first "${NEXT[captures]}" --silence "$HOTCOLD_SILENCE_DB" \
            --silence-seconds "$HOTCOLD_SILENCE_SECONDS" --freeze-seconds "$HOTCOLD_FREEZE_SECONDS" \
            -- "$DEVICE" <&"$lines")
        analyzer=$!
        while
            read -rt 1 _ <&"$ticks"
            (($? != 1))
        do
            # Lines that wait at each of so many looks: it hangs.
            if ! read -t 0 <&"$lines"; then
                stuck=0
            elif ((++stuck >= STUCK_SECONDS)); then
                say "the analyser (process $analyzer) has hung for $STUCK_SECONDS s and is killed"
                kill -KILL "$analyzer"
                stuck=0
            fi
        done
        wait "$analyzer"
        code=$?
        analyzer=''
        exec {ticks}<&-
        ((code != 0)) || return 0
        # At once the first time, for the lines wait; one that fails again and again is given time, and they are lost.
        ((SECONDS - began < 60)) || pause=0
        say "the analyser ended with code $code: another one is started in $pause s"
        if ((pause > 0)); then
            ! timeout --signal=KILL "$pause" cat <&"$lines" >/dev/null || return 0
        fi
        pause=$((pause == 0 ? 1 : pause < 30 ? pause * 2 : 60))
    done
}

# end_analyzer: waits for its last files. One that hangs is not waited for.
end_analyzer() {
    [[ $keeper ]] || return 0
    local tick
    for ((tick = 0; tick < (LAST_LINES_SECONDS + 2) * 20; tick++)); do
        kill -0 "$keeper" 2>/dev/null || return 0
        ((tick != LAST_LINES_SECONDS * 20)) || kill -USR1 "$keeper" 2>/dev/null
        sleep 0.05
    done
    kill -KILL "$keeper" 2>/dev/null
}
