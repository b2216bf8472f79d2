{{/* What all pods of Helpline have in common. */}}
{{- define "helpline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "helpline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "helpline.probes" -}}
# Fails when a main loop has ended or hangs. A store that is away is no reason to start again.
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- define "helpline.podAnnotations" -}}
{{- $root := .root -}}
{{- $own := dict -}}
{{- $data := include "helpline.secretData" $root -}}
{{- if ne $data "{}" -}}{{- $_ := set $own "checksum/secret" (sha256sum $data) -}}{{- end -}}
{{- if $root.Values.monitoring.scrapeAnnotations -}}
{{- $_ := set $own "prometheus.io/scrape" "true" -}}
{{- $_ := set $own "prometheus.io/port" "9090" -}}
{{- $_ := set $own "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- $all := merge (deepCopy .role.podAnnotations) $own -}}
{{- if $all -}}{{- toYaml $all -}}{{- end -}}
{{- end -}}

{{/* Where pods may run: a dict of "root", "role" (its values), "component", "perTemplate". */}}
{{- define "helpline.scheduling" -}}
{{- $root := .root -}}{{- $role := .role -}}
topologySpreadConstraints:
{{- if $role.topologySpreadConstraints }}
  {{- toYaml $role.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- $perTemplate := .perTemplate }}{{- $component := .component }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "helpline.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
    {{- if $perTemplate }}
    # Those of the release before do not count.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
{{- end }}
{{- end }}
{{- with $role.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "helpline.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "helpline.volumeMounts" -}}
{{- with .Values.extraVolumeMounts }}{{ toYaml . }}{{ end }}
{{- end -}}

{{/* Environment of every role. */}}
{{- define "helpline.env.log" -}}
- {name: RUST_LOG, value: {{ .Values.log.level | quote }}}
- {name: LOG_FORMAT, value: {{ .Values.log.format | quote }}}
{{- end -}}

{{- define "helpline.env.redis" -}}
- name: REDIS_URL
  valueFrom: {{- include "helpline.redisRef" . | nindent 4 }}
- {name: REDIS_PREFIX, value: {{ .Values.redis.prefix | quote }}}
{{- end -}}

{{/* A dict of "root", "role" (worker or proxy). */}}
{{- define "helpline.env.stores" -}}
{{- $db := .root.Values.database -}}
{{- $session := printf "%sSession" .role -}}
- name: DATABASE_URL
  valueFrom: {{- include "helpline.databaseRef" (dict "root" .root "key" .role) | nindent 4 }}
{{- $given := ternary (get $db.existingSecretKeys $session) (get $db (printf "%sSessionUrl" .role)) (ne $db.existingSecret "") }}
{{- if and $given (not .root.Values.trial.postgres.enabled) }}
- name: DATABASE_SESSION_URL
  valueFrom: {{- include "helpline.databaseRef" (dict "root" .root "key" $session) | nindent 4 }}
{{- end }}
{{ include "helpline.env.redis" .root }}
{{- end -}}

{{- define "helpline.env.cluster" -}}
- {name: ADMIN_ADDR, value: "0.0.0.0:9090"}
- {name: LEASE_TTL_MS, value: {{ .Values.cluster.leaseTtlMs | int64 | quote }}}
- {name: MESSAGE_CONTENT, value: {{ .Values.discord.messageContent | quote }}}
{{- with .Values.discord.apiUrl }}
- {name: DISCORD_API_URL, value: {{ . | quote }}}
{{- end }}
{{ include "helpline.env.log" . }}
{{- end -}}

{{- define "helpline.env.token" -}}
- name: DISCORD_TOKEN
  valueFrom:
    secretKeyRef:
      {{- if .Values.discord.existingSecret }}
      name: {{ .Values.discord.existingSecret }}
      key: {{ .Values.discord.existingSecretKey }}
      {{- else }}
      name: {{ include "helpline.fullname" . }}
      key: discord-token
      {{- end }}
{{- end -}}

{{- define "helpline.env.proxy" -}}
- name: PROXY_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- {name: PROXY_ADDR, value: "0.0.0.0:8300"}
{{ include "helpline.env.token" . }}
- {name: REST_PER_SECOND, value: {{ .Values.discord.restPerSecond | int64 | quote }}}
{{- if gt (int .Values.discord.gatewayShards) 0 }}
- {name: GATEWAY_SHARDS, value: {{ .Values.discord.gatewayShards | int64 | quote }}}
{{- end }}
{{- with .Values.discord.gatewayUrl }}
- {name: UPSTREAM_GATEWAY, value: {{ . | quote }}}
{{- end }}
{{ include "helpline.env.stores" (dict "root" . "role" "proxy") }}
{{ include "helpline.env.cluster" . }}
{{- with .Values.proxy.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A key that may stand in a Secret of others: a dict of "root", "name", "values", "own". */}}
{{- define "helpline.env.key" -}}
{{- if or .values.existingSecret .values.key }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ default (include "helpline.fullname" .root) .values.existingSecret }}
      key: {{ ternary .values.existingSecretKey .own (ne .values.existingSecret "") }}
{{- end }}
{{- end -}}

{{- define "helpline.env.worker" -}}
- name: WORKER_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- {name: HELPLINE_PROXY_URL, value: {{ include "helpline.proxyUrls" . | quote }}}
- {name: DATABASE_POOL, value: {{ .Values.database.pool | int64 | quote }}}
- {name: ANSWER_LANES, value: {{ .Values.worker.answerLanes | int64 | quote }}}
- {name: ANSWER_WITHIN_S, value: {{ .Values.cluster.answerWithinSeconds | int64 | quote }}}
- {name: LEFT_SERVER_KEPT_DAYS, value: {{ .Values.cluster.leftServerKeptDays | int64 | quote }}}
{{ include "helpline.env.stores" (dict "root" . "role" "worker") }}
{{ include "helpline.env.cluster" . }}
{{- with .Values.model }}
{{- if .url }}
- {name: MODEL_API_URL, value: {{ .url | quote }}}
- {name: MODEL_NAME, value: {{ .name | quote }}}
- {name: MODEL_DEADLINE_MS, value: {{ .deadlineMs | int64 | quote }}}
- {name: MODEL_IDLE_MS, value: {{ .idleMs | int64 | quote }}}
- {name: MODEL_CALLS, value: {{ .calls | int64 | quote }}}
- {name: MODEL_CALLS_PER_SERVER, value: {{ .callsPerServer | int64 | quote }}}
- {name: MODEL_TOKENS_PER_SERVER, value: {{ .tokensPerServer | int64 | quote }}}
- {name: MODEL_TOKENS_PER_WORKER, value: {{ .tokensPerWorker | int64 | quote }}}
{{- include "helpline.env.key" (dict "root" $ "name" "MODEL_API_KEY" "values" . "own" "model-api-key") }}
{{- end }}
{{- end }}
{{- with .Values.embedding }}
{{- if .url }}
- {name: EMBEDDING_API_URL, value: {{ .url | quote }}}
- {name: EMBEDDING_NAME, value: {{ .name | quote }}}
{{- include "helpline.env.key" (dict "root" $ "name" "EMBEDDING_API_KEY" "values" . "own" "embedding-api-key") }}
{{- else if .modelDir }}
- {name: EMBEDDING_MODEL_DIR, value: {{ .modelDir | quote }}}
{{- end }}
{{- if or .url .modelDir }}
- {name: EMBEDDING_PATIENCE_MS, value: {{ .patienceMs | int64 | quote }}}
{{- end }}
{{- end }}
{{- with .Values.worker.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "helpline.env.migrate" -}}
- name: DATABASE_URL
  valueFrom: {{- include "helpline.databaseRef" (dict "root" . "key" "owner") | nindent 4 }}
{{- if .Values.database.setPasswords }}
- name: WORKER_DATABASE_URL
  valueFrom: {{- include "helpline.databaseRef" (dict "root" . "key" "worker" "migrating" true) | nindent 4 }}
- name: PROXY_DATABASE_URL
  valueFrom: {{- include "helpline.databaseRef" (dict "root" . "key" "proxy" "migrating" true) | nindent 4 }}
{{- end }}
- {name: SHARDS, value: {{ .Values.cluster.shards | int64 | quote }}}
{{ include "helpline.env.log" . }}
{{- end -}}

{{- define "helpline.migrateContainer" -}}
name: migrate
image: {{ include "helpline.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [migrate]
securityContext: {{- include "helpline.containerSecurity" . | nindent 2 }}
env: {{- include "helpline.env.migrate" . | nindent 2 }}
resources: {{- toYaml .Values.migrate.resources | nindent 2 }}
{{- with include "helpline.volumeMounts" . }}
volumeMounts: {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* With the trial's Postgres a hook before the install would find no database: each pod migrates before it starts. */}}
{{- define "helpline.trialMigration" -}}
{{- if and .Values.trial.postgres.enabled .Values.migrate.enabled }}
initContainers:
  - {{- include "helpline.migrateContainer" . | nindent 4 }}
{{- end }}
{{- end -}}
