//! A real Chromium logs in, looks at the status page, and visits other sites that mean us harm.

use smtpd::{auth::Stored, secret::Secret};

use super::browser::{browse, have_browser};
use crate::harness::Server;

/// Ann may log in with `geheim`.
fn with_login(more: &str) -> Server {
    let hash = String::from(Stored::argon2(&Secret::new("geheim".to_owned())).unwrap());
    Server::configured(&format!(
        "[http]\nlogin = 'required'\n{more}\n[auth]\nfailure_seconds = 0\n[auth.users]\nann = '{hash}'\n"
    ))
}

#[test]
fn a_user_logs_in_and_out() {
    if have_browser() {
        browse("browser_login.mjs", "http", &with_login(""));
    }
}

#[test]
fn a_user_logs_in_and_out_over_https() {
    if have_browser() {
        let server = with_login("tls = 'on'\n[tls]\nself_signed = true");
        browse("browser_login.mjs", "https", &server);
    }
}

#[test]
fn the_status_page_says_why_a_mail_did_not_arrive() {
    if have_browser() {
        let server = Server::start(&[
            ("SMTPD_POLICY_LOCAL_DOMAINS", "example.org"),
            ("SMTPD_AUTH_MODE", "off"),
        ]);
        browse("browser_status.mjs", "http", &server);
    }
}

#[test]
fn another_site_can_do_nothing() {
    if have_browser() {
        browse("browser_foreign.mjs", "http", &Server::start(&[]));
    }
}

#[test]
fn another_site_can_do_nothing_with_the_cookie_of_a_user() {
    if have_browser() {
        browse("browser_foreign.mjs", "http", &with_login(""));
    }
}
