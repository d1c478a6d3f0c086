#!/usr/bin/env bash
# What the action runs: inputs come as variables, so that no value of them is run as a command.
set -uo pipefail
hfkv="$RUNNER_TEMP/hfkv/bin/hfkv"
[ -e "$hfkv" ] || hfkv="$RUNNER_TEMP/hfkv/Scripts/hfkv" # Windows
code=0
worst() { if [ "$1" -gt "$code" ]; then code=$1; fi; }

if [ "$LOCK" = true ]; then
  case "$FORMAT" in github | human) form=$FORMAT ;; *) form=github ;; esac
  "$hfkv" lock --check --format "$form"
  worst $?
fi
IFS=$' \t\n' read -r -d '' -a files <<< "$FILES" || true
if [ -n "$OUTPUT" ]; then
  "$hfkv" check --format "$FORMAT" -- ${files[@]+"${files[@]}"} > "$OUTPUT"
else
  "$hfkv" check --format "$FORMAT" -- ${files[@]+"${files[@]}"}
fi
worst $?
echo "exit-code=$code" >> "$GITHUB_OUTPUT"
exit "$code"
