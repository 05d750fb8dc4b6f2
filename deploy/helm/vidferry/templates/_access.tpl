{{/* Who may use the api: its settings, and the Secrets with its keys. */}}
{{/* Not empty if the api asks for a key or token. */}}
{{- define "vidferry.access" -}}
{{- if ne .Values.access.mode "none" }}yes{{ end -}}
{{- end }}

{{- define "vidferry.settings.access" }}
{{- if include "vidferry.access" . }}
{{- $access := .Values.access }}
{{- if ne $access.shareObjects "all" }}
VIDFERRY_SHARE_OBJECTS: {{ $access.shareObjects }}
{{- end }}
{{- if eq $access.mode "oidc" }}
VIDFERRY_OIDC_ISSUER: {{ $access.oidc.issuer | quote }}
VIDFERRY_OIDC_AUDIENCE: {{ $access.oidc.audience | quote }}
VIDFERRY_OIDC_OWNER_CLAIM: {{ $access.oidc.ownerClaim | quote }}
VIDFERRY_OIDC_SCOPES_CLAIM: {{ $access.oidc.scopesClaim | quote }}
VIDFERRY_OIDC_DEFAULT_SCOPES: {{ join "," $access.oidc.defaultScopes | quote }}
VIDFERRY_OIDC_ALGORITHMS: {{ join "," $access.oidc.algorithms | quote }}
{{- end }}
{{- with $access.userHeader }}
VIDFERRY_ACCESS_USER_HEADER: {{ . | quote }}
VIDFERRY_ACCESS_USER_SCOPES: {{ join "," $access.userScopes | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if the service has the file of API keys. Takes (root, service). */}}
{{- define "vidferry.access.hasKeysFile" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- if and (include "vidferry.access" $root) (or (eq $name "api") (and (eq $name "worker") $root.Values.webhooks.enabled)) }}yes{{ end -}}
{{- end }}

{{/* The settings of webhooks, of api and workers. */}}
{{- define "vidferry.settings.webhooks" }}
{{- if .Values.webhooks.enabled }}
VIDFERRY_WEBHOOK_HTTP: {{ .Values.webhooks.allowHttp | quote }}
{{- end }}
{{- end }}

{{/* Not empty if the chart makes the first key. */}}
{{- define "vidferry.access.firstKey" -}}
{{- if and (include "vidferry.access" .) .Values.access.firstKey (not .Values.access.existingSecret) }}yes{{ end -}}
{{- end }}

{{- define "vidferry.access.firstKeySecret" -}}
{{ include "vidferry.fullname" . }}-first-key
{{- end }}

{{/* The Secret with the file of API keys. */}}
{{- define "vidferry.access.keysSecret" -}}
{{ .Values.access.existingSecret | default (printf "%s-access" (include "vidferry.fullname" .)) }}
{{- end }}

{{- define "vidferry.access.keysSecretKey" -}}
{{ if .Values.access.existingSecret }}{{ .Values.access.existingSecretKey }}{{ else }}keys.toml{{ end }}
{{- end }}

{{- define "vidferry.access.ticketSecret" -}}
{{ .Values.access.ticketKeys.existingSecret | default (printf "%s-tickets" (include "vidferry.fullname" .)) }}
{{- end }}

{{- define "vidferry.access.ticketSecretKey" -}}
{{ if .Values.access.ticketKeys.existingSecret }}{{ .Values.access.ticketKeys.existingSecretKey }}{{ else }}ticket-keys{{ end }}
{{- end }}

{{/* The Secret with the key of `helm test`; empty if there is none. */}}
{{- define "vidferry.access.testSecret" -}}
{{- if .Values.tests.accessKey.existingSecret -}}
{{ .Values.tests.accessKey.existingSecret }}
{{- else if include "vidferry.access.firstKey" . -}}
{{ include "vidferry.access.firstKeySecret" . }}
{{- end -}}
{{- end }}

{{- define "vidferry.access.testSecretKey" -}}
{{ if .Values.tests.accessKey.existingSecret }}{{ .Values.tests.accessKey.existingSecretKey }}{{ else }}key{{ end }}
{{- end }}

{{/* The file of API keys (TOML). The quoted text of JSON is a text of TOML too. Takes (root, SHA-256 of the first key). */}}
{{- define "vidferry.access.file" -}}
{{- $access := (index . 0).Values.access -}}
{{- $keys := $access.keys -}}
{{- with index . 1 -}}
{{- $scopes := list "jobs:write" "jobs:read" "objects:read" "objects:delete" -}}
{{- $keys = prepend $keys (dict "name" "first" "owner" "default" "sha256" . "scopes" $scopes) -}}
{{- end -}}
{{- range $keys }}
[[keys]]
name = {{ toJson .name }}
owner = {{ toJson .owner }}
sha256 = {{ toJson .sha256 }}
scopes = {{ toJson .scopes }}
{{- with .expires }}
expires = {{ . }}
{{- end }}
{{- with .limits }}
[keys.limits]
{{- include "vidferry.access.limits" . }}
{{- end }}
{{ end }}
{{- range $name, $webhook := (index . 0).Values.webhooks.owners }}
[owners.{{ toJson $name }}.webhook]
{{- range $field, $value := $webhook }}
{{ $field }} = {{ toJson $value }}
{{- end }}
{{ end }}
{{- range $name, $limits := $access.owners }}
[owners.{{ toJson $name }}.limits]
{{- include "vidferry.access.limits" $limits }}
{{ end }}
{{- range $name, $credentials := $access.credentials }}
[owners.{{ toJson $name }}]
credentials = {{ toJson $credentials }}
{{ end }}
{{- end }}

{{/* The numbers of values are floats, which a large one would show. */}}
{{- define "vidferry.access.limits" }}
{{- range $name, $limit := . }}
{{ $name }} = {{ kindIs "string" $limit | ternary (toJson $limit) ($limit | int64) }}
{{- end }}
{{- end }}
