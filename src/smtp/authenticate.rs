//! AUTH (RFC 4954 §4): when it may be said, and how an exchange goes on.

use super::{Ask, AuthMode, Reply, Session, Step, command, commands::Outcome, state::State};
use crate::wire::sasl::{Claim, Exchange, Fault, Mechanism, Progress};

impl Session {
    pub(super) fn auth<'a>(&mut self, argument: &str) -> Outcome<'a> {
        if self.options.auth == AuthMode::Off {
            return Err(Reply::NOT_IMPLEMENTED);
        }
        // After HELO as well, although RFC 4954 §4 tells it in the answer to EHLO only: clients that fall
        // back to HELO try it all the same, and Postfix takes it.
        if self.client.is_none() {
            return Err(self.hello_first());
        }
        if self.auth_user.is_some() {
            return Err(Reply::AUTH_TWICE);
        }
        if self.transaction.is_some() {
            return Err(Reply::AUTH_IN_TRANSACTION);
        }
        let (name, initial) = command::auth(argument)?;
        if self.capabilities().auth_needs_tls() {
            return Err(Reply::AUTH_NEEDS_TLS);
        }
        let mechanism = Mechanism::from_name(name)
            .filter(|it| self.capabilities().mechanism(*it))
            .ok_or(Reply::UNKNOWN_MECHANISM)?;
        self.exchange(Exchange::begin(mechanism, initial))
    }

    /// Goes on with an exchange.
    pub(super) fn exchange<'a>(&mut self, progress: Progress) -> Outcome<'a> {
        match progress {
            Progress::Challenge(text, exchange) => {
                super::reply::challenge(text).write(&mut self.output);
                self.state = State::Auth(exchange);
                Ok(None)
            }
            Progress::Nonce(exchange) => {
                self.state = State::NeedsNonce(exchange);
                Ok(None)
            }
            Progress::Secrets(user, exchange) => {
                self.state = State::ScramKeys(exchange);
                Ok(Some(Step::Ask(Ask::ScramKeys(user))))
            }
            Progress::Claimed(claim) => {
                let is_token = matches!(claim, Claim::Token { .. });
                let certified = self.tls().and_then(|tls| tls.client_certificate.as_deref());
                let user = claim.user_or(certified).to_owned();
                self.state = State::Login { user, is_token };
                Ok(Some(Step::Ask(Ask::Login(claim))))
            }
            Progress::Proven(user) => {
                self.logged_in(user);
                Ok(None)
            }
            Progress::Failed(Fault::Cancelled) => Err(Reply::AUTH_CANCELLED),
            Progress::Failed(Fault::NoInitial) => Err(Reply::AUTH_NO_INITIAL),
            Progress::Failed(Fault::Base64 | Fault::Malformed) => Err(Reply::AUTH_MALFORMED),
            Progress::Failed(Fault::Authzid | Fault::Refused) => {
                self.stats.logins_failed += 1;
                Err(Reply::AUTH_REFUSED)
            }
        }
    }
}
