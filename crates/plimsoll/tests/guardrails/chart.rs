//! What the chart renders, without a cluster.

use crate::helm::{Helm, NAME, NAMESPACE, VALUES, chart, object, root};
use plimsoll_operate::webhook::kinds::{WATCHED, asked};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    for values in VALUES {
        helm.must(&["lint", "--strict", chart().to_str().unwrap(), "--namespace", NAMESPACE], values)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    for value in [
        "validation.failurePolicy=Deny",
        "replica=3",
        "replicas=0",
        "timeoutSeconds=31",
        "image.digest=sha256:0",
        "exceptNamespaces[0]=A_b",
    ] {
        assert!(!helm.run(&["template", "plimsoll", chart().to_str().unwrap()], &[value])?.status.success(), "{value}");
    }
    Ok(())
}

#[tokio::test]
async fn both_configurations_ask_about_what_the_webhook_judges() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    let objects = helm.objects(&["exceptNamespaces[0]=gpu-operator"])?;
    let of = |(group, resources): (&str, Vec<&str>)| (group.to_owned(), resources.iter().map(ToString::to_string).collect());
    let asked: BTreeMap<String, BTreeSet<String>> = asked().into_iter().map(of).collect();
    for (kind, path, failure_policy) in
        [("ValidatingWebhookConfiguration", "/validate", "Ignore"), ("MutatingWebhookConfiguration", "/mutate", "Ignore")]
    {
        let configuration = object(&objects, kind, "plimsoll");
        let [webhook] = configuration["webhooks"].as_array().unwrap().as_slice() else { panic!("one webhook: {configuration}") };
        assert_eq!(
            webhook["clientConfig"],
            json!({"service": {"namespace": NAMESPACE, "name": NAME, "path": path, "port": 443}}),
            "no caBundle"
        );
        assert_eq!(webhook["failurePolicy"], failure_policy);
        let left_out = &webhook["namespaceSelector"]["matchExpressions"][0];
        assert_eq!(left_out["values"], json!([NAMESPACE, "kube-system", "kube-node-lease", "gpu-operator"]));
        assert_eq!((&left_out["key"], &left_out["operator"]), (&json!("kubernetes.io/metadata.name"), &json!("NotIn")));
        let mut found = BTreeMap::new();
        for rule in webhook["rules"].as_array().unwrap() {
            assert_eq!((&rule["operations"], &rule["apiVersions"]), (&json!(["CREATE", "UPDATE"]), &json!(["*"])), "{rule}");
            let resources = texts(&rule["resources"]).into_iter().collect();
            let [group] = <[String; 1]>::try_from(texts(&rule["apiGroups"])).unwrap();
            assert!(found.insert(group, resources).is_none(), "a group twice: {rule}");
        }
        assert_eq!(found, asked, "{kind}");
    }
    assert_eq!(
        object(&helm.objects(&["validation.failurePolicy=Fail"])?, "ValidatingWebhookConfiguration", "plimsoll")["webhooks"][0]["failurePolicy"],
        "Fail"
    );
    Ok(())
}

/// With its own certificate no Secret is mounted, and it may read one by name; with cert-manager's it is mounted, and none may be read.
#[tokio::test]
async fn secrets_are_mounted_or_read_and_never_both() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    for (values, mounted, read) in [(&[][..], false, true), (&["certManager.enabled=true"][..], true, false)] {
        let objects = helm.objects(values)?;
        let pod = &object(&objects, "Deployment", NAME)["spec"]["template"]["spec"];
        let volumes = pod["volumes"].as_array().unwrap();
        let of_secrets: Vec<&Value> = volumes.iter().filter_map(|volume| volume.get("secret")).collect();
        let expected: &[Value] =
            if mounted { &[json!({"secretName": "plimsoll-webhook-cert-manager", "defaultMode": 0o440})] } else { &[] };
        assert_eq!(of_secrets, expected.iter().collect::<Vec<_>>());
        assert!(!pod.to_string().contains("secretKeyRef") && pod["automountServiceAccountToken"] == false);
        let roles = objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
        let rules = roles.flat_map(|role| role["rules"].as_array().unwrap());
        let of_secrets: Vec<&Value> = rules.filter(|rule| texts(&rule["resources"]).iter().any(|resource| resource == "secrets")).collect();
        let expected = [
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["plimsoll-webhook-tls"], "verbs": ["get", "update"]}),
        ];
        assert_eq!(of_secrets, expected.iter().filter(|_| read).collect::<Vec<_>>());
    }
    Ok(())
}

/// What it may list and watch is what it does; what it may write is told one by one in `installed`.
#[tokio::test]
async fn it_may_read_what_it_watches_and_nothing_else() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    let watched: BTreeSet<(String, String)> =
        WATCHED.iter().map(|watched| (watched.group.to_owned(), watched.resource.to_owned())).collect();
    for values in VALUES {
        let objects = helm.objects(values)?;
        let mut readable = BTreeSet::new();
        for rule in object(&objects, "ClusterRole", NAME)["rules"].as_array().unwrap() {
            let verbs = texts(&rule["verbs"]);
            if verbs == ["get", "list", "watch"] {
                let resources = texts(&rule["resources"]);
                let groups = texts(&rule["apiGroups"]);
                readable.extend(groups.iter().flat_map(|group| resources.iter().map(move |resource| (group.clone(), resource.clone()))));
            } else {
                assert!(!verbs.iter().any(|verb| ["list", "watch", "*"].contains(&&**verb)), "{rule}");
            }
        }
        assert_eq!(readable, watched, "{values:?}");
    }
    Ok(())
}

#[tokio::test]
async fn check_finds_the_chart_clean() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    for values in VALUES {
        let mut check = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["check", "--format", "json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        check.stdin.take().unwrap().write_all(helm.template(values)?.as_bytes())?;
        let output = check.wait_with_output()?;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && output.stderr.is_empty(), "{told}");
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?, json!([]), "{values:?}");
    }
    Ok(())
}

#[test]
fn the_version_is_that_of_the_program() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_kinds_are_those_of_deploy() {
    let folder = |name: &str| -> BTreeMap<String, String> {
        let entries = fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())).collect()
    };
    let (chart, deploy) = (folder("charts/plimsoll/crds"), folder("deploy/crds"));
    assert!(chart == deploy, "copy deploy/crds to charts/plimsoll/crds, or renew both with PLIMSOLL_RENEW=1 cargo test -p plimsoll-api");
}

#[test]
fn every_value_is_in_the_table_of_the_readme() {
    fn leaves(value: &Value, at: &str, all: &mut Vec<String>) {
        match value.as_object().filter(|map| !map.is_empty()) {
            // What these hold is Kubernetes' own.
            Some(map) if !["resources", "affinity"].contains(&at) => {
                for (key, inner) in map {
                    leaves(inner, &if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, all);
                }
            }
            _ => all.push(at.to_owned()),
        }
    }
    let values: Value = serde_saphyr::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let readme = fs::read_to_string(chart().join("README.md")).unwrap();
    let mut all = Vec::new();
    leaves(&values, "", &mut all);
    assert!(all.len() > 25, "{all:?}");
    for value in &all {
        assert!(readme.contains(&format!("`{value}`")), "{value} is not in the chart's README.md");
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
