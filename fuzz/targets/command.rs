//! One command line: it has one answer, whatever it is, and nothing of it breaks out of that answer.

use super::world::{Settings, World};

/// The first octet sets the server, the second one says what went before, the rest is the line.
pub fn run(octets: &[u8]) {
    let Some((&[settings, before], line)) = octets.split_first_chunk() else { return };
    let line = line.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let mut world = World::new(Settings(settings & !STARTTLS));
    let greeting = if settings & LMTP == 0 { "EHLO a\r\n" } else { "LHLO a\r\n" };
    for said in [greeting, "AUTH PLAIN AGEAYg==\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n"]
        .iter()
        .take(usize::from(before % 5))
    {
        world.feed(said.as_bytes());
    }
    world.replies.clear();
    world.feed(line);
    world.feed(b"\r\n");
    let count = world.check_replies();
    // The octets of a chunk come before its answer; a line that closes is answered all the same.
    let is_chunk = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
    assert!(count == 1 || (is_chunk && count == 0), "{count} answers: {}", line.escape_ascii());
}

const STARTTLS: u8 = 1 << 3;
const LMTP: u8 = 1;
