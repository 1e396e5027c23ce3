{{- /* Where the pods run. */ -}}
{{- define "operator.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.affinity }}
affinity:
  {{- toYaml .Values.affinity | nindent 2 }}
{{- else if .Values.highAvailability.enabled }}
affinity:
  podAntiAffinity:
    {{- if eq .Values.highAvailability.antiAffinity "required" }}
    requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "operator.selectorLabels" . | nindent 10 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "operator.selectorLabels" . | nindent 12 }}
    {{- end }}
{{- end }}
{{- if .Values.topologySpreadConstraints }}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "operator.selectorLabels" . | fromYaml)) }}
topologySpreadConstraints:
{{- range .Values.topologySpreadConstraints }}
- {{- toYaml (merge (dict) . $selector) | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
