//! A registry that goes away and comes back.

use super::{
    Bench, HOT, PATIENCE,
    foreign::{ask, fetched, newer, producer, send},
    framed, message, open, take,
};
use crate::bus::{
    Bus,
    kafka::{Names, Settings},
};
use schemas::codec;
use std::net::SocketAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Passes connections on until it is aborted.
async fn pass_on(at: SocketAddr, to: String) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let passing = async move {
        let mut open = JoinSet::new();
        while let Ok((mut here, _)) = listener.accept().await {
            let to = to.clone();
            open.spawn(async move {
                let mut there = TcpStream::connect(to).await.unwrap();
                // A connection that ends is no news.
                drop(tokio::io::copy_bidirectional(&mut here, &mut there).await);
            });
        }
    };
    (address, tokio::spawn(passing))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_waits_for_a_registry_that_is_down_and_others_go_on() {
    let Some(bench) = Bench::start().await else { return };
    let url = reqwest::Url::parse(&bench.settings.registry).unwrap();
    let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let (address, passing) = pass_on(SocketAddr::from(([127, 0, 0, 1], 0)), place.clone()).await;
    let registry = format!("http://{address}{}", url.path());
    let bus = open(&Settings { registry, ..bench.settings.clone() }).await.unwrap();
    let topic = Names::new(&bench.settings.namespace).topic(HOT).to_owned();
    let versions = format!("/subjects/{topic}-value/versions");
    let body = serde_json::json!({ "schema": newer().to_string() });
    let id = ask(&bench, reqwest::Method::POST, &versions, body).await["id"].as_u64().unwrap();
    let ours = codec::encode(&fetched());
    let id = u32::try_from(id).unwrap().to_be_bytes();
    let theirs = [&[0], &id[..], &ours[codec::FRAME_BYTES..], &[0]].concat();

    passing.abort();
    drop(passing.await);
    let mut member = bus.subscribe("waiting", &[HOT]).await.unwrap();
    send(&producer(&bench), &topic, Some("anna"), Some(&theirs));
    bus.publish((0..20).map(|it| message(&it.to_string(), framed("known"))).collect()).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 10 {
        taken.extend(take(&mut *member, 1).await);
    }
    assert!(taken.iter().all(|it| it.bytes == framed("known")), "ids that are known serve");
    let (_, passing) = pass_on(address, place).await;
    let all = async {
        while taken.len() < 21 {
            taken.extend(take(&mut *member, 1).await);
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("what waited comes");
    let anna = taken.iter().find(|it| it.key.0 == "anna").unwrap();
    assert_eq!((&anna.unreadable, &anna.bytes[..]), (&None, &ours[..]), "nothing is lost");
    passing.abort();
    bench.end().await;
}
