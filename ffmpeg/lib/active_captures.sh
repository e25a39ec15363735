# shellcheck shell=bash
# Rule: the list of active captures is only ever replaced whole (temp + rename), under the lock of its `.lock` file, and
# only the line of this device changes. A line is `path,pid,quality`; pid is the launcher's: a TERM to it stops the device.

entered=''

enter_active_captures() {
    [[ $HOTCOLD_ACTIVE_CAPTURES ]] || return 0
    [[ $DEVICE != *[,#$'\n']* ]] || fail 2 "$DEVICE: a line of HOTCOLD_ACTIVE_CAPTURES cannot hold a comma or a '#'"
    entered=yes
    rewrite_active_captures "$DEVICE,$$,$HOTCOLD_QUALITY" && return
    entered=''
    fail 1 "cannot write HOTCOLD_ACTIVE_CAPTURES=$HOTCOLD_ACTIVE_CAPTURES, or its lock ($HOTCOLD_ACTIVE_CAPTURES.lock) is held"
}

leave_active_captures() {
    [[ $entered ]] || return 0
    rewrite_active_captures || say "cannot take $DEVICE out of $HOTCOLD_ACTIVE_CAPTURES"
}

# rewrite_active_captures [LINE]: everybody else's lines, then LINE. A line of ours that a killed launcher left goes.
rewrite_active_captures() (
    list=$(readlink -m -- "$HOTCOLD_ACTIVE_CAPTURES")
    { exec {turn}>>"$list.lock" && flock --wait 10 "$turn"; } 2>/dev/null || return 1
    lines=()
    [[ ! -e $list ]] || mapfile -t lines <"$list" || return 1
    {
        for line in "${lines[@]}"; do
            [[ $line == "$DEVICE" || $line == "$DEVICE",* ]] || printf '%s\n' "$line"
        done
        (($# == 0)) || printf '%s\n' "$1"
    } >"$list.tmp" || return 1
    [[ ! -e $list ]] || chmod --reference="$list" -- "$list.tmp"
    mv -f -- "$list.tmp" "$list"
)
