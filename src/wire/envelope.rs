//! What a session says of a message: envelope, recipients, parameters, and how the connection was encrypted.

use std::net::SocketAddr;

/// What the SMTP session said about a message, kept beside it and never written into it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Envelope {
    /// MAIL FROM without its angle brackets; empty for the null reverse-path `<>` (RFC 5321 §4.5.5).
    pub reverse_path: String,
    /// Each RCPT TO as the client gave it, without angle brackets, in the order given.
    pub forward_paths: Vec<ForwardPath>,
    /// The parameters of MAIL, such as `SIZE=1000` or `BODY=8BITMIME`.
    pub parameters: Vec<Parameter>,
    /// The argument of HELO, EHLO or LHLO.
    pub helo: String,
    /// True for EHLO.
    pub esmtp: bool,
    /// The client's address and port; none for a Unix socket or an import.
    pub client: Option<SocketAddr>,
    /// How the connection was encrypted; none if it was not.
    pub tls: Option<Tls>,
    /// The user name of a successful AUTH, also in the mode that accepts any.
    pub auth_user: Option<String>,
    /// When the end of data was seen, in milliseconds since 1970.
    pub received_ms: i64,
}

/// How a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tls {
    /// Such as `TLSv1.3`; empty if it is not known.
    pub version: String,
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`; empty if it is not known.
    pub cipher: String,
    /// The name that the client asked for (SNI, RFC 6066 §3), empty if it asked for none.
    pub server_name: String,
    /// Whom the client's certificate names (subject or fingerprint), if it showed one that was
    /// verified.
    pub client_certificate: Option<String>,
}

/// One recipient of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ForwardPath {
    /// The address, without angle brackets and source route.
    pub address: String,
    /// The parameters of RCPT, such as `NOTIFY=NEVER`.
    pub parameters: Vec<Parameter>,
}

/// An ESMTP parameter: keyword and, if there was an equals sign, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The keyword in capitals.
    pub keyword: String,
    /// What stood behind `=`, as given.
    pub value: Option<String>,
}
