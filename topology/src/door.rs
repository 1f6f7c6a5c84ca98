//! The port of a process: probes from its first moment to its last, and the API in between.

use anyhow::Context;
use api::{Limits, Probes};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// How long the probes' last answers may take.
const LEAVING_MAX: Duration = Duration::from_secs(2);

/// A port that is listened on. The probes are answered until it is dropped, or given to the API.
#[derive(Debug)]
pub(crate) struct Door {
    listener: std::net::TcpListener,
    probes: Probes,
    /// The server of the probes; its sender, dropped, stops it.
    answering: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl Door {
    /// Binds the port and answers probes.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(crate) async fn open(address: SocketAddr, probes: Probes) -> anyhow::Result<Self> {
        let bound = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}; choose another with --listen or free that port"))?;
        let listener = bound.into_std().context("take the port that was bound")?;
        let mut door = Self { listener, probes, answering: None };
        door.answer_probes().context("answer probes")?;
        Ok(door)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What is said to probes.
    pub(crate) fn probes(&self) -> Probes {
        self.probes.clone()
    }

    /// Answers probes, and tells commands to go elsewhere.
    pub(crate) fn answer_probes(&mut self) -> io::Result<()> {
        let listener = self.shared()?;
        let router = api::probes(self.probes());
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(async move { api::serve(listener, router, &Limits::default(), stopped).await });
        self.answering = Some((stop, serving));
        Ok(())
    }

    /// Leaves the port to another server, which answers probes too. Nobody is answered by this one afterwards: a client
    /// that were would have its connection closed under the next request.
    pub(crate) async fn leave(&mut self) -> io::Result<TcpListener> {
        if let Some((stop, mut serving)) = self.answering.take() {
            drop(stop);
            if tokio::time::timeout(LEAVING_MAX, &mut serving).await.is_err() {
                serving.abort();
            }
        }
        self.shared()
    }

    /// The same socket: connections that come while one server follows the other wait in its queue.
    fn shared(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.listener.try_clone()?)
    }
}
