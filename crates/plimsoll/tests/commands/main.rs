//! The command line, as people and scripts meet it: golden scripts of commands and what they answer.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test -p plimsoll --test commands`, then read the difference.
#![allow(clippy::unwrap_used)]

mod check;
mod custom;
mod defaults;
mod documents;
mod export;
mod fix;
mod history;
mod properties;
mod repack;
mod script;
mod simulate;
mod traces;

use script::Script;

#[test]
fn help() {
    let mut script = Script::new();
    for line in
        ["", "--help", "audit --help", "snapshot --help", "repack --help", "check --help", "explain --help", "schema --help", "--version"]
    {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}

#[test]
fn explanations() {
    let mut script = Script::new();
    script.run("explain").run("explain idle-gpu").run("explain idel-gpu").run("explain nonsense");
    insta::assert_snapshot!(script.told());
}

#[test]
fn the_example_in_80_columns() {
    insta::assert_snapshot!(Script::new().columns(80).run("audit --example").told());
}

#[test]
fn the_example_in_120_columns() {
    insta::assert_snapshot!(Script::new().columns(120).run("audit --example").run("audit --example --by team").told());
}

#[test]
fn nothing_is_wider_than_asked() {
    for (columns, line) in
        [(80, "audit --example --all --show-evidence"), (100, "audit --example --all"), (80, "audit --example --by workload")]
    {
        let told = Script::new().columns(columns).run(line).told();
        // Commands and queries are not cut: people paste them.
        let is_text = |line: &&str| !line.contains("kubectl") && !line.contains("DCGM") && !line.starts_with('$');
        let wide: Vec<&str> = told.lines().filter(is_text).filter(|line| line.chars().count() > columns).collect();
        assert_eq!(wide, Vec::<&str>::new(), "{line} in {columns} columns");
        assert!(!told.contains('\u{1b}'), "no colours where nobody sees them");
    }
}

#[test]
fn wrong_arguments() {
    let mut script = Script::new();
    for line in [
        "nonsense",
        "audit --exmaple",
        "audit --example --snapshot fleet.tar.zst",
        "audit --example --without idle-gpus",
        "audit --example --threshold idle-gpu=x",
        "audit --example --threshold idle-gpu",
        "audit --example --threshold no-owner=1",
        "audit --example --fail-on idle-gpuu",
        "audit --example --fail-on new",
        "audit --example --fail-on cost=much",
        "audit --example --headroom inference=some",
        "audit --example --by teams",
        "audit --example --format xml",
        "audit --window 7",
        "audit --window 99999999999999999999d",
        "audit --prometheus ::",
        "audit --prometheus http://localhost --scrape 10m",
        "audit --prometheus-user me --prometheus http://localhost",
        "snapshot --salt secret",
        "schema",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}

#[test]
fn no_cluster() {
    let mut script = Script::new();
    script.file("broken.yaml", "{").file("empty.yaml", "apiVersion: v1\nkind: Config\n");
    for line in [
        "audit",
        "audit --context prod",
        "audit --kubeconfig missing.yaml",
        "audit --kubeconfig broken.yaml",
        "audit --kubeconfig empty.yaml",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}

#[test]
fn files_that_are_missing_or_wrong() {
    let mut script = Script::new();
    script.run("snapshot --example -q -o whole.tar.zst");
    let whole = script.read("whole.tar.zst");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    // So much that a block's beginning is in it: there the decompressor itself sees the damage.
    flipped[middle..].iter_mut().take(64 << 10).for_each(|byte| *byte ^= 0x55);
    script.file("half.tar.zst", &whole[..whole.len() / 2]).file("flipped.tar.zst", flipped).file("text.tar.zst", "no archive");
    script
        .file("half.json", "{\"schema_version\": \"1\", ")
        .file("other.json", "{\"a\": 1}")
        .file("newer.json", "{\"schema_version\": \"99\"}");
    script.file("column.csv", "instance_type,price\np5.48xlarge,10\n").file("number.csv", "instance_type,usd_per_hour\np5.48xlarge,ten\n");
    script.file("negative.csv", "instance_type,usd_per_hour\np5.48xlarge,-1\n").file("nothing.csv", "");
    script.file("sign.yaml", "- {sign: idle-gp, reason: known, expires: 2027-01-01}\n");
    script.file("expiry.yaml", "- {sign: idle-gpu, reason: known, expires: soon}\n");
    script.file("reason.yaml", "- {sign: idle-gpu, reason: '', expires: 2027-01-01}\n").file("shape.yaml", "idle-gpu: known\n");
    std::fs::create_dir(script.path("empty")).unwrap();
    std::fs::create_dir(script.path("trace")).unwrap();
    script.file("trace/pod_gpu_duty_cycle.csv", "value,timestamp_anon,container_ip\n50.0,soon,a\n");
    for line in [
        "audit --snapshot missing.tar.zst",
        "audit --snapshot empty",
        "audit --snapshot half.tar.zst",
        "audit --snapshot flipped.tar.zst",
        "audit --snapshot text.tar.zst",
        "audit --trace missing",
        "audit --trace empty",
        "audit --trace trace",
        "audit --example --prices missing.csv",
        "audit --example --prices column.csv",
        "audit --example --prices number.csv",
        "audit --example --prices negative.csv",
        "audit --example --prices nothing.csv",
        "audit --example --baseline missing.json",
        "audit --example --baseline half.json",
        "audit --example --baseline other.json",
        "audit --example --baseline newer.json",
        "audit --example --accepted missing.yaml",
        "audit --example --accepted sign.yaml",
        "audit --example --accepted expiry.yaml",
        "audit --example --accepted reason.yaml",
        "audit --example --accepted shape.yaml",
        "audit --example -o missing/report.html",
    ] {
        script.run(line);
    }
    let told = script.told();
    assert!(!told.contains("panicked"), "{told}");
    insta::assert_snapshot!(told);
}

/// Exit codes are a promise: 0 done, 1 found, 2 failed.
#[test]
fn gates() {
    let mut script = Script::new();
    let code = |script: &Script, line: &str| script.output(line).status.code().unwrap();
    assert_eq!(code(&script, "audit --example"), 0);
    assert_eq!(code(&script, "audit --example --fail-on any"), 1);
    assert_eq!(code(&script, "audit --example --fail-on idle-gpu"), 1);
    assert_eq!(code(&script, "audit --example --fail-on idle-gpu --without idle-gpu"), 0);
    assert_eq!(code(&script, "audit --example --fail-on cost=1"), 1);
    assert_eq!(code(&script, "audit --example --fail-on cost=999999999"), 0);
    assert_eq!(code(&script, "audit --example --format json -q -o last.json"), 0);
    assert_eq!(code(&script, "audit --example --baseline last.json --fail-on new"), 0);
    assert_eq!(code(&script, "audit --example --without idle-gpu --format json -q -o before.json"), 0);
    assert_eq!(code(&script, "audit --example --baseline before.json --fail-on new"), 1, "idle-gpu is new since");
    script.file("accepted.yaml", "- {sign: idle-gpu, reason: known, expires: 2030-01-01}\n");
    assert_eq!(code(&script, "audit --example --accepted accepted.yaml --fail-on idle-gpu"), 0);
    script.file("expired.yaml", "- {sign: idle-gpu, reason: known, expires: 2020-01-01}\n");
    assert_eq!(code(&script, "audit --example --accepted expired.yaml --fail-on idle-gpu"), 1);
    assert_eq!(code(&script, "audit --snapshot missing"), 2);
}

/// A Prometheus in the environment is for clusters; it must not keep anybody from looking at a file.
#[test]
fn the_environment_stands_in_nobodys_way() {
    let script = Script::new();
    let status = |line: &str| script.command(line).env("PROMETHEUS_URL", "http://127.0.0.1:9").output().unwrap().status.code();
    assert_eq!(status("audit --example"), Some(0));
    script.output("snapshot --example -o fleet.tar.zst");
    assert_eq!(status("audit --snapshot fleet.tar.zst"), Some(0));
}
