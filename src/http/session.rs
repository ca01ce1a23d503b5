//! Who is logged in: sessions in memory, and the cookie that names one.
//!
//! The cookie is 256 random bits; the table knows only its hash, so what leaks from here opens
//! nothing. A session ends when it is not used, when it is old, when its user logs out, when the user
//! is no more or has another password, and with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use data_encoding::BASE64URL_NOPAD;

use super::{Options, host::Host};
use crate::{
    auth::{CredentialVersion, TokenHash},
    secret::Secret,
};

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Mutex<HashMap<TokenHash, Session>>,
    most: usize,
    idle: Duration,
    age: Duration,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) user: String,
    /// That of the user at the login.
    pub(super) version: CredentialVersion,
    began: Instant,
    used: Instant,
}

/// What names a session inside this process.
pub(super) type Key = TokenHash;

impl Sessions {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            table: Mutex::default(),
            most: options.sessions,
            idle: options.session_idle_seconds.duration(),
            age: options.session_seconds.duration(),
        }
    }

    /// Begins one; returns what goes into its cookie. If there are too many, the one that was not used
    /// for longest ends.
    pub(super) fn begin(
        &self,
        user: String,
        version: CredentialVersion,
        now: Instant,
    ) -> Result<Secret<String>, String> {
        let mut octets = [0; TOKEN_OCTETS];
        getrandom::fill(&mut octets).map_err(|error| format!("no random numbers: {error}"))?;
        let token = Secret::new(BASE64URL_NOPAD.encode(&octets));
        let mut table = self.locked();
        if table.len() >= self.most {
            table.retain(|_, session| self.is_good(session, now));
        }
        while table.len() >= self.most {
            let oldest = table.iter().min_by_key(|(_, session)| session.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            table.remove(&oldest);
        }
        table.insert(TokenHash::new(&token), Session { user, version, began: now, used: now });
        Ok(token)
    }

    /// The session of this cookie.
    pub(super) fn key(&self, token: &Secret<String>) -> Key {
        TokenHash::new(token)
    }

    /// A session, if it goes on. `is_used` is false for what happens without its user.
    pub(super) fn find(&self, key: &Key, now: Instant, is_used: bool) -> Option<Session> {
        let mut table = self.locked();
        let session = table.get_mut(key)?;
        if !self.is_good(session, now) {
            table.remove(key);
            return None;
        }
        if is_used {
            session.used = now;
        }
        Some(session.clone())
    }

    /// Ends one.
    pub(super) fn end(&self, key: &Key) {
        self.locked().remove(key);
    }

    fn is_good(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.used) < self.idle
            && now.saturating_duration_since(session.began) < self.age
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<TokenHash, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cookie of these headers that names a session.
pub(super) fn cookie(headers: &HeaderMap, host: &Host, is_secure: bool) -> Option<Secret<String>> {
    let name = cookie_name(host, is_secure);
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|it| it.split_once('='));
    let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
    Some(Secret::new(value.trim().to_owned()))
}

/// A field `Set-Cookie` (RFC 6265 §4.1) that lasts so many seconds; 0 takes the cookie away.
///
/// Lax: a link in a chat that leads to a message works, but no other site's form or frame brings the
/// cookie along.
pub(super) fn set_cookie(
    token: &Secret<String>,
    host: &Host,
    is_secure: bool,
    seconds: u64,
) -> String {
    let (name, value) = (cookie_name(host, is_secure), token.declassify());
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// With the prefix a browser takes the cookie over https only, and from this very host (RFC 6265bis
/// §4.1.3.2). Ports share their cookies, so two smtpd on one machine need two names.
fn cookie_name(Host(host): &Host, is_secure: bool) -> String {
    let prefix = if is_secure { "__Host-" } else { "" };
    let port = host.rsplit_once(':').map(|(_, port)| port);
    match port.filter(|port| port.bytes().all(|octet| octet.is_ascii_digit())) {
        Some(port) => format!("{prefix}smtpd-{port}"),
        None => format!("{prefix}smtpd"),
    }
}

/// As much as nobody can guess.
const TOKEN_OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Auth;
    use crate::seconds::Seconds;

    fn version() -> CredentialVersion {
        let auth = Auth::new(toml::from_str("secrets = { ann = 'x' }").unwrap()).unwrap();
        auth.credential_version("ann").unwrap()
    }

    fn sessions(most: usize) -> Sessions {
        Sessions::new(&Options {
            sessions: most,
            session_idle_seconds: Seconds::new(10),
            session_seconds: Seconds::new(25),
            ..Options::default()
        })
    }

    #[test]
    fn a_session_ends_idle_old_or_logged_out() {
        let (sessions, start, version) = (sessions(9), Instant::now(), version());
        let begin = || sessions.key(&sessions.begin("ann".into(), version, start).unwrap());
        let after = |seconds| start + Duration::from_secs(seconds);
        let is_there = |key, seconds| sessions.find(key, after(seconds), true).is_some();
        let (idle, used, watched, ended) = (begin(), begin(), begin(), begin());
        assert!(sessions.find(&watched, after(9), false).is_some());
        assert!(is_there(&idle, 0) && !is_there(&idle, 10) && !is_there(&idle, 1), "idle");
        assert!(!is_there(&watched, 10), "being looked at is no use");
        assert!([9, 18, 24].iter().all(|at| is_there(&used, *at)) && !is_there(&used, 25), "old");
        assert!(is_there(&ended, 1));
        sessions.end(&ended);
        assert!(!is_there(&ended, 1));
    }

    #[test]
    fn there_are_only_so_many() {
        let (sessions, start, version) = (sessions(3), Instant::now(), version());
        let keys: Vec<_> = (0..5)
            .map(|second| {
                let now = start + Duration::from_secs(second);
                let token = sessions.begin(format!("user {second}"), version, now).unwrap();
                assert_eq!(token.declassify().len(), 43);
                sessions.key(&token)
            })
            .collect();
        let there = keys.iter().map(|key| sessions.find(key, start, false).is_some());
        assert_eq!(there.collect::<Vec<_>>(), [false, false, true, true, true]);
        assert_eq!(sessions.locked().len(), 3);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |text: &str| HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
        let host = Host("localhost:10025".into());
        let found = |text: &str, is_secure| {
            cookie(&headers(text), &host, is_secure).map(|token| token.declassify().clone())
        };
        let text = "a=b; smtpd-10025=one;__Host-smtpd-10025=two; smtpd-1=three; smtpd-10025=four";
        assert_eq!(found(text, false).as_deref(), Some("one"));
        assert_eq!(found(text, true).as_deref(), Some("two"));
        assert_eq!(found("smtpd=one; other", false), None);
        let token = Secret::new("t".to_owned());
        assert_eq!(
            set_cookie(&token, &Host("mail.example".into()), true, 60),
            "__Host-smtpd=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set_cookie(&token, &Host("[::1]:8".into()), false, 0),
            "smtpd-8=t; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        assert_eq!(cookie_name(&Host("[::1]".into()), false), "smtpd", "that is no port");
    }
}
