//! What SMTP said of a message, and whom its header names.

use crate::{
    http::{
        row::{When, octets},
        strings::STRINGS,
    },
    mail::json::parameter,
    message::Address,
    store::Record,
    wire::{ForwardPath, Parameter},
};

/// Facts of one kind.
pub(super) struct Group {
    pub(super) title: &'static str,
    /// Name, value, and what is added to it.
    pub(super) facts: Vec<(&'static str, String, String)>,
}

/// A field of the header that names people.
pub(super) struct People<'a> {
    pub(super) field: &'static str,
    pub(super) shown: &'a [Address],
    /// Those for whom there is no room above the message.
    pub(super) rest: &'a [Address],
}

impl People<'_> {
    /// On paper there is room for all.
    pub(super) fn all(&self) -> impl Iterator<Item = &Address> {
        self.shown.iter().chain(self.rest)
    }
}

/// The fields of the header that name people, those that are there.
pub(super) fn people(record: &Record) -> Vec<People<'_>> {
    let summary = &record.summary;
    let all: [(_, &[Address]); 5] = [
        ("From", &summary.from),
        ("To", &summary.to),
        ("Cc", &summary.cc),
        ("Bcc", &summary.bcc),
        ("Reply-To", &summary.reply_to),
    ];
    let present = all.into_iter().filter(|(_, addresses)| !addresses.is_empty());
    let split = present.map(|(field, all)| {
        let (shown, rest) = all.split_at(all.len().min(PEOPLE_SHOWN));
        People { field, shown, rest }
    });
    split.collect()
}

/// Envelope, session and message.
pub(super) fn groups(record: &Record) -> [Group; 3] {
    let strings = &STRINGS.message.facts;
    [
        Group { title: strings.envelope, facts: envelope(record) },
        Group { title: strings.session, facts: session(record) },
        Group { title: strings.message, facts: message(record) },
    ]
}

fn envelope(record: &Record) -> Vec<(&'static str, String, String)> {
    let envelope = &record.envelope;
    let path =
        |name, address: &str, all: &[Parameter]| (name, format!("<{address}>"), parameters(all));
    let to = |to: &ForwardPath| path("RCPT TO", &to.address, &to.parameters);
    let from = path("MAIL FROM", &envelope.reverse_path, &envelope.parameters);
    std::iter::once(from).chain(envelope.forward_paths.iter().map(to)).collect()
}

fn session(record: &Record) -> Vec<(&'static str, String, String)> {
    let (strings, envelope) = (&STRINGS.message.facts, &record.envelope);
    let mut facts = vec![
        (if envelope.esmtp { "EHLO" } else { "HELO" }, envelope.helo.clone()),
        (
            strings.client,
            envelope.client.map_or_else(|| strings.unix_socket.to_owned(), |it| it.to_string()),
        ),
    ];
    match &envelope.tls {
        None => facts.push((strings.tls_version, strings.not_encrypted.to_owned())),
        Some(tls) => {
            let version = if tls.version.is_empty() { strings.encrypted } else { &tls.version };
            facts.push((strings.tls_version, version.to_owned()));
            facts.push((strings.tls_cipher, tls.cipher.clone()));
            facts.push((strings.tls_name, tls.server_name.clone()));
            let subject = tls.client_certificate.clone();
            facts.push((strings.tls_certificate, subject.unwrap_or_default()));
        }
    }
    let user = envelope.auth_user.as_deref().unwrap_or(strings.no_user);
    facts.push((strings.user, user.to_owned()));
    facts.push((strings.received, When::new(envelope.received_ms).machine));
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (name, value, String::new())).collect()
}

fn message(record: &Record) -> Vec<(&'static str, String, String)> {
    let strings = &STRINGS.message.facts;
    let size = record.summary.size;
    let facts = [
        (strings.size, octets(size), strings.octets.of(size)),
        ("Message-ID", record.summary.message_id.clone(), String::new()),
        (strings.id, record.id.to_string(), String::new()),
    ];
    facts.into_iter().filter(|(_, value, _)| !value.is_empty()).collect()
}

fn parameters(parameters: &[Parameter]) -> String {
    parameters.iter().map(parameter).collect::<Vec<_>>().join(" ")
}

/// People named of one field without being asked.
const PEOPLE_SHOWN: usize = 12;
