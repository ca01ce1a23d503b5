//! Puts the git description into the binary, so that `--version` names the very commit.

use std::process::Command;

fn main() {
    for path in [".git/HEAD", ".git/refs", ".git/packed-refs"] {
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    let package = env!("CARGO_PKG_VERSION");
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty", "--tags"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    let version = match described {
        Some(commit) => format!("{package} ({commit})"),
        // Built from an archive without git.
        None => package.to_owned(),
    };
    println!("cargo:rustc-env=GIT_VERSION={version}");
}
