//! A whole SMTP session: it never panics, every reply can be read, and how the stream was cut makes no
//! difference to what is said and stored.

use super::{
    pieces,
    world::{Settings, World},
};

/// The first octet sets the server, the second one cuts, the rest is said.
pub fn run(octets: &[u8]) {
    let Some((&[settings, seed], said)) = octets.split_first_chunk() else { return };
    let settings = Settings(settings);
    let whole = play(settings, &[said]);
    let single: Vec<&[u8]> = said.chunks(1).collect();
    for cut in [single, pieces(said, seed)] {
        let other = play(settings, &cut);
        // Behind STARTTLS nothing may stand, so there the cut decides.
        if !settings.starttls() {
            assert!(other == whole, "{}\n\n{}", other.escape_ascii(), whole.escape_ascii());
        }
    }
}

fn play(settings: Settings, pieces: &[&[u8]]) -> Vec<u8> {
    let mut world = World::new(settings);
    pieces.iter().for_each(|piece| world.feed(piece));
    world.check_replies();
    world.transcript
}
