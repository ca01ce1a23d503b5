//! The words of the login.

/// See the template `login.html`, and `base.html` for the way out.
pub(in crate::http) struct Strings {
    pub(in crate::http) title: &'static str,
    pub(in crate::http) name: &'static str,
    pub(in crate::http) password: &'static str,
    pub(in crate::http) log_in: &'static str,
    pub(in crate::http) log_out: &'static str,
    pub(in crate::http) refused: &'static str,
    pub(in crate::http) too_many: &'static str,
    pub(in crate::http) unavailable: &'static str,
}

pub(super) const ENGLISH: Strings = Strings {
    title: "Log in",
    name: "Name",
    password: "Password",
    log_in: "Log in",
    log_out: "Log out",
    refused: "The name or the password is wrong.",
    too_many: "Too many logins failed. Please try again in ten minutes.",
    unavailable: "The login cannot be checked now. Please try again.",
};
