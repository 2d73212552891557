//! The document in `docs/` is the one that is served.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::openapi;

#[test]
fn the_document_that_is_published_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let now = serde_json::to_string_pretty(&openapi()).expect("JSON") + "\n";
    if std::env::var_os("VESTIBULE_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == now,
        "run this test with VESTIBULE_WRITE_OPENAPI=1 and look at what changed in {}",
        path.display()
    );
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = openapi();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let place = reference.strip_prefix('#').expect("a place in the document");
        assert!(document.pointer(place).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id), "{id} is there twice");
            for parameter in operation["parameters"].as_array().expect("parameters") {
                let name = parameter["name"].as_str().expect("a name");
                let is_in_path = path.contains(&format!("{{{name}}}"));
                assert_eq!(parameter["in"] == "path", is_in_path, "{method} {path}: {name}");
                assert!(is_in_path || parameter["description"].is_string(), "{method} {path}: {name} says nothing");
            }
        }
    }
}
