//! A minute of tests/faults/corrupt.py, which damages stores in every way and looks at what becomes of them.

use std::process::Command;

use crate::harness::{SMTPD, file, have, run};

#[test]
fn a_damaged_store_is_never_made_worse() {
    if !have(&["python3", "strace"]) {
        return;
    }
    // The same damages each time, so that it is known which build brought a fault.
    let binary = ["--binary", SMTPD];
    let output = run(Command::new("python3")
        .arg(file("tests/faults/corrupt.py"))
        .args(["--smoke", "--seed", "14"])
        .args(binary));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("0 violations\n"), "{said}");
}
