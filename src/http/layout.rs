//! What stands around every page.

use super::{LoginMode, access::Access, error::Error, list_params::ListParams};
use crate::store::Counts;

/// What stands around every page.
pub(super) struct Layout {
    pub(super) asked: ListParams,
    pub(super) counts: Counts,
    pub(super) epoch: String,
    /// The number of the last event that the page has seen.
    pub(super) seen: u64,
    pub(super) version: &'static str,
    /// There is a login, so one can log out.
    pub(super) asks_who: bool,
}

impl Layout {
    /// What stands around a page about this.
    pub(super) async fn new(context: &Access, asked: ListParams) -> Result<Self, Error> {
        let seen = context.mail.next_event() - 1;
        let counts = context.mail.counts(&context.scope).await?;
        let asks_who = context.options.login != LoginMode::Off;
        Ok(Self {
            asked,
            counts,
            epoch: context.epoch.clone(),
            seen,
            version: context.version,
            asks_who,
        })
    }
}
