//! Whose request it is.

use crate::{
    app::{Shared, Web},
    problem::{Code, Problem},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use engine::people::AccessToken;
use schemas::id::Subject;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The most bytes of an access token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The person that a request's access token belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Person(pub(crate) Subject);

impl FromRequestParts<Shared> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Problem> {
        Ok(Self(token_of(&parts.headers, web).await?.subject))
    }
}

/// The same with the token itself: what is done with it is noted under the token's label.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(pub(crate) AccessToken);

impl FromRequestParts<Shared> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Problem> {
        Ok(Self(token_of(&parts.headers, web).await?))
    }
}

/// An access token that may be used to look at and repair the whole installation.
#[derive(Clone, Debug)]
pub(crate) struct Operator(pub(crate) AccessToken);

impl FromRequestParts<Shared> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Problem> {
        let token = token_of(&parts.headers, web).await?;
        if !token.operator {
            let detail = "this needs a token with the operator's right; `syncwell up --operator-token` makes one";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(Self(token))
    }
}

/// The access token of a request, if it is good and its person has not sent too much.
pub(crate) async fn token_of(headers: &HeaderMap, web: &Web) -> Result<AccessToken, Problem> {
    let token = bearer(headers)
        .ok_or_else(|| Problem::new(Code::Unauthorized, "send an access token as `Authorization: Bearer <token>`"))?;
    let found = web.app.connect.accounts.people.token(token).await?;
    let Some(token) = found else {
        metrics::counter!("syncwell_http_unauthorized_total").increment(1);
        return Err(Problem::new(Code::Unauthorized, "this access token is not known or has ended; make another"));
    };
    admit(web, &token.subject)?;
    Ok(token)
}

/// The token of an `Authorization` header (RFC 6750): one header, one scheme, no token in a URL.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    fits.then_some(token)
}

fn admit(web: &Web, subject: &Subject) -> Result<(), Problem> {
    let Err(left) = web.principals.admit(subject, Instant::now()) else { return Ok(()) };
    let (limits, left) = (&web.app.limits, left.as_secs().max(1));
    let (calls_max, window) = (limits.requests_per_principal_max, limits.principal_window.as_secs());
    let detail = format!("more than {calls_max} requests in {window} seconds; wait {left} seconds");
    // draft-ietf-httpapi-ratelimit-headers
    Err(Problem::new(Code::TooManyRequests, detail)
        .with("retry-after", left.to_string())
        .with("ratelimit-policy", format!("\"principal\";q={calls_max};w={window}"))
        .with("ratelimit", format!("\"principal\";r=0;t={left}")))
}

/// Counts requests by person, in windows of the same length.
#[derive(Debug)]
pub(crate) struct Principals {
    counted: Mutex<Counted>,
    requests_max: u32,
    window: Duration,
}

#[derive(Debug)]
struct Counted {
    since: Instant,
    /// Only people with a good token get in here, and it is emptied with every window.
    by_person: HashMap<Subject, u32>,
}

impl Principals {
    pub(crate) fn new(requests_max: u32, window: Duration) -> Self {
        let counted = Counted { since: Instant::now(), by_person: HashMap::new() };
        Self { counted: Mutex::new(counted), requests_max, window }
    }

    /// Counts a request; `Err` says how long the person has to wait.
    fn admit(&self, subject: &Subject, now: Instant) -> Result<(), Duration> {
        // No code panics while it holds the lock.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(counted.since) >= self.window {
            *counted = Counted { since: now, by_person: HashMap::new() };
        }
        let left = self.window.saturating_sub(now.duration_since(counted.since));
        let count = counted.by_person.entry(subject.clone()).or_default();
        if *count >= self.requests_max {
            return Err(left);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, Instant, Principals, Subject, bearer, header};
    use std::time::Duration;

    #[track_caller]
    fn check(values: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(bearer(&headers), expected, "{values:?}");
    }

    #[test]
    fn a_token_comes_in_one_bearer_header() {
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer abc"], Some("abc"));
        check(&[], None);
        check(&["abc"], None);
        check(&["Basic abc"], None);
        check(&["Bearer "], None);
        check(&["Bearer abc", "Bearer def"], None);
        check(&[&format!("Bearer {}", "a".repeat(8 * 1024 + 1))], None);
    }

    #[test]
    fn a_person_waits_for_the_next_window_and_another_person_does_not() {
        let (start, window) = (Instant::now(), Duration::from_secs(60));
        let principals = Principals::new(2, window);
        let (one, other) = (Subject("1".into()), Subject("2".into()));
        assert!(principals.admit(&one, start).is_ok());
        assert!(principals.admit(&one, start).is_ok());
        assert!(principals.admit(&one, start).unwrap_err() <= window);
        assert!(principals.admit(&other, start).is_ok());
        assert!(principals.admit(&one, start + window + window).is_ok());
    }
}
