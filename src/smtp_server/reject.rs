//! What the policy's rejections are in SMTP.

use crate::{policy::Rejection, smtp::Reply};

/// The reply to what was rejected (RFC 5321 section 4.2, RFC 3463).
pub(super) const fn reply(rejection: Rejection) -> Reply {
    match rejection {
        Rejection::Client => Reply::CLIENT_REJECTED,
        Rejection::Connections => {
            Reply::new(421, "4.7.0", "Too many connections from your address, try again later")
        }
        Rejection::ConnectionRate => {
            Reply::new(421, "4.7.0", "Too many new connections from your address, try again later")
        }
        Rejection::MessageRate => {
            Reply::new(450, "4.7.1", "Too many messages from your address, try again later")
        }
        Rejection::RecipientRate => {
            Reply::new(450, "4.7.1", "Too many recipients from your address, try again later")
        }
        Rejection::Helo => Reply::new(550, "5.7.1", "HELO name rejected: access denied"),
        Rejection::Sender => Reply::new(550, "5.7.1", "Sender address rejected: access denied"),
        Rejection::Recipient => {
            Reply::new(550, "5.7.1", "Recipient address rejected: access denied")
        }
        Rejection::Relay => Reply::new(550, "5.7.1", "Relay access denied"),
        Rejection::Content => Reply::new(550, "5.7.1", "Message content rejected"),
    }
}
