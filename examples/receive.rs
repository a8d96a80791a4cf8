//! Receives Fintoc's webhooks with axum: `FINTOC_SECRET=whsec_… cargo run --example receive`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use posthaste::inbound::{Credentials, Form, Inbound, Terms};
use posthaste::provider::Provider;
use posthaste::providers;

/// What every request must prove.
fn terms(secret: &str) -> posthaste::error::Result<Terms> {
    Ok(Terms {
        secrets: vec![providers::parse_secret(Provider::Fintoc, secret)?],
        tolerance_secs: Some(300),
        credentials: Credentials::None,
        requires_signature: true,
        form: Form::default(),
    })
}

/// Raw bytes in, verdict out; whoever keeps events looks `dedup_key` up before acting.
async fn receive(State(terms): State<Arc<Terms>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let inbound = Inbound { headers: &headers, body: &body };
    let Ok(verified) = providers::verify(Provider::Fintoc, &terms, inbound, now_secs()) else {
        return StatusCode::UNAUTHORIZED;
    };
    match providers::read(&terms, verified) {
        Ok(event) => {
            println!("{} {}", event.event_type, event.dedup_key.unwrap_or_default());
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own reads the machine's clock")]
fn now_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().cast_signed()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let terms = terms(&std::env::var("FINTOC_SECRET")?)?;
    let app = Router::new().route("/", post(receive)).with_state(Arc::new(terms));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
