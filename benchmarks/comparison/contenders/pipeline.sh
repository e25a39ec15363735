#!/usr/bin/env bash
# The same with inotify-tools, as people have it in a shell: a line for each finished file, a look, and mv.
#
#     pipeline.sh FOLDER PATTERN LIMIT [FOLDER PATTERN LIMIT ...]
set -euo pipefail
shopt -s nullglob

folders=()
declare -A patterns limits
while (($#)); do
    folders+=("$1")
    patterns["$1"]=$2
    limits["$1"]=$3
    shift 3
done

# inotifywait itself says on standard error when it watches.
inotifywait -m -e close_write -e moved_to --format '%w' "${folders[@]}" | while read -r folder; do
    folder=${folder%/}
    # What the shell finds is sorted by name. A picture's pattern fits its thumbnail too, but that has a folder of its own.
    # shellcheck disable=SC2206  # it is a pattern
    files=("$folder"/${patterns["$folder"]})
    for ((excess = ${#files[@]} - ${limits["$folder"]}, place = 0; place < excess; place++)); do
        oldest=${files[place]}
        mv -n "$oldest" "$folder/$(date -r "$oldest" +%-H)/"
    done
done
