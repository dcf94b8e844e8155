use crate::sample;
use plimsoll_report::html;
use std::path::PathBuf;

const VOID: [&str; 3] = ["meta", "input", "br"];

/// Every tag that opens closes, in order, and every attribute is quoted. Gives the names met.
pub fn tags(page: &str) -> Vec<String> {
    let (mut open, mut seen, mut rest) = (Vec::<String>::new(), Vec::new(), page);
    while let Some(at) = rest.find('<') {
        assert!(
            !rest[..at].contains('>') || open.last().is_some_and(|tag| tag == "style" || tag == "script"),
            "a bare > in {:?}",
            &rest[..at]
        );
        rest = &rest[at + 1..];
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let tag = &rest[..end.unwrap()];
        rest = &rest[end.unwrap() + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !tag.starts_with('!') {
            let name = tag.split_whitespace().next().unwrap().to_owned();
            assert!(tag.matches('"').count() % 2 == 0 && !tag.contains('<'), "{tag}");
            let names: Vec<&str> =
                tag.split('"').step_by(2).filter_map(|part| part.trim().strip_suffix('=')?.split_whitespace().last()).collect();
            assert_eq!(names.len(), names.iter().collect::<std::collections::BTreeSet<_>>().len(), "an attribute twice: {tag}");
            if !VOID.contains(&&*name) {
                open.push(name.clone());
            }
            if name == "style" || name == "script" {
                rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
            }
            seen.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

/// The pages lie in the target folder's `tmp`, to be looked at.
pub fn keep(name: &str, page: &str) {
    std::fs::write(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name), page).unwrap();
}

#[test]
fn the_page_is_well_formed_and_fetches_nothing() {
    for (name, audit, comparison) in [
        ("page.html", sample::audit(), None),
        ("since.html", sample::audit(), Some(sample::comparison())),
        ("nothing.html", sample::nothing(), None),
    ] {
        let page = html::page(&audit, comparison.as_ref());
        keep(name, &page);
        let tags = tags(&page);
        assert_eq!(tags.iter().filter(|tag| *tag == "script").count(), 1, "only its own script");
        for outside in ["http:", "https:", "//", " src=\"", " href=\"", "@import", "url(", "<link", "<img", "<iframe"] {
            let inside = page.replace("// Filters and copy", "");
            assert!(!inside.contains(outside), "{name} has {outside}");
        }
    }
}

#[test]
fn names_are_text_and_never_markup() {
    let page = html::page(&sample::audit(), Some(&sample::comparison()));
    for (hostile, text) in [
        ("<script>alert(1)", "&lt;script&gt;alert(1)"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("h100<b>", "h100&lt;b&gt;"),
        ("<b>gone</b>", "&lt;b&gt;gone&lt;/b&gt;"),
    ] {
        assert!(!page.contains(hostile) && page.contains(text), "{hostile}");
    }
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn all_pictures_are_there_with_their_figures() {
    let page = html::page(&sample::audit(), None);
    for picture in [
        "The fleet, GPU by GPU",
        "Use over time",
        "Busy GPUs by hour of the week",
        "Unmet demand beside idle capacity",
        "Cost by team",
        "Compute against memory",
    ] {
        assert!(page.contains(picture), "{picture}");
    }
    assert_eq!(page.matches("<summary>The figures: ").count(), 6);
    assert!(page.contains("Monday 06:00") || page.contains("Tuesday 06:00: not seen"));
}

/// Cells shrink, then aggregate: ten thousand nodes are a page that a mail can carry.
#[test]
fn a_great_fleet_is_still_a_page() {
    for (name, nodes, most) in
        [("nodes_400.html", 400, 1_500_000), ("nodes_10000.html", 10_000, 4_000_000), ("nodes_50000.html", 50_000, 5_000_000)]
    {
        let mut audit = sample::audit();
        audit.picture.grid =
            sample::grid(&[("a100", "NVIDIA-A100-SXM4-80GB", nodes / 4, 8), ("h100", "NVIDIA-H100-80GB-HBM3", nodes * 3 / 4, 8)]);
        let finding = audit.findings[0].clone();
        audit.findings.extend((0..5_000).map(|_| finding.clone()));
        let page = html::page(&audit, None);
        keep(name, &page);
        assert!(page.len() < most, "{name}: {} bytes", page.len());
    }
}
