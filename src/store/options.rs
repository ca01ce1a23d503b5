//! The `[store]` section, and which store it opens.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Error, Store, memory::Memory, sqlite::Sqlite};

/// `[store]`: where messages stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Which store.
    pub kind: Kind,
    /// sqlite: the folder of the database and the large bodies; made if it is missing.
    pub path: PathBuf,
    /// sqlite: a body of more octets than this becomes a file of its own, which is two to three times
    /// faster at 1 MB and keeps large messages out of memory. At most [`MAX_INLINE_LIMIT`].
    pub inline_limit: usize,
    /// sqlite: keep a full-text index. Without it a search for words reads every message.
    pub index: bool,
    /// sqlite: how many questions are answered at the same time.
    pub readers: usize,
    /// memory: octets of messages, each counted with a little for its envelope. When they are used
    /// up, a message is refused for now; nothing is thrown away to make room.
    pub memory_max_bytes: u64,
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
}

/// Opens the store that the options ask for. Blocks: it may have leftovers to clear away.
pub fn open(options: &Options) -> Result<Arc<dyn Store>, Error> {
    Ok(match options.kind {
        Kind::Sqlite => Arc::new(Sqlite::open(options)?),
        Kind::Memory => Arc::new(Memory::new(options.memory_max_bytes)),
    })
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
        }
    }
}

/// Above this, bodies held in memory would be a danger of their own.
pub const MAX_INLINE_LIMIT: usize = 16 * 1024 * 1024;
