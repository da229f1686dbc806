//! What stands before every handler: how many at once, from which site, by whom, and for how long.

use crate::Monitor;
use crate::audit::Entry;
use crate::config::Role;
use crate::error::ApiError;
use crate::guard::Caller;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Applies to every request, whatever its path.
pub(crate) async fn front(
    State(monitor): State<Arc<Monitor>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    // Busy is not dead: the liveness probe waits for no place.
    let counted = request.uri().path() != "/livez";
    let place = counted.then(|| monitor.requests().try_acquire());
    if let Some(Err(_)) = place {
        Monitor::refused("overload");
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The monitor is busy.",
            format!("{} requests are at work already.", monitor.config().requests_max),
            "Try again in a second, with fewer calls at once.",
        )
        .into_response();
    }
    if let Err(error) = monitor.guard().check_site(request.method(), request.uri(), request.headers()) {
        Monitor::refused("site");
        return error.into_response();
    }
    let limit = monitor.config().request_timeout;
    let changes = request.method() == Method::POST;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => late(limit.as_millis(), changes).into_response(),
    }
}

fn late(limit_ms: u128, changes: bool) -> ApiError {
    let todo = if changes {
        "It may have happened, wholly or in part: look before you repeat it."
    } else {
        "Try again, asking for less."
    };
    let why = format!("It took longer than {limit_ms} ms.");
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "The answer took too long.", why, todo)
}

/// Lets in whoever shows a known token, and tells the handler who it is.
pub(crate) async fn known(
    State(monitor): State<Arc<Monitor>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    match monitor.guard().identify(request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            Monitor::refused("token");
            error.into_response()
        }
    }
}

/// A call that changes something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action {
    /// Who may do it.
    pub(crate) role: Role,
    /// Its name in the audit log.
    pub(crate) name: &'static str,
}

/// Lets in whoever may do `action`, and writes it into the audit log either way.
pub(crate) async fn audited(State(action): State<Action>, request: Request<Body>, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        // Only a route that lacks `known` gets here: refuse rather than guess.
        return ApiError::new(
            StatusCode::UNAUTHORIZED,
            "A token is needed.",
            "The caller is not known.",
            "Report this: it is a defect.",
        )
        .into_response();
    };
    let entry = Entry::open(caller.clone(), action.name, request.uri().path().to_owned());
    let response = match caller.needs(action.role) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            Monitor::refused("role");
            error.into_response()
        }
    };
    entry.close(&response);
    response
}
