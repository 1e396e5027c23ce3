"""An operator for Airflow 3; refresh.py has to be beside it."""

from airflow.sdk import BaseOperator
from kubernetes import client, config

from refresh import refresh


class MilvusRefreshOperator(BaseOperator):
    """Runs an ExternalCollectionRefresh. A retried task waits for the run that its first try has requested."""

    template_fields = ("namespace", "name")

    def __init__(self, *, namespace, name, timeout=7200, **kwargs):
        super().__init__(**kwargs)
        self.namespace, self.name, self.timeout = namespace, name, timeout

    def execute(self, context):
        config.load_config()
        return refresh(client.CustomObjectsApi(), self.namespace, self.name, context["run_id"], self.timeout)["jobID"]
