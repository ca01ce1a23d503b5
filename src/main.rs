//! The command line of smtpd.

fn main() {}
