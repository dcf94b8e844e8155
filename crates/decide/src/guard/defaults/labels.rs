//! The label with the class of work.

use super::{
    Proposal, Settings, What, Work,
    change::{Change, Edit},
};
use crate::{class, guard::case::View};
use plimsoll_fleet::{Class, Name};

/// The class as it is declared anywhere in the object, else as it is inferred. A label that is no class is its author's to mend.
pub(super) fn propose(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let Some(guardrail) = settings.class_label else { return };
    let object = view.object;
    let said = std::iter::once(&object.labels).chain(view.asking().map(|(template, _)| &template.labels));
    if !view.wants_gpus() || said.filter_map(|labels| labels.get(class::LABEL)).any(|label| Class::parse(label).is_none()) {
        return;
    }
    let name = Name::from(view.class.class.name());
    let why = if view.class.inferred {
        format!("inferred from kind, image and name of this {}", object.kind)
    } else {
        "declared in this object".to_owned()
    };
    let mut add = |change| proposal.edits.push(Edit::new(What::ClassLabel, guardrail, change, why.clone()));
    if work.may_change_object() && !object.labels.contains_key(class::LABEL) {
        add(Change::ObjectLabel(class::LABEL, name.clone()));
    }
    let asking: Vec<_> = view.asking().map(|(template, _)| template).collect();
    for (at, template) in object.templates.iter().enumerate() {
        let is_own = !template.path.0.is_empty() && !template.bare && asking.iter().any(|asking| std::ptr::eq(*asking, template));
        if is_own && work.may_change(template) && !template.labels.contains_key(class::LABEL) {
            add(Change::PodLabel(at, class::LABEL, name.clone()));
        }
    }
}
