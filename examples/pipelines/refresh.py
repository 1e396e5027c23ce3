"""Runs a refresh and waits for its end, from any pipeline that speaks Python.

    python refresh.py NAMESPACE NAME REQUEST

REQUEST tells this run from others: the id of the pipeline's run. Asked again with the same one, as a retried task does, it
waits for the same run instead of starting another.
"""

import sys
import time

from kubernetes import client, config

KIND = ("milvus-refresh.dev", "v1alpha1", "externalcollectionrefreshes")
REQUESTED_AT = "milvus-refresh.dev/requestedAt"


class RefreshFailed(Exception):
    """The run has ended and has not completed."""


def refresh(api, namespace, name, request, timeout=7200, interval=5):
    """Requests a run of the refresh and returns its entry in `status.history` when it has completed.

    Raises RefreshFailed with Milvus' words, or TimeoutError after `timeout` seconds; the run goes on then.
    """
    group, version, plural = KIND
    args = (group, version, namespace, plural, name)
    api.patch_namespaced_custom_object(*args, {"metadata": {"annotations": {REQUESTED_AT: request}}})
    deadline = time.monotonic() + timeout
    number = None
    while time.monotonic() < deadline:
        status = api.get_namespaced_custom_object(*args).get("status", {})
        run = status.get("run", {})
        if run.get("requestedAt") == request:
            number = run["number"]
        if status.get("lastCompletedRequest") == request:
            # The newest one, unless another run has ended since.
            ended = next(past for past in status["history"] if number in (None, past["number"]))
            if ended["state"] != "RefreshCompleted":
                raise RefreshFailed(f"{ended['class']}: {ended['message']}")
            return ended
        time.sleep(interval)
    raise TimeoutError(f"{namespace}/{name} has not ended within {timeout} s")


if __name__ == "__main__":
    config.load_config()
    try:
        ended = refresh(client.CustomObjectsApi(), *sys.argv[1:4], interval=1)
    except RefreshFailed as failure:
        sys.exit(str(failure))
    print(f"job {ended['jobID']} completed")
