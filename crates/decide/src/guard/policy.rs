//! Guardrails, teams and pools, checked and ready to judge by.

use super::{
    Setting, Subject,
    case::View,
    cel::{Looks, limits::COST_OF_ALL_MAX},
    own::Own,
    parameter::Values,
    rules::{self, Rule},
};
use plimsoll_api::{
    Defaults, Guardrail, Mode, Pool, Resource, Team,
    guardrail::{Exemption, GuardrailSpec},
    pattern,
};
use plimsoll_fleet::{Class, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Why guardrails cannot be judged by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule that there is not.
    #[error("Guardrail {guardrail}: {}", rules::unknown(.rule))]
    Rule {
        /// Where it is named.
        guardrail: String,
        /// The name.
        rule: String,
    },
    /// A parameter that a rule has not, or cannot be that.
    #[error("Guardrail {guardrail}, rule {rule}: {why} (plimsoll explain {rule})")]
    Parameter {
        /// Where it is set.
        guardrail: String,
        /// The rule.
        rule: String,
        /// What is wrong.
        why: String,
    },
    /// A rule of a user's own that cannot be judged by.
    #[error("Guardrail {guardrail}, rule {rule}: {why} (plimsoll explain custom-rules)")]
    Own {
        /// Where it is.
        guardrail: String,
        /// The rule.
        rule: String,
        /// What is wrong, and the remedy.
        why: String,
    },
    /// A name that is there twice.
    #[error("there are two objects {kind} {name}: leave one out")]
    Twice {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

impl PolicyError {
    /// The guardrail that is wrong; none: it is about a team or a pool.
    #[must_use]
    pub fn guardrail(&self) -> Option<&str> {
        match self {
            Self::Rule { guardrail, .. } | Self::Parameter { guardrail, .. } | Self::Own { guardrail, .. } => Some(guardrail),
            Self::Twice { .. } => None,
        }
    }
}

/// What objects are judged by.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) guardrails: Vec<Compiled>,
    /// Names of the rules of a user's own.
    own: BTreeSet<String>,
    /// Those of them of which more is said than by the guardrail that has them.
    contested: BTreeSet<String>,
    /// What they look at.
    pub(super) looks: Looks,
    /// The teams, by name.
    pub teams: Vec<Team>,
    /// The pools, by name.
    pub pools: Vec<Pool>,
}

#[derive(Debug, Clone)]
pub(super) struct Compiled {
    /// None: the defaults, where no guardrail is given.
    pub(super) name: Option<String>,
    pub(super) spec: GuardrailSpec,
    /// By the rules' order.
    pub(super) entries: Vec<Option<(Mode, Values)>>,
    /// Rules of a user's own, by name.
    pub(super) own: Vec<Own>,
    /// Modes of such rules of other guardrails.
    pub(super) of_others: Vec<(String, Mode)>,
}

impl Compiled {
    /// How often it has a rule of a user's own of that name, or sets its mode.
    fn times_said(&self, name: &str) -> usize {
        self.own.iter().filter(|own| *own.name == *name).count() + self.of_others.iter().filter(|(other, _)| other == name).count()
    }
}

impl Default for Policy {
    /// Every rule in its default mode.
    fn default() -> Self {
        let entry = |rule: &&Rule| {
            (rule.mode != Mode::Off).then(|| (rule.mode, Values::new(rule.parameters, &BTreeMap::new()).unwrap_or_default()))
        };
        let entries = rules::ALL.iter().map(entry).collect();
        let compiled = Compiled { name: None, spec: GuardrailSpec::default(), entries, own: Vec::new(), of_others: Vec::new() };
        Self {
            guardrails: vec![compiled],
            own: BTreeSet::new(),
            contested: BTreeSet::new(),
            looks: Looks::default(),
            teams: Vec::new(),
            pools: Vec::new(),
        }
    }
}

impl Policy {
    /// From objects of ours, in any order. Without a guardrail among them every rule has its default mode: what somebody who only
    /// looks wants.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn new(resources: Vec<Resource>) -> Result<Self, PolicyError> {
        let mut policy = Self::only(resources)?;
        if policy.guardrails.is_empty() {
            policy.guardrails = Self::default().guardrails;
        }
        Ok(policy)
    }

    /// From objects of ours, in any order, and nothing else: without a guardrail no rule holds. So it is at a door, where nobody
    /// is to hear of a rule that nobody has asked for.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn only(resources: Vec<Resource>) -> Result<Self, PolicyError> {
        let (mut guardrails, mut teams, mut pools) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        for resource in resources {
            let (kind, name) = match &resource {
                Resource::Guardrail(guardrail) => ("Guardrail", guardrail.metadata.name.clone()),
                Resource::Team(team) => ("Team", team.metadata.name.clone()),
                Resource::Pool(pool) => ("Pool", pool.metadata.name.clone()),
            };
            if !names.insert((kind, name.clone())) {
                return Err(PolicyError::Twice { kind, name });
            }
            match resource {
                Resource::Guardrail(guardrail) => guardrails.push(guardrail),
                Resource::Team(team) => teams.push(team),
                Resource::Pool(pool) => pools.push(pool),
            }
        }
        let own: BTreeSet<String> =
            guardrails.iter().flat_map(|guardrail| &guardrail.spec.custom_rules).map(|rule| rule.name.clone()).collect();
        let mut guardrails = guardrails.into_iter().map(|guardrail| compile(guardrail, &own)).collect::<Result<Vec<_>, _>>()?;
        guardrails.sort_by(|a, b| a.name.cmp(&b.name));
        teams.sort_by(|a: &Team, b| a.metadata.name.cmp(&b.metadata.name));
        pools.sort_by(|a: &Pool, b| a.metadata.name.cmp(&b.metadata.name));
        let mut looks = Looks::default();
        guardrails.iter().flat_map(|guardrail| &guardrail.own).for_each(|own| own.add_looks(&mut looks));
        let said = |name: &str| guardrails.iter().map(|guardrail| guardrail.times_said(name)).sum::<usize>();
        let contested = own.iter().filter(|name| said(name) > 1).cloned().collect();
        Ok(Self { guardrails, own, contested, looks, teams, pools })
    }

    /// Names of the rules of a user's own.
    #[must_use]
    pub fn custom_rules(&self) -> &BTreeSet<String> {
        &self.own
    }

    /// The guardrails that cover an object.
    pub(super) fn covering(&self, view: &View<'_>) -> Vec<&Compiled> {
        self.guardrails.iter().filter(|guardrail| covers(&guardrail.spec, view)).collect()
    }

    /// The rule of that index as it holds for an object: those of the greatest precedence of the guardrails that cover it.
    pub(super) fn settings<'a>(rule: usize, covering: &[&'a Compiled]) -> impl Iterator<Item = Setting<'a>> {
        let named = move |guardrail: &&'a Compiled| guardrail.entries.get(rule).and_then(Option::as_ref).map(|entry| (*guardrail, entry));
        let greatest = covering.iter().filter_map(named).map(|(guardrail, _)| guardrail.spec.precedence).max();
        covering
            .iter()
            .filter_map(named)
            .filter(move |(guardrail, (mode, _))| Some(guardrail.spec.precedence) == greatest && *mode != Mode::Off)
            .map(|(guardrail, (mode, values))| Setting { mode: *mode, values, guardrail: guardrail.name.as_deref() })
    }

    /// The parameters of a rule as it holds for an object: of the first guardrail of those that count, else the rule's own.
    pub(super) fn values(&self, rule: &'static Rule, view: &View<'_>) -> Values {
        let index = rules::ALL.iter().position(|known| known.name == rule.name);
        let held = index.and_then(|index| Self::settings(index, &self.covering(view)).next().map(|setting| setting.values.clone()));
        held.unwrap_or_else(|| Values::new(rule.parameters, &BTreeMap::new()).unwrap_or_default())
    }

    /// Does any guardrail add anything to objects?
    pub(super) fn adds_defaults(&self) -> bool {
        self.guardrails.iter().any(|guardrail| guardrail.spec.defaults != Defaults::default())
    }

    /// The guardrails that cover an object and say something of what is added to it: name, precedence and what they say. In order
    /// of name.
    pub(super) fn defaults<'a>(&'a self, view: &View<'_>) -> Vec<(&'a str, i32, &'a Defaults)> {
        let saying = self.guardrails.iter().filter(|guardrail| guardrail.spec.defaults != Defaults::default());
        let covering = saying.filter(|guardrail| covers(&guardrail.spec, view));
        covering.filter_map(|guardrail| Some((guardrail.name.as_deref()?, guardrail.spec.precedence, &guardrail.spec.defaults))).collect()
    }

    /// The rules of a user's own as they hold for an object, in order of name. A guardrail that only names such a rule sets the mode of
    /// those that have it.
    pub(super) fn own<'a>(&self, view: &View<'_>, covering: &[&'a Compiled]) -> Vec<(&'a Own, Mode, Option<&'a str>)> {
        let mut holding = Vec::new();
        if self.own.is_empty() {
            return holding;
        }
        for guardrail in covering {
            let alone = guardrail.own.iter().filter(|own| !self.contested.contains(&*own.name));
            holding.extend(alone.map(|own| (own, own.mode, guardrail.name.as_deref())));
        }
        for name in &self.contested {
            let of = |guardrail: &&'a Compiled| guardrail.own.iter().find(|own| *own.name == **name);
            let mode_of = |guardrail: &&Compiled| guardrail.of_others.iter().find(|(other, _)| other == name).map(|(_, mode)| *mode);
            let naming = covering.iter().filter(|guardrail| of(guardrail).is_some() || mode_of(guardrail).is_some());
            let Some(greatest) = naming.clone().map(|guardrail| guardrail.spec.precedence).max() else { continue };
            for guardrail in naming.filter(|guardrail| guardrail.spec.precedence == greatest) {
                match (of(guardrail), mode_of(guardrail)) {
                    (Some(own), _) => holding.push((own, own.mode, guardrail.name.as_deref())),
                    (None, Some(mode)) => {
                        let all = covering.iter().filter_map(|other| Some((of(other)?, mode, guardrail.name.as_deref())));
                        holding.extend(all);
                    }
                    (None, None) => {}
                }
            }
        }
        holding.retain(|(own, mode, _)| *mode != Mode::Off && own.is_about(view));
        // Those of one name stay in the order of the guardrails.
        holding.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        holding
    }

    /// Why, and until when, `subject` need not follow the rule; the exemption that lasts longest counts.
    pub(super) fn exemption(&self, rule: &str, subject: &Subject, today: Timestamp) -> Option<(&str, Timestamp)> {
        let all = self.guardrails.iter().flat_map(|guardrail| &guardrail.spec.exemptions);
        let holding =
            all.filter(|exemption| exempts(exemption, rule, subject)).filter_map(|exemption| Some((&*exemption.reason, exemption.end()?)));
        holding.filter(|(_, end)| today < *end).max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0)))
    }
}

/// A guardrail without the others that a cluster may have, as a file has it: the rules that it sets or exempts from, and that neither
/// this program, nor it, nor `known` has. Another guardrail may have them: that they are there is neither known nor wrong.
///
/// # Errors
/// [`PolicyError`]: what is wrong whatever other guardrails there are.
pub fn elsewhere(guardrail: Guardrail, known: &BTreeSet<String>) -> Result<BTreeSet<String>, PolicyError> {
    let spec = &guardrail.spec;
    let mut own: BTreeSet<String> = known.iter().chain(spec.custom_rules.iter().map(|rule| &rule.name)).cloned().collect();
    // Only a rule of this program has parameters.
    let (plain, with_parameters): (Vec<_>, Vec<_>) = spec.rules.iter().partition(|setting| setting.parameters.is_empty());
    let exempt = spec.exemptions.iter().flat_map(|exemption| &exemption.rules).filter(|rule| *rule != "*");
    let named = plain.iter().map(|setting| &setting.name).chain(exempt);
    let elsewhere = named.filter(|name| rules::named(name).is_none() && !own.contains(*name));
    let elsewhere: BTreeSet<String> =
        elsewhere.filter(|name| !with_parameters.iter().any(|setting| setting.name == **name)).cloned().collect();
    own.extend(elsewhere.iter().cloned());
    compile(guardrail, &own)?;
    Ok(elsewhere)
}

fn compile(guardrail: Guardrail, own: &BTreeSet<String>) -> Result<Compiled, PolicyError> {
    let name = guardrail.metadata.name;
    let spec = guardrail.spec;
    let named = |rule: &str| rules::named(rule).ok_or_else(|| PolicyError::Rule { guardrail: name.clone(), rule: rule.to_owned() });
    for rule in spec.exemptions.iter().flat_map(|exemption| &exemption.rules).filter(|rule| *rule != "*" && !own.contains(*rule)) {
        named(rule)?;
    }
    let mut of_others = Vec::new();
    for setting in &spec.rules {
        if !own.contains(&setting.name) {
            named(&setting.name)?;
        } else if setting.parameters.is_empty() {
            of_others.push((setting.name.clone(), spec.mode_of(setting.mode)));
        } else {
            let why = "it is a rule of your own, and those have no parameters".to_owned();
            return Err(PolicyError::Own { guardrail: name, rule: setting.name.clone(), why });
        }
    }
    let wrong = |rule: &str, why: String| PolicyError::Own { guardrail: name.clone(), rule: rule.to_owned(), why };
    let rules_of_own = spec
        .custom_rules
        .iter()
        .map(|rule| Own::new(rule, spec.mode_of(rule.mode)).map_err(|why| wrong(&rule.name, why)))
        .collect::<Result<Vec<_>, _>>()?;
    let cost = rules_of_own.iter().map(Own::cost).fold(0, u64::saturating_add);
    if let (true, Some(dearest)) = (cost > COST_OF_ALL_MAX, rules_of_own.iter().max_by_key(|own| own.cost())) {
        let why = format!(
            "all rules of your own in the guardrail may cost {cost} steps for the largest object, and {COST_OF_ALL_MAX} are allowed; \
             this one is the dearest ({})",
            dearest.cost()
        );
        return Err(wrong(&dearest.name, why));
    }
    let entry = |rule: &&'static Rule| {
        let wrong = |why| PolicyError::Parameter { guardrail: name.clone(), rule: rule.name.to_owned(), why };
        match spec.rules.iter().find(|setting| setting.name == rule.name) {
            Some(setting) => {
                let values = Values::new(rule.parameters, &setting.parameters).map_err(wrong)?;
                if let Some(check) = rule.check {
                    check(&values).map_err(wrong)?;
                }
                Ok(Some((spec.mode_of(setting.mode), values)))
            }
            None if spec.mode == Mode::Off => Ok(None),
            None => Ok(Some((spec.mode, Values::new(rule.parameters, &BTreeMap::new()).map_err(wrong)?))),
        }
    };
    let entries = rules::ALL.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Compiled { name: Some(name), spec, entries, own: rules_of_own, of_others })
}

fn covers(spec: &GuardrailSpec, view: &View<'_>) -> bool {
    let namespace = &*view.object.namespace;
    let labels = view.siblings.labels_of(namespace);
    let has = |key: &String, value: &String| labels.and_then(|labels| labels.get(key.as_str())).is_some_and(|is| **is == **value);
    let one_of = |names: &[String], name: Option<&str>| names.is_empty() || name.is_some_and(|name| pattern::any(names, name));
    (spec.namespaces.names.is_empty() || pattern::any(&spec.namespaces.names, namespace))
        && !pattern::any(&spec.namespaces.except, namespace)
        && spec.namespaces.match_labels.iter().all(|(key, value)| has(key, value))
        && (spec.classes.is_empty() || spec.classes.iter().any(|&class| Class::from(class) == view.class.class))
        && one_of(&spec.teams, view.owner.as_deref())
        && (spec.pools.is_empty() || view.pools.iter().any(|pool| pattern::any(&spec.pools, &pool.metadata.name)))
}

fn exempts(exemption: &Exemption, rule: &str, subject: &Subject) -> bool {
    let is = |pattern: &Option<String>, name: &str| pattern.as_deref().is_none_or(|pattern| pattern::matches(pattern, name));
    exemption.rules.iter().any(|name| name == "*" || name == rule)
        && exemption.kind.as_deref().is_none_or(|kind| kind == &*subject.kind)
        && is(&exemption.namespace, &subject.namespace)
        && is(&exemption.name, &subject.name)
}
