//! What kind of work a workload is: by its label, else inferred, and then said to be inferred.

use plimsoll_fleet::{Class, Fleet, Shape, Workload};

/// The label that declares a class.
pub const LABEL: &str = "plimsoll.dev/class";

/// A class and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The class.
    pub class: Class,
    /// It was inferred, not declared.
    pub inferred: bool,
}

/// Kinds that are training by their nature (Kubeflow Training Operator and Trainer, Ray jobs, gangs of jobs).
pub(crate) const TRAINING_KINDS: [&str; 10] =
    ["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob", "TrainJob", "JobSet", "RayJob", "RayCluster"];
/// Kinds that serve.
pub(crate) const ONLINE_KINDS: [&str; 6] = ["InferenceService", "LeaderWorkerSet", "RayService", "Service", "Rollout", "SeldonDeployment"];
/// Images of inference servers.
pub(crate) const SERVERS: [&str; 8] =
    ["vllm", "sglang", "tritonserver", "text-generation-inference", "text-embeddings-inference", "tei", "ollama", "llama.cpp"];
/// Words that mark a notebook by its image or name.
pub(crate) const NOTEBOOKS: [&str; 5] = ["jupyter", "notebook", "code-server", "rstudio", "vscode"];
/// Words that mark training by name, where the kind does not tell.
pub(crate) const TRAINING_WORDS: [&str; 5] = ["train", "finetune", "fine-tune", "pretrain", "sft"];

/// What tells a class.
#[derive(Debug, Clone, Default)]
pub struct Signs<'a> {
    /// `Deployment`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What the label [`LABEL`] says, of the workload before that of its pods; none: there is none.
    pub declared: Option<&'a str>,
    /// It ends by itself.
    pub ends: bool,
    /// A Service selects its pods.
    pub exposed: bool,
    /// A container of it serves a port, or is asked by a readiness or liveness probe.
    pub serves: bool,
    /// The images of its containers.
    pub images: Vec<&'a str>,
}

/// The class of a workload, with the shape that its pods have (its template, or that of any of its pods).
#[must_use]
pub fn of(workload: &Workload, shape: Option<&Shape>) -> Known {
    let declared = workload.labels.get(LABEL).or_else(|| shape.and_then(|shape| shape.labels.get(LABEL)));
    let containers = shape.map(|shape| shape.containers.as_slice()).unwrap_or_default();
    Signs {
        kind: &workload.kind,
        name: &workload.name,
        declared: declared.map(|label| &**label),
        ends: workload.run.is_some(),
        exposed: workload.exposed,
        serves: containers.iter().any(|container| container.serves || container.probes.readiness || container.probes.liveness),
        images: containers.iter().map(|container| &*container.image).collect(),
    }
    .class()
}

impl Signs<'_> {
    /// The class that they tell.
    #[must_use]
    pub fn class(&self) -> Known {
        match self.declared.and_then(Class::parse) {
            Some(class) => Known { class, inferred: false },
            None => Known { class: self.infer(), inferred: true },
        }
    }

    fn infer(&self) -> Class {
        let images: Vec<String> = self.images.iter().map(|image| image.to_ascii_lowercase()).collect();
        let image_has = |words: &[&str]| images.iter().any(|image| words.iter().any(|word| has_word(image, word)));
        let name = self.name.to_ascii_lowercase();
        let name_has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let is_asked = self.exposed || self.serves;
        if self.kind == "Notebook" || image_has(&NOTEBOOKS) || name_has(&NOTEBOOKS) {
            Class::Dev
        } else if TRAINING_KINDS.contains(&self.kind) {
            Class::Training
        } else if ONLINE_KINDS.contains(&self.kind) || image_has(&SERVERS) && !self.ends {
            Class::Online
        } else if self.kind == "CronJob" {
            Class::Batch
        } else if self.ends {
            if name_has(&TRAINING_WORDS) { Class::Training } else { Class::Batch }
        } else if matches!(self.kind, "Deployment" | "StatefulSet" | "ReplicaSet") {
            if name_has(&TRAINING_WORDS) && !is_asked { Class::Training } else { Class::Online }
        } else if self.kind == "Pod" {
            if is_asked { Class::Online } else { Class::Dev }
        } else {
            Class::Batch
        }
    }
}

/// Is `word` in the image reference (in lower case), not as a part of a longer word (`tei` is not in `protein`)?
fn has_word(image: &str, word: &str) -> bool {
    image.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
        word.len() > 4 || !letter(image[..at].chars().next_back()) && !letter(image[at + word.len()..].chars().next())
    })
}

/// The shape to judge a workload by: its template's, else that of one of its pods.
#[must_use]
pub fn shape_of<'a>(fleet: &'a Fleet, workload: &Workload, any_pod: Option<plimsoll_fleet::PodId>) -> Option<&'a Shape> {
    workload.template.map(|shape| &fleet.shapes[shape.index()]).or_else(|| any_pod.map(|pod| fleet.shape(&fleet.pods[pod.index()])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_fleet::pod::Container;
    use plimsoll_fleet::workload::Run;

    fn workload(kind: &str, name: &str) -> Workload {
        Workload { kind: kind.into(), name: name.into(), ..Workload::default() }
    }

    fn image(image: &str) -> Shape {
        Shape { containers: vec![Container { image: image.into(), ..Container::default() }], ..Shape::default() }
    }

    #[test]
    fn a_label_wins_and_is_not_called_inferred() {
        let mut declared = workload("Notebook", "lab");
        declared.labels.insert(LABEL.into(), "training".into());
        assert_eq!(of(&declared, None), Known { class: Class::Training, inferred: false });
        declared.labels.insert(LABEL.into(), "nonsense".into());
        assert_eq!(of(&declared, None), Known { class: Class::Dev, inferred: true });
    }

    #[test]
    fn what_the_kind_does_not_tell_the_image_does() {
        assert_eq!(of(&workload("StatefulSet", "lab"), Some(&image("quay.io/jupyter/pytorch-notebook:2026"))).class, Class::Dev);
        assert_eq!(of(&workload("Pod", "x"), Some(&image("vllm/vllm-openai:v0.19"))).class, Class::Online);
        let job = Workload { run: Some(Run::default()), ..workload("Job", "protein-scores") };
        assert_eq!(of(&job, Some(&image("registry/protein:1"))).class, Class::Batch);
        assert_eq!(of(&Workload { run: Some(Run::default()), ..workload("Job", "llama-finetune-7") }, None).class, Class::Training);
    }
}
