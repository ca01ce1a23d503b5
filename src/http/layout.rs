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
    pub(super) async fn new(site: &Access, asked: ListParams) -> Result<Self, Error> {
        let seen = site.mail.next_event() - 1;
        let counts = site.mail.counts(&site.scope).await?;
        let asks_who = site.options.login != LoginMode::Off;
        Ok(Self { asked, counts, epoch: site.epoch.clone(), seen, version: site.version, asks_who })
    }
}
