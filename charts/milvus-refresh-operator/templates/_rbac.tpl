{{- /*
Lets the operator do what `rules` say: a Role in `namespace` and its binding, or a ClusterRole where that is empty.
Takes a dict of root, name, namespace and rules.
*/ -}}
{{- define "operator.grant" -}}
{{- $kind := empty .namespace | ternary "ClusterRole" "Role" -}}
{{- $metadata := include "operator.metadata" (dict "root" .root "name" .name "namespace" .namespace) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- $metadata | nindent 2 }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- $metadata | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ toYaml .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "operator.serviceAccountName" .root | toYaml }}
  namespace: {{ toYaml .root.Release.Namespace }}
{{- end -}}
