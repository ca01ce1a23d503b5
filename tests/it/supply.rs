//! What comes from others: the bill of materials is that of cargo.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::harness::{file, have, run};

#[test]
fn the_bill_of_materials_names_what_is_in_the_binary() {
    if !have(&["python3"]) {
        return;
    }
    let output = run(&mut Command::new(file("deploy/sbom.py")));
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "smtpd");
    let components = bill["components"].as_array().unwrap();
    let mut linked = BTreeSet::new();
    for component in components {
        let text = |key: &str| component[key].as_str().unwrap().to_owned();
        let (name, version) = (text("name"), text("version"));
        let checksum = component["hashes"][0]["content"].as_str().unwrap();
        assert_eq!(checksum.len(), 64, "{name}");
        assert!(!component["licenses"][0]["expression"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(text("purl"), format!("pkg:cargo/{name}@{version}"));
        if component["scope"] == "required" {
            linked.insert(format!("{name} v{version}"));
        }
    }
    assert_eq!(bill["dependencies"].as_array().unwrap().len(), components.len() + 1);

    // What the binary cannot be without is there, and what only builds or tests it is not in it.
    let has = |name: &str| linked.iter().any(|it| it.starts_with(&format!("{name} v")));
    for name in ["rustls", "ring", "libsqlite3-sys", "hyper", "smol", "ammonia", "nix"] {
        assert!(has(name), "{name} is missing");
    }
    for name in ["tempfile", "cc", "syn", "serde_derive", "windows-sys", "smtpd"] {
        assert!(!has(name), "{name} is not in the binary");
    }
    // Every crate stands in the lock file.
    let lock: toml::Table =
        toml::from_str(&fs::read_to_string(file("Cargo.lock")).unwrap()).unwrap();
    let locked: BTreeSet<_> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} v{}", it["name"].as_str().unwrap(), it["version"].as_str().unwrap()))
        .collect();
    assert!(linked.is_subset(&locked), "{:?}", linked.difference(&locked));
    assert!(linked.len() > 100, "only {}", linked.len());
}
