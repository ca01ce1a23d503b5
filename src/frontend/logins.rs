//! Logins, whatever protocol they are claimed in: an address that failed too often is not looked at.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{Client, Context};
use crate::{
    auth::Mode,
    wire::{
        Tls,
        sasl::{Claim, Nonce, ScramKeys, Verdict},
    },
};

impl Context {
    /// Whether a claim is good.
    pub async fn check_login(
        &self,
        client: Option<SocketAddr>,
        mode: Mode,
        claim: Claim,
        tls: Option<&Tls>,
    ) -> Verdict {
        let user = claim.user().to_owned();
        let verdict = if self.is_login_blocked(client) {
            Verdict::Unavailable
        } else {
            let certificate = tls.and_then(|tls| tls.client_certificate.as_deref());
            self.auth.check(mode, claim, certificate).await
        };
        match verdict {
            Verdict::Accepted => {}
            Verdict::Refused => {
                log::warn!(client:% = Client(client), user:% = user; "login refused")
            }
            Verdict::Unavailable => {
                log::warn!(client:% = Client(client), user:% = user; "login put off");
            }
        }
        verdict
    }

    /// What SCRAM checks a proof with; an error if nothing is to be looked at now.
    pub async fn scram_keys(
        &self,
        client: Option<SocketAddr>,
        user: &str,
    ) -> Result<Option<ScramKeys>, PutOff> {
        match self.is_login_blocked(client) {
            true => Err(PutOff),
            false => Ok(self.auth.scram_keys(user).await),
        }
    }

    /// Octets that nobody can guess.
    pub fn nonce(&self) -> Result<Nonce, PutOff> {
        let mut octets = Nonce::default();
        getrandom::fill(&mut octets).map_err(|error| {
            log::error!(error:% = error; "no random numbers");
            PutOff
        })?;
        Ok(octets)
    }

    /// Counts a failed login; returns how long its answer is to wait.
    pub fn login_failed(&self, client: Option<SocketAddr>) -> Duration {
        self.metrics.logins_failed.add(1);
        self.auth.failed(client.map(|client| client.ip()), Instant::now())
    }

    fn is_login_blocked(&self, client: Option<SocketAddr>) -> bool {
        self.auth.is_blocked(client.map(|client| client.ip()), Instant::now())
    }
}

/// Nobody can log in now; later may be better.
#[derive(Clone, Copy, Debug)]
pub struct PutOff;
