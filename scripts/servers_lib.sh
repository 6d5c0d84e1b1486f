# Read by the scripts that load real servers: installs and starts them on free loopback ports, and stops them by their
# process ids when the script ends. `LLAMA_HOME`, `VLLM_HOME` and `LITELLM_HOME` name folders where a server is
# installed already, or will be; without them they are in target/. A function that starts a server puts its origin into
# `server`.
llama_home=${LLAMA_HOME:-target/llama-cpp}
vllm_home=${VLLM_HOME:-target/vllm}
litellm_home=${LITELLM_HOME:-target/litellm}
work=$(mktemp -d)
chmod 711 "$work" # nginx's worker may have a user of its own
pids=()
# Stops all servers that were started, and waits for them.
stop_servers() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap 'stop_servers; rm -rf "$work"' EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# URL LOG [SECONDS]: until the newest process answers there.
wait_for() {
    local give_up=$((SECONDS + ${3:-300}))
    until curl -sf --max-time 5 --cacert "$work/ca.pem" -o "$work/answer" "$1" 2>"$work/curl.log"; do
        if ! kill -0 "${pids[-1]}" 2>/dev/null || [ "$SECONDS" -ge "$give_up" ]; then
            echo "$1 does not answer" >&2
            tail -20 "$2" >&2
            exit 1
        fi
        sleep 0.3
    done
}

# NAME MODEL SLOTS CONTEXT [embeddings]
start_llama() {
    mkfifo "$work/$1.stdin"
    "$llama_home/venv/bin/python" scripts/llama_server.py "$2" "$1" "${@:3}" <"$work/$1.stdin" >"$work/$1" \
        2>"$work/$1.log" &
    pids+=($!)
    local hold
    exec {hold}>"$work/$1.stdin" # open until this script ends
    until grep -qs ':' "$work/$1"; do
        kill -0 "${pids[-1]}" 2>/dev/null || { tail -5 "$work/$1.log" >&2; exit 1; }
        sleep 0.2
    done
    server=http://$(awk '{ print $2 }' "$work/$1")
}

install_vllm() {
    mkdir -p "$vllm_home"
    vllm_home=$(cd "$vllm_home" && pwd)
    scripts/install-vllm.sh "$vllm_home"
}

# OPTIONS...
start_vllm() {
    local port
    port=$(free_port)
    server=http://127.0.0.1:$port
    HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1 \
        "$vllm_home/v/bin/vllm" serve "$vllm_home/tiny" --load-format dummy --served-model-name tiny-llama \
        --host 127.0.0.1 --port "$port" --max-model-len 2048 --enforce-eager "$@" >"$work/vllm.log" 2>&1 &
    pids+=($!)
    wait_for "$server/health" "$work/vllm.log"
}

vllm_version() { echo "vLLM $("$vllm_home/v/bin/vllm" --version 2>/dev/null | tail -1)"; }

install_litellm() {
    if [ ! -x "$litellm_home/v/bin/litellm" ]; then
        python3.11 -m venv "$litellm_home/v"
        "$litellm_home/v/bin/pip" install --quiet --disable-pip-version-check 'litellm[proxy]'
    fi
}

# `NAME MODEL ORIGIN`...: a proxy that gives each of these models of a server behind it a name.
start_litellm() {
    local port name model origin
    port=$(free_port)
    server=http://127.0.0.1:$port
    echo "model_list:" >"$work/litellm.yaml"
    for entry in "$@"; do
        read -r name model origin <<<"$entry"
        printf '  - { model_name: %s, litellm_params: { model: openai/%s, api_base: "%s/v1", api_key: none } }\n' \
            "$name" "$model" "$origin" >>"$work/litellm.yaml"
    done
    HOME=$work LITELLM_TELEMETRY=False LITELLM_LOCAL_MODEL_COST_MAP=True \
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true \
        "$litellm_home/v/bin/litellm" --config "$work/litellm.yaml" --host 127.0.0.1 --port "$port" \
        >"$work/litellm.log" 2>&1 &
    pids+=($!)
    wait_for "$server/health/liveliness" "$work/litellm.log"
}

litellm_version() {
    echo "LiteLLM $("$litellm_home/v/bin/python" -c 'import importlib.metadata as m; print(m.version("litellm"))')"
}
