{{/* Where Redis is, and which Secrets hold its credentials. */}}
{{/* Not empty if redis.external is used. */}}
{{- define "vidferry.redis.external" -}}
{{- if or .Values.redis.external.host .Values.redis.external.sentinel.hosts }}yes{{ end -}}
{{- end }}

{{- define "vidferry.redis.host" -}}
{{ .Values.redis.external.host | default (printf "%s-redis" (include "vidferry.fullname" .)) }}
{{- end }}

{{- define "vidferry.redis.port" -}}
{{ if include "vidferry.redis.external" . }}{{ .Values.redis.external.port }}{{ else }}6379{{ end }}
{{- end }}

{{/* The Sentinels as `host:port,host:port`; empty if there are none. */}}
{{- define "vidferry.redis.sentinels" -}}
{{- $hosts := list -}}
{{- range .Values.redis.external.sentinel.hosts -}}
{{- $hosts = append $hosts (ternary . (printf "%s:26379" .) (regexMatch ":[0-9]+$" .)) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end }}

{{- define "vidferry.redis.url" -}}
{{- $external := .Values.redis.external -}}
{{- $own := ne (include "vidferry.redis.external" .) "" -}}
{{- $scheme := ternary "rediss" "redis" (and $own $external.tls.enabled) -}}
{{- $database := ternary $external.database 0 $own -}}
{{- with include "vidferry.redis.sentinels" . -}}
{{- printf "%s+sentinel://%s/%s/%v" $scheme . $external.sentinel.master $database -}}
{{- else -}}
{{- printf "%s://%s:%s/%v" $scheme (include "vidferry.redis.host" .) (include "vidferry.redis.port" .) $database -}}
{{- end -}}
{{- if include "vidferry.redis.ca" . }}?ssl_ca_certs=/etc/vidferry/redis/ca.crt{{ end -}}
{{- end }}

{{/* The Secret with the CA certificate of an external Redis; empty if there is none. */}}
{{- define "vidferry.redis.ca" -}}
{{- if and (include "vidferry.redis.external" .) .Values.redis.external.tls.enabled }}{{ .Values.redis.external.tls.existingSecret }}{{ end -}}
{{- end }}

{{/* The Secret with the password; empty if there is none. */}}
{{- define "vidferry.redis.secret" -}}
{{- if include "vidferry.redis.external" . -}}
{{ .Values.redis.external.existingSecret }}
{{- else -}}
{{ .Values.redis.bundled.existingSecret | default (printf "%s-redis" (include "vidferry.fullname" .)) }}
{{- end -}}
{{- end }}

{{- define "vidferry.redis.secretKey" -}}
{{- if include "vidferry.redis.external" . }}{{ .Values.redis.external.existingSecretKey }}{{ else if .Values.redis.bundled.existingSecret }}{{ .Values.redis.bundled.existingSecretKey }}{{ else }}redis-password{{ end -}}
{{- end }}

{{/* The Secret with the password of the Sentinels; empty if there is none. */}}
{{- define "vidferry.redis.sentinelSecret" -}}
{{- if .Values.redis.external.sentinel.hosts }}{{ .Values.redis.external.sentinel.existingSecret }}{{ end -}}
{{- end }}
