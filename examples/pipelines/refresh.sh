#!/bin/sh
# refresh.sh NAME REQUEST: runs a refresh and waits for its end, in a job of GitHub Actions, GitLab CI, Jenkins or Argo
# Workflows that has kubectl. REQUEST tells this run from others, for example "$GITHUB_RUN_ID" or "$CI_PIPELINE_ID".
set -eu
refresh="ecrefresh/$1"
kubectl annotate --overwrite --field-manager=flux-client-side-apply "$refresh" milvus-refresh.dev/requestedAt="$2"
kubectl wait --for=jsonpath='{.status.lastCompletedRequest}'="$2" --timeout="${TIMEOUT:-2h}" "$refresh"
kubectl get "$refresh" -o jsonpath='{.status.history[0].state}: {.status.history[0].message}{"\n"}'
test "$(kubectl get "$refresh" -o jsonpath='{.status.history[0].state}')" = RefreshCompleted
