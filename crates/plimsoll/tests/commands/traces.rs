//! Public traces through the command line, against figures that are computed here from the files themselves.

use crate::script::Script;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// The folder of a public trace; none, after saying so, where it is absent.
fn public(name: &str) -> Option<PathBuf> {
    let all = std::env::var_os("PLIMSOLL_TRACES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces")), PathBuf::from);
    let folder = all.join(name);
    if !folder.is_dir() {
        plimsoll_testkit::skip(&format!("the trace {name} is not at {} (PLIMSOLL_TRACES names the folder of traces)", all.display()));
        return None;
    }
    Some(folder)
}

fn audit(folder: &std::path::Path) -> Value {
    let script = Script::new();
    let output = script.command("audit --format json --trace").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Over all of the trace its mean duty is documented as 7.03 %; on the part at hand it is what its lines say.
#[test]
fn genai2026_is_as_busy_as_its_lines_say() {
    let Some(folder) = public("genai2026") else { return };
    let mut duties = BTreeMap::<String, (f64, u32)>::new();
    let text = std::fs::read_to_string(folder.join("pod_gpu_duty_cycle.csv")).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|known| *known == name).unwrap();
    let (value, container) = (column("value"), column("container_ip"));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        if let Ok(duty) = cells[value].parse::<f64>() {
            let sum = duties.entry(cells[container].to_owned()).or_default();
            *sum = (sum.0 + duty / 100.0, sum.1 + 1);
        }
    }
    let audit = audit(&folder);
    let busy: f64 = duties.values().map(|(sum, count)| sum / f64::from(*count)).sum();
    let in_use = audit["funnel"]["in_use"]["gpus"].as_f64().unwrap();
    assert!((in_use - busy).abs() < 0.01 * busy, "{in_use} GPUs in use, {busy} by the lines");
    let all: (f64, u32) = duties.values().fold((0.0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let mean = all.0 / f64::from(all.1);
    assert!((0.05..0.09).contains(&mean), "the part at hand is {mean} busy, all of it 0.0703");
    assert_eq!(audit["money"]["bill_month"], Value::Null, "a trace without prices has no bill");
}

#[test]
fn openb_is_counted_whole() {
    let Some(folder) = public("openb") else { return };
    let audit = audit(&folder);
    assert_eq!((&audit["fleet"]["nodes"], &audit["fleet"]["gpus"]), (&Value::from(1_213), &Value::from(6_212)));
    // Nothing is known of use, and nobody is accused by it.
    assert_eq!(audit["funnel"]["in_use"]["gpus"], Value::Null);
    let by_use = ["idle-gpu", "low-compute", "misleading-utilisation", "memory-full-compute-idle"];
    assert!(audit["signs"].as_array().unwrap().iter().all(|sign| by_use.iter().all(|name| sign["sign"] != *name)));
    assert!(audit["signs"].as_array().unwrap().iter().any(|sign| sign["sign"] == "stranded-gpu"));
}
