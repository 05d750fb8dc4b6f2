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

{{/* The bucket, and what issues credentials for it: IAM, STS, or something on the node. */}}
{{- define "vidferry.policy.bucket" -}}
{{- $bucket := .Values.bucket -}}
{{- $policy := .Values.networkPolicy -}}
{{- $ports := list -}}
{{- $endpoints := eq $bucket.type "s3" | ternary (list ($bucket.s3.endpoint | default "https://")) (list "https://" $bucket.gcs.endpoint $bucket.gcs.iamEndpoint) -}}
{{- range compact $endpoints -}}
{{- $ports = append $ports (include "vidferry.portOf" .) | uniq | sortAlpha -}}
{{- end -}}
{{- if ne $bucket.type "folder" }}
{{- if or $policy.bucketRanges (not $policy.bucket.peers) }}
{{ include "vidferry.policy.ranges" (list . ($policy.bucketRanges | default (include "vidferry.policy.bucketAddress" . | fromYamlArray)) $ports) }}
{{- end }}
{{- with $policy.bucket.peers }}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    {{- range $policy.bucket.ports | default $ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}
{{- if and (eq $bucket.type "gcs") $bucket.gcs.workloadIdentity.enabled }}
- to: # the metadata server that issues tokens, with and without Dataplane V2
    - ipBlock: {cidr: 169.254.169.254/32}
  ports: [{protocol: TCP, port: 80}]
- to:
    - ipBlock: {cidr: 169.254.169.252/32}
  ports: [{protocol: TCP, port: 988}]
{{- end }}
{{- if and (eq $bucket.type "s3") $bucket.s3.roleArn }}
{{ include "vidferry.policy.ranges" (list . $policy.bucketRanges (list 443)) }}
{{- end }}
{{- if and (eq $bucket.type "s3") $bucket.s3.podIdentity }}
- to: # the agent of EKS Pod Identity, over IPv4 and over IPv6
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
  ports: [{protocol: TCP, port: 80}]
{{- end }}
{{- end }}

{{/* A rule for ranges, or without any for all public IP addresses. Takes (root, ranges, ports). */}}
{{- define "vidferry.policy.ranges" -}}
- to:
    {{- range index . 1 }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- else }}
    {{- include "vidferry.policy.public" (index . 0) | nindent 4 }}
    {{- end }}
  ports:
    {{- range index . 2 }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{/* The address of bucket.s3.endpoint as a list of one range; an empty list if its host is a name. */}}
{{- define "vidferry.policy.bucketAddress" -}}
{{- $host := (urlParse .Values.bucket.s3.endpoint).hostname -}}
{{- if and (eq .Values.bucket.type "s3") (regexMatch "^[0-9]+(\\.[0-9]+){3}$" $host) -}}
["{{ $host }}/32"]
{{- else if and (eq .Values.bucket.type "s3") (contains ":" $host) -}}
["{{ $host }}/128"]
{{- else -}}
[]
{{- end -}}
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
