//! What handlers are given, read from requests: bodies, keys, ids.

use crate::{
    app::Shared,
    edge::body_problem,
    problem::{Code, Problem},
};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::JsonRejection},
    http::{HeaderMap, header, request::Parts},
};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The deepest nesting of JSON.
const DEPTH_MAX: usize = 64;
/// The most characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;
/// The most characters that an error repeats of what the JSON reader said.
const DETAIL_CHARS_MAX: usize = 300;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "send the body with `Content-Type: application/json`";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = read(&parts.headers, body, web.app.limits.body_bytes_max).await?;
        parse(&bytes).map(Json)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Shared> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Problem> {
        let has_type = request.headers().contains_key(header::CONTENT_TYPE);
        if !has_type && axum::body::HttpBody::is_end_stream(request.body()) {
            return Ok(Self(T::default()));
        }
        Json::from_request(request, web).await.map(|it| Self(it.0))
    }
}

/// Reads a body to its end, but no further than the most bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::TooLarge, format!("the body may have at most {bytes_max} bytes"));
    let said = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|it| it > bytes_max) {
        return Err(too_large());
    }
    let (mut read, mut chunks) = (Vec::new(), body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|err| body_problem(&err))?;
        if read.len().saturating_add(chunk.len()) > bytes_max {
            return Err(too_large());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(|it| it.to_str()) else { return false };
    value.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if depth(bytes) > DEPTH_MAX {
        return Err(Problem::new(Code::TooDeep, format!("json may be nested {DEPTH_MAX} deep")));
    }
    let problem = |code, text: String| Problem::new(code, text.chars().take(DETAIL_CHARS_MAX).collect::<String>());
    match axum::Json::from_bytes(bytes) {
        Ok(axum::Json(value)) => Ok(value),
        // This one names the field.
        Err(JsonRejection::JsonDataError(err)) => Err(problem(Code::Invalid, err.body_text())),
        Err(err) => Err(problem(Code::Malformed, err.body_text())),
    }
}

/// How deep JSON is nested, without reading it.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The key that makes a command one command, however often it is sent (draft-ietf-httpapi-idempotency-key-header):
/// a structured field string (RFC 9651), or bare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) String);

impl FromRequestParts<Shared> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        idempotency_key(&parts.headers)?.ok_or_else(|| {
            let detail = "send an `Idempotency-Key` header: any text of your own that is new for every command";
            Problem::new(Code::KeyMissing, detail)
        })
    }
}

/// The key that makes a command one command, where it may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionalKey(pub(crate) Option<String>);

impl FromRequestParts<Shared> for OptionalKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        Ok(Self(idempotency_key(&parts.headers)?.map(|it| it.0)))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = || {
        let detail =
            format!("an idempotency key is one text of 1 to {KEY_CHARS_MAX} visible characters, \"quoted\" or bare");
        Problem::new(Code::KeyInvalid, detail)
    };
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|_| all.next().is_none()).and_then(key_of).ok_or_else(invalid)?;
    Ok(Some(IdempotencyKey(key)))
}

fn key_of(value: &str) -> Option<String> {
    let value = value.trim_matches(' ');
    let key = match value.strip_prefix('"') {
        Some(quoted) => {
            let mut key = String::new();
            let mut chars = quoted.strip_suffix('"')?.chars();
            while let Some(it) = chars.next() {
                match it {
                    '"' => return None,
                    '\\' => key.push(chars.next().filter(|it| matches!(it, '"' | '\\'))?),
                    it if matches!(it, ' '..='~') => key.push(it),
                    _ => return None,
                }
            }
            key
        }
        None => value.chars().all(|it| it.is_ascii_graphic() && it != '"').then(|| value.to_owned())?,
    };
    (1..=KEY_CHARS_MAX).contains(&key.len()).then_some(key)
}

/// An id in a path. What is no id is not found, like an id of somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) Uuid);

impl FromRequestParts<Shared> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Problem> {
        let Path(text): Path<String> =
            Path::from_request_parts(parts, web).await.map_err(|_| Problem::not_found("id"))?;
        parse_id(&text).map(Self)
    }
}

/// An id as text.
pub(crate) fn parse_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::new(Code::NotFound, "this is no id; ids are written as uuids"))
}

#[cfg(test)]
mod tests {
    use super::{depth, key_of};

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(key_of(value).as_deref(), expected, "{value}");
    }

    #[test]
    fn a_key_is_quoted_or_bare_and_means_the_same() {
        check("abc-1", Some("abc-1"));
        check("\"abc-1\"", Some("abc-1"));
        check("\"a b\"", Some("a b"));
        check(r#""a\"b\\c""#, Some(r#"a"b\c"#));
        check(" abc ", Some("abc"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for value in ["", "\"\"", "\"", "\"abc", "abc\"", "a b", "\"a\";b=1", "\"a\"b\"", r#""a\b""#, r#""a\""#] {
            check(value, None);
        }
        check(&"a".repeat(255), Some(&"a".repeat(255)));
        check(&"a".repeat(256), None);
    }

    #[test]
    fn depth_counts_brackets_that_are_not_in_texts() {
        for (json, expected) in
            [("1", 0), ("[]", 1), ("{\"a\":[1]}", 2), (r#"["[[\"[["]"#, 1), ("[[],[]]", 2), ("]]][", 1)]
        {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
