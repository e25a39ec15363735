#!/usr/bin/env bash
# What incron starts for each finished file: a look at its folder, and mv. Several may run at the same time.
#
#     archive.sh FOLDER PATTERN LIMIT
set -euo pipefail
shopt -s nullglob

# shellcheck disable=SC2206  # it is a pattern
files=("$1"/$2)
for ((excess = ${#files[@]} - $3, place = 0; place < excess; place++)); do
    oldest=${files[place]}
    # Another one may have moved it meanwhile.
    if hour=$(date -r "$oldest" +%-H 2> /dev/null); then
        mv -n "$oldest" "$1/$hour/" 2> /dev/null || :
    fi
done
