//! A real Chromium looks at the pages.

use std::process::Command;

use crate::harness::{Server, file, have, run};

pub(super) const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs one script of tests/interop in a browser of its own.
pub(super) fn browse(script: &str, scheme: &str, server: &Server) {
    let output = run(Command::new("node")
        .arg(file("tests/interop").join(script))
        .arg(format!("{scheme}://{}", server.http))
        .arg(server.smtp.ip().to_string())
        .arg(server.smtp.port().to_string())
        .env("CHROMIUM", CHROMIUM));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("all seen\n"), "{output:?}");
}

pub(super) fn have_browser() -> bool {
    let modules = file("tests/interop/node_modules");
    have(&[
        "node",
        CHROMIUM,
        modules.join("playwright-core").to_str().unwrap(),
        modules.join("nodemailer").to_str().unwrap(),
        modules.join("axe-core").to_str().unwrap(),
    ])
}

#[test]
fn a_message_arrives_live_and_is_read() {
    if have_browser() {
        browse("browser_main_job.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn hostile_html_runs_nothing_and_asks_for_nothing() {
    if have_browser() {
        browse("browser_hostile.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn a_message_is_seen_in_every_view() {
    if have_browser() {
        browse("browser_message.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn every_view_of_a_message_fits_and_is_accessible() {
    if have_browser() {
        browse("browser_message_looks.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn the_list_is_live_and_keeps_its_place() {
    if have_browser() {
        browse("browser_list.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn the_list_is_used_from_the_keyboard() {
    if have_browser() {
        browse("browser_list_keys.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn axe_finds_nothing_in_light_and_dark() {
    if have_browser() {
        browse("browser_list_axe.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn the_list_works_without_scripts() {
    if have_browser() {
        browse("browser_list_plain.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn new_mail_calls_for_attention_as_far_as_it_may() {
    if have_browser() {
        browse("browser_attention.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn paper_shows_what_is_to_be_read() {
    if have_browser() {
        browse("browser_print.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn monstrous_messages_are_shown() {
    if have_browser() {
        let server = Server::start(&[("SMTPD_LIMITS_MESSAGE_SIZE", "100000000")]);
        browse("browser_monsters.mjs", "http", &server);
    }
}

#[test]
fn ten_thousand_arrivals_leave_a_small_page() {
    if have_browser() {
        browse("browser_list_many.mjs", "http", &Server::start(&[]));
    }
}
