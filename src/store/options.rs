//! The `[store]` section.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// `[store]`: where messages stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Which store.
    pub kind: Kind,
    /// sqlite: the folder of the database and the large bodies; made if it is missing.
    pub path: PathBuf,
    /// sqlite, mongodb: a body of more octets than this becomes a file of its own (in GridFS), which is
    /// two to three times faster at 1 MB and keeps large messages out of memory. At most
    /// [`MAX_INLINE_LIMIT`], and half as much with mongodb.
    pub inline_limit: usize,
    /// sqlite, mongodb: keep a full-text index. Without it a search for words reads every message.
    pub index: bool,
    /// sqlite: how many questions are answered at the same time.
    pub readers: usize,
    /// memory: octets of messages, each counted with a little for its envelope. When they are used
    /// up, a message is refused for now; nothing is thrown away to make room.
    pub memory_max_bytes: u64,
    /// `[store.mongodb]`
    pub mongodb: MongoOptions,
}

/// `[store.mongodb]`: where the database is, and what its collections are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MongoOptions {
    /// The connection string, with user, password and TLS.
    pub uri: Uri,
    /// The database; made if it is missing.
    pub database: String,
    /// The collection with a document for each message.
    pub messages: String,
    /// The GridFS bucket of large bodies.
    pub bodies: String,
    /// The collection with the totals of mailboxes and tags.
    pub labels: String,
    /// The collection with the schema's version, totals, and who is elected.
    pub meta: String,
}

/// A connection string. It may hold a password: written out, `***` stands for the user and his.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Uri(Secret<String>);

impl Uri {
    /// The text. Only the driver needs it.
    pub fn declassify(&self) -> &str {
        self.0.declassify()
    }
}

impl From<String> for Uri {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        let text = uri.declassify();
        let Some((scheme, rest)) = text.split_once("://") else { return "***".into() };
        match rest.rsplit_once('@') {
            Some((_, hosts)) => format!("{scheme}://***@{hosts}"),
            None => text.to_owned(),
        }
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from(self.clone()), f)
    }
}

/// Which store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A database in a folder: durable, searchable.
    #[default]
    Sqlite,
    /// Nothing outlives the process.
    Memory,
    /// A MongoDB that several smtpd share.
    Mongodb,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            path: "data".into(),
            inline_limit: 128 * 1024,
            index: true,
            readers: 4,
            memory_max_bytes: 256 * 1024 * 1024,
            mongodb: MongoOptions::default(),
        }
    }
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self {
            uri: Uri::from(String::from("mongodb://127.0.0.1:27017")),
            database: "smtpd".into(),
            messages: "messages".into(),
            bodies: "bodies".into(),
            labels: "labels".into(),
            meta: "meta".into(),
        }
    }
}

/// Above this, bodies held in memory would be a danger of their own.
pub const MAX_INLINE_LIMIT: usize = 16 * 1024 * 1024;
