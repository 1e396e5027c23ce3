# Terraform's `kubernetes_manifest` applies server-side and waits. A new value of `trigger` starts a run.
variable "data_version" {
  type = string
}

resource "kubernetes_manifest" "products" {
  manifest = {
    apiVersion = "milvus-refresh.dev/v1alpha1"
    kind       = "ExternalCollectionRefresh"
    metadata   = { name = "products", namespace = "shop" }
    spec       = { collectionName = "products", trigger = var.data_version }
  }

  wait {
    condition {
      type   = "Complete"
      status = "True"
    }
  }

  timeouts {
    create = "2h"
    update = "2h"
  }
}
