//! Prometheus' JSON answers, read without building a tree: each series goes to whoever wants it, and is let go.

use super::error::QueryError;
use crate::dcgm::accumulate::Point;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// More warnings are not kept.
const WARNINGS_MAX: usize = 10;

/// A series' labels.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Who takes the series of an answer: the metric's name (empty where the query made it), the labels, the samples.
pub type Each<'e> = &'e mut dyn FnMut(&str, &Labels<'_>, &[Point]);

/// Reads the answer to a query, of a range or of a moment, and hands each series to `each`. Gives the warnings.
///
/// # Errors
/// It is no answer of Prometheus, or one that refuses. What came before the fault has been handed out.
pub fn series(body: &[u8], each: Each<'_>) -> Result<Vec<String>, QueryError> {
    envelope(body, Some(each)).map(|envelope| envelope.warnings)
}

/// Reads the answer to a question for names.
pub(super) fn names(body: &[u8]) -> Result<Vec<String>, QueryError> {
    refuse_pages(body)?;
    #[derive(Deserialize)]
    struct Names {
        #[serde(default)]
        status: String,
        #[serde(default)]
        data: Vec<String>,
    }
    match serde_json::from_slice::<Names>(body) {
        Ok(Names { status, data }) if status == "success" => Ok(data),
        // An error has no list of names; read it for its message.
        _ => Err(envelope(body, None).err().unwrap_or_else(|| QueryError::NotPrometheus(serde_json::Error::custom("no list of names")))),
    }
}

/// Reads the descriptions of one metric.
pub(super) fn helps(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Help {
        #[serde(default)]
        help: String,
    }
    #[derive(Deserialize)]
    struct Metadata {
        data: std::collections::BTreeMap<String, Vec<Help>>,
    }
    let read = serde_json::from_slice::<Metadata>(body).map(|metadata| metadata.data).unwrap_or_default();
    read.into_values().flatten().map(|help| help.help).collect()
}

/// The message of an error body, if it is one of Prometheus; else its beginning.
pub(super) fn error_text(body: &[u8]) -> String {
    match envelope(body, None) {
        Err(QueryError::Refused { message, .. }) => message,
        _ => String::from_utf8_lossy(&body[..body.len().min(200)]).split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn refuse_pages(body: &[u8]) -> Result<(), QueryError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'<') { Err(QueryError::WebPage) } else { Ok(()) }
}

/// What surrounds the data.
#[derive(Default)]
struct Envelope {
    status: String,
    kind: String,
    error: String,
    has_data: bool,
    warnings: Vec<String>,
}

fn envelope(body: &[u8], each: Option<Each<'_>>) -> Result<Envelope, QueryError> {
    refuse_pages(body)?;
    let wants_data = each.is_some();
    let mut json = serde_json::Deserializer::from_slice(body);
    let envelope = json.deserialize_map(EnvelopeVisitor { each }).and_then(|envelope| json.end().map(|()| envelope));
    let envelope = envelope.map_err(QueryError::NotPrometheus)?;
    match envelope.status.as_str() {
        "success" if envelope.has_data || !wants_data => Ok(envelope),
        "error" => Err(QueryError::Refused { kind: envelope.kind, message: envelope.error.chars().take(300).collect() }),
        _ => Err(QueryError::NotPrometheus(serde_json::Error::custom("neither a success with data nor an error"))),
    }
}

struct EnvelopeVisitor<'e> {
    each: Option<Each<'e>>,
}

impl<'de> Visitor<'de> for EnvelopeVisitor<'_> {
    type Value = Envelope;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an answer of Prometheus")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match (key.as_ref(), &mut self.each) {
                ("status", _) => envelope.status = map.next_value()?,
                ("errorType", _) => envelope.kind = map.next_value()?,
                ("error", _) => envelope.error = map.next_value()?,
                ("warnings", _) => {
                    envelope.warnings = map.next_value::<Option<Vec<String>>>()?.unwrap_or_default();
                    envelope.warnings.truncate(WARNINGS_MAX);
                }
                ("data", Some(each)) => {
                    map.next_value_seed(Data { each: &mut **each })?;
                    envelope.has_data = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(envelope)
    }
}

/// `{"resultType": …, "result": […]}`.
struct Data<'e> {
    each: Each<'e>,
}

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the data of an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "result" {
                map.next_value_seed(Result_ { each: &mut *self.each })?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("result")) }
    }
}

/// The list of series.
struct Result_<'e> {
    each: Each<'e>,
}

impl<'de> DeserializeSeed<'de> for Result_<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Result_<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut points = Vec::new();
        while let Some((name, labels)) = list.next_element_seed(Series { points: &mut points })? {
            (self.each)(&name, &labels, &points);
            points.clear();
        }
        Ok(())
    }
}

/// `{"metric": {…}, "values": [[t, "v"], …]}`, or `value` with one pair.
struct Series<'p> {
    points: &'p mut Vec<Point>,
}

impl<'de> DeserializeSeed<'de> for Series<'_> {
    type Value = (Cow<'de, str>, Labels<'de>);
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Series<'_> {
    type Value = (Cow<'de, str>, Labels<'de>);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut labels) = (Cow::Borrowed(""), Labels::new());
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "metric" => {
                    labels = map.next_value::<LabelList<'_>>()?.0;
                    if let Some(at) = labels.iter().position(|(label, _)| label == "__name__") {
                        name = labels.swap_remove(at).1;
                    }
                }
                "value" => self.points.push(map.next_value::<Sample>()?.0),
                "values" => map.next_value_seed(Samples { points: self.points })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((name, labels))
    }
}

struct LabelList<'a>(Labels<'a>);

impl<'de> Deserialize<'de> for LabelList<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = LabelList<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = Labels::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    labels.push((name, value));
                }
                Ok(LabelList(labels))
            }
        }
        deserializer.deserialize_map(List)
    }
}

/// A string that is borrowed from the body where it has no escapes (serde's own `Cow` always copies).
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

struct Samples<'p> {
    points: &'p mut Vec<Point>,
}

impl<'de> DeserializeSeed<'de> for Samples<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(Sample(point)) = list.next_element()? {
            self.points.push(point);
        }
        Ok(())
    }
}

/// `[t, "v"]`. A value that is no number's text is one that is not a number.
struct Sample(Point);

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (at, Text(value)) = <(f64, Text<'_>)>::deserialize(deserializer)?;
        let at = at.floor();
        // Far beyond any window, and still safe to subtract from.
        let at = if at.abs() < 1e15 { at as i64 } else { i64::MAX / 2 };
        Ok(Self(Point { at, value: crate::dcgm::exposition::number(&value).unwrap_or(f64::NAN) }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    type Read = Vec<(String, Vec<(String, String)>, Vec<(i64, f64)>)>;

    fn all(body: &str) -> Result<(Read, Vec<String>), QueryError> {
        let mut read = Read::new();
        let warnings = series(body.as_bytes(), &mut |name, labels, points| {
            let labels = labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            read.push((name.to_owned(), labels, points.iter().map(|point| (point.at, point.value)).collect()));
        })?;
        Ok((read, warnings))
    }

    #[test]
    fn ranges_and_moments_are_read() {
        let (read, warnings) = all(r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","a":"b\"c"},"values":[[60,"1"],[120.781,"0.5"]],"histograms":[]},
            {"values":[],"metric":{}}]},"warnings":["partial response"]}"#)
        .unwrap();
        assert_eq!(read[0], ("up".into(), vec![("a".into(), "b\"c".into())], vec![(60, 1.0), (120, 0.5)]));
        assert_eq!((read.len(), warnings), (2, vec!["partial response".to_owned()]));
        let (read, _) = all(r#"{"data":{"result":[{"metric":{},"value":[1,"+Inf"]}],"resultType":"vector"},"status":"success"}"#).unwrap();
        assert_eq!(read[0].2, [(1, f64::INFINITY)]);
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        assert!(matches!(all("\n <!DOCTYPE html><html>"), Err(QueryError::WebPage)));
        assert!(matches!(all(r#"{"status":"success"}"#), Err(QueryError::NotPrometheus(_))));
        assert!(matches!(all(r#"{"status":"success","data":{"result":{}}}"#), Err(QueryError::NotPrometheus(_))));
        assert!(matches!(all(r#"{"status":"success","data":{"result":[]}} rest"#), Err(QueryError::NotPrometheus(_))));
        let refused = all(r#"{"status":"error","errorType":"execution","error":"too many samples"}"#);
        assert!(matches!(refused, Err(QueryError::Refused { kind, .. }) if kind == "execution"));
        assert_eq!(names(br#"{"status":"success","data":["a","b"]}"#).unwrap(), ["a", "b"]);
        assert!(matches!(names(br#"{"status":"error","errorType":"bad_data","error":"no"}"#), Err(QueryError::Refused { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = series(&body, &mut |_, _, _| {});
            let _ = names(&body);
            let _ = helps(&body);
            let _ = error_text(&body);
        }

        #[test]
        fn no_cut_breaks_it(cut in 0_usize..120) {
            let body = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1e300,"x"],[-1,"2"]]}]}}"#;
            prop_assert_eq!(series(&body.as_bytes()[..cut.min(body.len())], &mut |_, _, _| {}).is_ok(), cut >= body.len());
        }
    }
}
