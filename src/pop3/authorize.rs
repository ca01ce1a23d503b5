//! The AUTHORIZATION state (RFC 1939 §4, RFC 5034): what is offered, and who somebody claims to be.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{
    Ask, Failure, Session, Step,
    command::nothing,
    session::{Asked, Outcome, State},
};
use crate::{
    secret::Secret,
    wire::{
        sasl::{Claim, Credentials, Exchange, Fault, Mechanism, Progress, is_name},
        session::StartTls,
    },
};

impl Session {
    pub(super) fn authorization(&mut self, keyword: &str, argument: &str) -> Outcome {
        match keyword {
            "USER" => {
                self.may_log_in(self.offers_passwords())?;
                if argument.is_empty() {
                    return Err(Failure::NEEDS_NAME);
                }
                if !is_name(argument) {
                    return Err(Failure::BAD_NAME);
                }
                self.name = Some(argument.to_owned());
                // Whether there is such a user is not said here.
                self.say(format_args!("+OK Send the password"));
            }
            "PASS" => {
                self.may_log_in(self.offers_passwords())?;
                let user = self.name.take().ok_or(Failure::USER_FIRST)?;
                let password = Secret::new(argument.to_owned());
                return self.claim(Claim::Password(Credentials { user, password }));
            }
            "APOP" => {
                self.may_log_in(!self.timestamp.is_empty())?;
                let (user, digits) = argument.rsplit_once(' ').ok_or(Failure::APOP_MALFORMED)?;
                let digest = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
                let digest = digest.and_then(|it| it.try_into().ok());
                let digest = digest.ok_or(Failure::APOP_MALFORMED)?;
                let (user, timestamp) =
                    (user.trim_end_matches(' ').to_owned(), self.timestamp.to_string());
                return self.claim(Claim::Apop { user, timestamp, digest });
            }
            "AUTH" => return self.auth(argument),
            "UTF8" => {
                nothing(argument)?;
                self.is_utf8 = true;
                self.say(format_args!("+OK UTF8 enabled"));
            }
            _ => return Err(Failure::LOG_IN_FIRST),
        }
        Ok(None)
    }

    /// `AUTH mechanism [initial-response]`; alone it lists the mechanisms, as clients of old expect.
    fn auth(&mut self, argument: &str) -> Outcome {
        if argument.is_empty() {
            self.say(format_args!("+OK"));
            for name in self.mechanisms() {
                self.say(format_args!("{name}"));
            }
            self.say(format_args!("."));
            return Ok(None);
        }
        let (name, initial) = match argument.split_once(' ') {
            Some((name, initial)) => (name, Some(initial.trim_matches(' '))),
            None => (argument, None),
        };
        let mechanism = Mechanism::from_name(name);
        let mechanism = mechanism.filter(|it| self.options.mechanisms.contains(it));
        self.may_log_in(mechanism.is_some())?;
        let Some(mechanism) = mechanism else { return Err(Failure::NOT_OFFERED) };
        self.exchange(Exchange::begin(mechanism, initial))
    }

    /// Goes on with an exchange.
    pub(super) fn exchange(&mut self, progress: Progress) -> Outcome {
        match progress {
            Progress::Challenge(text, exchange) => {
                self.say(format_args!("+ {text}"));
                self.state = State::Auth(exchange);
                Ok(None)
            }
            Progress::Nonce(exchange) => {
                self.state = State::Asked(Asked::Nonce(exchange));
                Ok(Some(Step::Ask(Ask::Nonce)))
            }
            Progress::Secrets(user, exchange) => {
                self.state = State::Asked(Asked::ScramKeys(exchange));
                Ok(Some(Step::Ask(Ask::ScramKeys(user))))
            }
            Progress::Claimed(claim) => self.claim(claim),
            Progress::Proven(user) => Ok(Some(self.open_for(user))),
            Progress::Failed(Fault::Cancelled) => Err(Failure::CANCELLED),
            Progress::Failed(Fault::NoInitial | Fault::Base64 | Fault::Malformed) => {
                Err(Failure::MALFORMED)
            }
            Progress::Failed(Fault::Authzid | Fault::Refused) => {
                self.stats.failed_logins += 1;
                Err(Failure::LOGIN_FAILED)
            }
        }
    }

    fn claim(&mut self, claim: Claim) -> Outcome {
        let is_token = matches!(claim, Claim::Token { .. });
        let certified = self.tls().and_then(|tls| tls.client_certificate.as_deref());
        let user = claim.user_or(certified).to_owned();
        self.state = State::Asked(Asked::Login { user, is_token });
        Ok(Some(Step::Ask(Ask::Login(claim))))
    }

    /// Somebody is who they say: their maildrop is to be had.
    pub(super) fn open_for(&mut self, user: String) -> Step {
        self.state = State::Asked(Asked::Open(user.clone()));
        Step::Ask(Ask::Open(user))
    }

    fn may_log_in(&self, is_offered: bool) -> Result<(), Failure> {
        if self.needs_tls() {
            return Err(Failure::NEEDS_TLS);
        }
        if is_offered { Ok(()) } else { Err(Failure::NOT_OFFERED) }
    }

    fn needs_tls(&self) -> bool {
        let is_needed = self.options.login_needs_tls || self.options.stls == StartTls::Required;
        is_needed && self.tls.is_none()
    }

    pub(super) fn offers_stls(&self) -> bool {
        self.options.stls != StartTls::Off && self.tls.is_none()
    }

    fn offers_passwords(&self) -> bool {
        let with_passwords = [Mechanism::Plain, Mechanism::Login];
        self.options.mechanisms.iter().any(|it| with_passwords.contains(it))
    }

    fn mechanisms(&self) -> Vec<&'static str> {
        if self.needs_tls() {
            return Vec::new();
        }
        let has_certificate = self.tls().is_some_and(|tls| tls.client_certificate.is_some());
        let offered = self.options.mechanisms.iter();
        offered
            .filter(|it| **it != Mechanism::External || has_certificate)
            .map(|it| it.name())
            .collect()
    }

    /// The same before the login and after it: some clients ask only once (RFC 2449 §5).
    pub(super) fn capabilities(&mut self, argument: &str) -> Result<(), Failure> {
        nothing(argument)?;
        let mechanisms = self.mechanisms();
        self.say(format_args!(
            "+OK Capability list follows\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES"
        ));
        self.say(format_args!("AUTH-RESP-CODE\r\nLANG\r\nUTF8 USER\r\nIMPLEMENTATION smtpd"));
        let lines = [
            (self.options.is_kept, "EXPIRE NEVER"),
            (self.offers_stls(), "STLS"),
            (self.offers_passwords() && !self.needs_tls(), "USER"),
        ];
        for (_, line) in lines.into_iter().filter(|(holds, _)| *holds) {
            self.say(format_args!("{line}"));
        }
        if !mechanisms.is_empty() {
            self.say(format_args!("SASL {}", mechanisms.join(" ")));
        }
        self.say(format_args!("."));
        Ok(())
    }

    /// There is one language (RFC 6856 §3).
    pub(super) fn language(&mut self, argument: &str) -> Result<(), Failure> {
        match argument {
            "" => self.say(format_args!("+OK Language listing follows:\r\nen English\r\n.")),
            "*" => self.say(format_args!("+OK en Language is English")),
            _ if ["en", "i-default"].iter().any(|it| argument.eq_ignore_ascii_case(it)) => {
                self.say(format_args!("+OK {argument} Language is English"));
            }
            _ => return Err(Failure::NO_LANGUAGE),
        }
        Ok(())
    }
}
