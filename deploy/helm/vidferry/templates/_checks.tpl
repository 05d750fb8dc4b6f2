{{/* Combinations of values that the chart refuses. values.schema.json refuses values that are wrong by themselves. */}}
{{- define "vidferry.checks" -}}
{{- include "vidferry.checks.redis" . -}}
{{- include "vidferry.checks.bucket" . -}}
{{- include "vidferry.checks.access" . -}}
{{- include "vidferry.checks.webhooks" . -}}
{{- include "vidferry.checks.sites" . -}}
{{- include "vidferry.checks.scaling" . -}}
{{- include "vidferry.checks.upgrading" . -}}
{{- include "vidferry.checks.sizes" . -}}
{{- include "vidferry.checks.stopping" . -}}
{{- include "vidferry.checks.traffic" . -}}
{{- include "vidferry.checks.settings" . -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor and metrics.serviceMonitor would both scrape every pod, so each metric would exist twice: enable one of them." -}}
{{- end -}}
{{- $alerts := .Files.Get "files/alerts.yaml" -}}
{{- range .Values.metrics.alerts.disabled -}}
{{- if not (contains (printf "alert: %s\n" .) $alerts) -}}
{{- fail (printf "metrics.alerts.disabled has %s, which is no alert: docs/runbooks.md has the names of all." .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.webhooks" -}}
{{- $webhooks := .Values.webhooks -}}
{{- if and (not $webhooks.enabled) (or $webhooks.owners $webhooks.existingSecret) -}}
{{- fail "webhooks.owners and webhooks.existingSecret have no effect: set webhooks.enabled=true." -}}
{{- end -}}
{{- if and $webhooks.enabled (eq .Values.access.mode "none") (not $webhooks.existingSecret) -}}
{{- fail "access.mode is none, so no owner has a secret that signs webhooks: set webhooks.existingSecret." -}}
{{- end -}}
{{- if and $webhooks.existingSecret (ne .Values.access.mode "none") -}}
{{- fail "webhooks.existingSecret signs webhooks where access.mode is none: set webhooks.owners instead." -}}
{{- end -}}
{{- if and $webhooks.owners .Values.access.existingSecret -}}
{{- fail "access.existingSecret replaces the file that webhooks.owners is written to: write the webhooks into that Secret's file." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.sites" -}}
{{- $sites := .Values.worker.sites -}}
{{- if and $sites.existingSecret $sites.rules -}}
{{- fail "worker.sites.existingSecret replaces worker.sites.rules: write the rules into the file in the Secret, or remove worker.sites.existingSecret." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.redis" -}}
{{- $external := .Values.redis.external -}}
{{- if $external.cluster -}}
{{- fail "redis.external.cluster: Redis Cluster is not supported, because arq and Vidferry's scripts use keys of several hash slots. Set redis.external.host to a standalone or managed Redis, or use redis.external.sentinel." -}}
{{- end -}}
{{- if and $external.host $external.sentinel.hosts -}}
{{- fail "redis.external.host and redis.external.sentinel exclude each other: the Sentinels tell which host is the primary. Set one of them." -}}
{{- end -}}
{{- $own := include "vidferry.redis.external" . -}}
{{- if and $own .Values.redis.bundled.enabled -}}
{{- fail "redis.external and redis.bundled exclude each other: set redis.bundled.enabled=false to use your own Redis." -}}
{{- end -}}
{{- if not (or $own .Values.redis.bundled.enabled) -}}
{{- fail "Vidferry needs a Redis: set redis.external.host or redis.external.sentinel.hosts to use your own, or set redis.bundled.enabled=true." -}}
{{- end -}}
{{- if and (or $external.sentinel.username $external.sentinel.existingSecret) (not $external.sentinel.hosts) -}}
{{- fail "redis.external.sentinel has credentials but no hosts: set redis.external.sentinel.hosts." -}}
{{- end -}}
{{- if and $external.tls.existingSecret (not $external.tls.enabled) -}}
{{- fail "redis.external.tls.existingSecret is set, but redis.external.tls.enabled is false, so the connection is not encrypted: set redis.external.tls.enabled=true." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.bucket" -}}
{{- $bucket := .Values.bucket -}}
{{- if and $bucket.s3.name (ne $bucket.type "s3") -}}
{{- fail (printf "bucket.s3.name is set, but bucket.type is %s, so videos would not be stored there: set bucket.type=s3, or remove bucket.s3.name." $bucket.type) -}}
{{- end -}}
{{- if eq $bucket.type "gcs" -}}
{{- $gcs := $bucket.gcs -}}
{{- if not $gcs.name -}}
{{- fail "bucket.type is gcs, but the bucket has no name: set bucket.gcs.name." -}}
{{- end -}}
{{- if and $gcs.existingSecret $gcs.workloadIdentity.enabled -}}
{{- fail "bucket.gcs.existingSecret and bucket.gcs.workloadIdentity exclude each other: the key in the Secret would take precedence over the pods' identity. Set one of them." -}}
{{- end -}}
{{- if not (or $gcs.existingSecret $gcs.workloadIdentity.enabled (hasPrefix "http://" $gcs.endpoint)) -}}
{{- fail "bucket.type is gcs, but there are no credentials: set bucket.gcs.workloadIdentity.enabled=true on GKE, or set bucket.gcs.existingSecret to a Secret with a service account's key." -}}
{{- end -}}
{{- else if eq $bucket.type "s3" -}}
{{- include "vidferry.checks.s3" . -}}
{{- else -}}
{{- if eq $bucket.folder.accessMode "ReadWriteOncePod" -}}
{{- fail "bucket.folder.accessMode is ReadWriteOncePod, but api and workers are several pods: use ReadWriteMany." -}}
{{- end -}}
{{- if and (eq $bucket.folder.accessMode "ReadWriteOnce") (not $bucket.folder.singleNode) -}}
{{- fail "bucket.folder.accessMode is ReadWriteOnce, which pods on several nodes can't share: use ReadWriteMany or bucket.type=gcs, or set bucket.folder.singleNode=true to run all api and worker pods on one node." -}}
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

{{- define "vidferry.checks.s3" -}}
{{- $s3 := .Values.bucket.s3 -}}
{{- $policy := .Values.networkPolicy -}}
{{- if not $s3.name -}}
{{- fail "bucket.type is s3, but the bucket has no name: set bucket.s3.name." -}}
{{- end -}}
{{- if .Values.bucket.gcs.name -}}
{{- fail "bucket.gcs.name is set, but bucket.type is s3, so videos would not be stored there: set bucket.type=gcs, or remove bucket.gcs.name." -}}
{{- end -}}
{{- if not (or $s3.endpoint $s3.region) -}}
{{- fail "bucket.type is s3, but neither the store nor its region is known: set bucket.s3.region for a bucket on AWS, or bucket.s3.endpoint to the URL of another store." -}}
{{- end -}}
{{- if gt (list $s3.existingSecret $s3.roleArn $s3.podIdentity | compact | len) 1 -}}
{{- fail "bucket.s3.existingSecret, bucket.s3.roleArn and bucket.s3.podIdentity exclude each other, because one of them would take precedence over the others: set one of them." -}}
{{- end -}}
{{- range $name := list "api" "worker" -}}
{{- $service := index $.Values $name -}}
{{- if not (or $s3.existingSecret $s3.roleArn $s3.podIdentity $service.extraEnv $service.extraEnvFrom) -}}
{{- fail (printf "bucket.type is s3, but the %s has no credentials: set bucket.s3.existingSecret to a Secret with an access key, set bucket.s3.roleArn or bucket.s3.podIdentity on EKS, or name a file of credentials in extraEnv." $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "endpoint" "publicEndpoint" -}}
{{- if and (hasPrefix "http://" (index $s3 $name)) (not $s3.allowHttp) -}}
{{- fail (printf "bucket.s3.%s begins with http://, so whoever is on the way could read and change videos, and use links: use https://, or set bucket.s3.allowHttp=true." $name) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "^[^.:]+$|\\.svc(\\.|$)" (urlParse $s3.endpoint).hostname -}}
{{- if not $s3.publicEndpoint -}}
{{- fail "bucket.s3.endpoint has a host that only pods know, so browsers could not follow links: set bucket.s3.publicEndpoint to the store's URL for browsers, or to the same URL if pods alone follow links." -}}
{{- end -}}
{{- if and $policy.enabled (not (or $policy.bucket.peers $policy.bucketRanges)) -}}
{{- fail "bucket.s3.endpoint is in the cluster, but the NetworkPolicies would allow public IP addresses only: set networkPolicy.bucket.peers to the store's pods, and networkPolicy.bucket.ports to the ports of their containers." -}}
{{- end -}}
{{- end -}}
{{- if and $s3.caSecret $s3.caConfigMap -}}
{{- fail "bucket.s3.caSecret and bucket.s3.caConfigMap exclude each other: put all CA certificates into one of them." -}}
{{- end -}}
{{- if has $s3.storageClass (list "GLACIER" "DEEP_ARCHIVE") -}}
{{- fail (printf "bucket.s3.storageClass is %s, whose objects can't be read until they are restored: choose a class that is read at once, such as GLACIER_IR." $s3.storageClass) -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.access" -}}
{{- $access := .Values.access -}}
{{- if and $access.existingSecret (or $access.keys $access.owners) -}}
{{- fail "access.existingSecret replaces access.keys and access.owners: write their entries into the file in the Secret, or remove access.existingSecret." -}}
{{- end -}}
{{- if eq $access.mode "oidc" -}}
{{- if not $access.oidc.issuer -}}
{{- fail "access.mode is oidc, but there is no issuer: set access.oidc.issuer to the URL that its tokens name as `iss`." -}}
{{- end -}}
{{- if not $access.oidc.audience -}}
{{- fail "access.oidc has no audience, so tokens that the issuer made for other programs would be accepted: set access.oidc.audience." -}}
{{- end -}}
{{- else if and (eq $access.mode "keys") $access.oidc.issuer -}}
{{- fail "access.oidc.issuer is set, but access.mode is keys, so its tokens would be refused: set access.mode=oidc, which accepts keys too." -}}
{{- end -}}
{{- if include "vidferry.access" . -}}
{{- if and $access.existingSecret $access.credentials -}}
{{- fail "access.existingSecret replaces the file that access.credentials is written to: write them into that Secret's file." -}}
{{- end -}}
{{- if and (eq $access.mode "keys") (not (or $access.existingSecret $access.firstKey $access.keys $access.userHeader)) -}}
{{- fail "access.mode is keys, but there is no key, so nobody could use Vidferry: set access.firstKey=true, access.keys or access.existingSecret." -}}
{{- end -}}
{{- if and $access.userHeader (not .Values.trustedProxies) -}}
{{- fail "access.userHeader is believed whenever a trusted proxy sends it: set trustedProxies to the addresses of the proxy that sets this header and removes it from what clients send." -}}
{{- end -}}
{{- end -}}
{{- $names := include "vidferry.access.firstKey" . | empty | ternary list (list "first") -}}
{{- $hashes := list -}}
{{- range $key := $access.keys -}}
{{- if has $key.name $names -}}
{{- fail (printf "access.keys has two keys with the name %s (the first key's is `first`): give each a name of its own." $key.name) -}}
{{- end -}}
{{- if has $key.sha256 $hashes -}}
{{- fail (printf "access.keys has the same key twice, the second time as %s: remove one, or make a new key." $key.name) -}}
{{- end -}}
{{- $names = append $names $key.name -}}
{{- $hashes = append $hashes $key.sha256 -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.scaling" -}}
{{- if .Values.worker.autoscaling.hpa.enabled -}}
{{- fail "worker.autoscaling.hpa is not supported: downloads wait for sites most of the time, so CPU does not show whether a worker is busy. Scale by the queue with worker.autoscaling.keda, or set worker.replicas." -}}
{{- end -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- $service := index $.Values $name -}}
{{- $scaling := $service.autoscaling -}}
{{- $keda := ($scaling.keda).enabled -}}
{{- if and $scaling.hpa.enabled $keda -}}
{{- fail (printf "%s.autoscaling.hpa and %s.autoscaling.keda exclude each other: KEDA makes its own HorizontalPodAutoscaler. Enable one of them." $name $name) -}}
{{- end -}}
{{- if or $scaling.hpa.enabled $keda -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is more than %s.autoscaling.maxReplicas: lower the first or raise the second." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if $scaling.hpa.enabled -}}
{{- if not (($service.resources).requests).cpu -}}
{{- fail (printf "%s.autoscaling.hpa scales by the share of the requested CPU: set %s.resources.requests.cpu." $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.autoscaling.keda.enabled (not .Values.gateway.autoscaling.keda.serverAddress) -}}
{{- fail "gateway.autoscaling.keda reads the number of open connections from Prometheus: set gateway.autoscaling.keda.serverAddress to its URL." -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.upgrading" -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- $service := index $.Values $name -}}
{{- if eq ($service.strategy.type | default "RollingUpdate") "Recreate" -}}
{{- fail (printf "%s.strategy.type is Recreate, which removes all pods before a new pod is ready, so a broken image would leave none: use RollingUpdate." $name) -}}
{{- end -}}
{{- $pods := int $service.replicas -}}
{{- if include "vidferry.autoscaled" $service -}}
{{- $pods = max 1 (int $service.autoscaling.minReplicas) -}}
{{- end -}}
{{- $rolling := $service.strategy.rollingUpdate | default dict -}}
{{- $unavailable := include "vidferry.share" (list (dig "maxUnavailable" "25%" $rolling) $pods "floor") | int -}}
{{- $surge := include "vidferry.share" (list (dig "maxSurge" "25%" $rolling) $pods "ceil") | int -}}
{{- if and (gt $pods 0) (or (ge $unavailable $pods) (and (eq $pods 1) (eq $surge 0))) -}}
{{- fail (printf "%s.strategy.rollingUpdate may remove the last pod before a new pod is ready, so a broken image would leave none: set maxUnavailable to 0 and maxSurge to 1." $name) -}}
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
{{- if and (ne $worker.ytdlp.version "image") (eq $worker.sandbox "off") -}}
{{- fail "worker.ytdlp.version needs the sandbox, which confines a yt-dlp that is not in the image: set worker.sandbox=required, or worker.ytdlp.version=image." -}}
{{- end -}}
{{- $folder := include "vidferry.bytes" $worker.work.sizeLimit | int64 -}}
{{- if lt $folder (mul 2 $worker.slots (include "vidferry.bytes" $worker.maxBytes | int64)) -}}
{{- fail "worker.work.sizeLimit must be at least 2 × worker.slots × worker.maxBytes, because a download's streams and its merged file exist at the same time: otherwise the pod is evicted." -}}
{{- end -}}
{{- range $name := list "api" "worker" "gateway" "redis.bundled" -}}
{{- $service := eq $name "redis.bundled" | ternary $.Values.redis.bundled (index $.Values $name) -}}
{{- $least := add (include "vidferry.bytes" $.Values.tmpSizeLimit | int64) 268435456 -}}
{{- if and (eq $name "worker") (not $worker.work.storageClass) }}{{ $least = add $least $folder }}{{ end -}}
{{- with index ($service.resources.limits | default dict) "ephemeral-storage" -}}
{{- if lt (include "vidferry.bytes" . | int64) $least -}}
{{- fail (printf "%s.resources.limits.ephemeral-storage must hold tmpSizeLimit plus 256Mi for logs, and, for a worker without work.storageClass, work.sizeLimit: otherwise the pod is evicted. Set it to %dMi or more." $name (div (add $least 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with ($worker.resources.limits | default dict).memory -}}
{{- if lt (include "vidferry.bytes" . | int64) (add (mul $worker.slots (include "vidferry.bytes" $worker.childMemory | int64)) 536870912) -}}
{{- fail "worker.resources.limits.memory must be at least worker.slots × worker.childMemory plus 512Mi for the worker itself: otherwise the pod is killed with all its downloads." -}}
{{- end -}}
{{- end -}}
{{- $records := add (include "vidferry.bytes" .Values.endedBytes | int64) (include "vidferry.bytes" .Values.api.queueBytes | int64) -}}
{{- if and .Values.redis.bundled.enabled (gt (mul 4 $records) (mul 3 (include "vidferry.bytes" .Values.redis.bundled.maxMemory | int64))) -}}
{{- fail "endedBytes and api.queueBytes together must be at most three quarters of redis.bundled.maxMemory, because Redis also needs memory for running downloads and connections: lower them, or raise redis.bundled.maxMemory and redis.bundled.resources.limits.memory." -}}
{{- end -}}
{{- with (.Values.redis.bundled.resources.limits | default dict).memory -}}
{{- if ge (include "vidferry.bytes" $.Values.redis.bundled.maxMemory | int64) (include "vidferry.bytes" . | int64) -}}
{{- fail "redis.bundled.maxMemory must be below redis.bundled.resources.limits.memory: Redis needs more memory than its data, especially while it rewrites its log." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.stopping" -}}
{{- range $name := list "api" "worker" "gateway" -}}
{{- if and ((index $.Values $name).lifecycle | default dict).preStop (not (index $.Values $name).terminationGracePeriodSeconds) -}}
{{- fail (printf "%s.lifecycle.preStop runs within the termination grace period: set %s.terminationGracePeriodSeconds, and include the longest time that the hook takes." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and (.Values.api.lifecycle | default dict).preStop .Values.api.preStopSeconds -}}
{{- fail "api.lifecycle.preStop replaces the pause of api.preStopSeconds, during which the Service stops sending requests: let the hook wait as long, and set api.preStopSeconds=0." -}}
{{- end -}}
{{- $worker := .Values.worker -}}
{{- $api := .Values.api -}}
{{- $gateway := .Values.gateway -}}
{{- with $worker.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add (ceil $worker.grace) 15)) -}}
{{- fail "worker.terminationGracePeriodSeconds must be at least worker.grace + 15: otherwise the pod is killed before its downloads are back on the queue." -}}
{{- end -}}
{{- end -}}
{{- with $api.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add $api.preStopSeconds 20)) -}}
{{- fail "api.terminationGracePeriodSeconds must be at least api.preStopSeconds + 20: otherwise the pod is killed before it has finished its responses." -}}
{{- end -}}
{{- end -}}
{{- with $gateway.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int (add (ceil $gateway.settleSeconds) (ceil $gateway.drainSeconds) (ceil $gateway.closeSeconds) 5)) -}}
{{- fail "gateway.terminationGracePeriodSeconds must be at least gateway.settleSeconds + drainSeconds + closeSeconds + 5: otherwise the pod is killed before it has closed its connections." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vidferry.checks.traffic" -}}
{{- $v := .Values -}}
{{- range $name := list "api" "gateway" -}}
{{- if eq (int (index $v $name).port) (int $v.adminPort) -}}
{{- fail (printf "adminPort and %s.port are the same: choose different ports." $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "ingress" "httpRoute" -}}
{{- $way := index $v $name -}}
{{- if $way.enabled -}}
{{- if not $way.host -}}
{{- fail (printf "%s.enabled needs a host name: set %s.host." $name $name) -}}
{{- end -}}
{{- if has (trimSuffix "/" $way.path) (list "/api" "/files" "/static" "/ws" "/sse") -}}
{{- fail (printf "%s.path is %s, which Vidferry uses itself: choose another path." $name $way.path) -}}
{{- end -}}
{{- if and $v.publicUrl (ne (trimSuffix "/" (urlParse $v.publicUrl).path) (trimSuffix "/" $way.path)) -}}
{{- fail (printf "publicUrl and %s.path have different paths, but the services expect requests below the path of publicUrl: use the same path in both." $name) -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (eq $v.traffic.controller "other") (not $v.networkPolicy.controllers) -}}
{{- fail (printf "%s.enabled: the NetworkPolicies would block the traffic, because the chart does not know the controller. Set traffic.controller to nginx, traefik or gke, or set networkPolicy.controllers to its pods." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.ingress.enabled $v.httpRoute.enabled) (kindIs "invalid" $v.trustedProxies) (not (include "vidferry.trustedProxies" .)) -}}
{{- fail "trustedProxies: the chart does not know the ranges of your proxies. Without them, all clients count as one for rate limits and shares. Set the ranges (CIDR), or set [] to accept that." -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs a Gateway: set httpRoute.parentRefs." -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (eq $v.traffic.controller "gke") (ne $v.httpRoute.requestTimeout "auto") -}}
{{- fail "httpRoute.requestTimeout: GKE refuses routes with timeouts. Set it to auto; the chart puts traffic.socketSeconds into a GCPBackendPolicy." -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.httpRoute.enabled (not $v.publicUrl) -}}
{{- fail "ingress and httpRoute are both enabled: set publicUrl to the URL with which links should begin." -}}
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
{{- fail (printf "%s.%s is a secret, and would be readable in a ConfigMap: use the existingSecret value for it, or extraEnv with a Secret if there is none." $where $setting) -}}
{{- end -}}
{{- if has $setting $names.own -}}
{{- fail (printf "%s.%s is set by the chart from another value: find that value in the chart's README.md." $where $setting) -}}
{{- end -}}
{{- if not (has $setting $known) -}}
{{- fail (printf "%s.%s: no such setting of %s. Did you mean %s? docs/settings.md lists all settings." $where $setting (default "any service" $service) (include "vidferry.nearest" (list $setting $known))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $.Values.worker.settings.VIDFERRY_MAX_DISK | int64 -}}
{{- if gt . (include "vidferry.bytes" $.Values.worker.work.sizeLimit | int64) -}}
{{- fail "worker.settings.VIDFERRY_MAX_DISK is more than worker.work.sizeLimit: the pod would be evicted before the worker stops a download." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The name in a list that is most similar to a name, by shared trigrams. Takes (name, list). */}}
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
