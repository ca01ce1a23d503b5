//! XCLIENT: whoever may say it makes a client of plain text only; whoever may not changes nothing.

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
        for client in &world.clients {
            for text in [&client.name, &client.helo, &client.login].into_iter().flatten() {
                assert!(!text.is_empty() && text.len() <= 255, "{text:?}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}

const MAY_XCLIENT: u8 = 1 << 4;
