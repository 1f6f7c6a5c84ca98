//! The real binary on real servers that are not as they should be: one clear line and the next step, for everything;
//! and nothing is lost behind what cannot be read. Without servers this is left out.

mod poison;
mod site;

use self::site::{Said, Site};
use anyhow::{Context, Result};
use engine::contract::servers;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
};
use topology::config::Config;

/// How a process fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fares {
    /// It ends with this code.
    Ends(i32),
    /// It says what it waits for, and waits.
    Waits,
}

/// What is wrong, how a worker fares, and what it says: what is wrong, and what to do.
type Case<'a> = (&'a str, Config, Fares, &'a [&'a str]);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_one_line_with_the_next_step() -> Result<()> {
    let Some(site) = Site::new().await? else { return Ok(()) };
    let names = ["BUS_SECURE", "BUS_EXPIRED", "CA", "CA_EXPIRED", "STORE_CA"].map(|it| format!("SYNCWELL_TEST_{it}"));
    let named = names.each_ref().map(|it| servers::named(it));
    let [Some(secure), Some(expired), Some(ca), Some(ca_expired), Some(store_ca)] = named else { return Ok(()) };
    let good = site.config.clone();
    let namespace = good.bus.rsplit('/').next().context("a namespace")?.to_owned();
    let keyspace = good.store.rsplit('/').next().context("a keyspace")?.to_owned();
    let nobody = nobody_listens()?;
    let bus = |server: &str, kafka: &[(&str, &str)]| {
        let kafka = kafka.iter().map(|it| (it.0.to_owned(), toml::Value::String(it.1.to_owned())));
        Config { bus: format!("{server}/{namespace}"), kafka: kafka.collect(), ..good.clone() }
    };
    let login = |password| {
        let plain = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "syncwell")];
        bus(&secure, &[&plain[..], &[("sasl.password", password), ("ssl.ca.location", &ca)]].concat())
    };
    let as_user = |user: &str, password: &str| {
        let (_, at) = good.store.rsplit_once('@').unwrap_or(("", good.store.trim_start_matches("scylla://")));
        Config { store: format!("scylla://{user}:{password}@{at}"), ..good.clone() }
    };
    let through = |query: &str| Config { store: format!("{}?{query}", good.store), ..good.clone() };
    let old = [("security.protocol", "SSL"), ("ssl.ca.location", &*ca_expired)];
    let other_registry = Config { registry: Some(other_schemas().await?), ..good.clone() };
    let role = format!("r{keyspace}");
    site.cql(&format!("CREATE ROLE {role} WITH PASSWORD = 'canary-1' AND LOGIN = true")).await?;

    use Fares::{Ends, Waits};
    let cases: [Case<'_>; 13] = [
        ("no bus", bus(&format!("kafka://{nobody}"), &[]), Waits, &["kafka", &nobody.to_string()]),
        ("no such scheme", Config { bus: "kafak://x".into(), ..good.clone() }, Ends(78), &["kafak", "kafka://"]),
        ("no store", Config { store: format!("scylla://{nobody}/x"), ..good.clone() }, Waits, &[&nobody.to_string()]),
        (
            "no registry",
            Config { registry: Some(format!("http://{nobody}")), ..good.clone() },
            Waits,
            &["registry", &nobody.to_string()],
        ),
        ("a wrong password of the bus", login("canary-2"), Ends(78), &["sasl.password"]),
        ("an expired certificate", bus(&expired, &old), Ends(78), &["expired", "certificate"]),
        ("a wrong password of the store", as_user("cassandra", "canary-3"), Ends(78), &["password"]),
        ("a certificate by another authority", through(&format!("ca={ca}")), Ends(78), &["certificate", "?ca="]),
        ("no such authorities", through("ca=/nowhere.pem"), Ends(78), &["/nowhere.pem", "PEM"]),
        ("no such data center", through("dc=mars"), Waits, &["mars", "datacenter1"]),
        ("a keyspace without a right", as_user(&role, "canary-1"), Ends(78), &[&keyspace, "GRANT"]),
        ("a registry with other schemas", other_registry, Ends(78), &["registry", "another schema"]),
        ("no keyspace", Config { store: format!("{}x", good.store), ..good.clone() }, Waits, &["store migrate"]),
    ];
    let mut wrong = BTreeMap::new();
    for (what, config, fares, words) in cases {
        check(&site, (what, &config, fares, words), &mut wrong).await?;
    }
    site.cql(&format!("DROP ROLE {role}")).await?;
    // With everything right, TLS and its own data center are a way in.
    let Said { code, lines } = site.worker(&through(&format!("ca={store_ca}&dc=datacenter1")), |_| false).await?;
    assert!(code.is_none() && lines.iter().any(|it| it.contains("is up at")), "{code:?} {lines:?}");
    let other_key = Config { key: Some("cd".repeat(32)), key_file: None, ..good.clone() };
    check(&site, ("another key", &other_key, Ends(78), &["vault key", "made with"]), &mut wrong).await?;
    site.cql(&format!("INSERT INTO {keyspace}.migrations (id, version, done_at) VALUES (0, 99, 0)")).await?;
    check(&site, ("newer tables", &good, Ends(78), &["99", "newer"]), &mut wrong).await?;
    site.cql(&format!("DELETE FROM {keyspace}.migrations WHERE id = 0")).await?;
    check(&site, ("older tables", &good, Waits, &["store migrate"]), &mut wrong).await?;
    site.cql(&format!("INSERT INTO {keyspace}.migrations (id, version, done_at) VALUES (0, 1, 0)")).await?;
    site.more_partitions(&format!("{namespace}.settled"), 12).await?;
    check(&site, ("another number of partitions", &good, Ends(78), &["settled", "12", "8"]), &mut wrong).await?;
    let said: Vec<_> = wrong.iter().map(|(what, said)| format!("{what}: {said}")).collect();
    assert!(wrong.is_empty(), "{}", said.join("\n"));
    Ok(())
}

async fn check(
    site: &Site,
    (what, config, fares, words): (&str, &Config, Fares, &[&str]),
    wrong: &mut BTreeMap<String, String>,
) -> Result<()> {
    let says_it = |text: &str| words.iter().all(|it| text.contains(it));
    let said =
        site.worker(config, |text| fares == Fares::Waits && text.lines().any(says_it)).await.context(what.to_owned());
    let Said { code, lines } = said?;
    eprintln!("{what}: {code:?} {lines:#?}");
    // A server that is slow to answer is waited for first.
    let last: Vec<_> = lines.iter().filter(|it| !it.contains("waits for") || says_it(it)).collect();
    let text = lines.join("\n");
    let is_right = match fares {
        Fares::Ends(wanted) => code == Some(wanted) && last.len() == 2 && last[1].starts_with("  try: "),
        Fares::Waits => code.is_none() && last.len() == 1 && last[0].contains("; "),
    };
    let says_it = says_it(&text) && !text.contains("canary");
    if !is_right || !says_it {
        wrong.insert(what.into(), format!("{code:?}, wanted {fares:?} and {words:?}:\n{text}"));
    }
    Ok(())
}

/// A place where nobody listens.
fn nobody_listens() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A registry that answers everything with a schema that is not ours.
async fn other_schemas() -> Result<String> {
    const OTHER: &str = r#"{"subject":"x","version":1,"id":1,"schemaType":"AVRO","schema":"\"string\""}"#;
    // The whole question is read: one that is cut off would be no answer.
    let answer = async |_asked: String| ([("content-type", "application/json")], OTHER);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(answer)).into_future());
    Ok(url)
}
