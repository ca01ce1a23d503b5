//! `/ws`: from a request to a websocket.
//!
//! The handler answers the handshake and leaves word in the slot of its connection, which goes on as a
//! websocket once the answer is sent (`live`).

use std::sync::{Arc, Mutex, PoisonError};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use axum::{
    extract::Extension,
    http::{HeaderMap, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;

use super::{
    authn::Principal,
    error::Error,
    parameters::{Pairs, Parameters, Query},
};

/// A connection that is to become a websocket.
pub(super) struct Request {
    pub(super) upgrade: OnUpgrade,
    pub(super) asked: FeedParams,
    pub(super) principal: Principal,
}

/// What the client knows already.
pub(super) struct FeedParams {
    /// The epoch of its event number.
    pub(super) epoch: String,
    /// The number of the last event that it knows.
    pub(super) after: Option<u64>,
}

impl Parameters for FeedParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let epoch = pairs.text("epoch")?.unwrap_or_default();
        Ok(Self { epoch, after: pairs.number("after", 0)? })
    }
}

/// `GET /ws`: the handshake (RFC 6455 §4.2).
pub(super) async fn upgrade(
    Query(asked): Query<FeedParams>,
    Extension(slot): Extension<UpgradeSlot>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    mut request: axum::extract::Request,
) -> Result<Response, Error> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|list| list.split(',')).any(|it| it.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        let text = "This address speaks WebSocket only.";
        let error = Error::new(StatusCode::UPGRADE_REQUIRED, text);
        return Ok(([(header::UPGRADE, "websocket")], error).into_response());
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        let error = Error::bad_request("The version of WebSocket must be 13.");
        return Ok(([(header::SEC_WEBSOCKET_VERSION, "13")], error).into_response());
    }
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(upgrade), Some(key), Version::HTTP_11) =
        (upgrade, headers.get(header::SEC_WEBSOCKET_KEY), request.version())
    else {
        return Err(Error::bad_request("The WebSocket handshake is incomplete."));
    };
    let answer = [
        (header::UPGRADE, "websocket".to_owned()),
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes())),
    ];
    slot.ask(Request { upgrade, asked, principal });
    Ok((StatusCode::SWITCHING_PROTOCOLS, answer).into_response())
}

/// Where a handler leaves the wish to go on as a websocket.
#[derive(Clone, Default)]
pub(super) struct UpgradeSlot(Arc<Mutex<Option<Request>>>);

impl UpgradeSlot {
    /// Asks for the connection once the answer is sent.
    pub(super) fn ask(&self, request: Request) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    /// What was asked for, if anything was.
    pub(super) fn take(&self) -> Option<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
