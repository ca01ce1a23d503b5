//! SASL exchanges: never a panic, never an end without words, and what a client says is what is claimed.

use data_encoding::BASE64;
use smtpd::wire::sasl::{Claim, Exchange, Fault, Mechanism, Progress, ScramKeys};

/// The first octet chooses the mechanism and whether there is an initial response; then come lines.
pub fn run(octets: &[u8]) {
    let Some((&choice, rest)) = octets.split_first() else { return };
    // Written without base64 as well, or nothing behind it would ever be reached.
    let is_plain_text = choice & 0x40 != 0;
    let mut lines = rest.split(|octet| *octet == b'\n').map(|line| match is_plain_text {
        true => BASE64.encode(line).into_bytes(),
        false => line.to_vec(),
    });
    let mechanism = Mechanism::ALL[usize::from(choice & 0x3f) % Mechanism::ALL.len()];
    let initial = if choice & 0x80 == 0 { None } else { lines.next() };
    let initial = initial.and_then(|line| String::from_utf8(line).ok());
    let mut progress = Exchange::begin(mechanism, initial.as_deref());
    for _ in 0..16 {
        progress = match progress {
            Progress::Challenge(text, exchange) => {
                assert!(BASE64.decode(text.as_bytes()).is_ok(), "{text}");
                let Some(line) = lines.next() else { break };
                exchange.respond(&line)
            }
            Progress::Nonce(exchange) => exchange.nonce([1; 18], "mx.test"),
            Progress::Secrets(user, exchange) => {
                assert!(!user.contains(char::is_control), "{user:?}");
                let keys = (!user.starts_with('x')).then(|| ScramKeys::derive("a", b"b", 1));
                exchange.keys(keys)
            }
            Progress::Claimed(claim) => {
                assert!(!claim.user().contains(char::is_control), "{claim:?}");
                break;
            }
            Progress::Proven(_) | Progress::Failed(_) => break,
        };
    }
    if let Ok(text) = std::str::from_utf8(rest) {
        plain(text);
    }
}

/// What a client says by PLAIN is claimed.
fn plain(text: &str) {
    let (user, password) = text.split_once('\n').unwrap_or((text, ""));
    let said = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
    match Exchange::begin(Mechanism::Plain, Some(&said)) {
        Progress::Claimed(Claim::Password(credentials)) => {
            assert_eq!(
                (credentials.user.as_str(), &**credentials.password.declassify()),
                (user, password)
            );
        }
        Progress::Failed(Fault::Malformed) => {
            let is_name = !user.is_empty() && !user.contains(char::is_control);
            assert!(!is_name || text.contains('\0'), "{text:?}");
        }
        other => panic!("{other:?} for {text:?}"),
    }
}
