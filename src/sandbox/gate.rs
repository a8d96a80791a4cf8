//! The gate: a request is read within its limits and goes to the provider whose path it names.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get};
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Map, Value};

use super::ask::{Ask, Problem, Reply};
use super::house::House;
use super::{page, rules};
use crate::error::{Error, Kind};
use crate::http::call::read_body;
use crate::provider::Provider;

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1_024;

/// The routes of the three providers and the page that explains them.
pub fn router(house: Arc<House>) -> Router {
    let mut router = Router::new().route("/", get(shown));
    for provider in [Provider::Fintoc, Provider::Finix, Provider::Bridge] {
        let answer = move |State(house): State<Arc<House>>, request| answer(house, provider, request);
        let (root, below) = (format!("/{}", provider.name()), format!("/{}/{{*rest}}", provider.name()));
        router = router.route(&root, any(answer)).route(&below, any(answer));
    }
    router.with_state(house)
}

async fn shown(State(house): State<Arc<House>>) -> Html<String> {
    Html(page::page(&house).await)
}

async fn answer(house: Arc<House>, provider: Provider, request: Request<Body>) -> Response {
    // in a task of its own: a caller who hangs up does not break a turn off
    let turn = tokio::spawn(async move {
        let ask = read(&house, provider, request).await?;
        rules::answer(&house, provider, ask).await
    });
    let reply = turn.await.unwrap_or_else(|_| Err(Problem::unavailable()));
    let reply = reply.unwrap_or_else(|problem| Reply {
        status: problem.status,
        body: Some(rules::problem(provider, &problem)),
        link: None,
    });
    written(reply)
}

fn written(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let Some(body) = reply.body else {
        return status.into_response();
    };
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(link) = reply.link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

async fn read(house: &House, provider: Provider, request: Request<Body>) -> Result<Ask, Problem> {
    let (parts, body) = request.into_parts();
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        text.map(std::borrow::Cow::into_owned).map_err(|_| Problem::no_route())
    };
    let path = parts.uri.path().split('/').skip(2).filter(|part| !part.is_empty()).map(decoded);
    let path = path.collect::<Result<Vec<_>, _>>()?;
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let bytes = read_body(&parts.headers, body, BODY_BYTES_MAX).await.map_err(|error| of_body(&error))?;
    let takes_body = !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
    let body = if takes_body && !bytes.trim_ascii().is_empty() { object(&bytes)? } else { Map::new() };
    let root = format!("{}/{}", house.parts.url, provider.name());
    Ok(Ask { method: parts.method, path, query, headers: parts.headers, body, root })
}

fn of_body(error: &Error) -> Problem {
    let status = if error.kind == Kind::TooLarge { 413 } else { 400 };
    Problem::refused(status, "invalid_body", error.detail.clone())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let wrong = |why: &str| Problem::refused(400, "invalid_json", format!("the body {why}; send one JSON object"));
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(wrong("is no JSON object")),
        Err(error) => Err(wrong(&format!("is not JSON from line {} column {} on", error.line(), error.column()))),
    }
}
