//! The object as a rule's CEL sees it: what `observe::manifest` makes of it and what `guard::case` finds out, as variables of a policy.
//!
//! A variable is evaluated when it is asked for, once. Lists are never flattened: that came to Kubernetes in 1.34, and policies are to
//! work from 1.33 on. `variables.self` is the object without a type, so that one text serves every kind.

use super::{
    Scope,
    kinds::KINDS,
    text::{all_in, all_of, any, any_of, first_of, list, quoted},
};
use crate::{class, guard::rules::gpu_models::REASON, team};
use plimsoll_fleet::{
    annotation::LENGTH_MAX as ANNOTATION_MAX,
    written::{CLASS_PREFIX, CONTAINER_KEYS},
};

/// A variable of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub name: String,
    /// Its expression; it sees the variables before it.
    pub expression: String,
}

/// Words of device classes that give accelerators. As `plimsoll_fleet::written::is_gpu_class`.
const CLASS_WORDS: &str = "(?i)(^|[^a-z])(gpu|gpus|mig|tpu|gaudi|neuron|accelerator)([^a-z]|$)";

/// Resources that are accelerators by their name alone. As `plimsoll_fleet::written::is_accelerator`.
pub(super) const WHOLE: [&str; 8] = [
    "nvidia.com/gpu",
    "amd.com/gpu",
    "google.com/tpu",
    "habana.ai/gaudi",
    "gpu.intel.com/i915",
    "gpu.intel.com/xe",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neurondevice",
];

/// Most devices of a container that are counted: sums of products stay far from CEL's largest number.
const DEVICES_MAX: &str = "1000000000";

/// Is `of` the name of a class of accelerators?
fn is_class(of: &str) -> String {
    format!("{of}.matches({})", quoted(CLASS_WORDS))
}

/// Is `k` the name of an accelerator? What nearly every container has is asked first.
fn is_accelerator() -> String {
    format!(
        "k != 'cpu' && k != 'memory' && (k in {} || k == 'nvidia.com/gpu.shared' || k.startsWith('nvidia.com/mig-') && k != 'nvidia.com/mig-' \
         || k.startsWith('{CLASS_PREFIX}') && {})",
        list(&WHOLE),
        is_class(&format!("k.substring({})", CLASS_PREFIX.len()))
    )
}

/// Devices that a container `c` asks for by resource: rounded up, one where it cannot be told.
pub(super) fn devices_of_container() -> String {
    format!(
        "c.asks.map(k, [string(k in c.limits ? c.limits[k] : c.requests[k])].map(q, !isQuantity(q) ? 1 : \
         [quantity(q).asApproximateFloat()].map(n, n <= 0.0 ? 0 : n >= {DEVICES_MAX}.0 ? {DEVICES_MAX} : int(n) + (n > double(int(n)) ? 1 : 0))[0])[0]).sum()"
    )
}

/// All variables that rules may ask for, each after those that it asks for itself.
pub(super) fn variables(scope: &Scope<'_>) -> Vec<Variable> {
    let mut all = Vec::new();
    let mut add = |name: &str, expression: String| all.push(Variable { name: name.to_owned(), expression });
    add("self", "dyn(object)".to_owned());
    add(
        "what",
        "(variables.self.apiVersion.contains('/') ? variables.self.apiVersion.split('/')[0] : '') + '/' + variables.self.kind".to_owned(),
    );
    add("kind", "string(variables.self.kind)".to_owned());
    add("space", "string(variables.self.metadata[?'namespace'].orValue(''))".to_owned());
    add("name", "string(variables.self.metadata.?name.orValue(variables.self.metadata.?generateName.orValue('')))".to_owned());
    add("labels", "variables.self.metadata.?labels.orValue({})".to_owned());
    add("annotations", "variables.self.metadata.?annotations.orValue({})".to_owned());
    add("space_labels", "dyn(namespaceObject) == null ? {} : dyn(namespaceObject).?metadata.?labels.orValue({})".to_owned());
    // The API server sets it before policies are asked: on creation it is the moment of the request.
    add(
        "now",
        "request.operation == 'CREATE' && has(variables.self.metadata.creationTimestamp) && variables.self.metadata.creationTimestamp != null\n\
         ? [timestamp(string(variables.self.metadata.creationTimestamp))] : []"
            .to_owned(),
    );
    add("owned", format!("variables.self.metadata.?ownerReferences.orValue([]).exists(o, {})", super::admits::is_judged_owner("o")));
    add(
        "grows",
        "[variables.self.?spec.?enableInTreeAutoscaling, variables.self.?spec.?rayClusterSpec.?enableInTreeAutoscaling, \
         variables.self.?spec.?rayClusterConfig.?enableInTreeAutoscaling].exists(o, o.orValue(false) == true)"
            .to_owned(),
    );
    add("templates", templates());
    add("filled", filled());
    add("pods", pods());
    add("asking", "variables.pods.filter(p, p.devices > 0 || p.unknown)".to_owned());
    add("claims", claims());
    add("wants_gpus", "size(variables.asking) > 0 || variables.claims.exists(r, r.wants)".to_owned());
    add(
        "devices",
        "variables.asking.exists(p, p.unknown || p.pods < 0) ? -1 : variables.asking.map(p, int(p.devices) * int(p.pods)).sum()".to_owned(),
    );
    add("replicas", replicas());
    add("ends", any(&kinds_that_end(), "variables.what"));
    add("run", run());
    add(
        "suspended",
        "variables.ends && (variables.self.?spec.?suspend.orValue(false) == true || variables.run.?suspend.orValue(false) == true)"
            .to_owned(),
    );
    add(
        "images",
        "variables.pods.map(p, p.containers.filter(c, c.role == 'main').map(c, string(c.is.?image.orValue('')).lowerAscii()))".to_owned(),
    );
    add("class", class());
    add("owner", owner(scope));
    let names: Vec<&str> = scope.teams.iter().map(|team| team.metadata.name.as_str()).collect();
    add("team", format!("variables.owner.filter(o, {}).map(o, string(o))", any_name(&names, "o")));
    add("pools", pools(scope));
    add("not_production", not_production());
    add("has_reason", format!("{}[?0].orValue('').trim() != ''", said(REASON)));
    all
}

/// The same where a container is put into a running pod: of the pods that ask, only what is put in is looked at.
pub(super) fn of_debugging(variables: &[Variable]) -> Vec<Variable> {
    let had = "dyn(oldObject).?spec.?ephemeralContainers.orValue([]).exists(o, o.name == c.name)";
    let new = |variable: &Variable| match &*variable.name {
        "asking" => Variable {
            expression: format!(
                "{}.map(p, {{'containers': dyn(p.containers.filter(c, c.role == 'ephemeral' && !{had}))}})",
                variable.expression
            ),
            ..variable.clone()
        },
        _ => variable.clone(),
    };
    variables.iter().map(new).collect()
}

/// One of these names exactly? A name has no star.
fn any_name(names: &[&str], of: &str) -> String {
    if names.is_empty() { "false".to_owned() } else { format!("{of} in {}", list(names)) }
}

fn templates() -> String {
    let cases = KINDS.iter().map(|kind| (any(&kind.names(), "variables.what"), format!("\n({})", kind.templates())));
    first_of(cases, "[]")
}

/// With their containers of every role, in the order in which they start.
fn filled() -> String {
    let servers = list(&CONTAINER_KEYS);
    let accelerator = is_accelerator();
    let limits = "c.is.?resources.?limits.orValue({})";
    let requests = "c.is.?resources.?requests.orValue({})";
    format!(
        "variables.templates.map(t, {{
  'path': t.path, 'bare': t.bare, 'pods': t.pods, 'spec': t.spec,
  'labels': (t.bare ? t.holder.?labels : t.holder.?metadata.?labels).orValue({{}}),
  'annotations': (t.bare ? t.holder.?annotations : t.holder.?metadata.?annotations).orValue({{}}),
  'containers': dyn((t.spec.?initContainers.orValue([]).map(c, {{'role': dyn(c.?restartPolicy.orValue('') == 'Always' ? 'sidecar' : 'init'), 'name': c.?name.orValue(''), 'is': c}})
    + t.spec.?containers.orValue([]).map(c, {{'role': dyn('main'), 'name': c.?name.orValue(''), 'is': c}})
    + t.spec.?ephemeralContainers.orValue([]).map(c, {{'role': dyn('ephemeral'), 'name': c.?name.orValue(''), 'is': c}})
    + (t.bare ? {servers}.filter(k, k in t.spec).map(k, {{'role': dyn('main'), 'name': dyn(k), 'is': t.spec[k]}}) : []))
    .map(c, {{'role': c.role, 'name': c.name, 'is': c.is, 'limits': {limits}, 'requests': {requests},
      'asks': dyn({limits}.filter(k, {accelerator}) + {requests}.filter(k, !(k in {limits}) && ({accelerator})))}}))
}})"
    )
}

/// With the devices of a pod, as the scheduler counts: sidecars and main containers together, or the greatest init container with
/// the sidecars before it, whichever is more.
fn pods() -> String {
    let devices = devices_of_container();
    let class_of = |of: &str| is_class(&format!("string({of})"));
    format!(
        "variables.filled.map(t, {{
  'path': t.path, 'bare': t.bare, 'pods': t.pods, 'spec': t.spec, 'labels': t.labels, 'annotations': t.annotations, 'containers': t.containers,
  'selector': t.spec.?nodeSelector.orValue({{}}),
  'terms': dyn(t.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])
    .map(e, e.?matchExpressions.orValue([]).filter(n, n.?operator.orValue('') in ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']))),
  'tolerations': dyn(t.spec.?tolerations.orValue([]).filter(o, o.?operator.orValue('') in ['', 'Exists', 'Equal']
    && o.?effect.orValue('') in ['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
  'unknown': dyn(t.spec.?resourceClaims.orValue([]).exists(r, {by_name}
    || {by_source})),
  'devices': dyn(!t.containers.exists(c, size(c.asks) > 0) ? 0 :
    [t.containers.filter(c, c.role != 'init').map(c, {devices}).sum()]
    .map(running, t.containers.exists(c, c.role == 'init' && size(c.asks) > 0) ?
      [t.containers.filter(c, (c.role == 'init' || c.role == 'sidecar') && size(c.asks) > 0).map(c, {{'stays': c.role == 'sidecar' ? 1 : 0, 'own': {devices}}})]
      .map(l, ([running] + l.transformList(i, c, l.transformList(j, d, j < i, d.stays * d.own).sum() + c.own)).max())[0]
      : running)[0])
}})",
        by_name = class_of("r.?name.orValue('')"),
        by_source = class_of("r.?resourceClaimName.orValue(r.?resourceClaimTemplateName.orValue(''))"),
    )
}

/// What a ResourceClaim or its template asks for. v1 has `exactly` and `firstAvailable`, v1beta1 the fields of the request itself.
/// Who only looks (adminAccess) takes nothing.
fn claims() -> String {
    format!(
        "(variables.what == 'resource.k8s.io/ResourceClaim' ? variables.self.?spec.?devices.?requests.orValue([])
  : variables.what == 'resource.k8s.io/ResourceClaimTemplate' ? variables.self.?spec.?spec.?devices.?requests.orValue([]) : [])
.map(r, {{'name': r.?name.orValue(''),
  'takes': dyn((has(r.exactly) ? [r.exactly] : has(r.firstAvailable) ? r.firstAvailable : [r]).filter(a, a.?adminAccess.orValue(false) != true))}})
.map(r, {{'name': r.name, 'wants': dyn(r.takes.exists(a, {wants})),
  'count': dyn(r.takes.exists(a, a.?allocationMode.orValue('') == 'All') ? -1 : ([0] + r.takes.map(a, int(a.?count.orValue(1)))).max())}})",
        wants = is_class("string(a.?deviceClassName.orValue(''))")
    )
}

fn replicas() -> String {
    "variables.kind in ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController', 'Rollout', 'LeaderWorkerSet']
? int(variables.self.?spec.?replicas.orValue(1))
: variables.kind == 'InferenceService' && size(variables.templates) > 0 ? int(variables.templates[0].pods) : -1"
        .to_owned()
}

fn kinds_that_end() -> Vec<String> {
    KINDS.iter().filter(|kind| kind.run.is_some()).flat_map(super::kinds::Kind::names).collect()
}

fn run() -> String {
    let cases = KINDS.iter().filter_map(|kind| Some((any(&kind.names(), "variables.what"), format!("{}.orValue({{}})", kind.run?))));
    first_of(cases, "{}")
}

/// The class, by its label or inferred. As `decide::class`.
fn class() -> String {
    let label = quoted(class::LABEL);
    let image = |words: &str| format!("variables.images.exists(l, l.exists(i, i.matches({})))", quoted(words));
    let name = |words: &str| format!("variables.name.lowerAscii().matches({})", quoted(words));
    let notebooks = class::NOTEBOOKS.join("|");
    let (short, long): (Vec<&str>, Vec<&str>) = class::SERVERS.iter().partition(|word| word.len() <= 4);
    let servers = format!("(^|[^a-z])({})([^a-z]|$)|{}", short.join("|"), long.join("|").replace('.', "\\."));
    let training = name(&class::TRAINING_WORDS.join("|"));
    let probed = "variables.pods.exists(p, p.containers.exists(c, c.role == 'main' && (has(c.is.readinessProbe) || has(c.is.livenessProbe) \
                  || c.is.?ports.orValue([]).exists(o, has(o.containerPort)))))";
    format!(
        "[{label} in variables.labels ? [variables.labels[{label}]] : variables.pods.filter(p, {label} in p.labels).map(p, p.labels[{label}])]
.map(d, size(d) > 0 && d[0] in ['online', 'batch', 'training', 'dev'] ? string(d[0])
  : variables.kind == 'Notebook' || {image_notebook} || {name_notebook} ? 'dev'
  : variables.kind in {training_kinds} ? 'training'
  : variables.kind in {online_kinds} || {image_server} && !variables.ends ? 'online'
  : variables.kind == 'CronJob' ? 'batch'
  : variables.ends ? ({training} ? 'training' : 'batch')
  : variables.kind in ['Deployment', 'StatefulSet', 'ReplicaSet'] ? ({training} && !{probed} ? 'training' : 'online')
  : variables.kind == 'Pod' ? ({probed} ? 'online' : 'dev')
  : 'batch')[0]",
        image_notebook = image(&notebooks),
        name_notebook = name(&notebooks),
        training_kinds = list(&class::TRAINING_KINDS),
        online_kinds = list(&class::ONLINE_KINDS),
        image_server = image(&servers),
    )
}

/// The name of the team, in a list; an empty one: nobody says so. As `guard::case`.
fn owner(scope: &Scope<'_>) -> String {
    let keys = list(&team::LABELS);
    let of_labels = format!(
        "([variables.labels] + variables.pods.map(p, p.labels) + [variables.space_labels])\
         .map(l, {keys}.filter(k, k in l).map(k, string(l[k]))).filter(l, size(l) > 0).map(l, [l[0]])[?0].orValue([])"
    );
    let teams = scope.teams.iter().filter(|team| !team.spec.namespaces.is_empty());
    let cases = teams.map(|team| (any(&team.spec.namespaces, "variables.space"), format!("[{}]", quoted(&team.metadata.name))));
    first_of(cases, &of_labels)
}

/// The names of the pools that it asks for: by a label of its pods, or by all labels of the pool's nodes.
fn pools(scope: &Scope<'_>) -> String {
    let asks = |pool: &plimsoll_api::Pool| {
        let name = quoted(&pool.metadata.name);
        let held = pool.spec.node_labels.iter().map(|(key, value)| held_all(key, value)).collect::<Vec<_>>();
        let asks = any_of(&[format!("p.labels[?'plimsoll.dev/pool'].orValue('') == {name}"), all_of(&held)]);
        format!("(variables.pods.exists(p, {asks}) ? [{name}] : [])")
    };
    all_in(&scope.pools.iter().map(asks).collect::<Vec<_>>())
}

/// Is the pod `p` held by its affinity to values of this node label: does every alternative name it?
fn is_held(label: &str) -> String {
    format!("size(p.terms) > 0 && p.terms.all(e, e.exists(n, n.key == {} && n.operator == 'In'))", quoted(label))
}

/// May the pod `p` go to no other value of this node label?
pub(super) fn held_all(label: &str, value: &str) -> String {
    held_so(label, |of| format!("{of} == {}", quoted(value)))
}

/// Is the pod `p` held to values of this node label of which each passes `test`, and to one at least?
pub(super) fn held_so(label: &str, test: impl Fn(&str) -> String) -> String {
    let key = quoted(label);
    let (by_selector, by_term) = (test(&format!("p.selector[{key}]")), test("v"));
    let needs = format!("n.key == {key} && n.operator == 'In'");
    format!(
        "({key} in p.selector ? {by_selector} : {held} && p.terms.exists(e, e.exists(n, {needs} && size(n.?values.orValue([])) > 0)) \
         && p.terms.all(e, e.all(n, !({needs}) || n.?values.orValue([]).all(v, {by_term}))))",
        held = is_held(label)
    )
}

/// The values of this node label that the pod `p` is held to and that pass `test`, where a selector says so; else words for them.
pub(super) fn held_any(label: &str, test: impl Fn(&str) -> String) -> String {
    let key = quoted(label);
    let by_term = test("v");
    format!(
        "({key} in p.selector ? [string(p.selector[{key}])].filter(v, {by_term}) : {held} ? p.terms.map(e, \
         e.filter(n, n.key == {key} && n.operator == 'In').map(n, n.?values.orValue([]).filter(v, {by_term})).filter(l, size(l) > 0))\
         .filter(l, size(l) > 0).map(l, string(l[0][0])) : [])",
        held = is_held(label)
    )
}

/// Is the pod `p` held to any value at all of this node label?
pub(super) fn held_some(label: &str) -> String {
    let key = quoted(label);
    format!(
        "({key} in p.selector || {} && p.terms.exists(e, e.exists(n, n.key == {key} && n.operator == 'In' && size(n.?values.orValue([])) > 0)))",
        is_held(label)
    )
}

/// Does the pod `p` ask anything of a node label, called `k`, that passes `test`?
pub(super) fn names_label(test: &str) -> String {
    format!("(p.selector.exists(k, {test}) || p.terms.exists(e, e.exists(n, [n.key].exists(k, {test}))))")
}

/// What an annotation or a label of the object or of its pods says, in a list; whichever comes first.
pub(super) fn said(key: &str) -> String {
    let key = quoted(key);
    format!(
        "({key} in variables.annotations && size(variables.annotations[{key}]) <= {ANNOTATION_MAX} ? [string(variables.annotations[{key}])] \
         : {key} in variables.labels ? [string(variables.labels[{key}])] \
         : variables.pods.filter(p, {key} in p.annotations && size(p.annotations[{key}]) <= {ANNOTATION_MAX} || {key} in p.labels)\
         .map(p, string({key} in p.annotations && size(p.annotations[{key}]) <= {ANNOTATION_MAX} ? p.annotations[{key}] : p.labels[{key}])))"
    )
}

/// The containers of the pod `p` that stay and hold the accelerators; all main ones where claims of the pod give them and none says
/// whose.
pub(super) const SERVERS: &str = "[p.containers.filter(c, (c.role == 'main' || c.role == 'sidecar') \
     && (size(c.asks) > 0 || c.is.?resources.?claims.orValue([]).exists(r, has(r.name))))]\
     .map(l, size(l) > 0 ? l : p.containers.filter(c, c.role == 'main'))[0]";

/// A text of time, called `s`, is one: `4h`, `30m`.
pub(super) const IS_TIME: &str = "s.matches('^[0-9]{1,15}(s|m|min|h|d)$')";

/// The seconds of such a text.
pub(super) const SECONDS: &str = "(s.endsWith('min') ? int(s.substring(0, size(s) - 3)) * 60 \
     : int(s.substring(0, size(s) - 1)) * (s.endsWith('s') ? 1 : s.endsWith('m') ? 60 : s.endsWith('h') ? 3600 : 86400))";

/// As `guard::case` has it.
fn not_production() -> String {
    let keys = list(&["environment", "env", "stage", "plimsoll.dev/environment"]);
    let not = list(&["dev", "development", "test", "testing", "staging", "qa", "sandbox"]);
    format!("[variables.labels, variables.space_labels].exists(l, {keys}.exists(k, k in l && string(l[k]).lowerAscii() in {not}))")
}
