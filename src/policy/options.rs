//! `[policy]` as it is written.

use serde::{Deserialize, Serialize};

use super::{AddressPattern, BodyPattern, NamePattern};
use crate::wire::network::Network;

/// `[policy]`: who may connect, how much, to whom, and what is refused. Empty lists and zeros mean
/// no bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Networks whose clients may connect; empty for all. Others hear 554 5.7.1 and no greeting.
    pub allow_networks: Vec<Network>,
    /// Networks whose clients may not connect, also if allowed above.
    pub block_networks: Vec<Network>,
    /// Networks whose clients have no bounds of rate or number here and may write to any domain
    /// (Postfix's mynetworks).
    pub trusted_networks: Vec<Network>,
    /// Domains that mail is taken for, such as `example.org` or `*.example.org`; empty for all. A
    /// recipient elsewhere is refused 550 5.7.1, unless the client logged in or is trusted.
    pub local_domains: Vec<NamePattern>,
    /// Most connections of one client at a time; one more is answered 421 4.7.0.
    pub connections_per_client: u32,
    /// Most new connections of one client in a minute; one more is answered 421 4.7.0.
    pub connections_per_minute: u32,
    /// Most MAIL commands of one client in a minute; one more is answered 450 4.7.1.
    pub messages_per_minute: u32,
    /// Most RCPT commands of one client in a minute; one more is answered 450 4.7.1.
    pub recipients_per_minute: u32,
    /// How many clients the rates remember. The one not seen for longest is forgotten first, so that
    /// addresses without number cost no more memory than this.
    pub clients_remembered: usize,
    /// Senders that are refused 550 5.7.1: an address, `@domain`, `*` for anything, `<>` for none.
    pub block_senders: Vec<AddressPattern>,
    /// Recipients that are refused 550 5.7.1, written likewise.
    pub block_recipients: Vec<AddressPattern>,
    /// Names in HELO or EHLO whose mail is refused 550 5.7.1, such as `spam.example` or `*.example`.
    pub block_helo: Vec<NamePattern>,
    /// Regular expressions over the octets of a message as sent, header included.
    pub block_body: Vec<BodyPattern>,
    /// What is done with a message that one of them matches.
    pub block_body_by: BlockBy,
}

/// What a client hears whose message matches `block_body`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockBy {
    /// 250, and the message is dropped: the client will not try again.
    #[default]
    Drop,
    /// 550 5.7.1.
    Refuse,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_networks: Vec::new(),
            block_networks: Vec::new(),
            trusted_networks: Vec::new(),
            local_domains: Vec::new(),
            connections_per_client: 0,
            connections_per_minute: 0,
            messages_per_minute: 0,
            recipients_per_minute: 0,
            clients_remembered: 10_000,
            block_senders: Vec::new(),
            block_recipients: Vec::new(),
            block_helo: Vec::new(),
            block_body: Vec::new(),
            block_body_by: BlockBy::Drop,
        }
    }
}
