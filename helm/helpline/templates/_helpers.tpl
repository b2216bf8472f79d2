{{/* Names. */}}
{{- define "helpline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "helpline.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "helpline.labels" -}}
{{ include "helpline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of pods: without versions, so that an upgrade which changes nothing of a pod leaves it alone. */}}
{{- define "helpline.podLabels" -}}
{{ include "helpline.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "helpline.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "helpline.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "helpline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* Whether something is there that only some clusters have: a dict of "wanted" (auto, true, false) and "root". */}}
{{- define "helpline.wanted" -}}
{{- if eq (toString .wanted) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}true{{- end -}}
{{- else if eq (toString .wanted) "true" -}}true{{- end -}}
{{- end -}}

{{/* The proxies by their own names: a request that finds one gone is sent to the next at once. */}}
{{- define "helpline.proxyUrls" -}}
{{- $full := include "helpline.fullname" . -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.proxy.replicas) -}}
{{- $urls = append $urls (printf "http://%s-proxy-%d.%s-proxy.%s.svc:8300" $full $i $full $.Release.Namespace) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}

{{/* Ports that stand in URLs, beside those given: a dict of "urls" and "ports". One a line. */}}
{{- define "helpline.ports" -}}
{{- $ports := list -}}
{{- range .ports -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- range .urls -}}
{{- $hosts := regexReplaceAll "^[^:]+://([^@/]*@)?" . "" -}}
{{- $hosts = regexReplaceAll "[/?].*$" $hosts "" -}}
{{- range splitList "," $hosts -}}
{{- if regexMatch ":[0-9]+$" . -}}{{- $ports = append $ports (int (regexFind "[0-9]+$" .)) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $ports | uniq | sortAlpha }}
{{ . }}
{{- end -}}
{{- end -}}

{{/* Port of an http or https URL. */}}
{{- define "helpline.httpPort" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- default (ternary "443" "80" (or (eq $url.scheme "https") (eq $url.scheme "wss"))) $port -}}
{{- end -}}

{{/* What stands in a Secret of the chart's own, as a JSON object of key to text. */}}
{{- define "helpline.secretData" -}}
{{- $data := dict -}}
{{- with .Values.discord.token -}}{{- $_ := set $data "discord-token" . -}}{{- end -}}
{{- with .Values.database -}}
{{- with .workerUrl -}}{{- $_ := set $data "database-worker-url" . -}}{{- end -}}
{{- with .proxyUrl -}}{{- $_ := set $data "database-proxy-url" . -}}{{- end -}}
{{- with .workerSessionUrl -}}{{- $_ := set $data "database-worker-session-url" . -}}{{- end -}}
{{- with .proxySessionUrl -}}{{- $_ := set $data "database-proxy-session-url" . -}}{{- end -}}
{{- end -}}
{{- with .Values.redis.url -}}{{- $_ := set $data "redis-url" . -}}{{- end -}}
{{- with .Values.model.key -}}{{- $_ := set $data "model-api-key" . -}}{{- end -}}
{{- with .Values.embedding.key -}}{{- $_ := set $data "embedding-api-key" . -}}{{- end -}}
{{- $data | toJson -}}
{{- end -}}

{{/* Where the database URLs stand: a dict of "root", "key" (owner, worker, proxy, workerSession, proxySession). */}}
{{- define "helpline.databaseRef" -}}
{{- $root := .root -}}{{- $full := include "helpline.fullname" $root -}}
{{- $db := $root.Values.database -}}
{{- if $root.Values.trial.postgres.enabled -}}
secretKeyRef: {name: {{ $full }}-trial, key: {{ printf "database-%s-url" (.key | kebabcase) }}}
{{- else if $db.existingSecret -}}
secretKeyRef: {name: {{ $db.existingSecret }}, key: {{ get $db.existingSecretKeys .key }}}
{{- else if or (eq .key "owner") .migrating -}}
secretKeyRef: {name: {{ $full }}-migrate, key: {{ printf "database-%s-url" (.key | kebabcase) }}}
{{- else -}}
secretKeyRef: {name: {{ $full }}, key: {{ printf "database-%s-url" (.key | kebabcase) }}}
{{- end -}}
{{- end -}}

{{- define "helpline.redisRef" -}}
{{- $full := include "helpline.fullname" . -}}
{{- if .Values.trial.redis.enabled -}}
secretKeyRef: {name: {{ $full }}-trial, key: redis-url}
{{- else if .Values.redis.existingSecret -}}
secretKeyRef: {name: {{ .Values.redis.existingSecret }}, key: {{ .Values.redis.existingSecretKey }}}
{{- else -}}
secretKeyRef: {name: {{ $full }}, key: redis-url}
{{- end -}}
{{- end -}}
