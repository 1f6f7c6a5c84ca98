//! Errors as clients see them: one shape (RFC 9457), with a stable code.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::{bus::Unreachable, intake::Refusal, replay::PlanError};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{Content, Ref, RefOr, Response as ResponseDoc, ResponseBuilder, Schema},
};

/// What went wrong. The codes are part of the API: they are never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No access token, or not one that is good.
    Unauthorized,
    /// The access token has not the right for this.
    Forbidden,
    /// Nothing of this id or name that this person may see.
    NotFound,
    /// No such path.
    NoSuchRoute,
    /// The path has no such method.
    MethodNotAllowed,
    /// The request cannot be read.
    Malformed,
    /// The request can be read, but a field of it is not right.
    Invalid,
    /// The JSON is nested too deep.
    TooDeep,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// The body is not of a media type that is taken here.
    UnsupportedMediaType,
    /// An `Idempotency-Key` is needed.
    KeyMissing,
    /// The `Idempotency-Key` is not one.
    KeyInvalid,
    /// The `Idempotency-Key` was used for another command.
    KeyReused,
    /// What is asked for cannot work.
    Impossible,
    /// What the command rests on has moved since: nothing was done.
    Moved,
    /// The account must be connected again first.
    NeedsReauth,
    /// The person did not grant access.
    GrantDenied,
    /// A notification is not from whom it says.
    NotBelieved,
    /// This person sent too many requests.
    TooManyRequests,
    /// Too busy, or a server of ours is out of reach: the same request may be sent again.
    Busy,
    /// The request took too long: the same request may be sent again.
    TimedOut,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchRoute,
        Self::MethodNotAllowed,
        Self::Malformed,
        Self::Invalid,
        Self::TooDeep,
        Self::TooLarge,
        Self::TooSlow,
        Self::UnsupportedMediaType,
        Self::KeyMissing,
        Self::KeyInvalid,
        Self::KeyReused,
        Self::Impossible,
        Self::Moved,
        Self::NeedsReauth,
        Self::GrantDenied,
        Self::NotBelieved,
        Self::TooManyRequests,
        Self::Busy,
        Self::TimedOut,
        Self::Internal,
    ];

    /// Its name, its HTTP status (RFC 9110), and what it says to a person.
    #[must_use]
    pub const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "an access token is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "the access token has not the right for this"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "there is no such thing"),
            Self::NoSuchRoute => ("no_such_route", StatusCode::NOT_FOUND, "there is no such path"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "this path has no such method")
            }
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "the request cannot be read"),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "a field is not right"),
            Self::TooDeep => ("too_deep", StatusCode::BAD_REQUEST, "the json is nested too deep"),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::TooSlow => ("too_slow", StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "this media type is not taken here")
            }
            Self::KeyMissing => ("key_missing", StatusCode::BAD_REQUEST, "an idempotency key is needed"),
            Self::KeyInvalid => ("key_invalid", StatusCode::BAD_REQUEST, "the idempotency key is not one"),
            Self::KeyReused => {
                ("key_reused", StatusCode::UNPROCESSABLE_ENTITY, "the idempotency key was used for another command")
            }
            Self::Impossible => ("impossible", StatusCode::UNPROCESSABLE_ENTITY, "this cannot work"),
            Self::Moved => ("moved", StatusCode::CONFLICT, "what this rests on has moved; nothing was done"),
            Self::NeedsReauth => ("needs_reauth", StatusCode::CONFLICT, "the account must be connected again"),
            Self::GrantDenied => ("grant_denied", StatusCode::FORBIDDEN, "access was not granted"),
            Self::NotBelieved => ("not_believed", StatusCode::UNAUTHORIZED, "the notification is not believed"),
            Self::TooManyRequests => ("too_many_requests", StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "busy; send the same request again"),
            Self::TimedOut => ("timed_out", StatusCode::SERVICE_UNAVAILABLE, "this took too long; send it again"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "a fault of ours"),
        }
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    headers: Vec<(&'static str, String)>,
}

/// An error, as `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, description = codes())]
struct Body {
    /// `urn:syncwell:problem:` and the code.
    r#type: String,
    /// What the code says.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: String,
    /// The stable code.
    #[schema(schema_with = code_schema)]
    code: &'static str,
}

fn codes() -> String {
    let lines = Code::ALL.map(|it| {
        let (name, status, title) = it.facts();
        format!("- `{name}` ({}): {title}", status.as_u16())
    });
    format!("An error, as `application/problem+json` (RFC 9457). The codes:\n\n{}", lines.join("\n"))
}

fn code_schema() -> utoipa::openapi::Object {
    let names = Code::ALL.map(|it| it.facts().0);
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(names))
        .description(Some("The stable code."))
        .build()
}

impl Problem {
    /// An error with what is wrong, and what would be right.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut headers = Vec::new();
        match code {
            Code::Unauthorized => headers.push(("www-authenticate", "Bearer".to_owned())),
            Code::Busy | Code::TimedOut => headers.push(("retry-after", "1".to_owned())),
            _ => {}
        }
        Self { code, detail: detail.into(), headers }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Nothing of this id or name that this person may see.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("no such {what}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, title) = self.code.facts();
        let body = Body {
            r#type: format!("urn:syncwell:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            code: name,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::Impossible(_) => Code::Impossible,
            Refusal::NeedsReauth(_) => Code::NeedsReauth,
            Refusal::KeyReused => Code::KeyReused,
            // What is out of reach is our own business.
            Refusal::Busy(what) => return busy(what),
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<PlanError> for Problem {
    fn from(err: PlanError) -> Self {
        let code = match &err {
            PlanError::NotFound(_) => Code::NotFound,
            PlanError::Impossible(_) => Code::Impossible,
            PlanError::Moved(_) => Code::Moved,
            PlanError::Unreachable(err) => return busy(&err.0),
        };
        Self::new(code, err.to_string())
    }
}

impl From<Unreachable> for Problem {
    fn from(err: Unreachable) -> Self {
        busy(&err.0)
    }
}

fn busy(what: &str) -> Problem {
    tracing::warn!(what, "a request was answered with busy");
    Problem::new(Code::Busy, "a server is out of reach or busy; send the same request again, with the same key")
}

/// What any route may answer instead, for the OpenAPI document.
#[derive(Debug)]
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        let schema = RefOr::Ref(Ref::from_schema_name(Body::name()));
        let response = ResponseBuilder::new()
            .description("An error.")
            .content("application/problem+json", Content::new(Some(schema)))
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// The schema of an error, by name.
pub(crate) fn schema() -> (String, RefOr<Schema>) {
    (Body::name().into_owned(), Body::schema())
}
