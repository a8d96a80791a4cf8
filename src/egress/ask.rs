//! Asking the issuer of single sign-on: wherever the operator says, so without the guard's verdict.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use http_body_util::Full;

use super::probe::Prober;
use crate::oidc::{Answer, Ask, Asked, Question};

/// How much of an answer is read, in bytes: discovery documents, keys and tokens have some ten thousand.
const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// How long it may take, from the name to the answer's last byte.
const ANSWER_MAX: Duration = Duration::from_secs(10);

impl Ask for Prober {
    fn ask<'a>(&'a self, question: Question<'a>) -> Asked<'a> {
        Box::pin(async move {
            let request = request(&question).map_err(|error| error.to_string())?;
            let answer = Prober::ask(self, question.url, request, (ANSWER_BYTES_MAX, ANSWER_MAX)).await;
            let answer = answer.map_err(|unreachable| unreachable.0)?;
            Ok(Answer { status: answer.status.unwrap_or_default(), body: answer.body.into() })
        })
    }
}

fn request(question: &Question<'_>) -> http::Result<hyper::Request<Full<Bytes>>> {
    let mut request = hyper::Request::new(Full::from(question.form.unwrap_or_default().to_owned()));
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = question.authorization {
        let mut value = HeaderValue::try_from(authorization)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if question.form.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        *request.method_mut() = Method::POST;
    }
    Ok(request)
}
