//! What a list is asked for, and the addresses that ask so.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    error::Error,
    parameters::{Pairs, Parameters},
    strings::STRINGS,
};
use crate::{
    message::search::{self, SearchError},
    store::{self, mailbox_key},
};

/// What a list is asked for, as it stands in the address.
#[derive(Clone, Debug, Default)]
pub(super) struct ListParams {
    /// A search.
    pub(super) q: String,
    /// A recipient.
    pub(super) mailbox: String,
    /// Only older messages than this one.
    pub(super) before: String,
    /// The message that is open beside the list, and perhaps its tab: `{id}` or `{id}/headers`.
    pub(super) open: String,
}

/// As the list's own address has it: the form of the search sends its fields also when they are empty.
impl Parameters for ListParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            q: pairs.shown("q")?,
            mailbox: pairs.shown_mailbox()?,
            before: pairs.text("before")?.unwrap_or_default(),
            open: pairs.text("open")?.unwrap_or_default(),
        })
    }
}

impl ListParams {
    /// As programs ask for a list: what they name says something.
    pub(super) fn take_whole(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            q: pairs.text("q")?.unwrap_or_default(),
            mailbox: pairs.mailbox()?.unwrap_or_default(),
            before: pairs.text("before")?.unwrap_or_default(),
            open: String::new(),
        })
    }

    /// A page of it.
    pub(super) fn query(&self, limit: usize) -> Result<store::Query, Error> {
        let search = self.search().map_err(|error| Error::bad_request(error.to_string()));
        self.query_of(search?, limit)
    }

    /// A page of it, where its search was read already.
    pub(super) fn query_of(
        &self,
        search: search::Query,
        limit: usize,
    ) -> Result<store::Query, Error> {
        let mailbox = Some(mailbox_key(&self.mailbox)).filter(|mailbox| !mailbox.is_empty());
        let before = match self.before.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| Error::bad_request(STRINGS.errors.no_id))?),
        };
        Ok(store::Query { search, mailbox, before, skip: 0, limit })
    }

    /// The address that shows it, below this path.
    pub(super) fn link(&self, path: &str) -> String {
        let Self { q, mailbox, before, open } = self;
        address(path, &[("q", q), ("mailbox", mailbox), ("before", before), ("open", open)])
    }

    /// The address of the question before all that it shows is deleted.
    pub(super) fn delete_link(&self) -> String {
        let all = if self.q.is_empty() && self.mailbox.is_empty() { "1" } else { "" };
        address("/delete", &[("q", &self.q), ("mailbox", &self.mailbox), ("all", all)])
    }

    /// The same list from its newest message on.
    pub(super) fn whole(&self) -> Self {
        Self { q: self.q.clone(), mailbox: self.mailbox.clone(), ..Self::default() }
    }

    /// The same list without the search.
    pub(super) fn everything(&self) -> Self {
        Self { q: String::new(), ..self.whole() }
    }

    /// What is looked for.
    pub(super) fn search(&self) -> Result<search::Query, SearchError> {
        match self.q.as_str() {
            "" => Ok(search::Query::default()),
            q => search::Query::parse(q),
        }
    }

    /// How a script keeps this list up to date: by adding rows, or by asking for them.
    pub(super) fn live(&self) -> &'static str {
        if self.q.is_empty() { "rows" } else { "search" }
    }
}

/// An address below this path with those of the parameters that say something.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        let mark = if address.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        address.push_str(&format!("{mark}{name}={value}"));
    }
    address
}
