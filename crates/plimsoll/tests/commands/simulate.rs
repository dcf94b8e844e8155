//! `plimsoll simulate`: rehearsals as people and programs read them.

use crate::script::Script;
use serde_json::Value;

/// Two racks, an autoscaled pool, a node that leaves, made-up jobs, and jobs one by one.
const FILE: &str = "\
name: two racks
fleet:
  nodes:
  - {count: 4, gpus: 8, cpu: 96, memory-gib: 768, model: H100, labels: {rack: r1}}
  - {count: 4, gpus: 8, cpu: 96, memory-gib: 768, model: H100, labels: {rack: r2}}
autoscale:
- {nodes: 2xp5.48xlarge, delay: 4m, idle: 10m}
changes:
- {at: 6h, leave: node-0-0}
work:
  synthetic:
  - {name: train, every: 2h, lasts: 6h, pods: [{count: 2, gpus: 8, cpu: 64}], within: rack, checkpoint: 30m, starting: 3m}
  - {name: notebook, every: 20m, lasts: 3h, daily: true, pods: [{gpu-milli: 250, cpu: 4}]}
  jobs:
  - {name: prepare, at: 1h, lasts: 1h, pods: [{gpus: 4}]}
  - {name: learn, lasts: 10m, pods: [{gpus: 1}], after: [prepare]}
policies: [least-allocated, fgd, plimsoll]
horizon: 2d
";

#[test]
fn the_example_in_80_and_120_columns() {
    let mut script = Script::new();
    script.columns(80).run("simulate --example");
    script.columns(120).run("simulate --example --policy best-fit,plimsoll --order fifo,backfill --horizon 3d");
    insta::assert_snapshot!(script.told());
}

#[test]
fn what_if() {
    let mut script = Script::new();
    script.run("snapshot --example -o fleet.tar.zst");
    script.run("simulate --fleet fleet.tar.zst --policy plimsoll --add-nodes 4xp5.48xlarge --mig all-balanced");
    script.run("simulate --example --remove-pool a100 --policy plimsoll --format csv");
    insta::assert_snapshot!(script.told());
}

#[test]
fn a_file_describes_it_all() {
    let mut script = Script::new();
    script.file("rehearsal.yaml", FILE);
    script.run("simulate --run rehearsal.yaml");
    script.run("simulate --run rehearsal.yaml --policy fgd --seed 2 --horizon 1d --format csv");
    insta::assert_snapshot!(script.told());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut script = Script::new();
    script.file("rehearsal.yaml", FILE);
    let bytes = |format: &str| script.output(&format!("simulate --run rehearsal.yaml --policy random,plimsoll --format {format}")).stdout;
    for format in ["json", "course-csv", "html"] {
        let one = bytes(format);
        assert!(one.len() > 1_000 && one == bytes(format), "{format}");
    }
    let document: Value = serde_json::from_slice(&bytes("json")).unwrap();
    let schema: Value = serde_json::from_slice(&script.output("schema rehearsal").stdout).unwrap();
    assert!(jsonschema::is_valid(&schema, &document));
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let figure = |name: &str| run["figures"][name].as_u64().unwrap();
        assert_eq!(figure("jobs"), figure("ended") + figure("running") + figure("waiting") + figure("refused"));
    }
}

#[test]
fn pictures_are_files_of_a_folder() {
    let mut script = Script::new();
    script.run("simulate --example --quiet --format svg -o pictures");
    assert!(script.told().ends_with("[0]\n\n"), "{}", script.told());
    for name in ["filling", "fragmentation", "timeline", "grid"] {
        let picture = String::from_utf8(script.read(&format!("pictures/{name}.svg"))).unwrap();
        assert!(picture.starts_with("<svg") || picture.starts_with("<?xml"), "{name}");
    }
}

#[test]
fn wrong_arguments_and_files() {
    let mut script = Script::new();
    script.file("bad.yaml", FILE.replace("horizon: 2d", "horizon: soon"));
    script.file("typo.yaml", FILE.replace("autoscale", "autoscaling"));
    script.file("large.yaml", FILE.replace("gpus: 4}", "gpus: 40}"));
    script.file("both.yaml", FILE.replace("work:\n", "work:\n  history: true\n"));
    for line in [
        "simulate",
        "simulate --exmaple",
        "simulate --example --run bad.yaml",
        "simulate --example --policy best",
        "simulate --example --order lifo",
        "simulate --example --add-nodes p5.48xlarge",
        "simulate --example --add-nodes 4xp5.47xlarge",
        "simulate --example --mig all-9g.90gb --add-nodes 1xp5.48xlarge",
        "simulate --example --remove-pool nobody",
        "simulate --example --horizon soon",
        "simulate --example --format svg",
        "simulate --fleet missing.tar.zst",
        "simulate --run missing.yaml",
        "simulate --run bad.yaml",
        "simulate --run typo.yaml",
        "simulate --run large.yaml",
        "simulate --run both.yaml",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}
