//! Dialogs as files. A line of a file is one of
//!
//! ```text
//! # a comment
//! ! recipients = 2        how the server is set; later in a file: from here on (login, begin, keep)
//! ! whole = only           what is said in one line arrives at once: not played in pieces
//! ! wait                  the client says nothing more before it has heard the answer
//! ! expire                the deadline passes      ! shut down     the server wants to end
//! C: EHLO a               the client says this line, with CRLF
//! C< .\r\x00              the client says this, unescaped, without CRLF
//! S: 250 2.0.0 Ok         exactly this line is answered
//! S~ 250 2.0.0            a line that begins so
//! S+ 250                  a reply of any number of lines with this code
//! A: begin                the session asks this, of SMTP: begin, login USER PASSWORD, token, cram, external,
//!                         secrets USER, nonce, mail, rcpt, starttls, client, pause, abandon, close, or
//!                         end N recipients, M octets; after end there may follow
//!                         of POP3 as well open USER, retrieve N, delete N...
//! E: <a> -> <b> SIZE=1    the envelope, and
//! B: text\r\n             the content
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A conversation and what it needs of the server.
pub(crate) struct Script {
    /// The file's name, for messages.
    pub(crate) name: String,
    /// `! key = value` before the first turn.
    pub(crate) settings: Vec<(String, String)>,
    pub(super) turns: Vec<Turn>,
}

pub(super) enum Turn {
    Say(Vec<u8>),
    Hear(Expected),
    Set(String, String),
    Expire,
    ShutDown,
    /// What was said so far arrives before what comes next.
    Wait,
}

#[derive(Debug)]
pub(super) enum Expected {
    Line(String),
    Prefix(String),
    Reply(String),
    Ask(String),
    Envelope(String),
    Body(String),
}

/// All scripts of tests/dialogs/smtp, by name.
pub(crate) fn smtp_scripts() -> Vec<Script> {
    scripts("smtp", 40)
}

/// All scripts of tests/dialogs/pop3, by name.
pub(crate) fn pop3_scripts() -> Vec<Script> {
    scripts("pop3", 15)
}

fn scripts(protocol: &str, at_least: usize) -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs").join(protocol);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= at_least, "the dialogs are gone");
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy();
        Script::parse(&format!("{protocol}/{name}"), &fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

impl Script {
    /// Reads a script; panics with its name and line if it is none.
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut script = Self { name: name.to_owned(), settings: Vec::new(), turns: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            let turn = match mark {
                "C:" => Turn::Say(format!("{rest}\r\n").into_bytes()),
                "C<" => Turn::Say(unescape(rest)),
                "S:" => Turn::Hear(Expected::Line(rest.to_owned())),
                "S~" => Turn::Hear(Expected::Prefix(rest.to_owned())),
                "S+" => Turn::Hear(Expected::Reply(rest.to_owned())),
                "A:" => Turn::Hear(Expected::Ask(rest.to_owned())),
                "E:" => Turn::Hear(Expected::Envelope(rest.to_owned())),
                "B:" => Turn::Hear(Expected::Body(unescape(rest).escape_ascii().to_string())),
                "!" if rest == "expire" => Turn::Expire,
                "!" if rest == "shut down" => Turn::ShutDown,
                "!" if rest == "wait" => Turn::Wait,
                "!" if rest.contains(" = ") => {
                    let (key, value) = rest.split_once(" = ").unwrap();
                    if script.turns.is_empty() {
                        script.settings.push((key.to_owned(), value.to_owned()));
                        continue;
                    }
                    Turn::Set(key.to_owned(), value.to_owned())
                }
                _ => panic!("{name}, line {}: {line:?} is none of C S A E B !", number + 1),
            };
            script.turns.push(turn);
        }
        script
    }

    /// True if how the stream is cut makes a difference, as it does to what stands behind STARTTLS.
    pub(super) fn is_whole_only(&self) -> bool {
        self.settings.iter().any(|(key, _)| key == "whole")
    }

    /// True if it can be played against a server whose clock and settings stay as they are.
    pub(crate) fn is_portable(&self) -> bool {
        self.turns.iter().all(|turn| matches!(turn, Turn::Say(_) | Turn::Hear(_) | Turn::Wait))
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        octets.push(match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => panic!("unknown escape {other:?} in {text}"),
        });
    }
    octets
}
