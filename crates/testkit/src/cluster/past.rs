//! Making objects older than they are.
//!
//! The API server sets creationTimestamp itself. So that a pod of two weeks can stand beside two weeks of metrics, its times
//! are moved back in etcd, through etcd's JSON gateway, with a compare-and-swap; every watch sees the change.

use super::Cluster;
use anyhow::{Context as _, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

impl Cluster {
    /// Makes the objects whose key in etcd begins with `prefix` (`/registry/pods/ml/`, `/registry/minions/`) `days` older:
    /// creationTimestamp and every time in the status move back alike, so that the stretches between them stay.
    /// Gives how many objects it moved.
    ///
    /// # Errors
    /// etcd does not answer, or an object there is not JSON.
    pub async fn age(&self, prefix: &str, days: f64) -> anyhow::Result<usize> {
        ensure!(!prefix.is_empty() && prefix.is_ascii(), "an etcd prefix is ASCII and not empty: {prefix:?}");
        let back = SignedDuration::from_secs((days * 86_400.0).round() as i64);
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let range = json!({"key": BASE64_STANDARD.encode(prefix), "range_end": BASE64_STANDARD.encode(end), "keys_only": true});
        let keys = self.etcd("range", &range).await?;
        let mut moved = 0;
        for key in keys["kvs"].as_array().into_iter().flatten() {
            moved += usize::from(self.age_one(&key["key"], back).await?);
        }
        Ok(moved)
    }

    /// Moves one object; again where somebody else wrote it meanwhile. False: it is gone.
    async fn age_one(&self, key: &Value, back: SignedDuration) -> anyhow::Result<bool> {
        loop {
            let found = self.etcd("range", &json!({ "key": key })).await?;
            let Some(entry) = found["kvs"].get(0) else { return Ok(false) };
            let stored = BASE64_STANDARD.decode(entry["value"].as_str().unwrap_or_default()).context("etcd's answer is not base64")?;
            let mut object: Value = serde_json::from_slice(&stored).context("the object is not stored as JSON")?;
            move_back(&mut object["metadata"]["creationTimestamp"], back);
            if let Some(status) = object.get_mut("status") {
                move_back(status, back);
            }
            let swap = json!({
                "compare": [{"key": key, "target": "MOD", "modRevision": entry["mod_revision"]}],
                "success": [{"requestPut": {"key": key, "value": BASE64_STANDARD.encode(object.to_string())}}],
            });
            if self.etcd("txn", &swap).await?["succeeded"] == true {
                return Ok(true);
            }
        }
    }

    async fn etcd(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/v3/kv/{what}", self.etcd);
        let request = self.http.post(&url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).context("etcd does not answer")?;
        answer.json().await.context("etcd's answer is not JSON")
    }
}

/// Moves every time in `value` back, but the heartbeats: a node would look silent.
fn move_back(value: &mut Value, back: SignedDuration) {
    match value {
        Value::String(text) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = (time - back).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_back(item, back)),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "lastHeartbeatTime").for_each(|(_, field)| move_back(field, back));
        }
        _ => {}
    }
}
