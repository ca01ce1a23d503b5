//! Hostile octets where there is no nightly compiler: the corpus of every fuzz target, replayed
//! through the same functions.
//!
//! `fuzz/run.sh` is where new octets are looked for; what it finds joins the corpus, and from then on
//! it is tested here.

// A promise that is broken is told by a panic, here as under libFuzzer.
#[allow(unreachable_pub, dead_code)]
#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::harness::file;

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, target) in targets::ALL {
        let folder = file("fuzz/corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "the corpus of {name} is gone");
        for path in files {
            let octets = std::fs::read(&path).unwrap();
            let broken = catch_unwind(AssertUnwindSafe(|| target(&octets))).is_err();
            assert!(!broken, "{}", path.display());
        }
    }
}

/// Each target has a program for libFuzzer and a place in `ALL`, or it would be fed by nobody.
#[test]
fn every_target_is_fed() {
    let programs = std::fs::read_dir(file("fuzz/bin")).unwrap();
    let mut programs: Vec<_> = programs
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    let mut targets = targets::ALL.map(|(name, _)| name);
    targets.sort();
    assert_eq!(programs, targets);
}
