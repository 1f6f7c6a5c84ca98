//! Runs connections, with the limits that axum's own server does not set.

use crate::{Limits, shares::Shares};
use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service as _, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::IpAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// The most headers of a request.
const HEADERS_MAX: usize = 100;
/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The pause after a connection could not be taken: there are no file handles left, and they come back with time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Says to what goes on for long that it is to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

/// Serves HTTP/1.1 until `stop` turns true or its sender is gone; then takes no more connections, lets requests end,
/// and returns after at most [`Limits::drain_max`]. Each request goes to the router that is there when it comes, so that
/// one can follow another while connections are kept open.
pub async fn serve(
    listener: TcpListener,
    routers: watch::Receiver<Router>,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
) {
    let (mut connections, addresses) = (JoinSet::new(), Shares::new(limits.connections_per_address_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < limits.connections_max => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                // A connection too many of one address is closed: the others get on.
                let Some(share) = addresses.take(address_of(address.ip())) else {
                    metrics::counter!("syncwell_http_connections_refused_total").increment(1);
                    continue;
                };
                let connection = connection(stream, routers.clone(), limits.header_read_max, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(share);
                });
            }
            Err(err) => {
                tracing::warn!(%err, "a connection could not be taken; tries again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(limits.drain_max, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut at the end of the drain");
    }
}

/// Returns when the server is to stop: it is told so, or nobody is left who could tell it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|it| *it).await);
}

/// An IPv6 client has a whole /64 of addresses.
fn address_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => {
            let prefix = u128::from(it) & (u128::MAX << 64);
            IpAddr::V6(prefix.into())
        }
        it => it,
    }
}

async fn connection(
    stream: TcpStream,
    routers: watch::Receiver<Router>,
    header_read_max: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_read_max)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let answer = service_fn(move |request: Request<Incoming>| {
        let router = routers.borrow().clone();
        TowerToHyperService::new(router).call(request)
    });
    let served = http.serve_connection(TokioIo::new(stream), answer);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(err) = ended {
        tracing::debug!(%err, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::{IpAddr, address_of};

    #[test]
    fn addresses_of_one_network_count_together() {
        for (address, expected) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            assert_eq!(address_of(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}
