{{/* The settings (docs/settings.md) that the chart makes from its values, as YAML. Takes (root, service). */}}
{{- define "vidferry.settings" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $values := $root.Values -}}
VIDFERRY_ADMIN_PORT: {{ $values.adminPort | quote }}
VIDFERRY_LOG_LEVEL: {{ $values.log.level | quote }}
VIDFERRY_LOG_FORMAT: {{ $values.log.format | quote }}
{{- with $values.tracing.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ $values.tracing.ratio | quote }}
{{- end }}
VIDFERRY_RECORD_DAYS: {{ $values.recordDays | quote }}
VIDFERRY_ENDED_BYTES: {{ include "vidferry.bytes" $values.endedBytes | quote }}
{{- with include "vidferry.publicUrl" $root }}
VIDFERRY_PUBLIC_URL: {{ . | quote }}
{{- end }}
VIDFERRY_ALLOWED_HOSTS: {{ include "vidferry.hosts" $root | quote }}
VIDFERRY_REDIS_URL: {{ include "vidferry.redis.url" $root | quote }}
{{- with and (include "vidferry.redis.external" $root) $values.redis.external.username }}
VIDFERRY_REDIS_USERNAME: {{ . | quote }}
{{- end }}
{{- with $values.redis.external.sentinel.username }}
VIDFERRY_REDIS_SENTINEL_USERNAME: {{ . | quote }}
{{- end }}
{{- with and (ne $name "worker") (include "vidferry.trustedProxies" $root) }}
VIDFERRY_TRUSTED_PROXIES: {{ . | quote }}
{{- end }}
{{- if ne $name "worker" }}
VIDFERRY_ACCESS: {{ $values.access.mode }}
{{- if include "vidferry.access" $root }}
VIDFERRY_TICKET_HOURS: {{ $values.access.ticketHours | quote }}
{{- end }}
{{- end }}
{{- if include "vidferry.access.hasKeysFile" . }}
VIDFERRY_ACCESS_KEYS_FILE: /etc/vidferry/access/keys.toml
{{- end }}
{{- include (printf "vidferry.settings.%s" $name) $root }}
{{- end }}

{{- define "vidferry.settings.api" }}
VIDFERRY_PORT: {{ .Values.api.port | quote }}
VIDFERRY_QUEUE_BYTES: {{ include "vidferry.bytes" .Values.api.queueBytes | quote }}
VIDFERRY_CALLER_RATE: {{ .Values.api.callerRate | quote }}
{{- include "vidferry.settings.access" . }}
{{- include "vidferry.settings.webhooks" . }}
{{- include "vidferry.settings.bucket" . }}
{{- end }}

{{- define "vidferry.settings.worker" }}
{{- $worker := .Values.worker }}
VIDFERRY_WORKER_FOLDER: /work
VIDFERRY_WORKER_SLOTS: {{ $worker.slots | quote }}
VIDFERRY_LOOK_SLOTS: {{ $worker.lookSlots | quote }}
VIDFERRY_MAX_ENTRIES: {{ $worker.maxEntries | quote }}
VIDFERRY_MAX_BYTES: {{ include "vidferry.bytes" $worker.maxBytes | quote }}
VIDFERRY_CHILD_MEMORY: {{ include "vidferry.bytes" $worker.childMemory | quote }}
VIDFERRY_GRACE: {{ $worker.grace | quote }}
{{- with .Values.bucket.retention }}
VIDFERRY_RETENTION_DAYS: {{ .days | quote }}
VIDFERRY_RETENTION_BYTES: {{ include "vidferry.bytes" .bytes | quote }}
VIDFERRY_RETENTION_INTERVAL: {{ .interval | quote }}
{{- end }}
VIDFERRY_INDEXED_OBJECTS: {{ .Values.bucket.index.objects | int64 | quote }}
VIDFERRY_REINDEX_INTERVAL: {{ .Values.bucket.index.interval | quote }}
VIDFERRY_EGRESS_ALLOW: {{ join "," $worker.egressAllow | quote }}
VIDFERRY_EGRESS_PORTS: {{ join "," $worker.egressPorts | quote }}
VIDFERRY_EGRESS_DENY: {{ join "," $worker.egressDeny | quote }}
{{- with $worker.egressProxy }}
VIDFERRY_EGRESS_PROXY: {{ . | quote }}
{{- end }}
VIDFERRY_SANDBOX: {{ $worker.sandbox | quote }}
VIDFERRY_YTDLP: {{ $worker.ytdlp.version | quote }}
VIDFERRY_YTDLP_INTERVAL: {{ $worker.ytdlp.interval | quote }}
VIDFERRY_YTDLP_HOLD: {{ join "," $worker.ytdlp.hold | quote }}
{{- if $worker.cookies.existingSecret }}
VIDFERRY_COOKIES_DIR: /etc/vidferry/cookies
{{- end }}
{{- if include "vidferry.sitesSecret" . }}
VIDFERRY_SITES_FILE: /etc/vidferry/sites/sites.toml
{{- end }}
{{- include "vidferry.settings.webhooks" . }}
{{- include "vidferry.settings.bucket" . }}
{{- end }}

{{- define "vidferry.settings.gateway" }}
VIDFERRY_GATEWAY_PORT: {{ .Values.gateway.port | quote }}
VIDFERRY_GATEWAY_SETTLE_SECONDS: {{ .Values.gateway.settleSeconds | quote }}
VIDFERRY_GATEWAY_DRAIN_SECONDS: {{ .Values.gateway.drainSeconds | quote }}
VIDFERRY_GATEWAY_CLOSE_SECONDS: {{ .Values.gateway.closeSeconds | quote }}
{{- end }}

{{- define "vidferry.settings.bucket" }}
{{- $bucket := .Values.bucket }}
VIDFERRY_LINK_LIFETIME: {{ $bucket.linkLifetime | quote }}
{{- if eq $bucket.type "folder" }}
VIDFERRY_BUCKET: file:///bucket
{{- else if eq $bucket.type "s3" }}
{{- include "vidferry.settings.s3" $bucket.s3 }}
{{- else }}
VIDFERRY_BUCKET: {{ printf "gs://%s/%s" $bucket.gcs.name $bucket.gcs.prefix | trimSuffix "/" | quote }}
{{- with $bucket.gcs.endpoint }}
VIDFERRY_GCS_ENDPOINT: {{ . | quote }}
{{- end }}
{{- with $bucket.gcs.iamEndpoint }}
VIDFERRY_IAM_ENDPOINT: {{ . | quote }}
{{- end }}
{{- with $bucket.gcs.signer }}
VIDFERRY_GCS_SIGNER: {{ . | quote }}
{{- end }}
{{- if $bucket.gcs.existingSecret }}
GOOGLE_APPLICATION_CREDENTIALS: /etc/vidferry/gcs/credentials.json
{{- end }}
{{- end }}
{{- end }}

{{/* Takes bucket.s3. */}}
{{- define "vidferry.settings.s3" }}
VIDFERRY_BUCKET: {{ printf "s3://%s/%s" .name .prefix | trimSuffix "/" | quote }}
VIDFERRY_S3_ADDRESSING: {{ .addressing }}
{{- with .endpoint }}
VIDFERRY_S3_ENDPOINT: {{ trimSuffix "/" . | quote }}
{{- end }}
{{- with .publicEndpoint }}
VIDFERRY_S3_PUBLIC_ENDPOINT: {{ trimSuffix "/" . | quote }}
{{- end }}
{{- with .region }}
VIDFERRY_S3_REGION: {{ . | quote }}
{{- end }}
{{- with .kmsKey }}
VIDFERRY_S3_KMS_KEY: {{ . | quote }}
{{- end }}
{{- with .storageClass }}
VIDFERRY_S3_STORAGE_CLASS: {{ . | quote }}
{{- end }}
{{- if or .caSecret .caConfigMap }}
VIDFERRY_S3_CA_FILE: /etc/vidferry/s3/ca.crt
{{- end }}
{{- end }}

{{/* All settings of a service, including those of the values `settings`. Takes (root, service). */}}
{{- define "vidferry.allSettings" -}}
{{- $root := index . 0 -}}
{{- $all := include "vidferry.settings" . | fromYaml -}}
{{- $known := index ($root.Files.Get "files/settings.json" | fromJson) (index . 1) -}}
{{- range $named := list $root.Values.settings (index $root.Values (index . 1)).settings -}}
{{- range $name, $value := $named -}}
{{- if has $name $known }}{{ $_ := set $all $name (toString $value) }}{{ end -}}
{{- end -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* The Secret with the sites file; empty if there is none. */}}
{{- define "vidferry.sitesSecret" -}}
{{- $sites := .Values.worker.sites -}}
{{- if $sites.existingSecret -}}
{{ $sites.existingSecret }}
{{- else if $sites.rules -}}
{{ printf "%s-sites" (include "vidferry.fullname" .) }}
{{- end -}}
{{- end }}

{{/* The sites file (TOML). The quoted text of JSON is a text of TOML too. */}}
{{- define "vidferry.sitesFile" -}}
{{- range $site, $rule := .Values.worker.sites.rules }}
[{{ toJson $site }}]
{{- range $key, $value := $rule }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{ end }}
{{- end }}

{{- define "vidferry.signingSecret" -}}
{{ .Values.bucket.signingKey.existingSecret | default (printf "%s-signing" (include "vidferry.fullname" .)) }}
{{- end }}

{{- define "vidferry.signingSecretKey" -}}
{{ if .Values.bucket.signingKey.existingSecret }}{{ .Values.bucket.signingKey.existingSecretKey }}{{ else }}signing-key{{ end }}
{{- end }}

{{/* The hosts that requests may name: those of allowedHosts, ingress and httpRoute, and the Services' names. */}}
{{- define "vidferry.hosts" -}}
{{- $v := .Values -}}
{{- $hosts := $v.allowedHosts -}}
{{- range $way := list $v.ingress $v.httpRoute -}}
{{- if $way.enabled -}}{{- $hosts = append $hosts $way.host -}}{{- end -}}
{{- end -}}
{{- range $service := list "api" "gateway" -}}
{{- $name := printf "%s-%s" (include "vidferry.fullname" $) $service -}}
{{- range $domain := list "" (printf ".%s" $.Release.Namespace) (printf ".%s.svc" $.Release.Namespace) (printf ".%s.svc.%s" $.Release.Namespace $v.clusterDomain) -}}
{{- $hosts = append $hosts (print $name $domain) -}}
{{- end -}}
{{- end -}}
{{ $hosts | uniq | join "," }}
{{- end }}

{{/*
Ranges of proxies whose X-Forwarded-For is believed; empty where none is. Ranges that aren't public are safe to believe
where NetworkPolicies admit the controller's pods alone: a caller that connected to one of those was written down by it,
in place of what the caller had sent.
*/}}
{{- define "vidferry.trustedProxies" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $controller := .Values.traffic.controller -}}
{{- if not (kindIs "invalid" .Values.trustedProxies) -}}
{{ join "," .Values.trustedProxies }}
{{- else if or .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- if and (eq $controller "gke") (not $policy.controllers) -}}
130.211.0.0/22,35.191.0.0/16
{{- else if and (has $controller (list "nginx" "traefik")) $policy.enabled (not $policy.clients) (not (contains "ipBlock" (toJson $policy.controllers))) -}}
{{ append $policy.notPublic "fc00::/7" | join "," }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The URL at which users reach Vidferry; empty if values don't say. */}}
{{- define "vidferry.publicUrl" -}}
{{- $v := .Values -}}
{{- if $v.publicUrl -}}
{{ trimSuffix "/" $v.publicUrl }}
{{- else if $v.ingress.enabled -}}
{{ printf "%s://%s%s" (ternary "https" "http" $v.ingress.tls.enabled) $v.ingress.host (trimSuffix "/" $v.ingress.path) }}
{{- else if $v.httpRoute.enabled -}}
{{ printf "%s://%s%s" (ternary "https" "http" $v.httpRoute.tls) $v.httpRoute.host (trimSuffix "/" $v.httpRoute.path) }}
{{- end -}}
{{- end }}
