# Shared by the scripts that measure the program against its own mock. Source it from the root of the checkout, with
# `bin` set to the program that serves. Makes the folder $work, and removes it and ends the mock at the end.

work=$(mktemp -d)
mock_pid=
trap 'stop_mock; rm -rf "$work"' EXIT

# Starts a mock on CPUs with further options, for ten minutes at most. Sets $address to its host and port.
start_mock() { # CPUS OPTION…
    "$bin" mock --cpus "$1" --max-seconds 600 "${@:2}" >"$work/mock" 2>&1 &
    mock_pid=$!
    until grep -qs listening "$work/mock"; do kill -0 "$mock_pid"; done
    address=$(sed -n 's#^listening http://##p' "$work/mock")
}

stop_mock() {
    [ -n "$mock_pid" ] || return 0
    kill "$mock_pid" 2>/dev/null || true
    wait "$mock_pid" 2>/dev/null || true
    mock_pid=
    rm -f "$work/mock" # or the next one's address would be found in it
}

# Runs a program with these options, until it has written $work/result.json. Its CPU seconds, user and system, are in
# $work/cpu.
measured() { # PROGRAM OPTION…
    local TIMEFORMAT='%U %S'
    # A run too short for any answer to end (exit code 115) still counts events.
    { time "$@" --output "$work/result.json" --quiet >"$work/out" 2>"$work/err"; } 2>"$work/cpu" || [ $? = 115 ] ||
        { cat "$work/out" "$work/err" >&2 && exit 1; }
}

# Prints the first whole number under a key of the result, such as requests or token_events.
counted() { grep -m1 -o "\"$1\": [0-9][0-9]*" "$work/result.json" | grep -o '[0-9]*$'; }

# Prints CPU microseconds for each of these.
cpu_per() { # KEY
    awk -v units="$(counted "$1")" '{ printf "%.3f\n", ($1 + $2) * 1e6 / units }' "$work/cpu"
}

# Prints the CPU microseconds per event of what SECONDS more add to a run of FIRST seconds, which leaves out the start and
# the connects; then whatever else the longer run has said. The command is called with the seconds of a run as its last
# word, and prints the CPU microseconds of all of it, its events, and what else there is to say.
per_event_of_more() { # FIRST SECONDS COMMAND…
    { "${@:3}" "$1" && "${@:3}" $(($1 + $2)); } | awk '{ cpu[NR] = $1; events[NR] = $2; rest = $3 }
        END { printf "%.3f %s\n", (cpu[2] - cpu[1]) / (events[2] - events[1]), rest }'
}

# Prints the median, the lowest and the highest of numbers, one a line.
spread() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'; }

# Prints the same as `MEDIAN (LOWEST-HIGHEST)`, each in a format such as %.2f.
shown() { # FORMAT
    local median low high
    read -r median low high < <(spread)
    # shellcheck disable=SC2059
    printf "$1 ($1-$1)" "$median" "$low" "$high"
}

described_host() {
    echo "host: $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(date +%F)"
}
