# shellcheck shell=bash
# Rule: whatever the source, the same three outputs; every file gets its name only when it is complete, and nothing here
# deletes or overwrites one: leaving the hot folder is the reactor's work.

# read_outputs: sets OUTPUTS, ffmpeg's arguments after the inputs. Paths in them are relative to the device's folder, so
# that a '%' in its path is not taken for a number.
read_outputs() {
    local encoders resize=''
    encoders=$("$HOTCOLD_FFMPEG" -hide_banner -encoders 2>/dev/null)
    need_encoder V mjpeg HOTCOLD_FFMPEG "$encoders"
    # The other sources have the size from their input.
    case $HOTCOLD_SOURCE in rtsp | file) resize=${HOTCOLD_SIZE:+scale=${HOTCOLD_SIZE/x/:},} ;; esac

    OUTPUTS=(-map 0:v:0)
    read_video "$encoders" "$resize"
    read_sound "$encoders"
    # temp_file: the name appears by a rename. No delete_segments: it would race the reactor. A list shorter than the hot
    # folder: a player is never sent to a segment that has just left. After a restart the time stamps begin again, and
    # discont_start says so.
    local flags=temp_file+program_date_time
    [[ ${NEXT[segments]} == 0 ]] || flags+=+discont_start
    OUTPUTS+=(-f hls -hls_time "$HOTCOLD_SEGMENT_SECONDS" -hls_list_size "$HOTCOLD_LIST_SIZE" -hls_flags "$flags"
        -start_number "${NEXT[segments]}" -hls_segment_filename segments/segment_%09d.ts segments/output.m3u8)

    # JPEG wants full range; `unofficial` is how ffmpeg names plain yuv420p with that range, which no release warns about.
    local jpeg=(-c:v mjpeg -q:v "$HOTCOLD_JPEG_QUALITY" -color_range pc -strict unofficial -f image2 -atomic_writing 1)
    OUTPUTS+=(-map 0:v:0 -vf "fps=$HOTCOLD_CAPTURE_FPS,$(analysed_picture)${resize}scale=out_range=pc,format=yuv420p"
        "${jpeg[@]}" -start_number "${NEXT[captures]}" captures/capture_%09d.jpg)
    OUTPUTS+=(-map 0:v:0 -vf "fps=$HOTCOLD_THUMBNAIL_FPS,scale=$HOTCOLD_THUMBNAIL_WIDTH:-2:out_range=pc,format=yuv420p"
        "${jpeg[@]}" -start_number "${NEXT[thumbnails]}" thumbnails/capture_%09d_thumbnail.jpg)
}

# read_video ENCODERS RESIZE: the segments' picture.
read_video() {
    local extra
    read -ra extra <<<"$HOTCOLD_VIDEO_OPTIONS"
    if [[ $HOTCOLD_VIDEO_CODEC == copy ]]; then
        refuse_copy HOTCOLD_VIDEO_CODEC libx264
        [[ -z $HOTCOLD_SEGMENT_SIZE$HOTCOLD_FPS ]] ||
            fail 2 'HOTCOLD_VIDEO_CODEC=copy changes nothing: unset HOTCOLD_SEGMENT_SIZE and HOTCOLD_FPS, or name an encoder'
        OUTPUTS+=(-c:v copy "${extra[@]}")
        return
    fi
    need_encoder V "$HOTCOLD_VIDEO_CODEC" HOTCOLD_VIDEO_CODEC "$1"
    # yuv420p has one colour sample for two pixels: sides must be even.
    local filter="$2${HOTCOLD_SEGMENT_SIZE:+scale=${HOTCOLD_SEGMENT_SIZE/x/:},}scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p"
    OUTPUTS+=(-vf "$filter" ${HOTCOLD_FPS:+-r "$HOTCOLD_FPS"} -c:v "$HOTCOLD_VIDEO_CODEC"
        ${HOTCOLD_PRESET:+-preset "$HOTCOLD_PRESET"})
    [[ $HOTCOLD_VIDEO_CODEC != libx26[45] ]] || OUTPUTS+=(-tune zerolatency)
    OUTPUTS+=(-b:v "$HOTCOLD_BITRATE" -maxrate "$HOTCOLD_BITRATE" -bufsize "$HOTCOLD_BITRATE"
        -force_key_frames "expr:gte(t,n_forced*$HOTCOLD_SEGMENT_SECONDS)" "${extra[@]}")
}

# read_sound ENCODERS: the segments' sound.
read_sound() {
    if [[ -z $SOUND ]]; then
        OUTPUTS+=(-an)
        return
    fi
    OUTPUTS+=(-map "$SOUND" -c:a "$HOTCOLD_AUDIO_CODEC")
    if [[ $HOTCOLD_AUDIO_CODEC == copy ]]; then
        refuse_copy HOTCOLD_AUDIO_CODEC aac
        return
    fi
    need_encoder A "$HOTCOLD_AUDIO_CODEC" HOTCOLD_AUDIO_CODEC "$1"
    # A sound card and a camera have clocks of their own: stretch the sound to its time stamps.
    OUTPUTS+=(-b:a "$HOTCOLD_AUDIO_BITRATE" -ar "$HOTCOLD_AUDIO_RATE" -af "aresample=async=1$(analysed_sound)")
}

# refuse_copy VARIABLE ENCODER
refuse_copy() {
    [[ $HOTCOLD_SOURCE == @(rtsp|file) && ($1 == HOTCOLD_VIDEO_CODEC || $HOTCOLD_AUDIO == own) ]] ||
        fail 2 "$1=copy: what this source gives is not encoded: name an encoder such as $2"
}

# need_encoder LETTER NAME VARIABLE ENCODERS: LETTER is V for pictures, A for sound, as in ffmpeg's list.
need_encoder() {
    [[ $'\n'$4 == *$'\n'" $1"+([^ ])" $2 "* ]] && return
    local what=pictures
    [[ $1 == V ]] || what=sound
    fail 2 "$3=${!3}: this ffmpeg ($HOTCOLD_FFMPEG) has no encoder $2 for $what: see \`ffmpeg -encoders\`"
}
