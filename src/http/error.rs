//! What went wrong, in two texts: one for the browser and one for the log.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::strings::STRINGS;
use crate::{mail, store};

/// A refusal or failure on its way to the client.
#[derive(Clone, Debug)]
pub(super) struct Error {
    /// The status code.
    pub(super) status: StatusCode,
    /// What the client reads.
    pub(super) external: Cow<'static, str>,
    /// What only the log keeps.
    internal: Option<String>,
}

impl Error {
    /// An error that needs no line in the log: the client did it.
    pub(super) fn new(status: StatusCode, external: impl Into<Cow<'static, str>>) -> Self {
        Self { status, external: external.into(), internal: None }
    }

    /// 404 for a message.
    pub(super) fn no_message() -> Self {
        Self::new(StatusCode::NOT_FOUND, STRINGS.errors.no_message)
    }

    /// 404 for everything else.
    pub(super) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, STRINGS.errors.no_page)
    }

    /// 400.
    pub(super) fn bad_request(external: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, external)
    }

    /// 500 for a handler that panicked, which the log has been told.
    pub(super) fn bug() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, STRINGS.errors.failed)
    }

    /// 500 for what should not happen; the client learns nothing of it.
    pub(super) fn internal(internal: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            external: STRINGS.errors.failed.into(),
            internal: Some(internal.into()),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, external) = match error {
            store::Error::Full => (unavailable, STRINGS.errors.store_full),
            store::Error::Closed => (unavailable, STRINGS.errors.closing),
            store::Error::Io(_) | store::Error::Open(_) | store::Error::Invalid(_) => {
                (unavailable, STRINGS.errors.store_silent)
            }
            // To ask again does not help.
            store::Error::Damaged(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, STRINGS.errors.store_damaged)
            }
        };
        Self { status, external: external.into(), internal: Some(error.to_string()) }
    }
}

impl From<mail::Error> for Error {
    fn from(error: mail::Error) -> Self {
        match error {
            mail::Error::Store(error) => error.into(),
            mail::Error::NoPart => Self::no_page(),
            mail::Error::Io(error) => Self::internal(format!("reading a message: {error}")),
        }
    }
}

impl IntoResponse for Error {
    /// Plain text; `page::finish` makes a page of it for those who asked for one.
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            log::warn!("{}: {internal}", self.status.as_u16());
        }
        let mut response = (self.status, format!("{}\n", self.external)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
