#!/usr/bin/env bash
# Promise 3, never lost: kill -9 the driver once one fit is finished and another is running, then run the same command
# again. It must finish, with trained + stored = total and both above zero. Prints the counts; exit code 0 if it holds.
set -euo pipefail

python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > recipe.yaml <<'YAML'
name: kill-driver
dataset: {builtin: digits}
models:
  bdt:
    type: xgboost
    params: {n_estimators: 300, max_depth: 6}
YAML

"$python" -m rapidml run recipe.yaml --workers 1 --json > first.json 2> first.err &
driver=$!
for _ in $(seq 1 600); do
  if "$python" - <<'PY'
import glob, json, sys
events = [json.loads(line) for path in glob.glob("rapidml-store/runs/*/events.*.jsonl") for line in open(path) if line.endswith("\n")]
fits = [event for event in events if event["step"] == "fit"]
started = {event["key"] for event in fits if event["kind"] in ("step_started", "progress")}
finished = {event["key"] for event in fits if event["kind"] == "step_finished"}
sys.exit(0 if finished and started - finished else 1)
PY
  then break; fi
  kill -0 "$driver" 2>/dev/null || { echo "the driver ended before it could be killed"; cat first.err; exit 1; }
  sleep 0.05
done
kill -9 "$driver"
wait "$driver" 2>/dev/null || true

"$python" -m rapidml run recipe.yaml --json > second.json
"$python" - <<'PY'
import json
fits = json.load(open("second.json"))["fits"]
total = 6
print(f"after kill -9: {fits['trained']} trained + {fits['stored']} stored = {total} fits")
assert fits["trained"] + fits["stored"] == total, fits
assert fits["trained"] > 0 and fits["stored"] > 0, fits
PY
