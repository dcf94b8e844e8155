{{/* Names are fixed: two webhooks in a cluster would judge everything twice, so there is one. */}}
{{- define "plimsoll.name" -}}plimsoll-webhook{{- end }}

{{- define "plimsoll.selector" -}}
app.kubernetes.io/name: plimsoll
app.kubernetes.io/component: webhook
{{- end }}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "plimsoll.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The Secret that cert-manager keeps. */}}
{{- define "plimsoll.certificate" -}}plimsoll-webhook-cert-manager{{- end }}

{{/* What both configurations ask of a request. Its own namespace is left out, so that it is never in its own way. */}}
{{- define "plimsoll.scope" -}}
admissionReviewVersions: [v1]
matchPolicy: Equivalent
sideEffects: NoneOnDryRun
timeoutSeconds: {{ .Values.timeoutSeconds }}
namespaceSelector:
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ concat (list .Release.Namespace "kube-system" "kube-node-lease") .Values.exceptNamespaces | uniq | toJson }}
matchConditions:
# What runs already, as a node tells it: its mirror pods.
- name: not-by-a-node
  expression: "!('system:nodes' in request.userInfo.groups)"
# Who takes a finalizer off must be able to, whatever the object is.
- name: not-being-deleted
  expression: "!has(object.metadata.deletionTimestamp)"
{{- end }}

{{/* Which resources of which groups the webhook is asked about. A test holds them to the program's own table. */}}
{{- define "plimsoll.asked" -}}
- {group: "", resources: [pods, pods/ephemeralcontainers, podtemplates, replicationcontrollers]}
- {group: apps, resources: [deployments, deployments/scale, statefulsets, statefulsets/scale, replicasets, replicasets/scale, daemonsets]}
- {group: batch, resources: [jobs, cronjobs]}
- {group: resource.k8s.io, resources: [resourceclaims, resourceclaimtemplates]}
- {group: jobset.x-k8s.io, resources: [jobsets]}
- {group: leaderworkerset.x-k8s.io, resources: [leaderworkersets]}
- {group: ray.io, resources: [rayclusters, rayjobs, rayservices]}
- {group: kubeflow.org, resources: [pytorchjobs, tfjobs, mpijobs, xgboostjobs, paddlejobs, jaxjobs, notebooks]}
- {group: trainer.kubeflow.org, resources: [trainjobs, trainingruntimes, clustertrainingruntimes]}
- {group: serving.kserve.io, resources: [inferenceservices]}
- {group: serving.knative.dev, resources: [services, configurations]}
- {group: argoproj.io, resources: [rollouts]}
- {group: batch.volcano.sh, resources: [jobs]}
- {group: machinelearning.seldon.io, resources: [seldondeployments]}
{{- end }}

{{/* The same as the rules of a configuration. */}}
{{- define "plimsoll.rules" -}}
rules:
{{- range include "plimsoll.asked" . | fromYamlArray }}
- apiGroups: [{{ .group | quote }}]
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: {{ .resources | toJson }}
{{- end }}
{{- end }}
