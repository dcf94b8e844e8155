#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn inputs(object: Json) -> Inputs {
    let mut inputs: Inputs = Default::default();
    inputs[0] = Some(object);
    inputs[2] = Some(json!({ "env": "prod" }));
    inputs
}

fn pod() -> Json {
    json!({
        "kind": "Pod",
        "metadata": { "name": "a", "labels": { "team": "search", "env": "prod" } },
        "spec": { "replicas": 3, "ratio": 0.5, "containers": [
            { "name": "main", "image": "registry.example/llm:v1", "resources": { "limits": { "nvidia.com/gpu": "2", "cpu": "1500m" } } },
            { "name": "side", "image": "other/x:1" },
        ] },
    })
}

fn run(text: &str) -> Result<Json, String> {
    Expression::new(text).and_then(|expression| expression.run(&inputs(pod())).map(|run| run.0))
}

#[test]
fn expressions_mean_what_cel_says() {
    for (text, is) in [
        ("object.spec.replicas == 3", json!(true)),
        ("object.spec.containers.all(c, c.image.startsWith('registry.example/'))", json!(false)),
        ("object.spec.containers.exists(c, c.name == 'side' && !has(c.resources))", json!(true)),
        ("object.spec.containers.filter(c, has(c.resources)).size()", json!(1)),
        ("object.spec.containers.exists_one(c, c.name == 'main')", json!(true)),
        ("object.spec.containers.map(c, c.name).join(',')", json!("main,side")),
        ("object.spec.containers.map(c, has(c.resources), c.name) == ['main']", json!(true)),
        ("object.metadata.labels.all(k, k in ['team', 'env'])", json!(true)),
        ("object.metadata.labels.env == namespaceLabels.env", json!(true)),
        ("object.metadata.labels['team'] + '-' + string(1 + 2)", json!("search-3")),
        ("int(object.spec.containers[0].resources.limits['nvidia.com/gpu']) <= 4", json!(true)),
        ("quantity(object.spec.containers[0].resources.limits.cpu).isGreaterThan(quantity('1'))", json!(true)),
        ("object.spec.containers[0].image.matches('^registry[.]example/.*:v[0-9]+$')", json!(true)),
        ("'a1b22'.find('[0-9]{2}')", json!("22")),
        ("1 == 1.0 && 2u > 1 && -1 < 0u", json!(true)),
        ("{'a': [1, {'b': null}]} == {'a': [1, {'b': null}]}", json!(true)),
        ("true || 1 / 0 == 1", json!(true)),
        ("1 / 0 == 1 || true", json!(true)),
        ("false && object.no", json!(false)),
        ("object.metadata.name == 'a' ? 'yes' : object.no", json!("yes")),
        ("[1, 2, 3].exists(x, x == 2 || object.no)", json!(true)),
        ("sets.contains(['a', 'b'], ['a'])", json!(true)),
        ("'a,b'.split(',').size() == 2 && 'Ab'.lowerAscii() == 'ab' && 'aXb'.replace('X', '-') == 'a-b'", json!(true)),
        ("math.greatest(1, 2) == 2 && [3, 1].min() == 1", json!(true)),
        ("has(object.spec.nothing)", json!(false)),
        ("(!(!true))", json!(true)),
        ("-(-3) // a remark", json!(3)),
        ("r'\\d' == '\\\\d'", json!(true)),
    ] {
        assert_eq!(run(text), Ok(is), "{text}");
    }
}

#[test]
fn what_makes_no_sense_when_it_runs_is_an_error() {
    for (text, says) in [
        ("object.spec.nothing == 1", "there is no nothing"),
        ("object.kind.name == 'a'", "a text has no name"),
        ("object.spec.containers[5].name == 'a'", "only 2 elements"),
        ("1 / 0 == 1", "divided by zero"),
        ("9223372036854775807 + 1 > 0", "too large"),
        ("-(-9223372036854775807 - 1) > 0", "too large"),
        ("'a' < 1", "have no order"),
        ("int('x') == 1", "int:"),
        ("team == ''", "team is not known here"),
        ("object.spec.replicas.all(x, x)", "is no list"),
    ] {
        let error = run(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    let expression = Expression::new("object.spec.replicas").unwrap();
    assert!(expression.truth(&inputs(pod())).unwrap_err().contains("neither true nor false"));
}

#[test]
fn what_cannot_be_understood_or_bounded_is_refused_before_it_runs() {
    let deep = format!("{}1{} == 1", "(".repeat(40), ")".repeat(40));
    let long = format!("'{}' == ''", "a".repeat(limits::TEXT_MAX));
    let chain = (0..200).map(|_| "1").collect::<Vec<_>>().join(" + ");
    for (text, says) in [
        ("object.spec.containers.all(c, c.env.size() == 0)", "env, which is never read: it may hold secrets"),
        ("object['data']['password'] != ''", "data, which is never read"),
        ("has(object.spec.volumes)", "volumes, which is never read"),
        ("object.metadata.labels.data == 'x'", "never read"),
        ("objekt.kind == 'Pod'", "did you mean object?"),
        ("object.kind ==", "line 1, column"),
        ("object.kind = 'Pod'", "line 1, column"),
        ("", "line 1, column"),
        ("!!true", "twice in a row"),
        ("1 - -1 == 2", "twice in a row"),
        ("'a' == \"b", "has no end"),
        (&deep, "brackets stand in each other"),
        (&long, "bytes, and at most"),
        (&chain, "stand in each other more than"),
        ("b'x' == b'x'", "bytes"),
        ("Foo{a: 1} == 1", "makes an object of the type Foo"),
        ("'x'.base64()", "no function 'base64'"),
        ("object.kind.matches(object.metadata.name)", "must be a text that stands there"),
        ("'x'.matches('(a{1000}){1000}')", "it is too large"),
        ("'x'.matches('(')", "the pattern of matches"),
        ("size(1, 2) == 1", "has 2 arguments, and takes 1 to 1"),
        ("object.a.all(x, object.b.all(y, object.c.all(z, x == y && y == z)))", "steps for the largest object"),
    ] {
        let error = Expression::new(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    // What users write is far below.
    for text in [
        "object.spec.template.spec.containers.all(c, c.image.startsWith('a/') || c.image.startsWith('b/'))",
        "object.spec.replicatedJobs.all(j, j.template.spec.template.spec.containers.all(c, has(c.resources) && c.image.matches('^a/.*')))",
        "pods.all(p, p.containers.all(c, c.role != 'main' || c.devices <= 4))",
        "object.metadata.labels.exists(k, k.startsWith('acme.example/')) && devices <= 16",
    ] {
        let cost = Expression::new(text).unwrap().cost();
        assert!(cost < limits::COST_MAX / 2, "{text}: {cost}");
    }
}

/// Expressions from choices: any shape that the grammar has, with names that the objects below have.
struct Maker<'a> {
    choices: std::slice::Iter<'a, u8>,
    bound: usize,
}

impl Maker<'_> {
    fn choose(&mut self, most: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % most)
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c", "name", "k0"][usize::from(self.choose(5))]
    }

    fn variable(&mut self) -> String {
        let bound = u8::try_from(self.bound).unwrap();
        match self.choose(bound + 2) {
            at if at < bound => format!("v{at}"),
            _ => "object".to_owned(),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.choose(6) {
                0 => "1".to_owned(),
                1 => "'a'".to_owned(),
                2 => "9223372036854775807".to_owned(),
                3 => "null".to_owned(),
                _ => self.variable(),
            };
        }
        let below = depth - 1;
        match self.choose(16) {
            0..=2 => format!("{}.{}", self.any(below), self.name()),
            3 => format!("{}[{}]", self.any(below), self.any(0)),
            4 => {
                let operator = ["+", "-", "*", "/", "%"][usize::from(self.choose(5))];
                format!("({} {operator} {})", self.any(below), self.any(below))
            }
            5 => format!("[{}, {}]", self.any(below), self.any(below)),
            6 => format!("{{'a': {}, {}: 1}}", self.any(below), self.any(0)),
            7 => format!("({} ? {} : {})", self.truth(below), self.any(below), self.any(below)),
            8 | 9 => self.pass(depth, ["filter", "map"]),
            10 => format!("{}.split('')", self.any(below)),
            11 => format!("{}.join({})", self.any(below), self.any(0)),
            12 => format!("{}.replace('a', {})", self.any(below), self.any(0)),
            13 => {
                let function = ["size", "min", "distinct", "reverse", "lowerAscii", "sum"][usize::from(self.choose(6))];
                format!("{}.{function}()", self.any(below))
            }
            14 => format!("string({})", self.any(below)),
            _ => self.truth(below),
        }
    }

    fn pass(&mut self, depth: usize, of: [&str; 2]) -> String {
        let range = self.any(depth - 1);
        let pass = of[usize::from(self.choose(2))];
        let variable = self.bound;
        self.bound += 1;
        let body = if pass == "map" { self.any(depth - 1) } else { self.truth(depth - 1) };
        self.bound -= 1;
        format!("{range}.{pass}(v{variable}, {body})")
    }

    fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return ["true", "has(object.a)", "object == object"][usize::from(self.choose(3))].to_owned();
        }
        let below = depth - 1;
        match self.choose(9) {
            0 => format!("({} == {})", self.any(below), self.any(below)),
            1 => format!("({} < {})", self.any(below), self.any(below)),
            2 => format!("({} in {})", self.any(below), self.any(below)),
            3 => format!("({} && {})", self.truth(below), self.truth(below)),
            4 => format!("({} || !({}))", self.truth(below), self.truth(below)),
            5 => format!("{}.matches('(a|b)*c$')", self.any(below)),
            6 => format!("{}.contains({})", self.any(below), self.any(0)),
            _ => self.pass(depth, ["all", "exists"]),
        }
    }
}

/// Objects at the limits: long lists, lists in lists, long texts, many keys.
fn largest() -> Vec<Json> {
    let text = "a".repeat(1 << 16);
    let row = |inner: &Json| Json::Array(vec![inner.clone(); limits::LIST_MAX as usize]);
    let names =
        |count: usize| Json::Object((0..count).map(|at| (format!("k{at}"), json!({ "name": "a", "a": [1], "b": "aab" }))).collect());
    let objects = vec![
        json!({ "a": row(&json!(1)), "b": row(&json!("aab")), "c": row(&json!({ "a": "x", "name": "a" })), "name": &text }),
        json!({ "a": vec![json!({ "a": row(&json!({ "name": "a" })), "name": "b" }); 30], "b": [[[["a"]]]], "c": text }),
        json!({ "a": { "a": { "a": { "a": row(&json!([1, 2])) } } }, "b": names(200), "c": [&text, &text, &text], "name": null }),
        json!({}),
    ];
    objects.iter().for_each(|object| assert_eq!(limits::exceeded(object), None));
    objects
}

/// Objects with what the expressions above may look at.
fn smaller() -> Vec<Json> {
    let names = json!({ "name": "a", "a": [1, "b"], "b": "aab", "k0": { "a": null, "c": [{}] } });
    vec![
        json!({ "a": [names, { "a": 1 }, "c", null], "b": names, "c": "aab", "name": 3, "k0": [[1, [2]], []] }),
        json!({ "a": { "a": { "a": names, "b": [names] }, "name": "b" }, "b": [], "c": {}, "name": "name", "k0": null }),
        json!([names, 1]),
        json!({}),
    ]
}

/// These parts of `object`.
fn these(object: &Json, parts: &Parts) -> Json {
    match object {
        Json::Array(items) => parts.of_each().into_iter().flat_map(|parts| items.iter().map(|item| these(item, parts))).collect(),
        Json::Object(entries) => entries.iter().filter_map(|(key, value)| Some((key.clone(), these(value, parts.of_key(key)?)))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    /// The proof of the bound: whatever an expression is and whatever it looks at, it takes no more steps than was said before.
    #[test]
    fn no_expression_takes_more_steps_than_its_bound(choices in proptest::collection::vec(any::<u8>(), 1..80), depth in 1_usize..7) {
        let text = Maker { choices: choices.iter(), bound: 0 }.truth(depth);
        let Ok(tree) = syntax::read(&text) else { return Ok(()) };
        let bound = cost::bound(&tree.root);
        for object in largest() {
            let inputs = inputs(object);
            // It may take as many as it wants here, up to what a test can wait for: only the count is looked at.
            let mut run = run::Run::new(&inputs, 2_000_000);
            let value = run.value(&tree.root);
            let stopped = run.steps() > 2_000_000;
            prop_assert!(run.steps() <= bound.max(1), "{text}: {} steps of {bound}: {value:?}", run.steps());
            prop_assert!(!stopped || bound > limits::COST_MAX);
            if let (Ok(a), false) = (value, stopped) {
                let b = run::Run::new(&inputs, 2_000_000).value(&tree.root);
                prop_assert!(b.is_ok_and(|b| format!("{b:?}") == format!("{a:?}")), "{text}");
            }
        }
    }

    /// What is left out of an object because an expression does not look at it makes no difference to what it comes to.
    #[test]
    fn parts_are_enough(choices in proptest::collection::vec(any::<u8>(), 1..80), depth in 1_usize..7) {
        let text = Maker { choices: choices.iter(), bound: 0 }.truth(depth);
        let Ok(tree) = syntax::read(&text) else { return Ok(()) };
        let parts = &looks::at(&tree.root)[0];
        for object in smaller() {
            let whole = inputs(object.clone());
            let looked_at = inputs(these(&object, parts));
            let [a, b] = [&whole, &looked_at].map(|inputs| format!("{:?}", run::Run::new(inputs, 200_000).value(&tree.root)));
            prop_assert_eq!(a, b, "{}: {:?}", text, parts);
        }
    }

    /// Any text, and texts that are nearly expressions.
    #[test]
    fn no_text_makes_it_panic(text in "[a-c.()\\[\\]{}!'\"\\-+*/%<>=&|?:, 0-9rb\\\\`\n]{0,60}", junk in "\\PC{0,30}", at in 0_usize..60) {
        let mut near = "object.a.all(x, x.b['k'].matches('^a{1,3}$') && size(x) < 3u)".to_owned();
        near.insert_str(at, junk.chars().next().map(String::from).as_deref().unwrap_or("("));
        for text in [text, junk, near] {
            if let Ok(expression) = Expression::new(&text) {
                let _ = (expression.truth(&inputs(pod())), expression.text(&inputs(pod())));
            }
        }
    }
}

/// Where the crate's own evaluator has a result, ours is the same.
#[test]
fn results_agree_with_the_crates_own() {
    use kube_cel::{KubeCelExt as _, cel};
    let mut context = cel::Context::default().with_all();
    let pod = pod();
    context.add_variable_from_value("object", value::Value::from(&pod).cel());
    for text in [
        "object.spec.replicas * 2 + 1 == 7 && 7 % 3 == 1",
        "object.spec.containers.map(c, c.name)[1] == 'side'",
        "object.spec.containers.filter(c, c.image.startsWith('other')).size() == 1",
        "object.spec.containers.exists_one(c, has(c.resources))",
        "'team' in object.metadata.labels && !('x' in ['a'])",
        "[1, 2] + [3] == [1, 2, 3]",
        "object.metadata.name < 'b' && 'abc'.endsWith('c') && 'abc'.contains('b')",
        "quantity('1500m').isGreaterThan(quantity('1')) && !isQuantity('x')",
        "'a-b'.split('-').map(p, p.upperAscii()).join('+') == 'A+B'",
        "size(object.spec.containers) == 2 ? true : false",
        "sets.intersects([1, 2], [2, 3]) && [3, 1, 2].max() == 3 && math.abs(-2) == 2",
    ] {
        let theirs = cel::Program::compile(text).unwrap().execute(&context);
        assert_eq!(theirs, Ok(cel::Value::Bool(true)), "{text}");
        assert_eq!(run(text), Ok(json!(true)), "{text}");
    }
}

/// A step is worth what [`limits::COST_MAX`] says of it, and the dearest expressions that are allowed end soon.
#[test]
fn the_dearest_expressions_end_soon() {
    for text in [
        "object.c.all(x, object.c.exists(y, y.name == 'a' && x.a == 'x'))",
        "object.name.matches('(a|aa|aaa|b[a-z]{1,8})*c$')",
        "object.c.all(x, object.c.map(y, y.name).size() == 200)",
        "object.a.all(x, object.b.all(y, x == 1 && y == 'aab'))",
        "object.name.split('').size() > 0 || true",
    ] {
        let Ok(expression) = Expression::new(text) else { continue };
        for object in largest() {
            let inputs = inputs(object);
            let start = std::time::Instant::now();
            let result = expression.run(&inputs);
            let took = start.elapsed();
            assert!(took < std::time::Duration::from_secs(2), "{text}: {took:?} for {result:?} of {}", expression.cost());
        }
    }
    assert!(Expression::new("object.c.all(x, object.c.exists(y, y.name == 'a' && x.a == 'x'))").is_ok(), "pairs are allowed");
}

/// The parser is generated and recursive: what is as long and as deep as may be must neither fill the stack of a thread nor take long.
#[test]
fn the_longest_and_deepest_texts_are_read_in_time() {
    let of = |count: usize, part: &str| part.repeat(count.min(limits::TEXT_MAX / part.len().max(1) - 4));
    let most = limits::DEPTH_MAX;
    let texts = [
        format!("object{}", of(10_000, ".a")),
        format!("1{}", of(10_000, "+1")),
        format!("1{}", of(10_000, "*1")),
        format!("true{}", of(10_000, "||true")),
        format!("true{}", of(10_000, "==true")),
        format!("true{}", of(10_000, "?1:1")),
        format!("{}1", of(10_000, "true?1:")),
        format!("object{}", of(10_000, "[0]")),
        format!("[{}]", of(10_000, "1,")),
        format!("{{{}'a':1}}", of(10_000, "1:1,")),
        format!("'{}'", of(10_000, "\\\\")),
        format!("{}1{}", "(".repeat(most), ")".repeat(most)),
        format!("{}1{}", "[".repeat(most), "]".repeat(most)),
        format!("{}1{}", "{1:".repeat(most), "}".repeat(most)),
        format!("{}true{}", "!(".repeat(most), ")".repeat(most)),
        format!("{}1{}", "-(".repeat(most), ")".repeat(most)),
        format!("{}1{}", "(1+".repeat(most), ")".repeat(most)),
        format!("{}true{}", "[1].all(x,".repeat(most), ")".repeat(most)),
        format!("{}1{}", "size(".repeat(most), ")".repeat(most)),
        format!("{}1{}", "(1?".repeat(most), ":1)".repeat(most)),
        of(10_000, "("),
        of(10_000, "!"),
        of(10_000, "-"),
        of(10_000, "a "),
        of(10_000, "\u{1}"),
        of(10_000, "'a' "),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let read = Expression::new(&text).map(|expression| expression.cost());
        let took = start.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?} for {read:?} of {}...", text.chars().take(40).collect::<String>());
    }
}
