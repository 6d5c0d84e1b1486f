#!/usr/bin/env bash
# Docker's seccomp profile with io_uring allowed, and nothing else changed.
#
#   scripts/seccomp-io-uring.sh default.json > seccomp-io-uring.json
#   docker run --security-opt seccomp=seccomp-io-uring.json ...
#
# default.json is the profile of your engine's version; it is at
# https://github.com/moby/profiles/blob/main/seccomp/default.json (Podman: /usr/share/containers/seccomp.json).
set -euo pipefail

if [ $# -ne 1 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

jq '
["io_uring_setup", "io_uring_enter", "io_uring_register"] as $calls
| if (.defaultAction | type) != "string" or (.syscalls | type) != "array" then
    error("no seccomp profile: it has no defaultAction or no syscalls")
  elif .defaultAction == "SCMP_ACT_ALLOW" then
    error("this profile allows whatever it does not name: not a default to build on")
  else . end
# Rules that refuse the calls by name would win over the one added below.
| .syscalls |= map(
    if .action != "SCMP_ACT_ALLOW" and has("names") then .names -= $calls else . end
    | select((has("names") | not) or (.names | length) > 0))
| .syscalls += [{names: $calls, action: "SCMP_ACT_ALLOW"}]
' "$1"
