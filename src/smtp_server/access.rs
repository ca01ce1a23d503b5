//! What the server asks of the policy and of those who know users, and what it remembers of refusals.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use super::{Client, Connection, Context, reject::reply, unix_ms};
use crate::{
    frontend::PutOff,
    policy::{BlockBy, Rejection},
    refusals::Refusal,
    smtp::{Reply, Session, Verb, XClient},
    wire::sasl::Claim,
};

impl Connection {
    /// Asks about the reverse-path just given.
    pub(super) fn mail(&mut self, session: &mut Session) {
        let policy = &self.inner.server.context.policy;
        let Some(envelope) = session.envelope() else { return };
        let (helo, sender) = (&envelope.helo, &envelope.reverse_path);
        match policy.mail(&self.permit, helo, sender, Instant::now()) {
            Ok(()) => {
                self.sender.clone_from(sender);
                session.accept();
            }
            Err(rejection) => {
                let sender = Some(sender.clone());
                self.refuse(session, reply(rejection), sender, None);
            }
        }
    }

    /// Asks about the forward-path just given.
    pub(super) fn rcpt(&mut self, session: &mut Session) {
        let policy = &self.inner.server.context.policy;
        let Some(envelope) = session.envelope() else { return };
        let path = envelope.forward_paths.last().map_or("", |path| path.address.as_str());
        let is_authenticated = envelope.auth_user.is_some();
        match policy.rcpt(&self.permit, is_authenticated, path, Instant::now()) {
            Ok(()) => session.accept(),
            Err(rejection) => {
                let (sender, path) = (envelope.reverse_path.clone(), path.to_owned());
                self.refuse(session, reply(rejection), Some(sender), Some(path));
            }
        }
    }

    /// Asks whether a claim is good.
    pub(super) async fn login(&mut self, session: &mut Session, claim: Claim) {
        let context = &self.inner.server.context;
        let checked = context.check_login(self.client, self.inner.auth, claim, session.tls());
        let verdict = checked.await;
        session.login(verdict);
    }

    /// Brings what SCRAM checks a proof with.
    pub(super) async fn scram_keys(&mut self, session: &mut Session, user: &str) {
        match self.inner.server.context.scram_keys(self.client, user).await {
            Ok(keys) => session.secrets(keys),
            Err(PutOff) => session.refuse(LOGIN_PUT_OFF),
        }
    }

    /// Brings octets that nobody can guess.
    pub(super) fn nonce(&mut self, session: &mut Session) {
        match self.inner.server.context.nonce() {
            Ok(octets) => session.nonce(octets),
            Err(PutOff) => session.refuse(LOGIN_PUT_OFF),
        }
    }

    /// A proxy of ours says who its client is, and that one may or may not connect.
    pub(super) fn adopt(&mut self, session: &mut Session, said: XClient) {
        let proxy = self.client;
        // Whom the PROXY protocol named was let in already, and counts once.
        if self.inner.server.proxy {
            let named = proxy.map(|client| client.ip().to_canonical());
            return match said.address.map(|ip| ip.to_canonical()) {
                Some(ip) if named != Some(ip) => session.refuse(Reply::NO_XCLIENT),
                _ => session.adopt(self.permit.is_trusted()),
            };
        }
        let client = match said.address {
            Some(ip) => Some(SocketAddr::new(ip.to_canonical(), said.port.unwrap_or(0))),
            None => proxy,
        };
        log::debug!(client:% = Client(client), proxy:% = Client(proxy); "client named by XCLIENT");
        let policy = &self.inner.server.context.policy;
        // Whoever was the client before is gone, and counts no more. A client whose address the proxy
        // does not know is nobody's friend.
        self.permit = policy.proxy(None);
        let permit = policy.connect(said.address, Instant::now());
        self.client = client;
        match permit {
            Ok(permit) => {
                session.adopt(permit.is_trusted());
                self.permit = permit;
            }
            Err(rejection) => {
                let reply = reply(rejection);
                self.inner.server.context.metrics.smtp.refused.add(1);
                log::warn!(client:% = Client(client), reply:% = reply; "connection refused");
                session.refuse(reply);
            }
        }
    }

    /// A message that the policy does not want is complete: says what it is to hear.
    pub(super) fn block(&mut self, session: &mut Session, pattern: usize) {
        let envelope = session.take_envelope();
        let sender = envelope.reverse_path;
        // As people count the expressions of the list.
        let number = pattern + 1;
        let log = |what| {
            let client = Client(self.client);
            log::warn!(client:% = client, from:% = sender, pattern = number; "{what}");
        };
        match self.inner.server.context.policy.block_body_by() {
            BlockBy::Refuse => {
                log("message refused by policy.block_body");
                self.inner.server.context.metrics.messages_refused.add(1);
                self.refuse(session, reply(Rejection::Content), Some(sender), None);
            }
            BlockBy::Drop => {
                log("message dropped by policy.block_body");
                self.inner.server.context.metrics.messages_dropped.add(1);
                remember(
                    &self.inner.server.context,
                    Refusal {
                        at_ms: unix_ms(SystemTime::now()),
                        client: self.client,
                        command: Verb::Data.name(),
                        code: 250,
                        text: format!("dropped: matches expression {number} of policy.block_body"),
                        sender: Some(sender),
                        recipient: None,
                    },
                );
                session.kept(&like_an_id());
            }
        }
    }

    /// Remembers what was refused since the last time; returns how long the answer is to wait because
    /// of failed logins. `sender` and `recipient` belong to the last refusal.
    pub(super) fn note(
        &mut self,
        session: &mut Session,
        sender: Option<String>,
        recipient: Option<String>,
    ) -> Duration {
        let told = session.refusals().to_vec();
        let context = &self.inner.server.context;
        let mut wait = Duration::ZERO;
        let mut paths = (sender, recipient);
        // From the last one backwards: the first that takes the paths is the one that they belong to.
        let noted: Vec<_> = told
            .iter()
            .rev()
            .map(|refusal| {
                let (sender, recipient) = std::mem::take(&mut paths);
                let under_way = || session.envelope().map(|it| it.reverse_path.clone());
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
                wait = wait.max(context.login_failed(self.client));
            }
            remember(context, refusal);
        }
        wait
    }

    fn refuse(
        &mut self,
        session: &mut Session,
        reply: Reply,
        sender: Option<String>,
        recipient: Option<String>,
    ) {
        // What was refused before has a context of its own.
        self.note(session, None, None);
        session.refuse(reply);
        self.note(session, sender, recipient);
    }
}

fn remember(context: &Context, refusal: Refusal) {
    context.metrics.refused_lately.add(refusal.at_ms);
    context.refusals.push(refusal);
}

/// Remembers a connection that was refused.
pub(super) fn note_connection(context: &Context, client: Option<SocketAddr>, reply: &Reply) {
    remember(
        context,
        Refusal {
            at_ms: unix_ms(SystemTime::now()),
            client,
            command: "connect",
            code: reply.code(),
            text: reply.to_string(),
            sender: None,
            recipient: None,
        },
    );
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
