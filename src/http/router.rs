//! Every address of the web server. These are promises: links to them outlive the version.

use axum::{
    Router,
    extract::{Extension, State},
    http::HeaderMap,
    middleware,
    response::Response,
    routing::{MethodFilter, get, on, post},
};

use super::{
    HttpContext, access::Access, actions, api, archive, assets, auth_http, client_info::ClientInfo,
    confirm, error::Error, files, frame, guard, help, host::Host, list, list_params::ListParams,
    login, message, message::Tab, parameters::Query, refusals, sidebar, status, strings::STRINGS,
    upgrade,
};

/// The table.
pub(super) fn router(context: HttpContext) -> Router {
    let tab = |tab| {
        get(move |context, id, how, principal, method, headers| {
            message::show(context, id, how, principal, method, headers, tab)
        })
    };
    Router::new()
        // Pages.
        .route("/", get(list_or_auth))
        .route("/delete", get(confirm::confirm))
        .route("/help", get(help::help))
        .route("/messages", post(actions::many))
        // Pieces of pages, for the scripts.
        .route("/rows", get(list::rows))
        .route("/boxes", get(sidebar::sidebar))
        .route("/messages/{id}", tab(None).post(actions::one))
        .route("/messages/{id}/html", tab(Some(Tab::Html)))
        .route("/messages/{id}/text", tab(Some(Tab::Text)))
        .route("/messages/{id}/markup", tab(Some(Tab::Markup)))
        .route("/messages/{id}/headers", tab(Some(Tab::Headers)))
        .route("/messages/{id}/source", tab(Some(Tab::Source)))
        .route("/messages/{id}/links", tab(Some(Tab::Links)))
        .route("/messages/{id}/parts", tab(Some(Tab::Parts)))
        .route("/messages/{id}/parts/{part}/view", get(message::show_part))
        .route("/messages/{id}/print", get(message::print))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        // What came in the mail.
        .route("/messages/{id}/frame", get(frame::whole))
        .route("/messages/{id}/parts/{part}/frame", get(frame::part))
        .route("/messages/{id}/attachments.zip", get(archive::attachments))
        .route("/messages/{id}/raw", get(files::raw))
        .route("/messages/{id}/parts/{part}", get(files::part))
        // Programs.
        .route("/api/messages", get(api::list).delete(api::delete_many))
        .route("/api/messages/{id}", get(api::one).patch(api::patch).delete(api::delete))
        .route("/api/refusals", get(refusals::newest))
        .route("/ws", on(MethodFilter::GET, upgrade::upgrade))
        .route("/ping", get("pong\n"))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(status::ready))
        .route("/status", get(status::brief))
        .route("/status/detail", get(status::detail))
        .route("/auth-smtp", get(auth_http::auth_smtp))
        // Ours.
        .route("/static/{name}", get(assets::asset))
        .route("/static/{version}/{name}", get(assets::versioned))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(|| async { Error::no_page() })
        .method_not_allowed_fallback(|| async {
            Error::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, STRINGS.errors.wrong_method)
        })
        .layer(middleware::from_fn_with_state(context.clone(), guard::guard))
        .with_state(context)
}

/// `GET /`: nginx may be pointed at the root; whoever else comes wants the list.
async fn list_or_auth(
    access: Access,
    host: Extension<Host>,
    client: Extension<ClientInfo>,
    asked: Query<ListParams>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if client.is_nginx_asking(&headers) {
        return auth_http::at_root(State(access.context), client, headers).await;
    }
    list::list(access, host, asked, headers).await
}
