//! The admin HTTP server: health, readiness, metrics, and the API of [`crate::api`]; over TLS where there are
//! certificates for it.
//!
//! It runs on one small runtime of its own, away from the shards: nothing an HTTP client does can
//! slow a call down. The same runtime is there for other work that must not be done on a shard,
//! such as name lookups.

mod connection;
mod health;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

pub(crate) use connection::Peer;
pub use health::{Health, Readiness};

use crate::metrics::Metrics;
use crate::tls::Certificates;

/// What the server speaks, for ALPN (RFC 7301).
pub const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// The running server and its runtime. Dropping it stops both.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Admin {
    /// Binds `listen` and starts serving on a thread named `admin`.
    ///
    /// # Errors
    /// When the address cannot be bound or the thread cannot be started.
    pub fn start(
        listen: SocketAddr,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Self::start_with(listen, None, health, metrics, Router::new())
    }

    /// The same, serving `api` besides, and all of it over TLS when there are `certificates`.
    ///
    /// # Errors
    /// As [`Admin::start`].
    pub fn start_with(
        listen: SocketAddr,
        certificates: Option<Arc<Certificates>>,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        api: Router,
    ) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(listen)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(16)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let socket = match TcpListener::from_std(socket) {
                        Ok(socket) => socket,
                        Err(error) => {
                            tracing::error!(%error, "the admin server cannot listen");
                            let _ = stopped.await;
                            return;
                        }
                    };
                    tokio::select! {
                        () = server::serve(socket, certificates, health, metrics, api) => {}
                        _ = stopped => {}
                    }
                });
                // A lookup that hangs in the resolver does not keep the process.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its runtime, for work that must not be done on a shard.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
