//! Granting, renewing and withdrawing access.

use super::{ATHLETE, Bench, always, at, json};
use crate::{
    simulator::{Fault, FaultKind},
    strava::simulator::{Athlete, Options},
};
use engine::provider::{Authorize, DataProvider, Grant, ProviderError, Tokens, What};
use std::collections::BTreeMap;

impl Bench {
    /// Goes through the authorization page and says what the callback's query holds.
    async fn approve(&self, more: &str) -> BTreeMap<String, String> {
        let url = self
            .strava
            .authorize_url(&Authorize {
                auth_url: &self.session.token_url,
                client_id: "24523",
                redirect: "https://syncwell.example/callback/strava?x=1",
                state: "st&te",
                challenge: "",
            })
            .unwrap();
        let reply = self.session.http.get(format!("{url}{more}")).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 302);
        let back = url::Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(back.host_str(), Some("syncwell.example"));
        back.query_pairs().into_owned().collect()
    }

    async fn exchange(&self, code: &str) -> Result<Grant, ProviderError> {
        self.strava.exchange(&self.session, code, "", "").await
    }

    async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, ProviderError> {
        self.strava.refresh(&self.session, tokens).await
    }
}

#[tokio::test]
async fn an_approval_gives_tokens_that_work_and_a_code_that_is_good_once() {
    let mut bench = Bench::new(Options::default()).await;
    let back = bench.approve("").await;
    assert_eq!((back["state"].as_str(), back["scope"].as_str()), ("st&te", "read,activity:read_all,activity:write"));
    let grant = bench.exchange(&back["code"]).await.unwrap();
    assert_eq!(grant.account, ATHLETE.to_string());
    assert_eq!(grant.tokens.expires_at.unwrap().seconds() / 60, at("2026-05-04T16:07:00Z").seconds() / 60);
    bench.session.access_token = Some(grant.tokens.access);
    bench.seed_golden();
    assert_eq!(bench.read(What::Window(always())).await.len(), 1);
    let again = bench.exchange(&back["code"]).await.unwrap_err();
    assert_eq!(again, ProviderError::Refused { reason: "status 400: RequestToken code invalid".into() });
}

#[tokio::test]
async fn the_query_says_who_approves_and_what_they_untick() {
    let mut bench = Bench::new(Options::default()).await;
    bench.simulator.seed_athlete(Athlete { id: 2, offset_seconds: 0, zone: "Europe/London".into() });
    let back = bench.approve("&athlete=2&untick=activity:read_all").await;
    assert_eq!(back["scope"], "read,activity:write");
    let grant = bench.exchange(&back["code"]).await.unwrap();
    assert_eq!(grant.account, "2");
    bench.session.access_token = Some(grant.tokens.access);
    let err = bench.fetch(What::Window(always()), None).await.unwrap_err();
    let reason = "the scope activity:read was not granted; connect again and leave it ticked".into();
    assert_eq!(err, ProviderError::Forbidden { reason });
    assert_eq!(bench.approve("&deny=1").await["error"], "access_denied");
}

#[tokio::test]
async fn an_expired_token_is_refreshed_and_the_new_pair_works() {
    let mut bench = Bench::new(Options::default()).await;
    bench.seed_golden();
    let old = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    bench.session.access_token = Some(old.access.clone());
    bench.simulator.kit.set_now(at("2026-05-04T16:08:00Z"));
    assert_eq!(bench.fetch(What::Window(always()), None).await.unwrap_err(), ProviderError::TokenExpired);
    let new = bench.refresh(&old).await.unwrap();
    assert_ne!(new.refresh, old.refresh);
    assert_eq!(new.scope, old.scope);
    bench.session.access_token = Some(new.access);
    assert_eq!(bench.read(What::Window(always())).await.len(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_does_not_rotate_stays() {
    let bench = Bench::new(Options { rotate_refresh: false, ..Options::default() }).await;
    let old = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    let new = bench.refresh(&old).await.unwrap();
    assert_eq!(new.refresh, old.refresh);
    assert!(bench.refresh(&old).await.is_ok());
}

#[tokio::test]
async fn a_refresh_that_gives_no_refresh_token_keeps_the_old_one() {
    let bench = Bench::new(Options::default()).await;
    let old = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    let body = "{\"access_token\":\"new\",\"scope\":\"read\",\"expires_at\":1e300}".into();
    let kind = FaultKind::Answer { status: 200, headers: vec![], body };
    bench.simulator.kit.plan(Fault::once("POST", "/oauth/token", kind));
    let new = bench.refresh(&old).await.unwrap();
    assert_eq!((new.access.as_str(), new.refresh, new.expires_at), ("new", old.refresh, None));
    assert_eq!(new.scope, "read");
}

#[tokio::test]
async fn of_two_refreshes_with_one_token_the_second_ends_the_access_of_both() {
    let mut bench = Bench::new(Options::default()).await;
    let old = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    let (one, other) = tokio::join!(bench.refresh(&old), bench.refresh(&old));
    let (won, lost): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1));
    assert_eq!(lost[0].as_ref().unwrap_err(), &ProviderError::AccessRevoked);
    let won = won.into_iter().next().unwrap().unwrap();
    bench.session.access_token = Some(won.access.clone());
    assert_eq!(bench.fetch(What::Window(always()), None).await.unwrap_err(), ProviderError::TokenExpired);
    assert_eq!(bench.refresh(&won).await.unwrap_err(), ProviderError::AccessRevoked);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_unknown_because_the_token_may_be_spent() {
    let bench = Bench::new(Options::default()).await;
    let old = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    let server = FaultKind::Answer { status: 502, headers: vec![], body: "<html>".into() };
    let html = FaultKind::Answer { status: 200, headers: vec![], body: "<html>".into() };
    for kind in [server, html, FaultKind::ReplyLost] {
        bench.simulator.kit.plan(Fault::once("POST", "/oauth/token", kind));
        let err = bench.refresh(&old).await.unwrap_err();
        assert!(matches!(err, ProviderError::Unknown { .. }), "{err}");
    }
    assert_eq!(bench.refresh(&old).await.unwrap_err(), ProviderError::AccessRevoked);
}

#[tokio::test]
async fn access_that_is_withdrawn_midway_ends_at_the_refresh() {
    let mut bench = Bench::new(Options::default()).await;
    let tokens = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    bench.session.access_token = Some(tokens.access.clone());
    for day in 0..7 {
        let mut detail = json(include_str!("../fixtures/golden/berlin_plain/athlete_activities.json"))[0].clone();
        detail["id"] = (day + 1).into();
        bench.simulator.seed_activity(ATHLETE, detail, None);
    }
    let first = bench.fetch(What::Window(always()), None).await.unwrap();
    bench.simulator.revoke(ATHLETE);
    assert_eq!(bench.fetch(What::Window(always()), first.next).await.unwrap_err(), ProviderError::TokenExpired);
    assert_eq!(bench.refresh(&tokens).await.unwrap_err(), ProviderError::AccessRevoked);
}

#[tokio::test]
async fn revoking_withdraws_the_access_and_a_dead_token_asks_for_a_refresh_first() {
    let bench = Bench::new(Options::default()).await;
    let tokens = bench.simulator.grant(ATHLETE, super::ALL_SCOPES);
    bench.strava.revoke(&bench.session, &tokens).await.unwrap();
    assert_eq!(bench.strava.revoke(&bench.session, &tokens).await.unwrap_err(), ProviderError::TokenExpired);
    assert_eq!(bench.refresh(&tokens).await.unwrap_err(), ProviderError::AccessRevoked);
}

#[tokio::test]
async fn recorded_token_answers_are_read_as_they_came() {
    let bench = Bench::new(Options::default()).await;
    let plan = |recorded: &str| {
        let it = json(recorded);
        let status = u16::try_from(it["status"].as_u64().unwrap()).unwrap();
        let kind = FaultKind::Answer { status, headers: vec![], body: it["json"].to_string() };
        bench.simulator.kit.plan(Fault::once("POST", "/oauth/token", kind));
    };
    plan(include_str!("../fixtures/token_authorization_code.json"));
    let grant = bench.exchange("code").await.unwrap();
    assert_eq!(grant.account, "12342176");
    assert_eq!(grant.tokens.expires_at, Some(at("2018-11-23T02:29:59Z")));
    plan(include_str!("../fixtures/token_refresh_token.json"));
    assert_eq!(bench.refresh(&grant.tokens).await.unwrap().refresh.as_deref(), Some("new-refresh-token"));
    plan(include_str!("../fixtures/token_invalid_code.json"));
    let err = bench.exchange("code").await.unwrap_err();
    assert_eq!(err, ProviderError::Refused { reason: "status 400: RequestToken code invalid".into() });
    plan(include_str!("../fixtures/token_invalid_client.json"));
    let err = bench.refresh(&grant.tokens).await.unwrap_err();
    assert_eq!(err, ProviderError::Refused { reason: "status 400: Application client_id invalid".into() });
}
