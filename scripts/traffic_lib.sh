# Read by scripts/vllm-traffic.sh and scripts/llamacpp-traffic.sh, which set `bin`, `python`, `kind` (vllm or llamacpp),
# `busy` (a pattern of the metrics that count what the server is doing), `server` and `work`.

# Waits until the server has nothing to do, 30 s at most: what it still does then, the checks report.
settle() {
    local give_up=$((SECONDS + 30))
    until curl -sf --max-time 5 "$server/metrics" >"$work/after" &&
        awk -v busy="$busy" '$1 ~ busy { n += $2 } END { exit n > 0 }' "$work/after"; do
        [ "$SECONDS" -lt "$give_up" ] || break
        sleep 0.1
    done
}

bad=0
# CHECK PATH OPTIONS...: one run of `load`, and its check. `trace` names the file of a check of a trace.
traffic() {
    local check=$1 path=$2 status=0
    shift 2
    local command=(load --target "$server$path" "$@")
    echo
    echo "\$ llmload-uring $(printf '%q ' "${command[@]}")" | sed "s/ $//; s#$work/##g"
    curl -sf --max-time 5 "$server/metrics" >"$work/before"
    # Without the question that finds out what the server takes, which it would count as well.
    timeout 120 "$bin" "${command[@]}" --no-validate --output "$work/result.json" --details --progress plain \
        --graceful-stop 30s >"$work/printed" 2>&1 || status=$?
    settle
    # 99: a threshold of the profile failed. They are on latencies, which are no subject here.
    if [ "$status" != 0 ] && [ "$status" != 99 ]; then
        cat "$work/printed"
        echo "FAIL  exit code $status"
        bad=1
    else
        grep -E '^(tokenizer:|requests|rate|tokens|sessions) ' "$work/printed"
        "$python" scripts/traffic_checks.py "$kind" "$check" "$work/result.json" "$work/before" "$work/after" \
            ${trace:+"$trace"} || bad=1
    fi
}

# Ends the script with what became of all checks.
verdict() {
    echo
    [ "$bad" = 0 ] && echo "all checks hold" || echo "a check FAILED"
    exit "$bad"
}
