{{/* Peers and rules of NetworkPolicies. */}}
{{- define "vidferry.policy.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns.peers | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{- define "vidferry.policy.redis" -}}
- to:
    {{- if not (include "vidferry.redis.external" .) }}
    - podSelector:
        matchLabels:
          {{- include "vidferry.selector" (list . "redis") | nindent 10 }}
    {{- else if .Values.networkPolicy.redisRanges }}
    {{- range .Values.networkPolicy.redisRanges }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- else if regexMatch "^[0-9]+(\\.[0-9]+){3}$" .Values.redis.external.host }}
    - ipBlock: {cidr: {{ .Values.redis.external.host }}/32}
    {{- else }}
    - ipBlock: {cidr: 0.0.0.0/0}
    - ipBlock: {cidr: "::/0"}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ include "vidferry.redis.port" . }}}
    {{- range regexFindAll ":[0-9]+(,|$)" (include "vidferry.redis.sentinels" .) -1 | uniq }}
    - {protocol: TCP, port: {{ regexFind "[0-9]+" . }}}
    {{- end }}
{{- end }}

{{- define "vidferry.policy.public" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      {{- toYaml .Values.networkPolicy.notPublic | nindent 6 }}
- ipBlock:
    cidr: "2000::/3"
    except:
      {{- toYaml .Values.networkPolicy.notPublic6 | nindent 6 }}
{{- end }}

{{/* Cloud Storage, IAM and, with Workload Identity, the metadata server that issues its tokens. */}}
{{- define "vidferry.policy.bucket" -}}
{{- if eq .Values.bucket.type "gcs" }}
- to:
    {{- if .Values.networkPolicy.bucketRanges }}
    {{- range .Values.networkPolicy.bucketRanges }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- else }}
    {{- include "vidferry.policy.public" . | nindent 4 }}
    {{- end }}
  ports:
    {{- range list "https://" .Values.bucket.gcs.endpoint .Values.bucket.gcs.iamEndpoint | compact | uniq | sortAlpha }}
    - {protocol: TCP, port: {{ include "vidferry.portOf" . }}}
    {{- end }}
{{- if .Values.bucket.gcs.workloadIdentity.enabled }}
- to: # with and without Dataplane V2
    - ipBlock: {cidr: 169.254.169.254/32}
  ports: [{protocol: TCP, port: 80}]
- to:
    - ipBlock: {cidr: 169.254.169.252/32}
  ports: [{protocol: TCP, port: 988}]
{{- end }}
{{- end }}
{{- end }}

{{/* The OpenID Connect issuer, which the api asks for the keys of tokens. */}}
{{- define "vidferry.policy.issuer" -}}
{{- $issuer := .Values.networkPolicy.issuer -}}
{{- if eq .Values.access.mode "oidc" }}
- to:
    {{- if $issuer.peers }}
    {{- toYaml $issuer.peers | nindent 4 }}
    {{- else }}
    {{- include "vidferry.policy.public" . | nindent 4 }}
    {{- end }}
  ports:
    {{- range $issuer.ports | default (list (include "vidferry.portOf" .Values.access.oidc.issuer)) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{/* The collector, which is sent traces. */}}
{{- define "vidferry.policy.collector" -}}
{{- $collector := .Values.networkPolicy.collector -}}
{{- if .Values.tracing.endpoint }}
- to:
    {{- if $collector.peers }}
    {{- toYaml $collector.peers | nindent 4 }}
    {{- else }}
    {{- include "vidferry.policy.public" . | nindent 4 }}
    {{- end }}
  ports:
    {{- range $collector.ports | default (list (include "vidferry.portOf" .Values.tracing.endpoint)) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "vidferry.portOf" -}}
{{- regexFind "^https?://(\\[[^]]*\\]|[^/:]*):[0-9]+" . | regexFind "[0-9]+$" | default (ternary "443" "80" (hasPrefix "https:" .)) -}}
{{- end }}

{{/* Peers that bring traffic: networkPolicy.controllers, else the pods or load balancers of traffic.controller. */}}
{{- define "vidferry.policy.controllers" -}}
{{- if .Values.networkPolicy.controllers }}
{{ toYaml .Values.networkPolicy.controllers }}
{{- else if or .Values.ingress.enabled .Values.httpRoute.enabled }}
{{- $controller := .Values.traffic.controller }}
{{- if eq $controller "gke" }}
- ipBlock: {cidr: 130.211.0.0/22}
- ipBlock: {cidr: 35.191.0.0/16}
{{- else if has $controller (list "nginx" "traefik") }}
- namespaceSelector: {}
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ ternary "ingress-nginx" "traefik" (eq $controller "nginx") }}
{{- end }}
{{- end }}
{{- end }}

{{/* The public URL that `helm test` uses; empty if it does not use one. */}}
{{- define "vidferry.tests.public" -}}
{{- if and .Values.tests.public.enabled (or .Values.ingress.enabled .Values.httpRoute.enabled) }}{{ include "vidferry.publicUrl" . }}{{ end -}}
{{- end }}
