use crate::{
    page::{keep, tags},
    rehearsed,
};
use plimsoll_report::rehearsal::{course_csv, csv, html, json, schema, svg, terminal};
use plimsoll_simulate::rehearsal::Rehearsal;
use std::path::PathBuf;

fn all() -> Vec<(&'static str, Rehearsal)> {
    let mut all = rehearsed::edges();
    all.push(("four", rehearsed::four()));
    all
}

#[test]
fn the_comparison_at_two_widths() {
    for width in [80, 120] {
        insta::assert_snapshot!(format!("comparison_{width}"), terminal(&rehearsed::four(), width, false));
    }
}

#[test]
fn one_run_is_told_in_full() {
    insta::assert_snapshot!(terminal(&rehearsed::one(), 100, false));
}

/// Each seed of a policy is measured against the same seed of the first one.
#[test]
fn seeds_are_compared_in_pairs() {
    let text = terminal(&rehearsed::seeds(), 120, false);
    assert!(text.contains("Differences are to fgd, fifo at the same seed") && text.contains("among the runs of a seed"), "{text}");
    let allocation: Vec<&str> =
        text.lines().skip_while(|line| !line.contains("GPUs allocated")).filter(|line| line.contains("difference")).collect();
    assert!(allocation.len() >= 9 && allocation.iter().take(3).all(|line| line.contains("+1.00")), "{allocation:#?}");
}

#[test]
fn lines_fit_and_nothing_drives_the_terminal() {
    for (name, rehearsal) in all() {
        for width in [80, 120] {
            let text = terminal(&rehearsal, width, false);
            for line in text.lines().filter(|_| name != "huge") {
                assert!(line.chars().count() <= width && !line.ends_with(' '), "{name} {width}: {line:?}");
            }
            assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{name}");
        }
    }
}

#[test]
fn colour_of_a_rehearsal_changes_nothing_but_colour() {
    let coloured = terminal(&rehearsed::four(), 120, true);
    let mut plain = String::new();
    for (at, part) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if at == 0 { part } else { &part[part.find('m').unwrap() + 1..] });
    }
    assert_eq!(plain, terminal(&rehearsed::four(), 120, false));
    assert!(coloured.len() > plain.len());
}

#[test]
fn the_lines_of_runs_and_moments() {
    insta::assert_snapshot!("csv_of_runs", csv(&rehearsed::four()));
    let course = course_csv(&rehearsed::one());
    assert_eq!(course.lines().count(), 169);
    assert!(course.lines().nth(1).unwrap().ends_with(",0,6212,0,,0,0,1213"), "what was not recorded is empty: {course}");
    let hostile = csv(&rehearsed::edges().into_iter().find(|edge| edge.0 == "hostile").unwrap().1);
    assert!(hostile.lines().nth(1).unwrap().starts_with("\"'="));
}

/// To renew it: `PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report`.
#[test]
fn the_published_schema_of_a_rehearsal_is_not_stale() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/rehearsal.json");
    let now = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("PLIMSOLL_UPDATE").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let published = std::fs::read_to_string(&file).unwrap();
    assert_eq!(published, now, "docs/schema/rehearsal.json is stale: PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report renews it");
}

#[test]
fn documents_of_rehearsals_are_valid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    // Figures that are no numbers never leave the engine; JSON has no word for them.
    for (name, rehearsal) in all().into_iter().filter(|(name, _)| *name != "huge") {
        let mut document: serde_json::Value = serde_json::from_str(&json(&rehearsal)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        document.as_object_mut().unwrap().remove("runs");
        assert!(!validator.is_valid(&document), "every field is required");
    }
    let document: serde_json::Value = serde_json::from_str(&json(&rehearsed::one())).unwrap();
    assert_eq!(document["schema_version"], "1");
    assert!(document["runs"][0]["figures"]["cost"].is_null());
}

#[test]
fn pictures_are_sound_small_and_stand_alone() {
    let mut rehearsals = all();
    rehearsals.push(("great", rehearsed::great()));
    for (name, rehearsal) in rehearsals {
        for (file, text) in svg(&rehearsal) {
            keep(&format!("{name}_{file}.svg"), &text);
            let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{name} {file}: {error}"));
            let root = document.root_element();
            assert_eq!(root.tag_name().name(), "svg");
            assert!(root.children().any(|child| child.has_tag_name(("http://www.w3.org/2000/svg", "title"))), "{name} {file}");
            assert!(!root.descendants().any(|node| ["script", "image", "a", "use", "foreignObject"].contains(&node.tag_name().name())));
            for node in root.descendants() {
                for attribute in node.attributes() {
                    let value = attribute.value();
                    assert!(!value.contains("NaN") && !value.contains("inf"), "{name} {file}: {attribute:?}");
                    assert!(!attribute.name().starts_with("on"), "{name} {file}: {attribute:?}");
                }
            }
            for outside in ["@import", "url(", "href"] {
                assert!(!text.contains(outside), "{name} {file}: {outside}");
            }
            assert!(text.len() <= 200_000, "{name} {file}: {} bytes", text.len());
            assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
        }
    }
}

#[test]
fn each_picture_is_there_where_it_has_something_to_draw() {
    let files = |rehearsal: &Rehearsal| svg(rehearsal).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(files(&rehearsed::four()), ["filling", "fragmentation", "timeline", "grid"]);
    let edges = rehearsed::edges();
    let edge = |name: &str| &edges.iter().find(|edge| edge.0 == name).unwrap().1;
    assert!(files(edge("none")).is_empty());
    // Without a GPU there is neither fragmentation nor a node to draw.
    assert_eq!(files(edge("nothing")), ["filling", "timeline"]);
    assert_eq!(files(edge("moment")), ["filling", "fragmentation", "timeline", "grid"]);
}

/// A mark's place is its figure: the ends of the lines in the order of what was allocated.
#[test]
fn lines_are_named_at_their_ends_in_the_order_of_their_figures() {
    let pictures = svg(&rehearsed::four());
    let document = roxmltree::Document::parse(&pictures[0].1).unwrap();
    let panel = document.descendants().find(|node| node.has_tag_name("g")).unwrap();
    let mut ends: Vec<(f64, String)> = panel
        .children()
        .filter(|node| node.attribute("class") == Some("name") && node.attribute("text-anchor").is_none())
        .map(|node| (node.attribute("y").unwrap().parse().unwrap(), node.text().unwrap().to_owned()))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(ends.iter().map(|end| &*end.1).collect::<Vec<_>>(), ["plimsoll", "fgd", "gpu-packing", "best-fit"]);
    assert!(ends.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 16.9), "{ends:?}");
}

#[test]
fn the_page_of_a_rehearsal_is_well_formed_and_fetches_nothing() {
    let mut rehearsals = all();
    rehearsals.push(("great", rehearsed::great()));
    for (name, rehearsal) in rehearsals {
        let page = html(&rehearsal);
        keep(&format!("rehearsal_{name}.html"), &page);
        let tags = tags(&page);
        assert!(!tags.iter().any(|tag| ["script", "img", "iframe", "link", "a"].contains(&&**tag)), "{name}");
        for outside in ["http:", "https:", " src=\"", " href=\"", "@import", "url("] {
            assert!(!page.contains(outside), "{name} has {outside}");
        }
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
        assert!(page.len() < 1_500_000, "{name}: {}", page.len());
    }
    let page = html(&rehearsed::four());
    for section in [
        "Allocation against arrivals",
        "Fragmentation over time",
        "The fleet over time",
        "The nodes when most was allocated",
        "Waits by",
        "was assumed",
    ] {
        assert!(page.contains(section), "{section}");
    }
}
