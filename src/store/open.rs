//! The store that the options ask for: opened, checked, copied, repaired.

use std::{path::Path, sync::Arc};

#[cfg(feature = "mongodb")]
use super::mongo::{self, Mongo};
use super::{
    CheckReport, Error, Kind, Options, Store,
    memory::Memory,
    sqlite::{self, Sqlite},
};

/// Opens the store that the options ask for. Blocks: it may have leftovers to clear away.
pub fn open(options: &Options) -> Result<Arc<dyn Store>, Error> {
    Ok(match options.kind {
        Kind::Sqlite => Arc::new(Sqlite::open(options)?),
        Kind::Memory => Arc::new(Memory::new(options.memory_max_bytes)),
        #[cfg(feature = "mongodb")]
        Kind::Mongodb => Arc::new(Mongo::open(options)?),
        #[cfg(not(feature = "mongodb"))]
        Kind::Mongodb => {
            return Err(Error::Open("store.kind: this smtpd was built without MongoDB".into()));
        }
    })
}

/// The same of a store that must be there already: none is made of a path that is mistyped.
pub fn open_existing(options: &Options) -> Result<Arc<dyn Store>, Error> {
    if options.kind == Kind::Sqlite {
        sqlite::expect_store(&options.path)?;
    }
    open(options)
}

/// Whether everything that was acknowledged is there and whole. An smtpd may run on it meanwhile. Blocks.
pub fn check(options: &Options) -> Result<CheckReport, Error> {
    match options.kind {
        #[cfg(feature = "mongodb")]
        Kind::Mongodb => mongo::check(options),
        _ => sqlite::check(folder(options)?),
    }
}

/// Copies the store into a folder that does not exist yet. An smtpd may run on it meanwhile. Blocks.
pub fn backup(options: &Options, target: &Path) -> Result<CheckReport, Error> {
    sqlite::backup(folder(options)?, target)
}

/// Saves what can be saved of a damaged store, and tells what cannot. No smtpd may run on it. Blocks.
pub fn repair(options: &Options) -> Result<CheckReport, Error> {
    sqlite::repair(folder(options)?)
}

fn folder(options: &Options) -> Result<&Path, Error> {
    match options.kind {
        Kind::Sqlite => {
            sqlite::expect_store(&options.path)?;
            Ok(&options.path)
        }
        Kind::Memory | Kind::Mongodb => {
            Err(Error::Open("store.kind: only a store of kind \"sqlite\" is a folder".into()))
        }
    }
}
