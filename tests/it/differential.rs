//! Mails made by construction, read by smtpd and by four programs that have nothing to do with it or
//! with each other: CPython's email, npm's mailparser and postal-mime, and the crate mail-parser.
//!
//! Where three of the four agree smtpd says the same, or `tests/differential/reasons.toml` says who is
//! right, and why. `tests/differential/differences.md` is the table of it, written again by
//! `UPDATE_GOLDEN=1 cargo test --locked --test it differential`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use ::mail_parser::{Addr, Address as Addresses, MessageParser, MimeHeaders};
use serde_json::{Value, json};
use smtpd::message::{Address, Scanner, text::decode_text};

use crate::harness::{file, have, not_tested};

/// What is compared of each mail.
const FACTS: [&str; 6] = ["subject", "from", "to", "date", "text", "files"];

/// Of what three of four agree on smtpd says this share at least, in thousandths.
const LEAST: usize = 995;

#[test]
fn four_other_programs_agree() {
    if !have(&["python3", "node"]) {
        return;
    }
    let package = |name: &str| file("tests/interop/node_modules").join(name).is_dir();
    if !package("mailparser") || !package("postal-mime") {
        return not_tested("missing the npm packages mailparser and postal-mime");
    }
    let mails = ask("python3", "mails.py", b"");
    let mut readers = vec![json(&ask("python3", "python_reads.py", &mails))];
    let node = json(&ask("node", "node_reads.mjs", &mails));
    readers.extend([node["mailparser"].clone(), node["postal-mime"].clone()]);
    let mails: Vec<(String, Vec<u8>)> = json(&mails)
        .as_array()
        .unwrap()
        .iter()
        .map(|mail| (mail["name"].as_str().unwrap().to_owned(), octets(&mail["octets"])))
        .collect();
    readers.push(mails.iter().map(|(name, octets)| (name.clone(), the_crate(octets))).collect());

    let (agreed, differences) = compare(&mails, &readers);
    let table = table(mails.len(), agreed, &differences);
    let unexplained: Vec<_> = differences.iter().filter(|it| it.reason.is_none()).collect();
    assert!(unexplained.is_empty(), "of no reason in reasons.toml:\n{unexplained:#?}");
    let is_needed = |(mails, fact, ..): &(String, String, String, String)| {
        differences.iter().any(|it| it.mail.starts_with(mails.as_str()) && it.fact == fact)
    };
    let stale: Vec<_> = reasons().into_iter().filter(|it| !is_needed(it)).collect();
    assert!(stale.is_empty(), "reasons that nothing needs: {stale:#?}");
    let ours = differences.iter().filter(|it| it.right() != "smtpd").count();
    assert!((agreed - ours) * 1000 >= agreed * LEAST, "{ours} of {agreed} are wrong");
    let path = file("tests/differential/differences.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, table).unwrap();
    } else {
        assert_eq!(fs::read_to_string(path).unwrap(), table, "differences.md is not true any more");
    }
}

/// Every character of the charsets that are ours to read is CPython's.
#[test]
fn code_pages_and_escapes_are_those_of_cpython() {
    if !have(&["python3"]) {
        return;
    }
    let checks = json(&ask("python3", "python_codecs.py", b""));
    let checks = checks.as_array().unwrap();
    assert!(checks.len() > 60_000, "only {}", checks.len());
    let mut wrong = Vec::new();
    for check in checks {
        let label = check["label"].as_str().unwrap();
        let octets = octets(&check["octets"]);
        let (text, clean) = decode_text(&octets, label);
        let same = match check["text"].as_str() {
            Some(expected) => clean && (text == expected || is_a_twin(&text, expected)),
            None => !clean,
        };
        if !same {
            wrong.push(format!(
                "{label} {}: {text:?} {clean}, not {}",
                octets.escape_ascii(),
                check["text"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Two characters for one place of a standard, of which the Web and Windows have one and CPython the
/// other.
fn is_a_twin(text: &str, expected: &str) -> bool {
    TWINS.contains(&(text, expected))
}

const TWINS: [(&str, &str); 8] = [
    ("￢", "¬"),
    ("￡", "£"),
    ("￠", "¢"),
    ("～", "〜"),
    ("－", "−"),
    ("∥", "‖"),
    ("—", "―"),
    ("·", "・"),
];

fn octets(value: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// The standard output of a script beside `reasons.toml`.
fn ask(program: &str, script: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg(file("tests/differential").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}");
    output.stdout
}

fn json(octets: &[u8]) -> Value {
    serde_json::from_slice(octets).unwrap()
}

#[derive(Debug)]
struct Difference {
    mail: String,
    fact: &'static str,
    smtpd: String,
    others: String,
    /// Who is right, and why.
    reason: Option<(String, String)>,
}

impl Difference {
    fn right(&self) -> &str {
        self.reason.as_ref().map_or("", |(right, _)| right)
    }
}

/// How many facts three of four agree on, and those of which smtpd says something else.
fn compare(mails: &[(String, Vec<u8>)], readers: &[Value]) -> (usize, Vec<Difference>) {
    let reasons = reasons();
    let (mut agreed, mut differences) = (0, Vec::new());
    for (name, octets) in mails {
        let own = smtpd(octets);
        for fact in FACTS {
            let mut votes: BTreeMap<String, usize> = BTreeMap::new();
            for said in readers.iter().filter_map(|reader| reader[name].get(fact)) {
                *votes.entry(plain(said)).or_default() += 1;
            }
            let Some((others, _)) = votes.into_iter().find(|(_, votes)| *votes >= 3) else {
                continue;
            };
            agreed += 1;
            let smtpd = plain(&own[fact]);
            if smtpd != others {
                let reason = reasons
                    .iter()
                    .find(|(mails, of, ..)| of == fact && name.starts_with(mails.as_str()));
                let reason = reason.map(|(_, _, right, why)| (right.clone(), why.clone()));
                differences.push(Difference { mail: name.clone(), fact, smtpd, others, reason });
            }
        }
    }
    (agreed, differences)
}

/// Without what is only a matter of taste: white space, and how nothing is said.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(" | "),
        other => other.to_string(),
    }
}

/// Mails that begin with it, the fact, who is right, and why.
fn reasons() -> Vec<(String, String, String, String)> {
    let text = fs::read_to_string(file("tests/differential/reasons.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let of = |it: &toml::Value, key: &str| it[key].as_str().unwrap().to_owned();
    let all = table["reason"].as_array().unwrap().iter();
    all.map(|it| (of(it, "mails"), of(it, "fact"), of(it, "right"), of(it, "why"))).collect()
}

fn smtpd(octets: &[u8]) -> Value {
    let mut scanner = Scanner::new(256 * 1024);
    scanner.push(octets);
    let scanned = scanner.finish();
    let summary = scanned.summary;
    let people = |list: &[Address]| -> Vec<String> {
        list.iter().map(|it| format!("{} <{}>", it.name, it.address)).collect()
    };
    json!({
        "subject": summary.subject,
        "from": people(&summary.from),
        "to": people(&summary.to),
        "date": summary.date_ms.map_or(String::new(), |ms| (ms / 1000).to_string()),
        "text": scanned.text,
        "files": summary.attachments,
    })
}

fn the_crate(octets: &[u8]) -> Value {
    let Some(message) = MessageParser::default().parse(octets) else { return json!({}) };
    let person = |it: &Addr<'_>| {
        format!("{} <{}>", it.name().unwrap_or_default(), it.address().unwrap_or_default())
    };
    let people = |list: Option<&Addresses<'_>>| -> Vec<String> {
        list.map_or(Vec::new(), |list| list.iter().map(person).collect())
    };
    json!({
        "subject": message.subject().unwrap_or_default(),
        "from": people(message.from()),
        "to": people(message.to()),
        "date": message.date().filter(|it| it.is_valid()).map_or(String::new(), |it| it.to_timestamp().to_string()),
        "text": message.body_text(0).unwrap_or_default(),
        "files": message.attachments().map(|it| it.attachment_name().unwrap_or_default()).collect::<Vec<_>>(),
    })
}

fn table(mails: usize, agreed: usize, differences: &[Difference]) -> String {
    let mut out = format!(
        "# Where smtpd differs from three of four\n\n{mails} mails made by construction; CPython's email, npm's \
         mailparser and postal-mime and the crate\nmail-parser were asked for {} facts of each. Of {agreed} on \
         which three of the four agree smtpd differs in {}.\nWritten by `tests/it/differential.rs`; the reasons \
         are those of `reasons.toml`.\n\n| mail | fact | smtpd | three of four | right | why |\n|---|---|---|---|---|---|\n",
        FACTS.len(),
        differences.len()
    );
    for it in differences {
        let cell = |text: &str| text.escape_debug().to_string().replace('|', "\\|");
        let (right, why) = it.reason.clone().unwrap_or_default();
        let cells = [&it.mail, it.fact, &it.smtpd, &it.others].map(cell);
        writeln!(out, "| {} | {right} | {why} |", cells.join(" | ")).unwrap();
    }
    out
}
