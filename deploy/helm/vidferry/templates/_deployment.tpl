{{/* The Deployment of a service. Takes (root, service). */}}
{{- define "vidferry.deployment" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $service := index $root.Values $name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "vidferry.metadata" (list $root $name (printf "%s-%s" (include "vidferry.fullname" $root) $name) $service.annotations) | nindent 2 }}
spec:
  {{- if not (include "vidferry.autoscaled" $service) }}
  replicas: {{ $service.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ $service.revisionHistoryLimit }}
  strategy:
    {{- toYaml $service.strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "vidferry.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "vidferry.podLabels" (list $root $name $service.podLabels) | nindent 8 }}
      annotations:
        checksum/settings: {{ include "vidferry.allSettings" . | sha256sum }}
        {{- if ne nil $service.safeToEvict }}
        cluster-autoscaler.kubernetes.io/safe-to-evict: {{ $service.safeToEvict | quote }}
        {{- end }}
        {{- with $service.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "vidferry.serviceAccount" . }}
      automountServiceAccountToken: false
      # Their variables would be taken for settings: a Service named vidferry makes VIDFERRY_PORT.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ include (printf "vidferry.grace.%s" $name) $root }}
      securityContext:
        {{- toYaml $root.Values.podSecurityContext | nindent 8 }}
      {{- include "vidferry.pullSecrets" $root | nindent 6 }}
      {{- with $service.runtimeClassName }}
      runtimeClassName: {{ . }}
      {{- end }}
      {{- with $service.dnsConfig }}
      dnsConfig:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $service.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "vidferry.affinity" . | fromYaml }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- include "vidferry.spread" . | nindent 8 }}
      {{- with include "vidferry.containers" (list $root $service.initContainers) }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $name }}
          image: {{ include "vidferry.serviceImage" . | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext:
            {{- toYaml $root.Values.securityContext | nindent 12 }}
          ports:
            {{- if ne $name "worker" }}
            - {name: http, containerPort: {{ $service.port }}}
            {{- end }}
            - {name: admin, containerPort: {{ $root.Values.adminPort }}}
          envFrom:
            - configMapRef:
                name: {{ include "vidferry.fullname" $root }}-{{ $name }}
            {{- with $service.extraEnvFrom }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- with include "vidferry.env" . }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          startupProbe:
            {{- toYaml $service.startupProbe | nindent 12 }}
          readinessProbe:
            {{- toYaml $service.readinessProbe | nindent 12 }}
          livenessProbe:
            {{- toYaml $service.livenessProbe | nindent 12 }}
          {{- $pause := $service.preStopSeconds | empty | ternary dict (dict "preStop" (dict "sleep" (dict "seconds" $service.preStopSeconds))) }}
          {{- with merge $pause ($service.lifecycle | default dict) }}
          lifecycle:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $service.resources | nindent 12 }}
          volumeMounts:
            {{- include "vidferry.mounts" . | nindent 12 }}
        {{- with include "vidferry.containers" (list $root $service.extraContainers) }}
        {{- . | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "vidferry.volumes" . | nindent 8 }}
{{- end }}

{{/* Further containers from values; one without a securityContext gets the chart's. Takes (root, containers). */}}
{{- define "vidferry.containers" -}}
{{- $context := dict "securityContext" (index . 0).Values.securityContext -}}
{{- $containers := list -}}
{{- range index . 1 -}}
{{- $containers = append $containers (hasKey . "securityContext" | ternary . (merge (deepCopy .) $context)) -}}
{{- end -}}
{{- with $containers -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{/* Environment variables from Secrets and from fields of the pod. */}}
{{- define "vidferry.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with include "vidferry.redis.secret" $root }}
- name: VIDFERRY_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ include "vidferry.redis.secretKey" $root }}}}
{{- end }}
{{- with include "vidferry.redis.sentinelSecret" $root }}
- name: VIDFERRY_REDIS_SENTINEL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $root.Values.redis.external.sentinel.existingSecretKey }}}}
{{- end }}
{{- if and (ne $name "gateway") (eq $root.Values.bucket.type "folder") }}
- name: VIDFERRY_SIGNING_KEY
  valueFrom: {secretKeyRef: {name: {{ include "vidferry.signingSecret" $root }}, key: {{ include "vidferry.signingSecretKey" $root }}}}
{{- end }}
{{- $s3 := $root.Values.bucket.s3 }}
{{- if and (ne $name "gateway") (eq $root.Values.bucket.type "s3") $s3.existingSecret }}
{{- range $variable := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $s3.existingSecret }}, key: {{ $variable }}{{ if eq $variable "AWS_SESSION_TOKEN" }}, optional: true{{ end }}}}
{{- end }}
{{- end }}
{{- if and (ne $name "worker") (include "vidferry.access" $root) }}
- name: VIDFERRY_TICKET_KEYS
  valueFrom: {secretKeyRef: {name: {{ include "vidferry.access.ticketSecret" $root }}, key: {{ include "vidferry.access.ticketSecretKey" $root }}}}
{{- end }}
{{- with $root.Values.webhooks }}
{{- if and (ne $name "gateway") .enabled .existingSecret }}
- name: VIDFERRY_WEBHOOK_SECRETS
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .existingSecretKey }}}}
{{- end }}
{{- end }}
{{- if eq $name "worker" }}
- name: VIDFERRY_WORKER_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- with (index $root.Values $name).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vidferry.mounts" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
- {name: tmp, mountPath: /tmp}
{{- if include "vidferry.redis.ca" $root }}
- {name: redis-ca, mountPath: /etc/vidferry/redis, readOnly: true}
{{- end }}
{{- if ne $name "gateway" }}
{{- if eq $root.Values.bucket.type "folder" }}
- {name: bucket, mountPath: /bucket}
{{- else if eq $root.Values.bucket.type "s3" }}
{{- if or $root.Values.bucket.s3.caSecret $root.Values.bucket.s3.caConfigMap }}
- {name: s3-ca, mountPath: /etc/vidferry/s3, readOnly: true}
{{- end }}
{{- else if $root.Values.bucket.gcs.existingSecret }}
- {name: gcs, mountPath: /etc/vidferry/gcs, readOnly: true}
{{- end }}
{{- end }}
{{- if eq $name "worker" }}
- {name: work, mountPath: /work}
{{- if $root.Values.worker.cookies.existingSecret }}
# The whole folder: a file that is mounted by itself (subPath) would never change.
- {name: cookies, mountPath: /etc/vidferry/cookies, readOnly: true}
{{- end }}
{{- if include "vidferry.sitesSecret" $root }}
- {name: sites, mountPath: /etc/vidferry/sites, readOnly: true}
{{- end }}
{{- end }}
{{- if include "vidferry.access.hasKeysFile" . }}
# The whole folder: a file that is mounted by itself (subPath) would never change.
- {name: access, mountPath: /etc/vidferry/access, readOnly: true}
{{- end }}
{{- with (index $root.Values $name).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vidferry.volumes" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $bucket := $root.Values.bucket -}}
- name: tmp
  emptyDir: {sizeLimit: {{ $root.Values.tmpSizeLimit }}}
{{- with include "vidferry.redis.ca" $root }}
- name: redis-ca
  secret:
    secretName: {{ . }}
    items: [{key: {{ $root.Values.redis.external.tls.existingSecretKey }}, path: ca.crt}]
{{- end }}
{{- if ne $name "gateway" }}
{{- if eq $bucket.type "folder" }}
- name: bucket
  persistentVolumeClaim:
    claimName: {{ $bucket.folder.existingClaim | default (printf "%s-bucket" (include "vidferry.fullname" $root)) }}
{{- else if eq $bucket.type "s3" }}
{{- $items := list (dict "key" $bucket.s3.caKey "path" "ca.crt") }}
{{- with $bucket.s3.caSecret }}
- name: s3-ca
  secret: {secretName: {{ . }}, items: {{ toJson $items }}}
{{- end }}
{{- with $bucket.s3.caConfigMap }}
- name: s3-ca
  configMap: {name: {{ . }}, items: {{ toJson $items }}}
{{- end }}
{{- else if $bucket.gcs.existingSecret }}
- name: gcs
  secret:
    secretName: {{ $bucket.gcs.existingSecret }}
    items: [{key: {{ $bucket.gcs.existingSecretKey }}, path: credentials.json}]
{{- end }}
{{- end }}
{{- if eq $name "worker" }}
{{- $work := $root.Values.worker.work }}
- name: work
  {{- if $work.storageClass }}
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels:
          {{- include "vidferry.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ $work.storageClass }}
        resources: {requests: {storage: {{ $work.sizeLimit }}}}
  {{- else }}
  emptyDir: {sizeLimit: {{ $work.sizeLimit }}}
  {{- end }}
{{- with $root.Values.worker.cookies.existingSecret }}
- name: cookies
  secret: {secretName: {{ . }}}
{{- end }}
{{- with include "vidferry.sitesSecret" $root }}
- name: sites
  secret:
    secretName: {{ . }}
    items: [{key: {{ $root.Values.worker.sites.existingSecret | empty | ternary "sites.toml" $root.Values.worker.sites.existingSecretKey }}, path: sites.toml}]
{{- end }}
{{- end }}
{{- if include "vidferry.access.hasKeysFile" . }}
- name: access
  secret:
    secretName: {{ include "vidferry.access.keysSecret" $root }}
    items: [{key: {{ include "vidferry.access.keysSecretKey" $root }}, path: keys.toml}]
{{- end }}
{{- with (index $root.Values $name).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The service's affinity, and with bucket.folder.singleNode a rule that schedules api and workers on one node. */}}
{{- define "vidferry.affinity" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with (index $root.Values $name).affinity }}
{{ toYaml . }}
{{- end }}
{{- if and (ne $name "gateway") (eq $root.Values.bucket.type "folder") $root.Values.bucket.folder.singleNode }}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: {{ include "vidferry.name" $root }}
          app.kubernetes.io/instance: {{ $root.Release.Name }}
        matchExpressions:
          - {key: app.kubernetes.io/component, operator: In, values: [api, worker]}
{{- end }}
{{- end }}

{{- define "vidferry.spread" -}}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "vidferry.selector" . | fromYaml)) "matchLabelKeys" (list "pod-template-hash") -}}
{{- $default := list -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" -}}
{{- $default = append $default (dict "maxSkew" 1 "topologyKey" $key "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- end -}}
{{- $rules := list -}}
{{- range (index (index . 0).Values (index . 1)).topologySpreadConstraints | default $default -}}
{{- $rules = append $rules (hasKey . "labelSelector" | ternary . (merge (deepCopy .) $own)) -}}
{{- end -}}
{{ toYaml $rules }}
{{- end }}

{{/* Seconds from SIGTERM to SIGKILL. */}}
{{- define "vidferry.grace.api" -}}
{{ .Values.api.terminationGracePeriodSeconds | default (add .Values.api.preStopSeconds 30) }}
{{- end }}

{{- define "vidferry.grace.worker" -}}
{{ .Values.worker.terminationGracePeriodSeconds | default (add (ceil .Values.worker.grace) 30) }}
{{- end }}

{{- define "vidferry.grace.gateway" -}}
{{- $gateway := .Values.gateway -}}
{{ $gateway.terminationGracePeriodSeconds | default (add (ceil $gateway.settleSeconds) (ceil $gateway.drainSeconds) (ceil $gateway.closeSeconds) 15) }}
{{- end }}

{{/* Not empty if an autoscaler sets the number of pods. */}}
{{- define "vidferry.autoscaled" -}}
{{- if or .autoscaling.hpa.enabled (.autoscaling.keda).enabled }}yes{{ end -}}
{{- end }}
