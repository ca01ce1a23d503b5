//! Words of SMTP stirred at random: nothing panics, and how the stream was cut makes no difference.

use super::{
    pace::{Pace, Random},
    script::{Script, Turn},
    stage::{Event, Stage},
};

#[test]
fn soup_never_panics_and_is_the_same_however_it_is_cut() {
    let (mut kept, mut abandoned) = (0, 0);
    for seed in 1..=3000 {
        let script = soup(seed, "off");
        let whole = script.play::<Stage>(Pace::Whole);
        for pace in [Pace::Octets, Pace::Random(seed), Pace::Random(seed + 9999)] {
            let cut = script.play::<Stage>(pace);
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

/// What stands behind STARTTLS in the same piece ends the session, so here the cut does make a
/// difference; but before TLS is required no message is ever kept.
#[test]
fn soup_with_starttls_never_panics_and_hides_nothing_behind_it() {
    let mut started = 0;
    for seed in 1..=2000 {
        let script = soup(seed, "required");
        for pace in [Pace::Whole, Pace::Octets, Pace::Random(seed)] {
            let stage = script.play::<Stage>(pace);
            let asked = |what: &str| {
                stage.events.iter().position(|it| matches!(it, Event::Ask(ask) if ask == what))
            };
            let handshake = asked("starttls");
            started += usize::from(handshake.is_some());
            let begin = asked("begin").unwrap_or(usize::MAX);
            assert!(handshake.unwrap_or(usize::MAX) <= begin, "{}, {pace:?}", script.name);
        }
    }
    assert!(started > 100, "{started} handshakes");
}

/// Not even words: any octets at all, behind every command that changes how octets are read.
#[test]
fn any_octets_never_panic() {
    for seed in 1..=2000 {
        let mut random = Random(seed);
        let mut octets = PRELUDES[random.below(PRELUDES.len())].to_vec();
        let few = random.below(2) == 0;
        for _ in 0..random.below(400) {
            octets.push(match random.below(if few { 256 } else { 8 }) {
                0 => b'\r',
                1 => b'\n',
                2 => b'.',
                3 => b' ',
                4 => b'=',
                other => u8::try_from(other).unwrap(),
            });
        }
        let script = with_settings(seed, octets, "off");
        let whole = script.play::<Stage>(Pace::Whole);
        let cut = script.play::<Stage>(Pace::Random(seed));
        assert_eq!(cut.events, whole.events, "{}", script.name);
    }
}

fn soup(seed: u64, starttls: &str) -> Script {
    let mut random = Random(seed);
    let length = 1 + random.below(60);
    let opening = random.below(PRELUDES.len());
    let mut soup = if starttls == "off" { PRELUDES[opening].to_vec() } else { Vec::new() };
    for _ in 0..length {
        soup.extend_from_slice(INGREDIENTS[random.below(INGREDIENTS.len())]);
    }
    soup.extend_from_slice(ENDS[random.below(ENDS.len())]);
    with_settings(seed, soup, starttls)
}

/// A different server for each seed.
fn with_settings(seed: u64, soup: Vec<u8>, starttls: &str) -> Script {
    let every = |many: u64, then: &'static str, otherwise: &'static str| {
        if seed.is_multiple_of(many) { then } else { otherwise }
    };
    let one_in = |many| every(many, "true", "false");
    let settings = [
        ("command_line", "120"),
        ("message_size", "40"),
        ("recipients", "3"),
        ("messages", every(5, "2", "0")),
        ("errors", every(4, "5", "1000")),
        ("auth", every(8, "required", "offered")),
        ("mechanisms", "SCRAM-SHA-256 CRAM-MD5 XOAUTH2 OAUTHBEARER PLAIN LOGIN EXTERNAL"),
        ("login", every(7, "refuse", "accept")),
        ("password", "geheim"),
        ("refuse_bare_line_ends", one_in(2)),
        ("lmtp", one_in(9)),
        ("may_xclient", every(3, "true", every(4, "itself", "false"))),
        ("ask_policy", one_in(3)),
        ("rcpt", every(6, "refuse 550 5.1.1 No such user", "accept")),
        ("begin", every(11, "refuse 452 4.3.1 Full", "accept")),
        ("keep", every(13, "refuse 451 4.3.0 Error", "accept")),
        ("tarpit_seconds", "1"),
        ("tarpit_after", "2"),
        ("strict_addresses", one_in(10)),
        ("mt_priority", one_in(2)),
        ("deliverby", one_in(2)),
        ("futurerelease", one_in(2)),
        ("starttls", starttls),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let turns = vec![Turn::Say(soup)];
    Script { name: format!("soup {seed}"), settings: settings.into(), turns }
}

const OPENING: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

/// What changes how the next octets are read.
const PRELUDES: [&[u8]; 8] = [
    b"",
    OPENING,
    b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 30\r\n",
    b"LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 30 LAST\r\n",
    b"BDAT 100 LAST\r\n",
    b"EHLO a\r\nAUTH PLAIN\r\n",
    b"EHLO a\r\nAUTH CRAM-MD5\r\n",
    b"EHLO a\r\nAUTH SCRAM-SHA-256 biwsbj1hbm4scj1hYmM=\r\n",
];

/// What ends a session.
const ENDS: [&[u8]; 4] = [b"", b"QUIT\r\n", b"BDAT x\r\n", b"GET / HTTP/1.1\r\n"];

/// What soup is made of: words of SMTP, whole and in shreds.
const INGREDIENTS: [&[u8]; 79] = [
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
    b"LHLO a\r\n",
    b"LHLO a\r\n",
    b"BDAT 0\r\n",
    b"BDAT 5\r\n",
    b"BDAT 8\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 3 LAST\r\n",
    b"BDAT 12 LAST\r\n",
    b"BDAT 50\r\n",
    b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    b"MAIL FROM:<a@b> RET=FULL ENVID=x+2B MT-PRIORITY=3\r\n",
    b"MAIL FROM:<a@b> BY=10;R HOLDFOR=5 REQUIRETLS\r\n",
    b"MAIL FROM:<> AUTH=<>\r\n",
    b"RCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d\r\n",
    b"AUTH CRAM-MD5\r\n",
    b"AUTH SCRAM-SHA-256\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj1hYmM=\r\n",
    b"biwsbj1hbm4scj1hYmM=\r\n",
    b"AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
    b"AUTH XOAUTH2\r\n",
    b"AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
    b"AQ==\r\n",
    b"AUTH EXTERNAL =\r\n",
    b"AUTH PLAIN\r\n",
    b"XCLIENT ADDR=192.0.2.1 LOGIN=ann\r\n",
    b"XCLIENT HELO=c PROTO=ESMTP\r\n",
    b"XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:::1\r\n",
    b"XCLIENT ADDR=x\r\n",
    b"STARTTLS\r\n",
    b"STARTTLS\r\n",
    b"BDAT ",
    b" ",
    b"<",
    b"MAIL",
    b"FROM:",
];
