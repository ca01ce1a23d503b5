//! The tables of docs/smtp.md: every command in every state, and with every kind of wrong argument,
//! has a stated reply. `UPDATE_GOLDEN=1` (with `--test-threads=1`) writes them
//! anew; read the diff.

use std::{fmt::Write as _, fs};

use super::{
    pace::Pace,
    script::{Script, Turn},
    stage::{Event, Stage},
};
use crate::harness::file;

/// What was said before: the columns.
const STATES: [(&str, &str); 6] = [
    ("at first", ""),
    ("HELO", "HELO a\r\n"),
    ("EHLO", "EHLO a\r\n"),
    ("MAIL", "EHLO a\r\nMAIL FROM:<a@b>\r\n"),
    ("RCPT", "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"),
    ("BDAT", "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nx"),
];

/// What is said: the rows.
const COMMANDS: [&str; 18] = [
    "EHLO a",
    "HELO a",
    "LHLO a",
    "STARTTLS",
    "AUTH PLAIN AGFubgBnZWhlaW0=",
    "XCLIENT ADDR=192.0.2.1",
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
    "DATA",
    "BDAT 0",
    "BDAT 0 LAST",
    "RSET",
    "NOOP",
    "VRFY a",
    "EXPN a",
    "HELP",
    "QUIT",
    "GET / HTTP/1.1",
];

/// Where a wrong argument is said, and what: missing, wrong, twice, too long, not ASCII.
const ARGUMENTS: [(usize, &str); 52] = [
    (0, "EHLO"),
    (0, "EHLO {300}"),
    (0, "EHLO müller"),
    (0, "HELO"),
    (2, "MAIL"),
    (2, "MAIL FROM"),
    (2, "MAIL TO:<a@b>"),
    (2, "MAIL FROM:"),
    (2, "MAIL FROM:<a@b"),
    (2, "MAIL FROM:<a@b@c>"),
    (2, "MAIL FROM:<a@{300}>"),
    (2, "MAIL FROM:<ü@b>"),
    (2, "MAIL FROM:<a@b> SIZE=x"),
    (2, "MAIL FROM:<a@b> SIZE=99999999999"),
    (2, "MAIL FROM:<a@b> SIZE=1 SIZE=1"),
    (2, "MAIL FROM:<a@b> BODY=9BIT"),
    (2, "MAIL FROM:<a@b> RET=ALL"),
    (2, "MAIL FROM:<a@b> ENVID={300}"),
    (2, "MAIL FROM:<a@b> AUTH=+"),
    (2, "MAIL FROM:<a@b> REQUIRETLS"),
    (2, "MAIL FROM:<a@b> COLOUR=red"),
    (1, "MAIL FROM:<a@b> SIZE=1"),
    (3, "RCPT"),
    (3, "RCPT FROM:<a@b>"),
    (3, "RCPT TO:<>"),
    (3, "RCPT TO:<@b>"),
    (3, "RCPT TO:<ü@b>"),
    (3, "RCPT TO:<a@b> NOTIFY=NEVER,DELAY"),
    (3, "RCPT TO:<a@b> ORCPT=a@b"),
    (3, "RCPT TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER"),
    (3, "RCPT TO:<a@b> SIZE=1"),
    (4, "DATA now"),
    (4, "BDAT"),
    (4, "BDAT x LAST"),
    (4, "BDAT 1 FIRST"),
    (4, "BDAT 99999999999999999999"),
    (2, "RSET now"),
    (2, "NOOP now"),
    (2, "VRFY"),
    (2, "QUIT now"),
    (2, "STARTTLS now"),
    (2, "AUTH"),
    (2, "AUTH PLAIN x y"),
    (2, "AUTH PLAIN !"),
    (2, "AUTH PLAIN YW5u"),
    (2, "AUTH CRAM-MD5 YW5u"),
    (2, "AUTH GSSAPI"),
    (2, "XCLIENT"),
    (2, "XCLIENT ADDR=x"),
    (2, "XCLIENT ADDR=192.0.2.1 ADDR=192.0.2.2"),
    (2, "FOO"),
    (2, "NOOP {20000}"),
];

#[test]
fn every_command_in_every_state_has_the_reply_of_the_documentation() {
    let mut table = String::from("| |");
    for (state, _) in STATES {
        write!(table, " {state} |").unwrap();
    }
    writeln!(table, "\n|---|{}", "---|".repeat(STATES.len())).unwrap();
    for command in COMMANDS {
        write!(table, "| `{command}` |").unwrap();
        for (_, before) in STATES {
            write!(table, " {} |", code(&reply(before, command))).unwrap();
        }
        table.push('\n');
    }
    compare("states", &table);
}

#[test]
fn every_wrong_argument_has_the_reply_of_the_documentation() {
    let mut table = String::from("| after | line | reply |\n|---|---|---|\n");
    for (state, line) in ARGUMENTS {
        let (name, before) = STATES[state];
        let mut said = line.to_owned();
        let mut shown = line.to_owned();
        for length in [300, 20_000] {
            said = said.replace(&format!("{{{length}}}"), &"x".repeat(length));
            shown = shown.replace(&format!("{{{length}}}"), &format!("…{length} octets…"));
        }
        writeln!(table, "| {name} | `{shown}` | {} |", reply(before, &said)).unwrap();
    }
    compare("arguments", &table);
}

/// The last line of the reply to what is said after that.
fn reply(before: &str, line: &str) -> String {
    let settings = [
        ("starttls", "offered"),
        ("auth", "offered"),
        ("mechanisms", "PLAIN CRAM-MD5"),
        ("may_xclient", "true"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let play = |words: String| {
        let turns = vec![Turn::Say(words.into_bytes())];
        let script = Script { name: line.to_owned(), settings: settings.to_vec(), turns };
        script.play::<Stage>(Pace::Whole).events
    };
    let silent = play(before.to_owned()).len();
    let said = play(format!("{before}{line}\r\n"));
    let lines = said[silent..].iter().filter_map(|event| match event {
        Event::Line(line) if line.as_bytes()[3] == b' ' => Some(line.clone()),
        _ => None,
    });
    let replies: Vec<String> = lines.collect();
    assert_eq!(replies.len(), 1, "{line:?} after {before:?}: {said:?}");
    let reply = &replies[0];
    let plain = ["214", "220", "250", "334", "354"].iter().any(|code| reply.starts_with(code));
    assert!(
        plain || code(reply).len() > 4,
        "{line:?} is refused without an enhanced code: {reply}"
    );
    replies.into_iter().next().unwrap()
}

/// The code and, if there is one, the enhanced code.
fn code(reply: &str) -> &str {
    let enhanced = reply[4..].split(' ').next().unwrap();
    let is_enhanced = enhanced.starts_with(&reply[..1]) && enhanced.contains('.');
    &reply[..if is_enhanced { 4 + enhanced.len() } else { 3 }]
}

fn compare(name: &str, table: &str) {
    let path = file("docs/smtp.md");
    let text = fs::read_to_string(&path).unwrap();
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (head, rest) = text.split_once(&start).expect("the table has a beginning");
    let (shown, tail) = rest.split_once(&end).expect("the table has an end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{head}{start}\n{table}\n{end}{tail}")).unwrap();
    } else {
        assert_eq!(shown.trim(), table.trim(), "docs/smtp.md, {name}");
    }
}
