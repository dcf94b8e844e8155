//! Files of rehearsals: what is wrong is refused with its line, what is right runs, and nothing panics.

#![allow(clippy::unwrap_used)]

use plimsoll_fleet::price::PriceBook;
use plimsoll_simulate::rehearsal::{
    Rehearsal, Ways,
    file::{File, Place},
    rehearse_all,
    stage::{Inputs, stage},
    work::philly,
};
use proptest::prelude::*;

fn run(text: &str) -> Result<Rehearsal, String> {
    let file = File::parse(text, "r.yaml").map_err(|why| why.to_string())?;
    let place = Place("r.yaml");
    let set = stage(&file, place, &Inputs::default(), &PriceBook::list()).map_err(|why| why.to_string())?;
    let ways = Ways {
        policies: place.named(&file.policies).map_err(|why| why.to_string())?,
        orders: place.named(&file.orders).map_err(|why| why.to_string())?,
        seeds: vec![1],
    };
    rehearse_all("r", set.ground, set.work, &ways, &|_, _| {}).map_err(|why| why.to_string())
}

const FLEET: &str = "\
fleet:
  nodes:
  - {count: 2, gpus: 8, cpu: 96, memory-gib: 512, labels: {rack: r1}}
  - {count: 2, gpus: 8, cpu: 96, memory-gib: 512, labels: {rack: r2}}
policies: [plimsoll]
orders: [fifo]
";

#[test]
fn gangs_inside_gangs_come_together_and_followers_after() {
    let work = "\
work:
  jobs:
  - {name: left, lasts: 1h, pods: [{count: 2, gpus: 8}], gang: l}
  - {name: right, at: 10m, lasts: 2h, pods: [{gpus: 8}], gang: r}
  - {name: more, at: 10m, lasts: 2h, pods: [{gpus: 8}], gang: r}
  - {name: next, lasts: 5m, pods: [{gpu-milli: 500}], after: [left]}
  gangs:
  - {name: both}
  - {name: l, part-of: both, within: rack}
  - {name: r, part-of: both, within: rack}
";
    let result = run(&format!("{FLEET}{work}")).unwrap();
    let figures = &result.runs[0].figures;
    // The gang comes whole at 10 min and ends 2 h later; its follower 5 min after that.
    assert_eq!((figures.jobs, figures.ended, figures.makespan), (2, 2, 600 + 7_200 + 300));
    assert_eq!(figures.allocation_peak, Some(1.0));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let wrong = |rest: &str| run(&format!("{FLEET}{rest}")).unwrap_err();
    for (rest, message) in [
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 1}], after: [b]}\n",
            "r.yaml line 9: after is `b`, expected the name of one of the file's jobs",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 1}], after: [b]}\n  - {name: b, pods: [{gpus: 1}], after: [a]}\n",
            "r.yaml line 9: a job is `a`, expected one that does not come after itself: its `after` leads back to it",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 1}], gang: g}\n  gangs:\n  - {name: g, part-of: h}\n  - {name: h, part-of: g}\n",
            "r.yaml line 11: a gang is `g`, expected one that is not a part of itself: its `part-of` leads back to it",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 1}], gang: x}\n",
            "r.yaml line 9: a gang is `x`, expected the name of one of the file's gangs",
        ),
        (
            "work:\n  jobs:\n  - {name: a, at: -5m, pods: [{gpus: 1}]}\n",
            "r.yaml line 9: at is `-5m`, expected a time such as 90s, 10m, 1h30m or 7d, at most ten years",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 9}]}\n",
            "the job `a` (line 9) fits nowhere: it asks for 9 GPUs; the most on a node that lets it in is 8; leave such jobs out with skip-misfits",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{count: 5, gpus: 8}]}\n",
            "the job `a` (line 9) fits nowhere: all its pods ask for 40 GPUs; the fleet has 32; leave such jobs out with skip-misfits",
        ),
        (
            "work:\n  jobs:\n  - {name: a, pods: [{gpus: 1, mig: 1g.10gb}]}\n",
            "r.yaml line 9: a pod is `GPUs in two ways`, expected one of gpus, gpu-milli and mig",
        ),
        (
            "mig: all-balanced\nwork:\n  jobs:\n  - {name: a, pods: [{gpus: 1}]}\n",
            "r.yaml: line 7: no GPU of the fleet can be parted by MIG, so none can be laid out as `all-balanced`",
        ),
        (
            "changes:\n- {at: 1h, leave: nobody}\nwork:\n  jobs:\n  - {name: a, pods: [{gpus: 1}]}\n",
            "r.yaml line 8: a node that leaves is `nobody`, expected the name of a node with GPUs",
        ),
        (
            "work:\n  synthetic:\n  - {name: a, every: 1m, pods: [{gpus: 1}]}\n",
            "r.yaml: synthetic work never ends: a `horizon` is needed, such as 7d",
        ),
        ("", "r.yaml: `work` names 0 sources; expected one of history, openb, philly, synthetic and jobs"),
    ] {
        assert_eq!(wrong(rest), message);
    }
    let unknown = wrong("work:\n  jbos: []\n");
    assert!(unknown.contains("jbos") && unknown.contains("line 8"), "{unknown}");
    let policy = run(&FLEET.replace("plimsoll", "plimsol")).unwrap_err();
    assert!(policy.starts_with("r.yaml: line 5: there is no policy `plimsol`; there are ") || policy.contains("`work`"), "{policy}");
}

/// The file that the documentation shows is one that runs.
#[test]
fn what_the_documentation_shows_runs() {
    let text = include_str!("../../../docs/rehearsal.md");
    let yaml = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let result = run(yaml).unwrap();
    assert_eq!(result.runs.len(), 6);
    for run in &result.runs {
        assert!(run.figures.ended > 100 && run.figures.refused == 0, "{:?}", run.figures);
    }
    assert!(result.runs.iter().any(|run| run.figures.evictions > 0), "a node leaves");
}

#[test]
fn jobs_of_philly_are_refused_with_line_and_value() {
    let wrong = |text: &str| philly(text, "jobs.csv", 8, None).unwrap_err().to_string();
    assert_eq!(
        wrong("timestamp,duration,cluster\n"),
        "jobs.csv line 1: there is no column `num_gpus`; the first line must name the columns, timestamp, duration, num_gpus, cluster among them"
    );
    let head = "timestamp,duration,num_gpus,cluster\n";
    for (line, message) in [
        ("2017-10-09 07:01:55,-3,1,a", "jobs.csv line 2: duration is `-3`, expected seconds, zero or more"),
        ("2017-10-09 07:01:55,NaN,1,a", "jobs.csv line 2: duration is `NaN`, expected seconds, zero or more"),
        ("yesterday,3,1,a", "jobs.csv line 2: timestamp is `yesterday`, expected a day and time, such as 2017-10-09 07:01:55"),
        ("2017-10-09 07:01:55,3,0,a", "jobs.csv line 2: num_gpus is `0`, expected a whole number from 1 to 65536"),
    ] {
        assert_eq!(wrong(&format!("{head}{line}\n")), message);
    }
    assert_eq!(wrong(head), "jobs.csv has no line of jobs; expected at least one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is in a file or on a line of it.
    #[test]
    fn nothing_panics(rest in "[ -~\n]{0,200}", at in 0_usize..400, with in "[ -~\n]{0,8}") {
        let _ = run(&rest);
        let whole = format!("{FLEET}horizon: 1d\nautoscale:\n- {{nodes: 2xp5.48xlarge, delay: 4m, idle: 10m}}\nwork:\n  jobs:\n  - {{name: a, lasts: 1h, pods: [{{gpus: 1}}], gang: g, after: []}}\n  gangs:\n  - {{name: g, within: rack}}\n");
        let mut text = whole.clone();
        let at = at.min(text.len());
        text.replace_range(at..(at + with.len()).min(text.len()), &with);
        let _ = run(&text);
        let _ = philly(&format!("timestamp,duration,num_gpus,cluster\n{rest}"), "jobs.csv", 8, None);
        prop_assert!(run(&whole).is_ok());
    }
}
