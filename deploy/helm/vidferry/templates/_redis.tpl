{{/* Where Redis is and which Secrets open it. */}}
{{- define "vidferry.redis.host" -}}
{{ .Values.redis.external.host | default (printf "%s-redis" (include "vidferry.fullname" .)) }}
{{- end }}

{{- define "vidferry.redis.port" -}}
{{ if .Values.redis.external.host }}{{ .Values.redis.external.port }}{{ else }}6379{{ end }}
{{- end }}

{{- define "vidferry.redis.url" -}}
{{- $external := .Values.redis.external -}}
{{- $scheme := ternary "rediss" "redis" (and (ne $external.host "") $external.tls.enabled) -}}
{{- $database := ternary $external.database 0 (ne $external.host "") -}}
{{- printf "%s://%s:%s/%v" $scheme (include "vidferry.redis.host" .) (include "vidferry.redis.port" .) $database -}}
{{- if include "vidferry.redis.ca" . }}?ssl_ca_certs=/etc/vidferry/redis/ca.crt{{ end -}}
{{- end }}

{{/* The Secret with the authority of an external Redis; empty where there is none. */}}
{{- define "vidferry.redis.ca" -}}
{{- if and .Values.redis.external.host .Values.redis.external.tls.enabled }}{{ .Values.redis.external.tls.existingSecret }}{{ end -}}
{{- end }}

{{/* The Secret with the password; empty where none is sent. */}}
{{- define "vidferry.redis.secret" -}}
{{- if .Values.redis.external.host -}}
{{ .Values.redis.external.existingSecret }}
{{- else -}}
{{ .Values.redis.bundled.existingSecret | default (printf "%s-redis" (include "vidferry.fullname" .)) }}
{{- end -}}
{{- end }}

{{- define "vidferry.redis.secretKey" -}}
{{- if .Values.redis.external.host }}{{ .Values.redis.external.existingSecretKey }}{{ else if .Values.redis.bundled.existingSecret }}{{ .Values.redis.bundled.existingSecretKey }}{{ else }}redis-password{{ end -}}
{{- end }}
