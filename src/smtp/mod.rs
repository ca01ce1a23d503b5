//! PURE: the SMTP server.
