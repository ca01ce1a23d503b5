//! Words of SMTP stirred at random: nothing panics, and how the stream was cut makes no difference.

use super::{
    pace::{Pace, Random},
    script::{Script, Turn},
};

#[test]
fn soup_never_panics_and_is_the_same_however_it_is_cut() {
    let (mut kept, mut abandoned) = (0, 0);
    for seed in 1..=2000 {
        let mut random = Random(seed);
        let length = 1 + random.below(60);
        let mut soup = if seed % 3 == 0 { OPENING.to_vec() } else { Vec::new() };
        for _ in 0..length {
            soup.extend_from_slice(INGREDIENTS[random.below(INGREDIENTS.len())]);
        }
        let settings = [
            ("max_line", "64"),
            ("max_message_size", "40"),
            ("max_recipients", "3"),
            ("max_errors", if seed % 4 == 0 { "5" } else { "1000" }),
            ("auth", if seed % 8 == 0 { "required" } else { "offered" }),
            ("refuse_bare_line_ends", if seed % 2 == 0 { "true" } else { "false" }),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let turns = vec![Turn::Say(soup)];
        let script = Script { name: format!("soup {seed}"), settings: settings.into(), turns };
        let whole = script.play(Pace::Whole);
        for pace in [Pace::Octets, Pace::Random(seed), Pace::Random(seed + 9999)] {
            let cut = script.play(pace);
            assert_eq!(cut.events, whole.events, "{}, {pace:?}", script.name);
            let logs = [&cut, &whole].map(|stage| format!("{:?}", stage.session.log()));
            assert_eq!(logs[0], logs[1], "{}, {pace:?}", script.name);
        }
        kept += whole.session.log().messages_kept;
        abandoned += whole.session.log().messages_refused;
    }
    // The soup is thick enough to reach every state.
    assert!(kept > 100 && abandoned > 100, "{kept} messages kept, {abandoned} abandoned");
}

const OPENING: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

/// What soup is made of: words of SMTP, whole and in shreds.
const INGREDIENTS: [&[u8]; 48] = [
    b"EHLO a\r\n",
    b"EHLO a\r\n",
    b"HELO a\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<> SIZE=10\r\n",
    b"MAIL FROM:<a@b> SIZE=1000\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<\"x y\"@[IPv6:::1]>\r\n",
    b"RCPT TO:<>\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b".\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"\r\n.\r\n",
    b"Subject: x\r\n\r\n",
    b"..\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r\r\n",
    b"\r",
    b"\n",
    b".",
    b"\r\n",
    b"\0",
    b"\xff",
    "ä".as_bytes(),
    b"a longer run of text without an end to fill a line with, and more",
    b"AUTH PLAIN AGFubgBw\r\n",
    b"AUTH LOGIN\r\n",
    b"YW5u\r\n",
    b"*\r\n",
    b"=\r\n",
    b"RSET\r\n",
    b"NOOP x\r\n",
    b"VRFY a\r\n",
    b"HELP\r\n",
    b"EXPN a\r\n",
    b" ",
    b"<",
    b"MAIL",
    b"FROM:",
];
