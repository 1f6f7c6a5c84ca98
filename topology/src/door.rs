//! The port of a process: probes from its first moment to its last, and the API in between.

use anyhow::Context;
use api::{Limits, Probes};
use axum::Router;
use std::{io, net::SocketAddr};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A port that is listened on: one server from the first to the last, so that nobody's connection is closed under a
/// request when the API begins or ends. Dropped, it closes at once.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    probes: Probes,
    /// What answers now.
    routers: watch::Sender<Router>,
    /// Dropped, it stops the server.
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Binds the port and answers probes.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(crate) async fn open(address: SocketAddr, probes: Probes) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}; choose another with --listen or free that port"))?;
        let address = listener.local_addr().context("read the port that was bound")?;
        let (routers, router) = watch::channel(api::probes(probes.clone()));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(async move { api::serve(listener, router, &Limits::default(), stopping).await });
        Ok(Self { address, probes, routers, stop, serving })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is said to probes.
    pub(crate) fn probes(&self) -> Probes {
        self.probes.clone()
    }

    /// Has requests from now on answered by this router, which answers probes too.
    pub(crate) fn let_in(&self, router: Router) {
        drop(self.routers.send_replace(router));
    }

    /// Answers probes from now on, and tells commands to go elsewhere. What was let in before goes on.
    pub(crate) fn answer_probes(&self) {
        self.let_in(api::probes(self.probes()));
    }

    /// Returns when somebody else is let in, or nobody will be any more.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + use<> {
        let mut routers = self.routers.subscribe();
        async move { drop(routers.changed().await) }
    }

    /// Closes the port, and returns when what was let in has ended.
    pub(crate) async fn close(self) -> io::Result<()> {
        drop(self.stop);
        Ok(self.serving.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::Notify,
    };

    async fn ask(connection: &mut TcpStream, path: &str) -> String {
        connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let n_bytes = connection.read(&mut answer).await.unwrap();
        String::from_utf8(answer[..n_bytes].to_vec()).unwrap().lines().next().unwrap_or("closed").to_owned()
    }

    async fn door() -> Door {
        let (_ready, ready) = watch::channel(Ok(()));
        let probes = Probes { metrics: Arc::new(String::new), ready, metrics_token: None };
        Door::open(([127, 0, 0, 1], 0).into(), probes).await.unwrap()
    }

    #[tokio::test]
    async fn a_kept_connection_outlives_every_change_of_who_answers() {
        let door = door().await;
        let mut connection = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(ask(&mut connection, "/command").await, "HTTP/1.1 503 Service Unavailable");
        let changed = door.changed();
        door.let_in(Router::new().route("/command", axum::routing::get(async || "done")));
        changed.await;
        assert_eq!(ask(&mut connection, "/command").await, "HTTP/1.1 200 OK");
        door.answer_probes();
        assert_eq!(ask(&mut connection, "/command").await, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(ask(&mut connection, "/healthz").await, "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn what_was_let_in_is_answered_before_the_port_is_closed() {
        let (door, begun, go_on) = (door().await, Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move || {
                begun.notify_one();
                go_on.notified().await;
                "done"
            }
        };
        door.let_in(Router::new().route("/command", axum::routing::get(work)));
        let mut connection = TcpStream::connect(door.address()).await.unwrap();
        let asked = tokio::spawn(async move { ask(&mut connection, "/command").await });
        begun.notified().await;
        door.answer_probes();
        let mut closing = std::pin::pin!(door.close());
        assert!(tokio::time::timeout(Duration::ZERO, closing.as_mut()).await.is_err(), "a request is still under way");
        go_on.notify_one();
        closing.await.unwrap();
        assert_eq!(asked.await.unwrap(), "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn nobody_waits_for_an_api_that_never_comes() {
        let door = door().await;
        let changed = door.changed();
        drop(door);
        changed.await;
    }
}
