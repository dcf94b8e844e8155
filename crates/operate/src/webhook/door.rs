//! Reviews: from a request to an answer, by what the [`World`] knows.

use super::{
    kinds::Watched,
    ledger::{BOOKED_S, Key, until},
    now,
    review::{Answer, Operation, Request},
    seen::Seen,
    siblings::with_missing,
    words,
    world::{World, has_ended},
};
use jiff::tz::TimeZone;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use plimsoll_api::{Mode, team::Booking};
use plimsoll_decide::guard::{self, Breach, Judgement, Policy, Siblings, State, Submitted, defaults};
use plimsoll_fleet::{Name, Timestamp, parts::Parts, selector::Labels, written::Written};
use plimsoll_observe::manifest::{self, Node};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often a booking is tried while other replicas are faster.
const TRIES_MAX: u64 = 20;

/// How long the API server may take for one read or write of a review.
const CALL_MAX: Duration = Duration::from_secs(2);

/// Most teams whose bookings are waited for at once; the map is emptied beyond.
const TEAMS_MAX: usize = 10_000;

/// Why a review has no answer. The API server then does what the failure policy says, which is the user's.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The API server did not let GPUs be booked.
    #[error("GPUs of the team {team} could not be booked: {why}")]
    Booking {
        /// The team.
        team: String,
        /// What went wrong.
        why: String,
    },
}

/// What a review has come to.
#[derive(Debug, Default)]
pub struct Decided {
    /// What the API server is answered.
    pub answer: Answer,
    /// What the rules said; none: they were not asked.
    pub judgement: Option<Judgement>,
    /// The object's controller asked.
    pub by_controller: bool,
    /// The object that was judged.
    pub object: Option<Node>,
    /// The labels of its namespace, where they are known.
    pub namespace_labels: Option<Labels>,
    /// GPUs that were booked, and tries that another replica was faster with.
    pub booked: (u64, u64),
}

/// The door.
pub struct Door {
    world: Arc<World>,
    /// None: there is no cluster to ask, as in a benchmark.
    client: Option<Client>,
    /// One booking of a team at a time in this replica; others are told apart by the version of the Team.
    booking: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
    /// Namespaces that it is never asked about.
    except: BTreeSet<Name>,
}

impl Door {
    /// On what `world` knows.
    #[must_use]
    pub fn new(world: Arc<World>, client: Option<Client>) -> Self {
        Self { world, client, booking: Mutex::default(), except: BTreeSet::new() }
    }

    /// That is not asked about these namespaces.
    #[must_use]
    pub fn except<'a>(self, namespaces: impl Iterator<Item = &'a str>) -> Self {
        Self { except: namespaces.map(Name::from).collect(), ..self }
    }

    /// Does it break rules?
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn validate(&self, request: Request) -> Result<Decided, DoorError> {
        let Some(asked) = self.asked(request) else { return Ok(Decided::default()) };
        let policy = self.world.policy();
        let by_controller = guard::is_by_controller(&asked.new.written, &asked.user);
        if by_controller {
            return Ok(Decided { by_controller, object: Some(asked.new.node), ..Decided::default() });
        }
        let siblings = with_missing(self.world.siblings(), self.client.as_ref(), &asked.new.written).await;
        let now = now();
        let demand = guard::demand(&policy, &asked.new.written, &siblings);
        let (key, team) = (Key::of(&asked.new.written), demand.team.clone().unwrap_or_default());
        let own = self.world.ledger().held(&team, &[], &key, now).own;
        let books = demand.limit.is_some()
            && demand.mode == Mode::Enforce
            && !asked.dry_run
            && !asked.new.written.owned
            && demand.devices.is_some_and(|devices| devices > own);
        let (world, comes) = (&*self.world, Comes::Now);
        let review = Review { world, policy: &policy, siblings: &siblings, asked: &asked, team: &team, key: &key, now, comes };
        let (judgement, booked) = match (&self.client, demand.devices) {
            (Some(client), Some(devices)) if books => {
                let turn = self.turn(&team);
                let _turn = turn.lock().await;
                let (judgement, conflicts) = review.book(client, devices).await?;
                let gpus = if is_refused(&judgement) { 0 } else { devices };
                (judgement, (gpus, conflicts))
            }
            _ => (review.judged_as_seen(), (0, 0)),
        };
        Ok(Decided {
            answer: words::answer(&judgement),
            judgement: Some(judgement),
            by_controller: false,
            namespace_labels: siblings.labels_of(&asked.new.written.namespace).cloned(),
            object: Some(asked.new.node),
            booked,
        })
    }

    /// What the rules say of an object that the cluster holds; none: it is not judged by itself, since another object controls it, it has
    /// ended or goes, or its namespace is left out.
    pub fn judge_held(&self, watched: &Watched, seen: Seen) -> Option<Judgement> {
        let node = seen.node;
        let written = manifest::written(&watched.api().api_version, watched.kind, &node);
        let goes = node.at("metadata.deletionTimestamp").is_some();
        if written.owned || goes || has_ended(&node) || self.except.contains(&written.namespace) {
            return None;
        }
        let (policy, siblings, now) = (self.world.policy(), self.world.siblings(), now());
        let key = Key::of(&written);
        let team = guard::demand(&policy, &written, &siblings).team.unwrap_or_default();
        let comes = Comes::Came(manifest::made(&node));
        let asked = Asked { new: Object { written, node }, old: None, user: String::new(), dry_run: true };
        let review = Review { world: &self.world, policy: &policy, siblings: &siblings, asked: &asked, team: &team, key: &key, now, comes };
        Some(review.judged_as_seen())
    }

    /// What is to be added to it, where a guardrail asks for defaults.
    pub async fn mutate(&self, request: Request) -> Decided {
        let is_scale = request.sub_resource.is_some();
        let Some(asked) = self.asked(request).filter(|_| !is_scale) else { return Decided::default() };
        let policy = self.world.policy();
        let Object { written, node } = &asked.new;
        let siblings = with_missing(self.world.siblings(), self.client.as_ref(), written).await;
        let json = |parts: &Parts| node.json_of(parts);
        let old = asked.old.as_ref().map(|old| || old.node.json());
        let defaulted = defaults::patch(
            &policy,
            &defaults::Asked {
                submitted: Submitted { written, json: &json },
                old: old.as_ref().map(|old| old as &dyn Fn() -> Value),
                siblings: &siblings,
                user: &asked.user,
            },
        );
        let added = defaulted.added.iter().map(|added| added.at.as_str()).collect::<Vec<_>>().join(", ");
        let audit = if added.is_empty() { Vec::new() } else { vec![("defaulted", words::cut(added, 1_000))] };
        let warnings = defaulted.warnings();
        Decided { answer: Answer { warnings, patch: defaulted.patch, audit, ..Answer::default() }, ..Decided::default() }
    }

    /// What there is to judge; none: nothing that a rule could look at has changed.
    fn asked(&self, request: Request) -> Option<Asked> {
        let dry_run = request.dry_run.unwrap_or(false);
        if request.sub_resource.as_deref() == Some("scale") {
            return self.scaled(&request, dry_run);
        }
        let node = request.object?.0;
        if node.at("metadata.deletionTimestamp").is_some() {
            return None;
        }
        let old = request.old_object.filter(|_| request.operation == Operation::Update).map(|old| old.0);
        if old.as_ref().is_some_and(|old| !differs(old, &node)) {
            return None;
        }
        let api_version = request.kind.api_version();
        let object = |node: Node| {
            let mut written = manifest::written(&api_version, &request.kind.kind, &node);
            if written.namespace.is_empty() {
                written.namespace = request.namespace.as_str().into();
            }
            if written.name.is_empty() {
                written.name = request.name.as_str().into();
            }
            Object { written, node }
        };
        Some(Asked { new: object(node), old: old.map(object), user: request.user_info.username, dry_run })
    }

    /// A change of `scale` is one of the object's replicas.
    fn scaled(&self, request: &Request, dry_run: bool) -> Option<Asked> {
        let node = request.object.clone()?.0;
        let replicas = node.at("spec.replicas").and_then(Node::count).unwrap_or(0);
        let kind = match &*request.resource.resource {
            "deployments" => "Deployment",
            "statefulsets" => "StatefulSet",
            "replicasets" => "ReplicaSet",
            "replicationcontrollers" => "ReplicationController",
            _ => return None,
        };
        let key = Key { kind: kind.into(), namespace: request.namespace.as_str().into(), name: request.name.as_str().into() };
        let old = Written::clone(self.world.ledger().holder(&key)?);
        let mut new = old.clone();
        new.replicas = Some(u32::try_from(replicas).unwrap_or(u32::MAX));
        for template in &mut new.templates {
            template.pods = Some(replicas);
        }
        let (new, old) = (Object { written: new, node: node.clone() }, Object { written: old, node });
        Some(Asked { new, old: Some(old), user: request.user_info.username.clone(), dry_run })
    }

    fn turn(&self, team: &Name) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.booking.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > TEAMS_MAX {
            turns.clear();
        }
        turns.entry(team.clone()).or_default().clone()
    }
}

/// What a request asks to let in.
struct Asked {
    new: Object,
    old: Option<Object>,
    user: String,
    dry_run: bool,
}

/// An object, as sent and as rules see it.
struct Object {
    written: Written,
    node: Node,
}

/// Has anything changed that a rule looks at?
fn differs(old: &Node, new: &Node) -> bool {
    let part = |path: &str| old.at(path).map(|node| &node.tree) != new.at(path).map(|node| &node.tree);
    part("spec") || part("template") || part("metadata.labels") || part("metadata.annotations") || part("metadata.ownerReferences")
}

/// One review, with all that it is judged by.
struct Review<'a> {
    world: &'a World,
    policy: &'a Policy,
    siblings: &'a Siblings,
    asked: &'a Asked,
    team: &'a Name,
    key: &'a Key,
    now: Timestamp,
    comes: Comes,
}

/// When an object comes in.
#[derive(Debug, Clone, Copy)]
enum Comes {
    /// It asks to be let in.
    Now,
    /// It came then; none: not known.
    Came(Option<Timestamp>),
}

impl Review<'_> {
    /// What the rules say, where the bookings count that the watches have seen.
    fn judged_as_seen(&self) -> Judgement {
        let bookings = self.world.ledger().bookings(self.team).to_vec();
        self.judged(&bookings)
    }

    /// What the rules say, where these bookings count.
    fn judged(&self, bookings: &[Booking]) -> Judgement {
        let held = self.world.ledger().held(self.team, bookings, self.key, self.now);
        let (at, spent_month) = match self.comes {
            Comes::Now => (Some(self.now), self.world.spent(self.team, &month(self.now))),
            // What had been spent by then is not known.
            Comes::Came(at) => (at, None),
        };
        let used = guard::Used { gpus: held.devices, spent_month };
        let state = State {
            at,
            used: BTreeMap::from([(self.team.clone(), used)]),
            own_gpus: held.own,
            admitted: true,
            images: self.world.images(),
        };
        let judge = |object: &Object| {
            let json = |parts: &Parts| object.node.json_of(parts);
            let submitted = Submitted { written: &object.written, json: &json };
            guard::judge(self.policy, &submitted, self.siblings, &state, self.now)
        };
        let mut judgement = judge(&self.asked.new);
        if let (true, Some(old)) = (is_refused(&judgement), &self.asked.old) {
            ease(&mut judgement, &judge(old));
        }
        judgement
    }

    /// Judges with what the Team says this moment, and books there what is let in. Of two replicas that do so at once the version
    /// of the Team lets one through, and the other looks again.
    async fn book(&self, client: &Client, devices: u64) -> Result<(Judgement, u64), DoorError> {
        let teams: Api<DynamicObject> = Api::all_with(client.clone(), &team_api());
        let wrong = |why: String| DoorError::Booking { team: self.team.to_string(), why };
        let mut last = String::new();
        for conflicts in 0..TRIES_MAX {
            let read = tokio::time::timeout(CALL_MAX, teams.get(self.team)).await;
            let team = read.map_err(|_| wrong("the API server does not answer".to_owned()))?.map_err(|error| wrong(error.to_string()))?;
            let status: plimsoll_api::team::TeamStatus = serde_json::from_value(team.data["status"].clone()).unwrap_or_default();
            let judgement = self.judged(&status.bookings);
            if is_refused(&judgement) {
                return Ok((judgement, conflicts));
            }
            let bookings = self.with_own(status.bookings, devices);
            let patch = json!({ "metadata": { "resourceVersion": team.metadata.resource_version }, "status": { "bookings": bookings } });
            let patch = Patch::Merge(patch);
            let written = tokio::time::timeout(CALL_MAX, teams.patch_status(self.team, &PatchParams::default(), &patch)).await;
            match written.map_err(|_| wrong("the API server does not answer".to_owned()))? {
                Ok(_) => {
                    self.world.ledger().set_bookings(self.team.clone(), bookings);
                    return Ok((judgement, conflicts));
                }
                Err(kube::Error::Api(status)) if status.code == 409 => last = status.message.clone(),
                Err(error) => return Err(wrong(error.to_string())),
            }
        }
        Err(wrong(format!("others were faster {TRIES_MAX} times: {last}")))
    }

    /// The bookings that still count, and our own.
    fn with_own(&self, mut bookings: Vec<Booking>, devices: u64) -> Vec<Booking> {
        let own = |booking: &Booking| {
            *booking.kind == *self.key.kind && *booking.namespace == *self.key.namespace && *booking.name == *self.key.name
        };
        // Those of other replicas are kept until their time is over: what this one has seen others may not have.
        bookings.retain(|booking| !own(booking) && until(booking, self.now).is_some());
        let end = jiff::Timestamp::from_second(self.now.0.saturating_add(BOOKED_S)).unwrap_or(jiff::Timestamp::MAX).to_string();
        bookings.push(Booking {
            kind: self.key.kind.to_string(),
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            gpus: devices,
            until: end,
        });
        bookings
    }
}

fn is_refused(judgement: &Judgement) -> bool {
    judgement.breaches.iter().any(|breach| breach.mode == Mode::Enforce)
}

/// What was let in before a rule was turned on can still be changed: what the object broke in the same words already only warns. What
/// has a name is the same wherever it stands in its list.
fn ease(judgement: &mut Judgement, before: &Judgement) {
    let key = |breach: &Breach| (breach.rule.clone(), breach.path.to_string(), breach.says.clone());
    let known: BTreeSet<_> = before.breaches.iter().map(key).collect();
    for breach in &mut judgement.breaches {
        if breach.mode == Mode::Enforce && known.contains(&key(breach)) {
            breach.mode = Mode::Warn;
        }
    }
}

fn month(now: Timestamp) -> String {
    let moment = jiff::Timestamp::from_second(now.0).unwrap_or_default().to_zoned(TimeZone::UTC);
    moment.strftime("%Y-%m").to_string()
}

fn team_api() -> ApiResource {
    ApiResource {
        group: plimsoll_api::GROUP.to_owned(),
        version: plimsoll_api::VERSION.to_owned(),
        api_version: format!("{}/{}", plimsoll_api::GROUP, plimsoll_api::VERSION),
        kind: "Team".to_owned(),
        plural: "teams".to_owned(),
    }
}
