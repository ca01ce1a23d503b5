//! What the server asks of the policy and of those who know users, and what it remembers of refusals.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use super::{Connection, Context, Shown, reject::reply, unix_ms};
use crate::{
    policy::{BlockBy, Rejection},
    refusals::Refusal,
    smtp::{Reply, Verb, XClient},
    wire::sasl::{Claim, Verdict},
};

impl Connection<'_> {
    /// Asks about the reverse-path just given.
    pub(super) fn mail(&mut self) {
        let policy = &self.server.context.policy;
        let Some(envelope) = self.session.envelope() else { return };
        let (helo, sender) = (&envelope.helo, &envelope.reverse_path);
        match policy.mail(&self.permit, helo, sender, Instant::now()) {
            Ok(()) => {
                self.sender.clone_from(sender);
                self.session.accept();
            }
            Err(rejection) => {
                let sender = Some(sender.clone());
                self.refuse(reply(rejection), sender, None);
            }
        }
    }

    /// Asks about the forward-path just given.
    pub(super) fn rcpt(&mut self) {
        let policy = &self.server.context.policy;
        let Some(envelope) = self.session.envelope() else { return };
        let path = envelope.forward_paths.last().map_or("", |path| path.address.as_str());
        let is_authenticated = envelope.auth_user.is_some();
        match policy.rcpt(&self.permit, is_authenticated, path, Instant::now()) {
            Ok(()) => self.session.accept(),
            Err(rejection) => {
                let (sender, path) = (envelope.reverse_path.clone(), path.to_owned());
                self.refuse(reply(rejection), Some(sender), Some(path));
            }
        }
    }

    /// Asks whether a claim is good.
    pub(super) async fn login(&mut self, claim: Claim) {
        let user = claim.user().to_owned();
        let verdict = if self.is_blocked() {
            Verdict::Unavailable
        } else {
            let certificate = self.session.tls().and_then(|tls| tls.client_certificate.as_deref());
            self.server.context.auth.check(self.server.listener.auth, claim, certificate).await
        };
        match verdict {
            Verdict::Accepted => {}
            Verdict::Refused => {
                log::warn!(client:% = Shown(self.client), user:% = user; "login refused")
            }
            Verdict::Unavailable => {
                log::warn!(client:% = Shown(self.client), user:% = user; "login put off");
            }
        }
        self.session.login(verdict);
    }

    /// Brings what SCRAM checks a proof with.
    pub(super) async fn secrets(&mut self, user: &str) {
        if self.is_blocked() {
            return self.session.refuse(LOGIN_PUT_OFF);
        }
        let keys = self.server.context.auth.scram_keys(user).await;
        self.session.secrets(keys);
    }

    /// Brings octets that nobody can guess.
    pub(super) fn nonce(&mut self) {
        let mut octets = [0; 18];
        match getrandom::fill(&mut octets) {
            Ok(()) => self.session.nonce(octets),
            Err(error) => {
                log::error!(error:% = error; "no random numbers");
                self.session.refuse(LOGIN_PUT_OFF);
            }
        }
    }

    /// A proxy of ours says who its client is, and that one may or may not connect.
    pub(super) fn adopt(&mut self, said: XClient) {
        let proxy = self.client;
        // Whom the PROXY protocol named was let in already, and counts once.
        if self.server.listener.proxy {
            let named = proxy.map(|client| client.ip().to_canonical());
            return match said.address.map(|ip| ip.to_canonical()) {
                Some(ip) if named != Some(ip) => self.session.refuse(Reply::NO_XCLIENT),
                _ => self.session.adopt(self.permit.is_trusted()),
            };
        }
        let client = match said.address {
            Some(ip) => Some(SocketAddr::new(ip.to_canonical(), said.port.unwrap_or(0))),
            None => proxy,
        };
        log::debug!(client:% = Shown(client), proxy:% = Shown(proxy); "client named by XCLIENT");
        let policy = &self.server.context.policy;
        // Whoever was the client before is gone, and counts no more. A client whose address the proxy
        // does not know is nobody's friend.
        self.permit = policy.proxy(None);
        let permit = policy.connect(said.address, Instant::now());
        self.client = client;
        match permit {
            Ok(permit) => {
                self.session.adopt(permit.is_trusted());
                self.permit = permit;
            }
            Err(rejection) => {
                let reply = reply(rejection);
                self.server.context.metrics.smtp_connections_refused.add(1);
                log::warn!(client:% = Shown(client), reply:% = reply; "connection refused");
                self.session.refuse(reply);
            }
        }
    }

    /// A message that the policy does not want is complete: says what it is to hear.
    pub(super) fn block(&mut self, pattern: usize) {
        let envelope = self.session.take_envelope();
        let sender = envelope.reverse_path;
        // As people count the expressions of the list.
        let number = pattern + 1;
        let log = |what| {
            let client = Shown(self.client);
            log::warn!(client:% = client, from:% = sender, pattern = number; "{what}");
        };
        match self.server.context.policy.block_body_by() {
            BlockBy::Refuse => {
                log("message refused by policy.block_body");
                self.server.context.metrics.messages_refused.add(1);
                self.refuse(reply(Rejection::Content), Some(sender), None);
            }
            BlockBy::Drop => {
                log("message dropped by policy.block_body");
                self.server.context.metrics.messages_dropped.add(1);
                self.server.context.remember(Refusal {
                    at_ms: unix_ms(SystemTime::now()),
                    client: self.client,
                    command: Verb::Data.name(),
                    code: 250,
                    text: format!("dropped: matches expression {number} of policy.block_body"),
                    sender: Some(sender),
                    recipient: None,
                });
                self.session.kept(&like_an_id());
            }
        }
    }

    /// Remembers what was refused since the last time; returns how long the answer is to wait because
    /// of failed logins. `sender` and `recipient` belong to the last refusal.
    pub(super) fn note(&mut self, sender: Option<String>, recipient: Option<String>) -> Duration {
        let told = self.session.refusals().to_vec();
        let context = &self.server.context;
        let mut wait = Duration::ZERO;
        let mut paths = (sender, recipient);
        // From the last one backwards: the first that takes the paths is the one that they belong to.
        let noted: Vec<_> = told
            .iter()
            .rev()
            .map(|refusal| {
                let (sender, recipient) = std::mem::take(&mut paths);
                let under_way = || self.session.envelope().map(|it| it.reverse_path.clone());
                let is_end = matches!(refusal.verb, Some(Verb::Data | Verb::Bdat))
                    && refusal.reply.code() != OUT_OF_SEQUENCE;
                Refusal {
                    at_ms: unix_ms(SystemTime::now()),
                    client: self.client,
                    command: refusal.verb.map_or("?", Verb::name),
                    code: refusal.reply.code(),
                    text: refusal.reply.to_string(),
                    sender: sender
                        .or_else(under_way)
                        .or_else(|| is_end.then(|| self.sender.clone())),
                    recipient,
                }
            })
            .collect();
        for refusal in noted.into_iter().rev() {
            if refusal.code == LOGIN_FAILED {
                context.metrics.logins_failed.add(1);
                let ip = self.client.map(|client| client.ip());
                wait = wait.max(context.auth.failed(ip, Instant::now()));
            }
            context.remember(refusal);
        }
        wait
    }

    fn refuse(&mut self, reply: Reply, sender: Option<String>, recipient: Option<String>) {
        // What was refused before has a context of its own.
        self.note(None, None);
        self.session.refuse(reply);
        self.note(sender, recipient);
    }

    fn is_blocked(&self) -> bool {
        let ip = self.client.map(|client| client.ip());
        self.server.context.auth.is_blocked(ip, Instant::now())
    }
}

impl Context {
    fn remember(&self, refusal: Refusal) {
        self.metrics.refused_lately.add(refusal.at_ms);
        self.refusals.push(refusal);
    }
}

/// Remembers a connection that was refused.
pub(super) fn note_connection(context: &Context, client: Option<SocketAddr>, reply: &Reply) {
    context.remember(Refusal {
        at_ms: unix_ms(SystemTime::now()),
        client,
        command: "connect",
        code: reply.code(),
        text: reply.to_string(),
        sender: None,
        recipient: None,
    });
}

/// The name of a message that is nowhere: who is dropped cannot tell.
fn like_an_id() -> crate::id::MessageId {
    let mut octets = [0; 12];
    // Without randomness it is a name all the same.
    let _ = getrandom::fill(&mut octets);
    let seconds = u32::try_from(unix_ms(SystemTime::now()) / 1000).unwrap_or(u32::MAX);
    octets[..4].copy_from_slice(&seconds.to_be_bytes());
    crate::id::MessageId::from_bytes(octets)
}

const LOGIN_PUT_OFF: Reply = Reply::new(454, "4.7.0", "Temporary authentication failure");

/// The code of a command at the wrong time (RFC 5321 §4.2.2): there may have been no transaction.
const OUT_OF_SEQUENCE: u16 = 503;

/// The code of a failed login (RFC 4954 §6).
const LOGIN_FAILED: u16 = 535;
