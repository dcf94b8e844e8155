//! Which parts of an object somebody looks at: only those need be copied for them.

use std::collections::BTreeMap;

/// Parts of a value. The default is none: of a list or a map only that it is one, of anything else all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    whole: bool,
    keys: BTreeMap<String, Parts>,
    each: Option<Box<Parts>>,
}

/// A step on the way to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The value of a key.
    Key(String),
    /// Each element of a list; of a map each key, and what it stands for.
    Each,
}

static WHOLE: Parts = Parts { whole: true, keys: BTreeMap::new(), each: None };

impl Parts {
    /// All of it.
    #[must_use]
    pub fn whole() -> &'static Self {
        &WHOLE
    }

    /// Is it all of it?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Adds what is at the end of `way`: all of it, or that it is there.
    pub fn add(&mut self, way: &[Part], whole: bool) {
        if self.whole {
            return;
        }
        match way {
            [] if whole => *self = WHOLE.clone(),
            [] => {}
            [Part::Key(key), rest @ ..] => self.keys.entry(key.clone()).or_default().add(rest, whole),
            [Part::Each, rest @ ..] => self.each.get_or_insert_default().add(rest, whole),
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.whole || other.whole {
            *self = WHOLE.clone();
            return;
        }
        for (key, parts) in &other.keys {
            self.keys.entry(key.clone()).or_default().merge(parts);
        }
        if let Some(each) = &other.each {
            self.each.get_or_insert_default().merge(each);
        }
    }

    /// The parts of a map's value; none: it is not looked at, and can be left out.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<&Self> {
        match (self.whole, self.keys.get(key), self.each.as_deref()) {
            (true, ..) | (false, Some(_), Some(_)) => Some(&WHOLE),
            (false, Some(parts), None) | (false, None, Some(parts)) => Some(parts),
            (false, None, None) => None,
        }
    }

    /// The parts of a list's elements; none: they are not looked at, and can be left out.
    #[must_use]
    pub fn of_each(&self) -> Option<&Self> {
        if self.whole { Some(&WHOLE) } else { self.each.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_there_and_nothing_else() {
        let key = |key: &str| Part::Key(key.to_owned());
        let mut parts = Parts::default();
        parts.add(&[key("a"), Part::Each, key("b")], true);
        parts.add(&[key("c")], false);
        let element = parts.of_key("a").and_then(Parts::of_each);
        assert_eq!(element.and_then(|element| element.of_key("b")), Some(Parts::whole()));
        assert_eq!(element.and_then(|element| element.of_key("x")), None);
        assert_eq!(parts.of_key("c"), Some(&Parts::default()));
        assert_eq!(parts.of_key("d"), None);
        // A key of a map whose values are all looked at, too.
        let mut both = parts.clone();
        both.add(&[Part::Each, key("y")], true);
        assert_eq!(both.of_key("c"), Some(Parts::whole()));
        let mut merged = Parts::default();
        merged.merge(&parts);
        merged.merge(&parts);
        assert_eq!(merged, parts);
        merged.add(&[], true);
        assert_eq!(&merged, Parts::whole());
    }
}
