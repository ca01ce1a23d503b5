//! A whole POP3 session: it never panics, every answer can be read, nothing is deleted but at its end and by
//! somebody who logged in, and how the stream was cut makes no difference.

use std::{mem, sync::Arc, time::Instant};

use smtpd::{
    id::MessageId,
    limits,
    pop3::{Ask, Entry, Failure, Maildrop, Options, Session, Step},
    wire::{
        Tls,
        sasl::{Mechanism, ScramKeys, Verdict},
        session::{Session as _, StartTls},
    },
};

use super::pieces;

/// The first octet sets the server and what is in the maildrop, the second one cuts, the rest is said.
pub fn run(octets: &[u8]) {
    let Some((&[settings, seed], said)) = octets.split_first_chunk() else { return };
    let whole = play(settings, &[said]);
    let single: Vec<&[u8]> = said.chunks(1).collect();
    for cut in [single, pieces(said, seed)] {
        let other = play(settings, &cut);
        // Behind STLS nothing may stand, so there the cut decides.
        if settings & STLS == 0 {
            assert!(other == whole, "{}\n\n{}", other.escape_ascii(), whole.escape_ascii());
        }
    }
}

fn play(settings: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut world = World::new(settings);
    pieces.iter().for_each(|piece| world.feed(piece));
    world.transcript
}

struct World {
    settings: u8,
    session: Session,
    now: Instant,
    transcript: Vec<u8>,
    has_logged_in: bool,
    is_over: bool,
}

impl World {
    fn new(settings: u8) -> Self {
        let now = Instant::now();
        let stls = if settings & STLS == 0 { StartTls::Off } else { StartTls::Offered };
        let options = Options {
            apop: true,
            mechanisms: Mechanism::ALL.to_vec(),
            stls,
            limits: limits::Options { command_line: 512, errors: 20, ..Default::default() },
            ..Options::default()
        };
        let session = Session::new(Arc::new(options), None, Some([0; 18]), now);
        let (transcript, has_logged_in, is_over) = (Vec::new(), false, false);
        let mut world = Self { settings, session, now, transcript, has_logged_in, is_over };
        world.feed(b"");
        world
    }

    fn feed(&mut self, mut input: &[u8]) {
        while !self.is_over {
            let step = self.session.step(&mut input, self.now);
            let output = mem::take(self.session.output());
            assert!(output.len() < MOST_OUTPUT, "{} octets at once", output.len());
            assert!(output.is_empty() || output.ends_with(b"\r\n"), "{}", output.escape_ascii());
            self.transcript.extend_from_slice(&output);
            match step {
                Step::Read => {
                    assert!(input.is_empty());
                    return;
                }
                Step::Flush => {}
                Step::Pause(_) => panic!("nobody has to wait"),
                Step::StartTls => self.session.tls_started(Tls::default()),
                Step::Close => self.is_over = true,
                Step::Ask(ask) => self.answer(ask),
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Nonce => self.session.nonce([0; 18]),
            Ask::ScramKeys(_) => {
                self.session.scram_keys(Some(ScramKeys::derive("geheim", b"salt", 1)));
            }
            Ask::Login(claim) => {
                let is_right = self.settings & REFUSES == 0 || claim.user() == "ann";
                self.session.login(if is_right { Verdict::Accepted } else { Verdict::Refused });
            }
            Ask::Open(_) => {
                self.has_logged_in = true;
                let entry = |number| Entry {
                    id: MessageId::from_bytes([number; 12]),
                    size: MESSAGE.len() as u64,
                };
                self.session.open(Maildrop::new((1..=self.settings & COUNT).map(entry).collect()));
            }
            Ask::Retrieve(id) => {
                assert!(self.has_logged_in);
                if id.as_bytes()[0] == 2 {
                    return self.session.refuse(&Failure::GONE);
                }
                self.session.begin_message();
                for piece in MESSAGE.chunks(7) {
                    if !self.session.content(piece, self.now) {
                        break;
                    }
                }
                self.session.end_message();
            }
            Ask::Delete(ids) => {
                assert!(self.has_logged_in && !ids.is_empty());
                assert!(ids.is_sorted_by(|a, b| a < b), "each once: {ids:?}");
                self.transcript.extend_from_slice(format!("[delete {ids:?}]").as_bytes());
                self.session.deleted(ids.len() as u64);
            }
        }
    }
}

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.\r\n..\n.\nend";

/// Bits of the first octet.
const STLS: u8 = 0x80;
const REFUSES: u8 = 0x40;
const COUNT: u8 = 0x0f;

/// More than is written at once: a listing, and the line that went over it.
const MOST_OUTPUT: usize = 64 * 1024;
