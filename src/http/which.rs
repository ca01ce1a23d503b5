//! Which messages a request changes or deletes that names none of them by its id.
//!
//! What names nothing is refused, so that a forgotten value never means all: that takes a word of its
//! own, `all=1`.

use super::{
    error::Error,
    list_params::address,
    parameters::{Pairs, Parameters},
    strings::STRINGS,
};
use crate::{
    message::search,
    store::{Filter, Selection},
};

/// As it stands in an address or a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Which {
    /// A search; empty for none.
    pub(super) q: String,
    /// A recipient; empty for anybody.
    pub(super) mailbox: String,
    /// `all=1`: every message that there is.
    pub(super) all: bool,
}

impl Parameters for Which {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            q: pairs.text("q")?.unwrap_or_default(),
            mailbox: pairs.mailbox()?.unwrap_or_default(),
            all: pairs.one("all")?,
        })
    }
}

impl Which {
    /// The messages; an error if it says nothing, or everything and something.
    pub(super) fn selection(&self) -> Result<Selection, Error> {
        match (self.filter()?, self.all) {
            (Some(filter), false) => Ok(Selection::Matching(filter)),
            (None, true) => Ok(Selection::All),
            (None, false) => Err(Error::bad_request(STRINGS.errors.which_messages)),
            (Some(_), true) => Err(Error::bad_request(STRINGS.errors.all_and_more)),
        }
    }

    /// What they match, if it is anything.
    pub(super) fn filter(&self) -> Result<Option<Filter>, Error> {
        let search = match self.q.as_str() {
            "" => search::Query::default(),
            q => search::Query::parse(q).map_err(|error| Error::bad_request(error.to_string()))?,
        };
        let mailbox = Some(self.mailbox.clone()).filter(|mailbox| !mailbox.is_empty());
        Ok(Filter::new(search, mailbox))
    }

    /// True if it names neither a search nor a mailbox.
    pub(super) fn is_silent(&self) -> bool {
        self.q.is_empty() && self.mailbox.is_empty()
    }

    /// The list of these messages.
    pub(super) fn list(&self) -> String {
        address("/", &[("q", &self.q), ("mailbox", &self.mailbox)])
    }
}
