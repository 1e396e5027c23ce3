"""An asset for Dagster that is fresh when the collection is; refresh.py has to be beside it."""

import dagster
from kubernetes import client, config

from refresh import refresh


@dagster.asset
def products(context: dagster.AssetExecutionContext):
    config.load_config()
    status = refresh(client.CustomObjectsApi(), "shop", "products", context.run_id)
    context.add_output_metadata({"job": status["jobID"]})
