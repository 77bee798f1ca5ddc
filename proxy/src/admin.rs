//! The admin HTTP server: health, readiness, metrics, gateways.
//!
//! It runs on one small runtime of its own, away from the shards: nothing an HTTP client does can
//! slow a call down. The same runtime is there for other work that must not be done on a shard,
//! such as name lookups.

mod gateways;
mod health;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

pub use health::{Health, Readiness};

use crate::gateways::GatewayBoard;
use crate::metrics::Metrics;

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
        board: Arc<GatewayBoard>,
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
                        () = server::serve(socket, health, metrics, board) => {}
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
