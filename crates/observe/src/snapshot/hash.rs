//! A fleet without its names.
//!
//! Names of nodes, pods, namespaces, workloads, containers, images, pools, models, clusters, and the values of labels, become
//! `node-3f2a…`: the first half of a SHA-256 over salt and name. One name has one hash wherever it stands, so selectors
//! still select, affinities still hold, and an audit finds the same things under other names.
//!
//! What stays readable, because decisions read it and it names nobody: keys (of labels, annotations, taints), kinds, resources,
//! GPU models and MIG profiles, instance types, zones and regions, the values of labels that clouds, NVIDIA and
//! Kubernetes define, booleans, the namespaces that every cluster has, and of the names of images and workloads the words that
//! tell what they are (`vllm`, `notebook`, …) and the tag `latest`.

use super::{
    hex,
    names::{self, Kind},
};
use plimsoll_fleet::{Fleet, Name, UnseenKind, selector::Operator};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

/// Bytes of the hash that are kept: among a million names, one chance in 10 million that two become one.
const KEPT: usize = 8;

/// Label domains whose values are defined by Kubernetes, a cloud or a vendor.
const DEFINED_DOMAINS: [&str; 8] = [
    "nvidia.com",
    "feature.node.kubernetes.io",
    "topology.kubernetes.io",
    "failure-domain.beta.kubernetes.io",
    "node-role.kubernetes.io",
    "amd.com",
    "gpu.intel.com",
    "habana.ai",
];

/// Labels of other domains whose values are defined.
const DEFINED_LABELS: [&str; 22] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-accelerator-count",
    "cloud.google.com/gke-gpu-driver-version",
    "cloud.google.com/gke-gpu-sharing-strategy",
    "cloud.google.com/gke-max-shared-clients-per-gpu",
    "cloud.google.com/gke-provisioning",
    "cloud.google.com/gke-spot",
    "eks.amazonaws.com/capacityType",
    "karpenter.k8s.aws/instance-family",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.sh/capacity-type",
    "kubernetes.azure.com/accelerator",
    "kubernetes.azure.com/scalesetpriority",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "pod-security.kubernetes.io/enforce",
    "plimsoll.dev/class",
    "plimsoll.dev/sharing",
];

/// Annotations whose values steer a decision; what names an owner in them is hashed all the same.
const STEERING_DOMAINS: [&str; 3] = ["plimsoll.dev", "karpenter.sh", "cluster-autoscaler.kubernetes.io"];

/// The last part of keys that name people.
const OWNER_KEYS: [&str; 6] = ["team", "owner", "contact", "email", "cost-center", "costcenter"];

/// Namespaces that every cluster has, or that a vendor's chart makes.
const COMMON_NAMESPACES: [&str; 8] = [
    "default",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "gpu-operator",
    "nvidia-gpu-operator",
    "nvidia-device-plugin",
    "monitoring",
];

/// Words in the name of an image or a workload by which its class is inferred (`plimsoll-decide`, `class`). They are kept behind the hash.
const TELLING: [&str; 22] = [
    "vllm",
    "sglang",
    "tritonserver",
    "text-generation-inference",
    "text-embeddings-inference",
    "tei",
    "ollama",
    "llama.cpp",
    "jupyter",
    "notebook",
    "code-server",
    "rstudio",
    "vscode",
    "train",
    "finetune",
    "fine-tune",
    "pretrain",
    "sft",
    "tensorrt",
    "deepspeed",
    "megatron",
    "pytorch",
];

/// Words of the kube-scheduler (its plugins' reasons, v1.37), lower case. Anything else in its message may be a name.
const SCHEDULER_WORDS: [&str; 74] = [
    "a",
    "affinity",
    "allocatable",
    "allocate",
    "already",
    "and",
    "anti",
    "any",
    "are",
    "as",
    "available",
    "be",
    "because",
    "bound",
    "by",
    "can",
    "cannot",
    "claim",
    "claims",
    "class",
    "conflict",
    "constraints",
    "could",
    "count",
    "cpu",
    "deleted",
    "device",
    "didn't",
    "ephemeral-storage",
    "exceed",
    "exist",
    "existing",
    "find",
    "for",
    "found",
    "free",
    "had",
    "have",
    "helpful",
    "immediate",
    "incoming",
    "in",
    "insufficient",
    "is",
    "label",
    "limit",
    "match",
    "max",
    "memory",
    "missing",
    "no",
    "node",
    "nodes",
    "not",
    "of",
    "on",
    "persistentvolumeclaim",
    "persistentvolumeclaims",
    "pod",
    "pods",
    "ports",
    "preemption",
    "requested",
    "resourceclaim",
    "rules",
    "satisfy",
    "selector",
    "spread",
    "taint",
    "that",
    "the",
    "topology",
    "too",
    "volume",
];

/// More of them, with the words that only some releases use.
const MORE_SCHEDULER_WORDS: [&str; 22] = [
    "many",
    "s",
    "to",
    "tolerate",
    "unbound",
    "unresolvable",
    "unschedulable",
    "untolerated",
    "victims",
    "were",
    "with",
    "pod's",
    "node's",
    "didn",
    "t",
    "anti-affinity",
    "scheduling",
    "gated",
    "waiting",
    "quota",
    "exceeded",
    "default-scheduler",
];

/// `fleet` with its names hashed, salted with `salt`.
#[must_use]
pub fn hash_names(fleet: &Fleet, salt: &str) -> Fleet {
    let mut fleet = fleet.clone();
    let mut hasher = Hasher { salt, compared: compared_keys(&fleet), known: HashMap::new() };
    names::fleet(&mut fleet, &mut |kind, name| hasher.replace(kind, name));
    // Texts come last: by now every name that may stand in them is known.
    names::fleet(&mut fleet, &mut |kind, name| hasher.scrub(kind, name));
    fleet
}

/// The label keys that some affinity compares as numbers.
fn compared_keys(fleet: &Fleet) -> BTreeSet<Name> {
    let terms = fleet.shapes.iter().flat_map(|shape| &shape.node_terms).flat_map(|term| &term.labels);
    terms.filter(|term| matches!(term.operator, Operator::Gt | Operator::Lt)).map(|term| term.key.clone()).collect()
}

fn in_domain(key: &str, domain: &str) -> bool {
    key.split_once('/').is_some_and(|(have, _)| have == domain || have.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

fn names_an_owner(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|last| OWNER_KEYS.contains(&last))
}

fn is_switch(value: &str) -> bool {
    matches!(value, "" | "true" | "false" | "True" | "False")
}

struct Hasher<'s> {
    salt: &'s str,
    compared: BTreeSet<Name>,
    /// Every name hashed so far.
    known: HashMap<Name, Name>,
}

impl Hasher<'_> {
    fn digest(&self, name: &str) -> String {
        let mut sha256 = Sha256::new();
        sha256.update((self.salt.len() as u64).to_le_bytes());
        sha256.update(self.salt);
        sha256.update(name);
        hex(&sha256.finalize()[..KEPT])
    }

    fn hash(&mut self, prefix: &str, name: &mut Name) {
        if name.is_empty() {
            return;
        }
        let hashed: Name = format!("{prefix}-{}", self.digest(name)).into();
        self.known.entry(name.clone()).or_insert_with(|| hashed.clone());
        *name = hashed;
    }

    fn replace(&mut self, kind: Kind<'_>, name: &mut Name) {
        match kind {
            // In texts: see `scrub`.
            Kind::Word | Kind::Message | Kind::Prose | Kind::Subject(_) | Kind::Query => {}
            Kind::Node => self.hash("node", name),
            Kind::Pod => self.hash("pod", name),
            Kind::Namespace if COMMON_NAMESPACES.contains(&&**name) => {}
            Kind::Namespace => self.hash("namespace", name),
            Kind::Workload => self.telling("workload", name, ""),
            Kind::Container => self.hash("container", name),
            Kind::Image => self.image(name),
            Kind::Pool => self.hash("pool", name),
            Kind::Priority if name.starts_with("system-") => {}
            Kind::Priority => self.hash("priority", name),
            Kind::Scheduler if &**name == "default-scheduler" => {}
            Kind::Scheduler => self.hash("scheduler", name),
            Kind::Autoscaler => self.hash("autoscaler", name),
            Kind::Budget => self.hash("budget", name),
            Kind::Metric if is_common_metric(name) => {}
            Kind::Metric => self.hash("metric", name),
            Kind::Model => self.hash("model", name),
            Kind::Place => self.hash("place", name),
            Kind::Device => self.hash("GPU", name),
            Kind::DeviceClass if name.contains(".nvidia.com") || name.contains(".amd.com") || name.contains(".intel.com") => {}
            Kind::DeviceClass => {
                if plimsoll_fleet::resource::unit(name).is_none() {
                    self.hash("class", name);
                }
            }
            Kind::Label(key) => {
                if !self.stays(key, name) {
                    self.hash("value", name);
                }
            }
            Kind::Annotation(key) => {
                let steers = STEERING_DOMAINS.iter().any(|domain| in_domain(key, domain)) && !names_an_owner(key);
                if !steers && !is_switch(name) {
                    self.hash("value", name);
                }
            }
            Kind::Pair => self.pair(name),
            Kind::Reason if name.chars().all(|letter| letter.is_ascii_alphabetic()) => {}
            Kind::Reason => self.hash("reason", name),
            Kind::Quantity if name.chars().all(|sign| sign.is_ascii_digit() || ".+-eEmkKMGTPinu".contains(sign)) => {}
            Kind::Quantity => self.hash("quantity", name),
        }
    }

    /// May the value of a label with this key be read by all?
    fn stays(&self, key: &str, value: &str) -> bool {
        if names_an_owner(key) {
            return is_switch(value);
        }
        is_switch(value)
            || DEFINED_LABELS.contains(&key)
            || DEFINED_DOMAINS.iter().any(|domain| in_domain(key, domain))
            || (self.compared.contains(key) && value.parse::<i64>().is_ok())
    }

    fn image(&mut self, name: &mut Name) {
        // An image without tag or digest means `latest` too, and stays so.
        let last = name.rsplit('/').next().unwrap_or_default();
        let tag = match last.split_once([':', '@']) {
            None => "",
            Some((_, "latest")) => ":latest",
            Some(_) => ":hashed",
        };
        self.telling("image", name, tag);
    }

    /// Hashes `name`, and keeps behind the hash which words were in it.
    fn telling(&mut self, prefix: &str, name: &mut Name, tag: &str) {
        if name.is_empty() {
            return;
        }
        let words: String = TELLING.iter().filter(|word| has_word(name, word)).map(|word| format!("-{word}")).collect();
        let hashed: Name = format!("{prefix}-{}{words}{tag}", self.digest(name)).into();
        self.known.entry(name.clone()).or_insert_with(|| hashed.clone());
        *name = hashed;
    }

    /// `key=value` of an annotation; without a `=` it is words of our own, see `scrub`.
    fn pair(&mut self, name: &mut Name) {
        if let Some((key, value)) = name.split_once('=') {
            let mut value: Name = value.into();
            self.replace(Kind::Annotation(key), &mut value);
            *name = format!("{key}={value}").into();
        }
    }

    fn scrub(&mut self, kind: Kind<'_>, name: &mut Name) {
        let scrubbed = match kind {
            Kind::Message => self.text(name, is_scheduler_word),
            Kind::Prose => self.prose(name),
            Kind::Pair if !name.contains('=') => self.prose(name),
            Kind::Query => self.query(name),
            // The object was left out, so its name is nowhere else.
            Kind::Subject(UnseenKind::Malformed | UnseenKind::NoMetrics | UnseenKind::Partial) => {
                self.hash("subject", name);
                return;
            }
            Kind::Subject(_) => self.prose(name),
            _ => return,
        };
        *name = scrubbed.into();
    }

    /// Words of our own: what is known as a name, stands in quotes or looks like an address goes.
    fn prose(&self, text: &str) -> String {
        let mut quoted = false;
        let mut out = String::new();
        for (place, piece) in text.split(['"', '`']).enumerate() {
            if place > 0 {
                out.push('"');
                quoted = !quoted;
            }
            out.push_str(&self.text(piece, |word| {
                if quoted {
                    return is_scheduler_word(word);
                }
                let dotted = word.split('.').filter(|part| !part.is_empty()).count() > 1
                    && word.contains(|letter: char| letter.is_ascii_alphabetic());
                !(dotted || word.contains(['@', ':']) || word.len() > 32)
            }));
        }
        out
    }

    /// A query: whatever stands in quotes may name a cluster or a namespace.
    fn query(&self, text: &str) -> String {
        let pieces = text.split('"').enumerate();
        pieces
            .map(
                |(place, piece)| {
                    if place % 2 == 1 && !piece.is_empty() { format!("value-{}", self.digest(piece)) } else { piece.to_owned() }
                },
            )
            .collect::<Vec<_>>()
            .join("\"")
    }

    /// `text` with every word hashed that is known as a name, or that is neither a number nor a defined key nor passed by `may_stay`.
    fn text(&self, text: &str, may_stay: impl Fn(&str) -> bool) -> String {
        let in_word = |letter: char| letter.is_alphanumeric() || "-_./@:'".contains(letter);
        let mut out = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find(in_word) {
            out.push_str(&rest[..begin]);
            rest = &rest[begin..];
            let end = rest.find(|letter| !in_word(letter)).unwrap_or(rest.len());
            let run = &rest[..end];
            let word = run.trim_end_matches(['.', ':', '\'', '-']);
            out.push_str(&self.word(word, &may_stay));
            out.push_str(&run[word.len()..]);
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    fn word(&self, word: &str, may_stay: &impl Fn(&str) -> bool) -> String {
        if let Some(hashed) = self.known.get(word) {
            return hashed.to_string();
        }
        if let Some((namespace, name)) = word.split_once('/')
            && let Some(namespace) = self.known.get(namespace)
        {
            return format!("{namespace}/{}", self.word(name, may_stay));
        }
        let number = word.chars().all(|letter| letter.is_ascii_digit() || "./%".contains(letter));
        let defined = plimsoll_fleet::resource::unit(word).is_some()
            || DEFINED_LABELS.contains(&word)
            || DEFINED_DOMAINS
                .iter()
                .chain(&STEERING_DOMAINS)
                .chain(&["node.kubernetes.io", "node.cloudprovider.kubernetes.io"])
                .any(|domain| in_domain(word, domain));
        if word.is_empty() || number || defined || is_switch(word) || may_stay(word) {
            word.to_owned()
        } else {
            format!("text-{}", self.digest(word))
        }
    }
}

fn is_scheduler_word(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    SCHEDULER_WORDS.contains(&&*word) || MORE_SCHEDULER_WORDS.contains(&&*word)
}

/// Short words must stand alone: `tei` is not in `protein`.
fn has_word(name: &str, word: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.match_indices(word).any(|(at, _)| {
        let letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphabetic());
        word.len() > 4 || !letter(name[..at].chars().next_back()) && !letter(name[at + word.len()..].chars().next())
    })
}

/// Metric names that engines, exporters and Kubernetes define.
fn is_common_metric(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
        || ["vllm:", "sglang:", "tgi_", "nv_", "DCGM_", "nvidia.com/"].iter().any(|prefix| name.starts_with(prefix))
}
