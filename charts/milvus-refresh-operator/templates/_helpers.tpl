{{- define "operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- include "operator.cut" (list .Values.fullnameOverride 63) -}}
{{- else if contains $name .Release.Name -}}
{{- include "operator.cut" (list .Release.Name 63) -}}
{{- else -}}
{{- include "operator.cut" (list (printf "%s-%s" .Release.Name $name) 63) -}}
{{- end -}}
{{- end -}}

{{- /*
The name of a further object: takes a list of the root and what is appended. What is too long is cut before that, so that
the objects of a release stay apart.
*/ -}}
{{- define "operator.name" -}}
{{- $suffix := index . 1 -}}
{{- include "operator.cut" (list (include "operator.fullname" (index . 0)) (sub 63 (len $suffix) | int)) }}{{ $suffix -}}
{{- end -}}

{{- /* Takes a list of a name and how many of its characters there is room for. */ -}}
{{- define "operator.cut" -}}
{{- index . 0 | trunc (index . 1) | trimAll "-." -}}
{{- end -}}

{{- /*
The metadata of an object. Takes a dict of root and name and, where it has them, namespace, labels and annotations.
*/ -}}
{{- define "operator.metadata" -}}
name: {{ toYaml .name }}
{{- with .namespace }}
namespace: {{ toYaml . }}
{{- end }}
labels:
  {{- include "operator.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "operator.selectorLabels" -}}
{{- $name := include "operator.cut" (list (default .Chart.Name .Values.nameOverride) 63) -}}
{{- toYaml (dict "app.kubernetes.io/name" $name "app.kubernetes.io/instance" .Release.Name) -}}
{{- end -}}

{{- /*
The labels of an object. Takes a dict of root and, where the object has labels of its own, labels. Of two with one key the
later one counts: the object's own are more specific than those of all, and nothing changes what selects.
*/ -}}
{{- define "operator.labels" -}}
{{- $root := .root -}}
{{- $chart := include "operator.cut" (list (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") 63) -}}
{{- $made := dict "helm.sh/chart" $chart "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $fixed := include "operator.selectorLabels" $root | fromYaml -}}
{{- $_ := set $fixed "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $all := dict -}}
{{- range $labels := list $made $root.Values.commonLabels .labels $fixed -}}
{{- range $key, $value := $labels }}{{ $_ := set $all $key $value }}{{ end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}
