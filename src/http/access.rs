//! What a handler reads and changes of the mail: the mail that whoever asks may see, and a message of it by the
//! id that stands in an address, or 404.

use std::{ops::Deref, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{
    HttpContext, LoginMode, authn::Principal, error::Error, kept::Kept, signed_urls::SignedUrls,
};
use crate::{
    id::MessageId,
    mail::{LoadedMessage, Scope},
    message::Part,
    store::{Raw, Record},
};

/// The context as one request may see it. A handler that takes it cannot forget whose mail it shows.
pub(super) struct Access {
    pub(super) context: HttpContext,
    pub(super) scope: Scope,
}

impl Deref for Access {
    type Target = HttpContext;

    fn deref(&self) -> &HttpContext {
        &self.context
    }
}

impl FromRequestParts<HttpContext> for Access {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, context: &HttpContext) -> Result<Self, Error> {
        let principal = parts.extensions.get::<Principal>();
        let principal = principal.ok_or_else(|| Error::internal("a request that nobody let in"))?;
        Ok(Self { context: context.clone(), scope: principal.scope() })
    }
}

/// A message that is shown in pages.
pub(super) struct ShownMessage {
    loaded: LoadedMessage,
    /// For the links to its pictures, where somebody has to log in.
    pub(super) signed_urls: Option<SignedUrls>,
    /// Its HTML, if that was made safe a moment ago.
    pub(super) kept: Arc<Kept>,
}

impl Deref for ShownMessage {
    type Target = LoadedMessage;

    fn deref(&self) -> &LoadedMessage {
        &self.loaded
    }
}

impl ShownMessage {
    /// The part of this number as it stands in an address, or 404.
    pub(super) fn part(&self, number: &str) -> Result<(usize, &Part), Error> {
        let parts = &self.scanned.outline.parts;
        let found = number.parse::<usize>().ok().and_then(|at| Some((at, parts.get(at)?)));
        found.ok_or_else(Error::no_page)
    }

    /// Somebody has read it.
    pub(super) fn mark_read(&mut self) {
        self.loaded.record.read = true;
    }
}

impl Access {
    /// A message without its octets, or 404.
    pub(super) async fn record(&self, id: &str) -> Result<Record, Error> {
        self.mail.get(&self.scope, message_id(id)?).await?.ok_or_else(Error::no_message)
    }

    /// The octets of a message, or 404.
    pub(super) async fn raw(&self, id: MessageId) -> Result<Arc<Raw>, Error> {
        self.mail.raw(&self.scope, id).await?.ok_or_else(Error::no_message)
    }

    /// A message with everything in it.
    pub(super) async fn load(&self, id: &str) -> Result<ShownMessage, Error> {
        self.shown(self.mail.load(&self.scope, message_id(id)?).await?)
    }

    /// A message with what there is in its beginning, which is all of almost any: a page has to come soon.
    pub(super) async fn load_prefix(&self, id: &str) -> Result<ShownMessage, Error> {
        self.shown(self.mail.load_prefix(&self.scope, message_id(id)?).await?)
    }

    /// The same, but with everything if the part of this number is not among that.
    pub(super) async fn load_prefix_with(
        &self,
        id: &str,
        number: &str,
    ) -> Result<ShownMessage, Error> {
        let prefix = self.load_prefix(id).await?;
        if prefix.read.is_some() && prefix.part(number).is_err() {
            return self.load(id).await;
        }
        Ok(prefix)
    }

    fn shown(&self, loaded: Option<LoadedMessage>) -> Result<ShownMessage, Error> {
        let loaded = loaded.ok_or_else(Error::no_message)?;
        let signed_urls =
            (self.options.login != LoginMode::Off).then(|| self.signed_urls().clone());
        Ok(ShownMessage { loaded, signed_urls, kept: self.kept().clone() })
    }
}

/// The id that stands in an address. What is no id names no message.
pub(super) fn message_id(id: &str) -> Result<MessageId, Error> {
    id.parse().map_err(|_| Error::no_message())
}
