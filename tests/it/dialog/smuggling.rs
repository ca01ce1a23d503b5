//! SMTP smuggling (CVE-2023-51764 and its kin): what a server before us may take for text must never
//! end a message here, or a stranger could send a second one in the name of the first one's server.

use std::iter;

use super::{
    pace::Pace,
    script::{Script, Turn},
    stage::{Event, Stage},
};
use crate::harness::{Client, Server};

/// Everything but CRLF.CRLF that some server was seen to take for the end of data.
const VARIANTS: [&[u8]; 21] = [
    b"\n.\n",
    b"\n.\r",
    b"\n.\r\n",
    b"\r.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\r.\r\n",
    b"\r\n.\n\r\n",
    b"\n\n.\n\n",
    b"\n\n.\r\n",
    b"\n\r.\n\r",
    b"\r\n.\0\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\r\0\n",
    b"\r\n. \r\n",
    b"\r\n .\r\n",
    b"\r\n.\t\r\n",
];

/// The second message, which must stay text of the first.
const SECOND: &[u8] = b"MAIL FROM:<eve@e.example>\r\nRCPT TO:<ann@a.example>\r\nDATA\r\ninner\r\n";

fn body(variant: &[u8]) -> Vec<u8> {
    [b"Subject: outer\r\n\r\nouter", variant, SECOND].concat()
}

#[test]
fn each_variant_is_text_of_one_message() {
    for variant in VARIANTS {
        let opening = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
        let data = [opening.as_bytes(), b"DATA\r\n", &body(variant), b".\r\n"].concat();
        let size = body(variant).len();
        let bdat = format!("{opening}BDAT {size} LAST\r\n");
        let bdat = [bdat.as_bytes(), &body(variant)].concat();
        // A dot at the start of a line is lost after DATA (RFC 5321 §4.5.2), and nothing else.
        let undone = {
            let at = body(variant).windows(3).position(|three| three == b"\r\n.");
            let mut undone = body(variant);
            at.map(|at| undone.remove(at + 2));
            undone
        };
        for (said, kept) in [(data, undone), (bdat, body(variant))] {
            for (pace, strict) in [(Pace::Whole, false), (Pace::Octets, false), (Pace::Whole, true)]
            {
                let shown = variant.escape_ascii();
                let script = Script {
                    name: shown.to_string(),
                    settings: vec![("refuse_bare_line_ends".into(), strict.to_string())],
                    turns: vec![Turn::Say([&said, &b"NOOP\r\n"[..]].concat())],
                };
                let stage = script.play::<Stage>(pace);
                let bodies: Vec<_> = stage
                    .events
                    .iter()
                    .filter_map(|it| if let Event::Body(body) = it { Some(body) } else { None })
                    .collect();
                let accepted = |reply: &str| {
                    let is = |it: &&Event| matches!(it, Event::Line(line) if line == reply);
                    stage.events.iter().filter(is).count()
                };
                assert_eq!(accepted("250 2.1.0 Ok"), 1, "{shown}: a second MAIL was obeyed");
                assert_eq!(accepted("250 2.0.0 Ok"), 1, "{shown}: NOOP behind the message");
                if strict {
                    assert!(bodies.len() <= 1, "{shown}");
                } else {
                    let expected: Vec<String> =
                        iter::once(kept.escape_ascii().to_string()).collect();
                    assert_eq!(bodies, expected.iter().collect::<Vec<_>>(), "{shown}");
                }
            }
        }
    }
}

#[test]
fn each_variant_stores_one_message() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO a").unwrap();
    for (number, variant) in VARIANTS.into_iter().enumerate() {
        for line in ["MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA"] {
            client.say(line).unwrap();
        }
        client.send(&[&body(variant), &b".\r\n"[..]].concat()).unwrap();
        let reply = client.reply().unwrap();
        assert!(reply.starts_with("250 "), "{}: {reply}", variant.escape_ascii());
        assert_eq!(client.say("NOOP").unwrap(), "250 2.0.0 Ok\r\n", "nothing else was answered");
        assert_eq!(server.messages("limit=100").len(), number + 1, "{}", variant.escape_ascii());
    }
}
