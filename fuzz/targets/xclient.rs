//! XCLIENT: whoever may say it makes a client of plain text only, with each attribute once; whoever may
//! not changes nothing.

use super::world::{Settings, World};

/// The octets are the attributes.
pub fn run(octets: &[u8]) {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = [b"XCLIENT ", line, b"\r\n"].concat();
    for settings in [MAY_XCLIENT, 0] {
        let mut world = World::new(Settings(settings));
        world.feed(b"EHLO a\r\n");
        world.replies.clear();
        world.feed(&line);
        assert_eq!(world.check_replies(), 1);
        let adopted = world.replies.starts_with(b"220 ");
        assert_eq!(adopted, !world.clients.is_empty());
        assert!(!adopted || is_each_once(&line), "{}", line.escape_ascii());
        for client in &world.clients {
            for text in [&client.name, &client.helo, &client.login].into_iter().flatten() {
                assert!(!text.is_empty() && text.len() <= 255, "{text:?}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}

/// No two words have the same name before their equals sign.
fn is_each_once(line: &[u8]) -> bool {
    let words = line.trim_ascii_end().split(|octet| *octet == b' ').skip(1);
    let mut names: Vec<_> = words
        .filter_map(|word| word.split(|octet| *octet == b'=').next())
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_ascii_uppercase)
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    names.len() == all
}

const MAY_XCLIENT: u8 = 1 << 4;
