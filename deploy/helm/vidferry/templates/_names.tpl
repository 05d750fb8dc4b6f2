{{/* The chart's name, by which a parent chart tells its aliases apart, the resources' common beginning, and labels. */}}
{{- define "vidferry.name" -}}
{{ include "vidferry.shortened" (.Values.nameOverride | default .Chart.Name) }}
{{- end }}

{{/* A release whose name holds the chart's stands for both, but in a parent chart, where it may hold those of two. */}}
{{- define "vidferry.fullname" -}}
{{- $name := include "vidferry.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if or (eq $name .Release.Name) (and .Chart.IsRoot (contains $name .Release.Name)) -}}
{{ include "vidferry.shortened" .Release.Name }}
{{- else -}}
{{ include "vidferry.shortened" (printf "%s-%s" .Release.Name $name) }}
{{- end -}}
{{- end }}

{{/* At most 40 characters; what is cut off still counts. */}}
{{- define "vidferry.shortened" -}}
{{- if gt (len .) 40 -}}
{{ printf "%s-%s" (trunc 31 . | trimSuffix "-") (sha256sum . | trunc 8) }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{/* The labels that select a component's pods. Takes (root, component). */}}
{{- define "vidferry.selector" -}}
app.kubernetes.io/name: {{ include "vidferry.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The labels of a component's pods: none that a release changes, or each would restart Redis. Takes (root, component, more labels). */}}
{{- define "vidferry.podLabels" -}}
{{ include "vidferry.selector" . }}
app.kubernetes.io/part-of: vidferry
{{- with merge (dict) (index . 2) (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of a component's resources. Takes (root, component). */}}
{{- define "vidferry.labels" -}}
{{- $root := index . 0 -}}
{{ include "vidferry.podLabels" (list $root (index . 1) dict) }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The metadata of a resource. Takes (root, component, name, annotations), and more labels where there are any. */}}
{{- define "vidferry.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "vidferry.labels" (list $root (index . 1)) | nindent 2 }}
  {{- if gt (len .) 4 }}
  {{- with index . 4 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- with merge (dict) (index . 3 | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The full name of an image. Takes (root, image's values, registry, tag). */}}
{{- define "vidferry.image" -}}
{{- $image := index . 1 -}}
{{- $registry := index . 2 | default ((index . 0).Values.global).imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (index . 3) }}{{ end -}}
{{- end }}

{{/* The image of a service. Takes (root, service). */}}
{{- define "vidferry.serviceImage" -}}
{{- $root := index . 0 -}}
{{- include "vidferry.image" (list $root (index $root.Values (index . 1)).image $root.Values.image.registry ($root.Values.image.tag | default $root.Chart.AppVersion)) -}}
{{- end }}

{{- define "vidferry.redis.image" -}}
{{- $image := .Values.redis.bundled.image -}}
{{- include "vidferry.image" (list . $image ($image.registry | default .Values.image.registry) "") -}}
{{- end }}

{{/* A storage class, as NOTES.txt names it. */}}
{{- define "vidferry.classNamed" -}}
{{ empty . | ternary "the default class" (printf "class %s" .) }}
{{- end }}

{{- define "vidferry.pullSecrets" -}}
{{- with concat .Values.image.pullSecrets ((.Values.global).imagePullSecrets | default list) }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The service account of a service. Takes (root, service). */}}
{{- define "vidferry.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := (index $root.Values (index . 1)).serviceAccount -}}
{{- if $account.create -}}
{{ $account.name | default (printf "%s-%s" (include "vidferry.fullname" $root) (index . 1)) }}
{{- else -}}
{{ $account.name | default "default" }}
{{- end -}}
{{- end }}

{{/* A quantity such as 9Gi in bytes. */}}
{{- define "vidferry.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- /* a large number would be written with an exponent */ -}}
{{- $text := kindIs "string" . | ternary . (int64 . | toString) -}}
{{- mul (regexFind "^[0-9]+" $text | int64) (get $units (regexFind "[A-Za-z]*$" $text)) -}}
{{- end }}
