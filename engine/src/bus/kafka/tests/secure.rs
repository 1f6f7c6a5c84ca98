//! TLS, users and passwords, and whatever else is configured wrongly.

use super::{Bench, open};
use crate::{
    bus::{Bus, kafka::Settings, registry::Refused},
    contract::servers,
};
use std::collections::BTreeMap;

#[test]
fn what_cannot_be_configured_is_refused_by_name() {
    let parse = |url: &str, name: &str, registry: Option<&str>| {
        let properties = if name.is_empty() { BTreeMap::new() } else { [(name.to_owned(), "x".to_owned())].into() };
        Settings::parse(url, properties, registry, None)
            .map(|it| (it.brokers, it.namespace))
            .map_err(|it| it.to_string())
    };
    let some = Some("http://registry");
    assert_eq!(parse("kafka://a:1,b:2", "", some).unwrap(), ("a:1,b:2".into(), "syncwell".into()));
    assert_eq!(parse("kafka://a:1/mine", "sasl.password", some).unwrap().1, "mine");
    for (url, name, registry, wanted) in [
        ("kafka://", "", some, "brokers"),
        ("kafka://a", "", some, "brokers"),
        ("kafka://user:password@a:1", "", some, "brokers"),
        ("kafka://a:1/with space", "", some, "namespace"),
        ("kafka://a:1", "acks", some, "kafka.acks"),
        ("kafka://a:1", "", None, "registry"),
    ] {
        let said = parse(url, name, registry).unwrap_err();
        assert!(said.contains(wanted) && said.contains(';'), "{said}");
    }
}

/// The same namespace by another listener.
fn by(bench: &Bench, url: &str, properties: &[(&str, &str)]) -> Settings {
    let url = format!("{url}/{}", bench.settings.namespace);
    let properties = properties.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Settings::parse(&url, properties, Some(&bench.settings.registry), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_passwords_are_checked_on_both_sides() {
    let names =
        ["SYNCWELL_TEST_BUS_SECURE", "SYNCWELL_TEST_BUS_EXPIRED", "SYNCWELL_TEST_CA", "SYNCWELL_TEST_CA_EXPIRED"];
    let [Some(secure), Some(expired), Some(ca), Some(ca_expired)] = names.map(servers::named) else { return };
    let Some(bench) = Bench::start().await else { return };
    let login = async |password, ca| {
        let properties = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "syncwell"),
            ("sasl.password", password),
            ("ssl.ca.location", ca),
        ];
        open(&by(&bench, &secure, &properties)).await
    };
    let tls = async |url, ca| {
        let properties = [("security.protocol", "SSL"), ("ssl.ca.location", ca)];
        open(&by(&bench, url, &properties)).await
    };
    let bus = login("syncwell-secret", &ca).await.unwrap();
    bus.publish(vec![super::message("anna", super::framed("x"))]).await.unwrap();
    let password = login("wrong", &ca).await;
    let authority = login("syncwell-secret", &ca_expired).await;
    let old = tls(&expired, &ca_expired).await;
    for (said, wanted) in [(password, "sasl.password"), (authority, "certificate"), (old, "has it expired?")] {
        let said = said.unwrap_err();
        assert!(matches!(&said, Refused::Wrong(it) if it.contains(wanted)), "{said}");
        assert!(!said.to_string().contains("secret"), "{said}");
    }
    bench.end().await;
}
