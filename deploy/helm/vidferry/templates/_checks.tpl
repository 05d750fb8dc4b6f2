{{/* What values may not say together, each with a sentence. The schema refuses what is wrong by itself. */}}
{{- define "vidferry.checks" -}}
{{- include "vidferry.checks.redis" . -}}
{{- include "vidferry.checks.bucket" . -}}
{{- include "vidferry.checks.scaling" . -}}
{{- include "vidferry.checks.upgrading" . -}}
{{- include "vidferry.checks.sizes" . -}}
{{- include "vidferry.checks.stopping" . -}}
{{- include "vidferry.checks.traffic" . -}}
{{- include "vidferry.checks.settings" . -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor and metrics.serviceMonitor would each read every pod, so each figure would be there twice: enable one of them." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.redis" -}}
{{- $external := .Values.redis.external -}}
{{- if $external.cluster -}}
{{- fail "redis.external.cluster: Redis Cluster is not supported, since arq's keys can't live in one. Name a standalone or managed primary by redis.external.host." -}}
{{- end -}}
{{- if and $external.host $external.sentinel.hosts -}}
{{- fail "redis.external.host and redis.external.sentinel exclude each other: the Sentinels tell which host is the primary. Remove one of them." -}}
{{- end -}}
{{- $own := include "vidferry.redis.external" . -}}
{{- if and $own .Values.redis.bundled.enabled -}}
{{- fail "redis.external and redis.bundled exclude each other: set redis.bundled.enabled=false to use your own Redis." -}}
{{- end -}}
{{- if not (or $own .Values.redis.bundled.enabled) -}}
{{- fail "Vidferry needs a Redis: name yours by redis.external.host or redis.external.sentinel.hosts, or set redis.bundled.enabled=true." -}}
{{- end -}}
{{- if and (or $external.sentinel.username $external.sentinel.existingSecret) (not $external.sentinel.hosts) -}}
{{- fail "redis.external.sentinel says how to sign in at Sentinels, and names none: set redis.external.sentinel.hosts." -}}
{{- end -}}
{{- if and $external.tls.existingSecret (not $external.tls.enabled) -}}
{{- fail "redis.external.tls.existingSecret names an authority, but redis.external.tls.enabled is false: set it, or the connection is not encrypted." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.bucket" -}}
{{- $bucket := .Values.bucket -}}
{{- if eq $bucket.type "gcs" -}}
{{- $gcs := $bucket.gcs -}}
{{- if not $gcs.name -}}
{{- fail "bucket.type is gcs: name the bucket by bucket.gcs.name." -}}
{{- end -}}
{{- if and $gcs.existingSecret $gcs.workloadIdentity.enabled -}}
{{- fail "bucket.gcs.existingSecret and bucket.gcs.workloadIdentity exclude each other: a key in the Secret would be used, and the pods' identity never. Keep one of them." -}}
{{- end -}}
{{- if not (or $gcs.existingSecret $gcs.workloadIdentity.enabled (hasPrefix "http://" $gcs.endpoint)) -}}
{{- fail "bucket.type is gcs, and nothing gives credentials: set bucket.gcs.workloadIdentity.enabled=true on GKE, or name a Secret with a key by bucket.gcs.existingSecret." -}}
{{- end -}}
{{- else -}}
{{- if eq $bucket.folder.accessMode "ReadWriteOncePod" -}}
{{- fail "bucket.folder.accessMode is ReadWriteOncePod, and api and workers are several pods: the volume must be ReadWriteMany." -}}
{{- end -}}
{{- if and (eq $bucket.folder.accessMode "ReadWriteOnce") (not $bucket.folder.singleNode) -}}
{{- fail "bucket.folder.accessMode is ReadWriteOnce, which pods on several nodes can't share: use a ReadWriteMany volume or bucket.type=gcs, or keep all pods on one node by bucket.folder.singleNode=true." -}}
{{- end -}}
{{- if $bucket.folder.singleNode -}}
{{- range $name := list "api" "worker" -}}
{{- if (index $.Values $name).affinity.podAffinity -}}
{{- fail (printf "bucket.folder.singleNode sets the pod affinity of api and workers: remove %s.affinity.podAffinity." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.scaling" -}}
{{- if .Values.worker.autoscaling.hpa.enabled -}}
{{- fail "worker.autoscaling.hpa: CPU does not tell a full worker from an idle one, since downloads wait for sites. Scale by the queue with worker.autoscaling.keda, or set worker.replicas." -}}
{{- end -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- $service := index $.Values $name -}}
{{- $scaling := $service.autoscaling -}}
{{- $keda := ($scaling.keda).enabled -}}
{{- if and $scaling.hpa.enabled $keda -}}
{{- fail (printf "%s.autoscaling.hpa and %s.autoscaling.keda exclude each other: KEDA makes a HorizontalPodAutoscaler of its own. Enable one of them." $name $name) -}}
{{- end -}}
{{- if or $scaling.hpa.enabled $keda -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is more than %s.autoscaling.maxReplicas." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if $scaling.hpa.enabled -}}
{{- if not (($service.resources).requests).cpu -}}
{{- fail (printf "%s.autoscaling.hpa measures by the CPU asked for: set %s.resources.requests.cpu." $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.autoscaling.keda.enabled (not .Values.gateway.autoscaling.keda.serverAddress) -}}
{{- fail "gateway.autoscaling.keda asks a Prometheus for the open sockets: name it by gateway.autoscaling.keda.serverAddress." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.upgrading" -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- $service := index $.Values $name -}}
{{- if eq ($service.strategy.type | default "RollingUpdate") "Recreate" -}}
{{- fail (printf "%s.strategy.type is Recreate, which takes all pods away before a new one is ready, so that a wrong image leaves none: use RollingUpdate." $name) -}}
{{- end -}}
{{- $pods := int $service.replicas -}}
{{- if include "vidferry.autoscaled" $service -}}
{{- $pods = max 1 (int $service.autoscaling.minReplicas) -}}
{{- end -}}
{{- $rolling := $service.strategy.rollingUpdate | default dict -}}
{{- $unavailable := include "vidferry.share" (list (dig "maxUnavailable" "25%" $rolling) $pods "floor") | int -}}
{{- $surge := include "vidferry.share" (list (dig "maxSurge" "25%" $rolling) $pods "ceil") | int -}}
{{- if and (gt $pods 0) (or (ge $unavailable $pods) (and (eq $pods 1) (eq $surge 0))) -}}
{{- fail (printf "%s.strategy.rollingUpdate may take away the last pod before a new one is ready, so that a wrong image leaves none: set maxUnavailable to 0 and maxSurge to 1." $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A number, or a percentage of a number of pods as Deployments round it. Takes (number or percentage, pods, rounding). */}}
{{- define "vidferry.share" -}}
{{- $given := index . 0 | toString -}}
{{- if hasSuffix "%" $given -}}
{{- $exact := divf (mulf (trimSuffix "%" $given) (index . 1)) 100 -}}
{{- eq (index . 2) "ceil" | ternary (ceil $exact) (floor $exact) | int -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.sizes" -}}
{{- $worker := .Values.worker -}}
{{- $folder := include "vidferry.bytes" $worker.work.sizeLimit | int64 -}}
{{- if lt $folder (mul 2 $worker.slots (include "vidferry.bytes" $worker.maxBytes | int64)) -}}
{{- fail "worker.work.sizeLimit must be at least 2 × worker.slots × worker.maxBytes (streams and merged file are there together): a pod whose folder is larger than its limit is evicted." -}}
{{- end -}}
{{- range $name := list "api" "worker" "gateway" "redis.bundled" -}}
{{- $service := eq $name "redis.bundled" | ternary $.Values.redis.bundled (index $.Values $name) -}}
{{- $least := add (include "vidferry.bytes" $.Values.tmpSizeLimit | int64) 268435456 -}}
{{- if and (eq $name "worker") (not $worker.work.storageClass) }}{{ $least = add $least $folder }}{{ end -}}
{{- with index ($service.resources.limits | default dict) "ephemeral-storage" -}}
{{- if lt (include "vidferry.bytes" . | int64) $least -}}
{{- fail (printf "%s.resources.limits.ephemeral-storage must hold tmpSizeLimit and 256Mi for the log, and for a worker without work.storageClass its work.sizeLimit too: a pod over its limit is evicted. Set %dMi or more." $name (div (add $least 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with ($worker.resources.limits | default dict).memory -}}
{{- if lt (include "vidferry.bytes" . | int64) (add (mul $worker.slots (include "vidferry.bytes" $worker.childMemory | int64)) 536870912) -}}
{{- fail "worker.resources.limits.memory must be at least worker.slots × worker.childMemory and 512Mi for the worker itself: a pod over its limit is killed with all its downloads." -}}
{{- end -}}
{{- end -}}
{{- $records := add (include "vidferry.bytes" .Values.endedBytes | int64) (include "vidferry.bytes" .Values.api.queueBytes | int64) -}}
{{- if and .Values.redis.bundled.enabled (gt (mul 4 $records) (mul 3 (include "vidferry.bytes" .Values.redis.bundled.maxMemory | int64))) -}}
{{- fail "endedBytes and api.queueBytes together must be at most three quarters of redis.bundled.maxMemory, since the rest is for what runs and for who watches: lower them, or raise redis.bundled.maxMemory and the limit of its memory." -}}
{{- end -}}
{{- with (.Values.redis.bundled.resources.limits | default dict).memory -}}
{{- if ge (include "vidferry.bytes" $.Values.redis.bundled.maxMemory | int64) (include "vidferry.bytes" . | int64) -}}
{{- fail "redis.bundled.maxMemory must be below redis.bundled.resources.limits.memory: Redis needs more than its data, above all while it rewrites its log." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.stopping" -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- if and ((index $.Values $name).lifecycle | default dict).preStop (not (index $.Values $name).terminationGracePeriodSeconds) -}}
{{- fail (printf "%s.lifecycle.preStop takes its time from what the program has to stop in: set %s.terminationGracePeriodSeconds, with the hook's longest time in it." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and (.Values.api.lifecycle | default dict).preStop .Values.api.preStopSeconds -}}
{{- fail "api.lifecycle.preStop takes the place of the pause in which the Service forgets the pod: let the hook take as long, and set api.preStopSeconds=0." -}}
{{- end -}}
{{- $worker := .Values.worker -}}
{{- $api := .Values.api -}}
{{- $gateway := .Values.gateway -}}
{{- with $worker.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add (ceil $worker.grace) 15)) -}}
{{- fail "worker.terminationGracePeriodSeconds must be at least worker.grace + 15: else a pod is killed before it has put its downloads back on the queue." -}}
{{- end -}}
{{- end -}}
{{- with $api.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add $api.preStopSeconds 20)) -}}
{{- fail "api.terminationGracePeriodSeconds must be at least api.preStopSeconds + 20: else a pod is killed while it answers." -}}
{{- end -}}
{{- end -}}
{{- with $gateway.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add (ceil $gateway.settleSeconds) (ceil $gateway.drainSeconds) (ceil $gateway.closeSeconds) 5)) -}}
{{- fail "gateway.terminationGracePeriodSeconds must be at least gateway.settleSeconds + drainSeconds + closeSeconds + 5: else a pod is killed before it has closed its sockets." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.traffic" -}}
{{- $v := .Values -}}
{{- range $name := list "api" "gateway" -}}
{{- if eq (int (index $v $name).port) (int $v.adminPort) -}}
{{- fail (printf "adminPort and %s.port are the same, and a program can listen on it once: choose another." $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "ingress" "httpRoute" -}}
{{- $way := index $v $name -}}
{{- if $way.enabled -}}
{{- if not $way.host -}}
{{- fail (printf "%s.enabled: name the host of Vidferry's address by %s.host." $name $name) -}}
{{- end -}}
{{- if has (trimSuffix "/" $way.path) (list "/api" "/files" "/static" "/ws" "/sse") -}}
{{- fail (printf "%s.path is %s, which is a path of Vidferry's own: choose another." $name $way.path) -}}
{{- end -}}
{{- if and $v.publicUrl (ne (trimSuffix "/" (urlParse $v.publicUrl).path) (trimSuffix "/" $way.path)) -}}
{{- fail (printf "publicUrl and %s.path name different paths: the programs take off the path of publicUrl." $name) -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (eq $v.traffic.controller "other") (not $v.networkPolicy.controllers) -}}
{{- fail (printf "%s.enabled: say who brings the traffic, or the NetworkPolicies keep it out: set traffic.controller to nginx, traefik or gke, or name its pods by networkPolicy.controllers." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.ingress.enabled $v.httpRoute.enabled) (kindIs "invalid" $v.trustedProxies) (not (include "vidferry.trustedProxies" .)) -}}
{{- fail "trustedProxies: the chart can't tell which ranges your proxies connect from, and without them all callers are one to limits and shares. Name the ranges (CIDR), or set [] to leave it at that." -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled: name the Gateway by httpRoute.parentRefs." -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (eq $v.traffic.controller "gke") (ne $v.httpRoute.requestTimeout "auto") -}}
{{- fail "httpRoute.requestTimeout: GKE refuses routes with timeouts. Leave it at auto; traffic.socketSeconds becomes a GCPBackendPolicy." -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.httpRoute.enabled (not $v.publicUrl) -}}
{{- fail "ingress and httpRoute are both enabled: say by publicUrl which address links are made from." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.settings" -}}
{{- $names := .Files.Get "files/settings.json" | fromJson -}}
{{- $services := list "api" "worker" "gateway" -}}
{{- $all := concat $names.api $names.worker $names.gateway | uniq -}}
{{- range $where := list "settings" "api.settings" "worker.settings" "gateway.settings" -}}
{{- $service := trimSuffix "settings" $where | trimSuffix "." -}}
{{- $known := $service | empty | ternary $all (index $names $service) -}}
{{- range $setting, $_ := ($service | empty | ternary $.Values (index $.Values $service)).settings -}}
{{- if has $setting $names.secret -}}
{{- fail (printf "%s.%s is a secret, and would be readable in a ConfigMap: name a Secret by existingSecret, or by extraEnv where no value takes it." $where $setting) -}}
{{- end -}}
{{- if has $setting $names.own -}}
{{- fail (printf "%s.%s is set by the chart from a value of its own: README.md tells which." $where $setting) -}}
{{- end -}}
{{- if not (has $setting $known) -}}
{{- fail (printf "%s.%s: there is no such setting of %s. Is %s meant? docs/settings.md lists them." $where $setting (default "any service" $service) (include "vidferry.nearest" (list $setting $known))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $.Values.worker.settings.VIDFERRY_MAX_DISK | int64 -}}
{{- if gt . (include "vidferry.bytes" $.Values.worker.work.sizeLimit | int64) -}}
{{- fail "worker.settings.VIDFERRY_MAX_DISK is more than worker.work.sizeLimit: the pod would be evicted before the worker ends a download." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The name of a list that has the most of another's three letters in a row. Takes (name, list). */}}
{{- define "vidferry.nearest" -}}
{{- $name := index . 0 -}}
{{- $best := "" -}}
{{- $most := -1 -}}
{{- range $other := index . 1 -}}
{{- $shared := 0 -}}
{{- range $start := untilStep 9 (sub (len $name) 2 | int) 1 -}}
{{- if contains (substr (int $start) (add $start 3 | int) $name) $other }}{{ $shared = add $shared 1 }}{{ end -}}
{{- end -}}
{{- $score := div (mul 1000 $shared) (add (len $name) (len $other)) -}}
{{- if gt $score $most }}{{ $best = $other }}{{ $most = $score }}{{ end -}}
{{- end -}}
{{ $best }}
{{- end }}
