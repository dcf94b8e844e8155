//! Rules of a user's own: an expression that is true of what is fine.

use super::{
    Fix, Found,
    case::View,
    cel::{Expression, Looks, inputs::Lazy},
    mend,
};
use plimsoll_api::{
    Mode,
    guardrail::{CustomRule, FailurePolicy},
};
use plimsoll_fleet::{Name, written::Path};

/// A rule of a user's own, ready to judge by.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) name: Name,
    pub(super) mode: Mode,
    pub(super) why: Name,
    pub(super) kinds: Vec<String>,
    pub(super) gpus: bool,
    pub(super) expression: Expression,
    message: String,
    pub(super) message_expression: Option<Expression>,
    pub(super) fails: bool,
    pub(super) fix: String,
}

/// Why it matters, where its author does not say.
const WHY: &str = "It is a rule of this cluster's own";

/// Longest message that an expression may make, bytes.
pub(super) const MESSAGE_MAX: usize = 1_024;

impl Own {
    /// From what a guardrail says; in this mode.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(super) fn new(rule: &CustomRule, mode: Mode) -> Result<Self, String> {
        if super::rules::named(&rule.name).is_some() {
            return Err("a rule of this program has that name: give it another".to_owned());
        }
        let read = |field: &str, text: &str| Expression::new(text).map_err(|why| format!("{field}: {why}"));
        let sentence = |text: &str| text.trim().trim_end_matches('.').to_owned();
        let why = rule.why.as_deref().map(sentence).filter(|why| !why.is_empty());
        Ok(Self {
            name: rule.name.as_str().into(),
            mode,
            why: why.as_deref().unwrap_or(WHY).into(),
            kinds: rule.matches.kinds.clone(),
            gpus: rule.matches.gpus,
            expression: read("expression", &rule.expression)?,
            message: rule.message.as_deref().map(sentence).unwrap_or_default(),
            message_expression: rule.message_expression.as_deref().map(|text| read("messageExpression", text)).transpose()?,
            fails: rule.failure_policy == FailurePolicy::Fail,
            fix: rule.fix.clone().unwrap_or_else(|| format!("Ask who keeps the rule {} what it wants.", rule.name)),
        })
    }

    /// What it can cost at most, in steps.
    pub(super) fn cost(&self) -> u64 {
        self.message_expression.as_ref().map_or(0, Expression::cost).saturating_add(self.expression.cost())
    }

    /// Adds to `looks` what it looks at.
    pub(super) fn add_looks(&self, looks: &mut Looks) {
        for expression in std::iter::once(&self.expression).chain(&self.message_expression) {
            looks.iter_mut().zip(expression.looks()).for_each(|(all, own)| all.merge(own));
        }
    }

    /// Is it about such an object?
    pub(super) fn is_about(&self, view: &View<'_>) -> bool {
        (!self.gpus || view.wants_gpus()) && (self.kinds.is_empty() || self.kinds.iter().any(|kind| **kind == *view.object.kind))
    }

    /// Judges.
    pub(super) fn judge(&self, inputs: &mut Lazy<'_>, found: &mut Found) {
        let result = inputs.of(self.expression.uses()).and_then(|inputs| self.expression.truth(inputs));
        match result {
            Ok(true) => {}
            Ok(false) => {
                let says = self.says(inputs);
                found.breach(Path::default(), says, self.fix());
            }
            Err(why) if self.fails => {
                found.breach(Path::default(), format!("it cannot be told whether it is as it must be: {why}"), self.fix());
            }
            Err(why) => found.unjudged(Path::default(), why),
        }
    }

    fn fix(&self) -> Fix {
        mend::says(self.fix.clone())
    }

    fn says(&self, inputs: &mut Lazy<'_>) -> String {
        let made = self.message_expression.as_ref().and_then(|expression| {
            let inputs = inputs.of(expression.uses()).ok()?;
            expression.text(inputs).ok()
        });
        let made = made.map(|text| text.trim().trim_end_matches('.').to_owned());
        // An empty message, or one that fills a screen, is none (Kubernetes drops those too).
        made.filter(|text| !text.is_empty() && text.len() <= MESSAGE_MAX && !text.contains('\n')).unwrap_or_else(|| self.message())
    }

    /// What is wrong, where no expression says it.
    pub(super) fn message(&self) -> String {
        if self.message.is_empty() { format!("it is not as {} wants it", self.name) } else { self.message.clone() }
    }
}
