//! Hostile octets where there is no nightly compiler: the corpus of every fuzz target, replayed
//! through the same functions.
//!
//! `fuzz/run.sh` is where new octets are looked for; what it finds joins the corpus, and from then on
//! it is tested here.

// A promise that is broken is told by a panic, here as under libFuzzer.
#[allow(unreachable_pub, dead_code)]
#[path = "../../fuzz/targets/mod.rs"]
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::harness::file;

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), targets::$name::run);
        })*
    };
}

replay!(session command content proxy xclient sasl mime body html search config http login pop3);

/// Nothing in the corpus of this target breaks its promise.
fn replay(name: &str, target: targets::Target) {
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

/// What nobody may read without a login or under a foreign name is there to be read.
#[test]
fn the_house_shows_mail_to_those_who_may() {
    let house = targets::http::House::new("");
    for path in ["/", "/api/messages"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = String::from_utf8(house.answer(request.as_bytes(), true)).unwrap();
        assert!(answer.contains(targets::http::SECRET), "{path}: {answer}");
    }
}

/// Each program for libFuzzer has its test above, or nobody would replay what it found.
#[test]
fn every_target_is_replayed() {
    let programs = std::fs::read_dir(file("fuzz/bin")).unwrap();
    let mut programs: Vec<_> = programs
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    let this = include_str!("hostile.rs");
    let replayed =
        this.split_once("replay!(").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    let mut replayed: Vec<_> = replayed.split(' ').collect();
    replayed.sort_unstable();
    assert_eq!(programs, replayed);
}
