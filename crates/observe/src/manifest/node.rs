//! A document with the line of everything in it.

use plimsoll_fleet::{
    Name,
    parts::Parts,
    written::{NEVER_READ, Step},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::value::RawValue;
use serde_saphyr::Spanned;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    marker::PhantomData,
};

/// Skipped unless it is one word: containers have a list of that name with values, and objects a label.
const SKIPPED_LIST: &str = "env";

/// How deep a document may be. A JSONSchema in a custom resource's definition is some 30 deep.
pub(super) const DEPTH_MAX: usize = 100;

/// A value and its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line, from 1: of its key where it has one.
    pub line: u32,
    /// The value.
    pub tree: Tree,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, as JSON writes it.
    Number(serde_json::Number),
    /// Text.
    Text(Name),
    /// A list.
    List(Vec<Node>),
    /// Values by key, in the order written.
    Map(Vec<(Name, Node)>),
}

impl Node {
    /// The value of `key`; none: it is no map, has no such key, or the value is null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| &**name == key).map(|(_, node)| node).filter(|node| node.tree != Tree::Null)
    }

    /// The value at `path`, keys with dots between them.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').filter(|key| !key.is_empty()).try_fold(self, |node, key| node.get(key))
    }

    /// The entries of a map; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Name, Node)] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }

    /// The elements of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        if let Tree::List(items) = &self.tree { items } else { &[] }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> Option<&Name> {
        if let Tree::Text(text) = &self.tree { Some(text) } else { None }
    }

    /// Its text, or its number or truth as text.
    #[must_use]
    pub fn scalar(&self) -> Option<Name> {
        match &self.tree {
            Tree::Text(text) => Some(text.clone()),
            Tree::Number(number) => Some(number.to_string().into()),
            Tree::Bool(truth) => Some(truth.to_string().into()),
            Tree::Null | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// Its number, where that is whole and not below zero.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        if let Tree::Number(number) = &self.tree { number.as_u64() } else { None }
    }

    /// Is it `true`?
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.tree == Tree::Bool(true)
    }

    /// The line at the end of these steps, or where they leave the document.
    #[must_use]
    pub(super) fn line_at(&self, steps: &[Step]) -> u32 {
        let mut node = self;
        for step in steps {
            let next = match step {
                Step::Key(key) => node.get(key),
                Step::Item(index, _) => node.items().get(*index as usize),
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.line
    }

    /// Sets a text at the end of these keys, where there is none; keys that are missing on the way are made.
    pub(crate) fn fill(&mut self, keys: &[&str], text: &str) {
        let line = self.line;
        match keys {
            [] => {
                if self.tree == Tree::Null || self.text().is_some_and(|text| text.is_empty()) {
                    self.tree = Tree::Text(text.into());
                }
            }
            [key, rest @ ..] => {
                if self.tree == Tree::Null {
                    self.tree = Tree::Map(Vec::new());
                }
                let Tree::Map(entries) = &mut self.tree else { return };
                if !entries.iter().any(|(name, _)| &**name == *key) {
                    entries.push(((*key).into(), Node { line, tree: Tree::Null }));
                }
                entries.iter_mut().filter(|(name, _)| &**name == *key).for_each(|(_, node)| node.fill(rest, text));
            }
        }
    }

    /// Takes a key out of a map.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Tree::Map(entries) = &mut self.tree {
            entries.retain(|(name, _)| &**name != key);
        }
    }

    /// As JSON, without lines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        self.json_of(Parts::whole())
    }

    /// These parts of it as JSON, without lines.
    #[must_use]
    pub fn json_of(&self, parts: &Parts) -> serde_json::Value {
        use serde_json::Value;
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(truth) => Value::Bool(*truth),
            Tree::Number(number) => Value::Number(number.clone()),
            Tree::Text(text) => Value::String(text.to_string()),
            Tree::List(items) => {
                Value::Array(parts.of_each().into_iter().flat_map(|parts| items.iter().map(|item| item.json_of(parts))).collect())
            }
            Tree::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (key, node) in entries {
                    if let Some(parts) = parts.of_key(key) {
                        map.insert(key.to_string(), node.json_of(parts));
                    }
                }
                map.into()
            }
        }
    }

    /// Adds `before` to every line: where the text that it is of begins in the file.
    pub(super) fn shift(&mut self, before: u32) {
        self.line = self.line.saturating_add(before);
        match &mut self.tree {
            Tree::List(items) => items.iter_mut().for_each(|node| node.shift(before)),
            Tree::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.shift(before)),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
        }
    }
}

/// Without lines, as [`Node::json`] has it.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.tree {
            Tree::Null => to.serialize_unit(),
            Tree::Bool(truth) => to.serialize_bool(*truth),
            Tree::Number(number) => number.serialize(to),
            Tree::Text(text) => to.serialize_str(text),
            Tree::List(items) => to.collect_seq(items),
            Tree::Map(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    map.serialize_entry(&**key, node)?;
                }
                map.end()
            }
        }
    }
}

/// From YAML, with lines.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(from)?;
        Ok(Self { line: u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX), tree: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Build::<Node>(PhantomData))
    }
}

/// A node of JSON whose lines do not matter: what an API server sends, in one pass. Its lines are all 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain(pub Node);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Node { line: 0, tree: from.deserialize_any(Build::<Self>(PhantomData))? }))
    }
}

impl From<Plain> for Node {
    fn from(plain: Plain) -> Self {
        plain.0
    }
}

/// Builds a tree whose parts are read as `N`.
struct Build<N>(PhantomData<N>);

/// From so many entries on, keys that are there twice are looked for by a set.
const FEW: usize = 16;

impl<'de, N: Deserialize<'de> + Into<Node>> Visitor<'de> for Build<N> {
    type Value = Tree;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Tree::Null, Tree::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.into()))
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        from.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(node) = seq.next_element::<N>()? {
            items.push(node.into());
        }
        Ok(Tree::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries: Vec<(Name, Node)> = Vec::new();
        let mut many: HashSet<Name> = HashSet::new();
        while let Some(key) = map.next_key::<N>()? {
            let key: Node = key.into();
            let line = key.line;
            let key = key.scalar().ok_or_else(|| de::Error::custom("a key is no text"))?;
            if entries.len() == FEW {
                many.extend(entries.iter().map(|(key, _)| key.clone()));
            }
            let is_twice = if entries.len() < FEW { entries.iter().any(|(other, _)| *other == key) } else { !many.insert(key.clone()) };
            if is_twice {
                return Err(de::Error::custom(format!("the key {} is there twice", key.escape_debug())));
            }
            if NEVER_READ.contains(&&*key) {
                map.next_value::<IgnoredAny>()?;
            } else if &*key == SKIPPED_LIST {
                if let OneWord(Some(tree)) = map.next_value()? {
                    entries.push((key, Node { line, tree }));
                }
            } else {
                let node: Node = map.next_value::<N>()?.into();
                entries.push((key, Node { line, ..node }));
            }
        }
        Ok(Tree::Map(entries))
    }
}

/// A text; none: it is something else, and was not decoded.
struct OneWord(Option<Tree>);

impl<'de> Deserialize<'de> for OneWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = OneWord;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("anything")
            }
            fn visit_str<E>(self, value: &str) -> Result<OneWord, E> {
                Ok(OneWord(Some(Tree::Text(value.into()))))
            }
            fn visit_bool<E>(self, _: bool) -> Result<OneWord, E> {
                Ok(OneWord(None))
            }
            fn visit_i64<E>(self, _: i64) -> Result<OneWord, E> {
                Ok(OneWord(None))
            }
            fn visit_u64<E>(self, _: u64) -> Result<OneWord, E> {
                Ok(OneWord(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<OneWord, E> {
                Ok(OneWord(None))
            }
            fn visit_unit<E>(self) -> Result<OneWord, E> {
                Ok(OneWord(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneWord, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(OneWord(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneWord, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(OneWord(None))
            }
        }
        from.deserialize_any(Word)
    }
}

/// From JSON, with lines: each part is parsed from its own text, whose place in the whole is known.
///
/// # Errors
/// No JSON, deeper than [`DEPTH_MAX`], or a key twice.
pub(super) fn from_json(text: &str) -> Result<Node, serde_json::Error> {
    let newlines: Vec<usize> = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let raw: &RawValue = serde_json::from_str(text)?;
    part(
        raw,
        &|part: &str| {
            let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            u32::try_from(newlines.partition_point(|&newline| newline < offset) + 1).unwrap_or(u32::MAX)
        },
        0,
    )
}

fn part(raw: &RawValue, line: &dyn Fn(&str) -> u32, depth: usize) -> Result<Node, serde_json::Error> {
    if depth > DEPTH_MAX {
        return Err(de::Error::custom(format!("it is deeper than {DEPTH_MAX}")));
    }
    let text = raw.get();
    let tree = match text.as_bytes().first() {
        Some(b'{') => {
            let by_key: Entries<'_> = serde_json::from_str(text)?;
            let mut seen = BTreeMap::new();
            let mut entries = Vec::with_capacity(by_key.0.len());
            for (key, raw) in by_key.0 {
                if seen.insert(key.clone(), ()).is_some() {
                    return Err(de::Error::custom(format!("the key {key} is there twice (line {})", line(raw.get()))));
                }
                let is_word = raw.get().starts_with('"');
                if !NEVER_READ.contains(&&*key) && (&*key != SKIPPED_LIST || is_word) {
                    entries.push((key, part(raw, line, depth + 1)?));
                }
            }
            Tree::Map(entries)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Tree::List(items.into_iter().map(|raw| part(raw, line, depth + 1)).collect::<Result<_, _>>()?)
        }
        _ => serde_json::from_str(text)?,
    };
    Ok(Node { line: line(text), tree })
}

/// A JSON object's entries, in their order and none lost.
struct Entries<'a>(Vec<(Name, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<Name, &RawValue>()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(All)
    }
}
