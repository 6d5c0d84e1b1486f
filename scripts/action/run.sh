#!/usr/bin/env bash
# The second step of action.yml: runs the load, tells the job its outputs, writes the summary of the step, and ends with
# the exit code of the program.
set -euo pipefail

# As in install.sh. A wrong input ends with 104, as any wrong content does (docs/CI.md).
fail() {
    local text=$1
    text=${text//'%'/%25} text=${text//$'\r'/%0D} text=${text//$'\n'/%0A}
    printf '::error title=llmload-uring::%s\n' "$text"
    exit 104
}

[ -n "$INPUT_PROFILE" ] || fail "profile: it is empty: give a profile such as smoke, or the path of a document"
[ -n "$INPUT_OUTPUT" ] || fail "output: it is empty: give the path of the result document"
# A line break would add outputs to the job.
[[ $INPUT_OUTPUT != *[$'\r\n']* ]] || fail "output: it has a line break: give one path"
[[ $INPUT_PROFILE != -* ]] || fail "profile: \`$INPUT_PROFILE\` is an option: options go into \`args\`"
target=${INPUT_TARGET:-${LLMLOAD_TARGET_URL:-}}
unset LLMLOAD_TARGET_URL
# Without --no-server the program would test its own simulator where no server is named.
case $target:$INPUT_PROFILE in
simulator:*) where=() ;;
:*/* | :*.yaml | :*.yml) where=(--no-server) ;;
:*) fail "target: it is empty, perhaps because a secret is not there: give a URL, or \`simulator\`" ;;
*) where=(--target="$target" --no-server) ;;
esac
# xargs knows quotes and backslashes, and expands nothing.
words=$(mktemp -p "${RUNNER_TEMP:-/tmp}")
trap 'rm -f "$words" "${summary:-}"' EXIT
xargs -r printf '%s\0' <<<"$INPUT_ARGS" >"$words" || fail "args: a quote in it is not closed: see the line above"
mapfile -d '' -t more <"$words"
# An empty key is none.
[ -n "${LLMLOAD_API_KEY:-}" ] || unset LLMLOAD_API_KEY

summary=$(mktemp -p "${RUNNER_TEMP:-/tmp}")
# What an earlier run left must not pass for the result of this one.
rm -f -- "$INPUT_OUTPUT"
code=0
# A line of the program that begins like a command to the runner, whoever made it up, is none.
pause=$(cat /proc/sys/kernel/random/uuid)
printf '::stop-commands::%s\n' "$pause"
NO_COLOR=1 llmload-uring "$INPUT_PROFILE" "${where[@]}" --output="$INPUT_OUTPUT" --progress plain "${more[@]}" |
    tee "$summary" || code=$?
printf '::%s::\n' "$pause"

result= verdict=
if [ -s "$INPUT_OUTPUT" ]; then
    result=$INPUT_OUTPUT
    verdict=$(jq -r '.run.verdict // empty' -- "$INPUT_OUTPUT" | tr -d '\r\n') || verdict=
fi
{
    printf 'result=%s\n' "$result"
    printf 'verdict=%s\n' "$verdict"
    printf 'exit-code=%s\n' "$code"
} >>"$GITHUB_OUTPUT"
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    # The text names what a server calls itself: nothing of it may be markup.
    {
        printf '### llmload-uring\n\n<pre>\n'
        sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/^$/\&nbsp;/' "$summary"
        printf '</pre>\n\n'
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
