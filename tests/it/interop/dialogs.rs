//! The dialog files against the real binary: the whole way from the socket to the disk and back.

use std::collections::BTreeMap;

use crate::{
    dialog::{Script, play_tcp, smtp_scripts},
    harness::Server,
};

/// What the dialogs take as given where they set nothing else.
const GIVEN: [(&str, &str); 6] = [
    ("SMTPD_SMTP_NAME", "mx.test"),
    ("SMTPD_AUTH_MODE", "off"),
    ("SMTPD_AUTH_MECHANISMS", "plain,login"),
    ("SMTPD_LIMITS_MESSAGE_SIZE", "20480000"),
    ("SMTPD_LIMITS_RECIPIENTS", "100"),
    ("SMTPD_LIMITS_ERRORS", "50"),
];

/// The variables that make a server as the script wants it; none if a server cannot be made so (one
/// that fails on demand, or has a limit below what the configuration allows).
fn environment(script: &Script) -> Option<BTreeMap<&'static str, String>> {
    let mut variables: BTreeMap<_, _> =
        GIVEN.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    for (key, value) in &script.settings {
        let (name, value) = match (key.as_str(), value.as_str()) {
            ("message_size", size) => ("SMTPD_LIMITS_MESSAGE_SIZE", size),
            ("recipients", most) => ("SMTPD_LIMITS_RECIPIENTS", most),
            ("errors", most) => ("SMTPD_LIMITS_ERRORS", most),
            ("refuse_bare_line_ends", wish) => ("SMTPD_SMTP_REFUSE_BARE_LINE_ENDS", wish),
            ("auth", "offered") => ("SMTPD_AUTH_MODE", "accept-any"),
            _ => return None,
        };
        variables.insert(name, value.to_owned());
    }
    Some(variables)
}

#[test]
fn the_binary_says_what_the_dialogs_say() {
    let mut groups: BTreeMap<_, Vec<Script>> = BTreeMap::new();
    for script in smtp_scripts().into_iter().filter(Script::is_portable) {
        if let Some(variables) = environment(&script) {
            groups.entry(variables).or_default().push(script);
        }
    }
    let mut played = 0;
    for (variables, scripts) in groups {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start(&variables);
        for script in scripts {
            play_tcp(&script, server.smtp).unwrap_or_else(|e| panic!("{}: {e}", script.name));
            played += 1;
        }
    }
    assert!(played >= 50, "only {played} dialogs could be played");
}
