//! Messages that read like mail to a full-text index: some ten thousand words, a few of them in most
//! messages, most of them in few.
//!
//! The same number always gives the same message. [`COMMON`] stands in every message, [`RARE`] in one
//! of [`RARE_EVERY`].

/// A word of every message.
const COMMON: &str = "commonplace";

/// A word of few messages.
const RARE: &str = "rarissime";

/// One message of so many has the rare word.
const RARE_EVERY: u64 = 50_000;

/// So many mailboxes share the messages.
const MAILBOXES: u64 = 1_000;

/// Words to choose from.
const WORDS: u64 = 10_000;

/// What stands before the number of a message in its subject.
pub(crate) const MARK: &str = "bench:";

/// Writes message `number` of about `size` octets behind what is in `out`.
pub(crate) fn message(number: u64, size: usize, out: &mut Vec<u8>) {
    let end = out.len() + size.saturating_sub(2);
    let mut random = Random(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let sender = random.below(MAILBOXES);
    out.extend_from_slice(
        format!(
            "From: Sender {sender} <sender{sender}@example.org>\r\nTo: {}\r\nMessage-ID: <{number}@bench.example.org>\r\n\
             Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nSubject: {MARK}{number} ",
            mailbox(number)
        )
        .as_bytes(),
    );
    (0..4).for_each(|_| random.word(out));
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(COMMON.as_bytes());
    out.push(b' ');
    if number % RARE_EVERY == 7 {
        out.extend_from_slice(RARE.as_bytes());
        out.push(b' ');
    }
    let mut line = out.len();
    while out.len() < end {
        random.word(out);
        if out.len() - line > 68 {
            out.extend_from_slice(b"\r\n");
            line = out.len();
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whom message `number` is for.
pub(crate) fn mailbox(number: u64) -> String {
    format!("user{}@example.org", number % MAILBOXES)
}

/// xorshift64: quick, and the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// A word and a space; low ranks come much more often than high ones, as in a language.
    fn word(&mut self, out: &mut Vec<u8>) {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let mut rank = (share.powi(4) * WORDS as f64) as u64 + 20;
        while rank > 0 {
            let syllable = SYLLABLES.get((rank % 20) as usize).copied().unwrap_or("a");
            out.extend_from_slice(syllable.as_bytes());
            rank /= 20;
        }
        out.push(b' ');
    }
}

const SYLLABLES: [&str; 20] = [
    "ba", "ne", "ri", "to", "lu", "ka", "me", "si", "do", "vu", "fa", "ge", "pi", "no", "ru",
    "sha", "te", "li", "mo", "zu",
];
