"""Assets for Dagster that are fresh when their collections are; refresh.py has to be beside it."""

import dagster
from kubernetes import client, config

from refresh import refresh


def refreshed(namespace, name):
    """An asset that runs an ExternalCollectionRefresh."""

    @dagster.asset(name=name.replace("-", "_"))
    def collection(context: dagster.AssetExecutionContext):
        config.load_config()
        run = refresh(client.CustomObjectsApi(), namespace, name, context.run_id)
        context.add_output_metadata({"job": run["jobID"]})

    return collection
