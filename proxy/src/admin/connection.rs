//! One connection: HTTP/1.1 with limits, as it is or over TLS.
//!
//! How long the handshake may take, how long a request head may take and how large it may be, how long the
//! connection may be kept in all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;
use crate::tls::{Identity, failure};

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// For a request head, from its first byte; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// However busy it keeps itself, a long push included; whoever scrapes or follows events connects again.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How long nothing of an answer may be taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// From the connection to the end of its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whom the certificate of a connection's other end names; an extension of its requests. One that could not be read
/// names nobody.
#[derive(Clone, Debug)]
pub(crate) struct Peer(pub(crate) Arc<Identity>);

/// A connection that was taken in.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) router: Router,
    /// Its place among those there may be; free again when it ends.
    pub(super) slot: OwnedSemaphorePermit,
}

impl Connection {
    /// Serves it until it ends.
    pub(super) async fn serve(self) {
        http(self.stream, self.router, None).await;
        drop(self.slot);
    }

    /// The same over TLS.
    pub(super) async fn serve_tls(self, server: Arc<ServerConfig>, metrics: Arc<Metrics>) {
        let handshake = TlsAcceptor::from(server).accept(self.stream);
        let failed = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => {
                let peer = stream.get_ref().1.peer_certificates();
                let peer = peer.and_then(|chain| chain.first()).map(|certificate| {
                    let identity = Identity::of(certificate).unwrap_or_else(|error| {
                        tracing::debug!(%error, "a client's certificate cannot be read");
                        Identity::default()
                    });
                    Peer(Arc::new(identity))
                });
                http(stream, self.router, peer).await;
                drop(self.slot);
                return;
            }
            Ok(Err(error)) => {
                let reason = failure(&error);
                tracing::debug!(%error, reason, "a handshake with the admin server failed");
                reason
            }
            Err(_) => {
                tracing::debug!("a handshake with the admin server took too long");
                "timeout"
            }
        };
        metrics.handshake_failed(failed);
        drop(self.slot);
    }
}

async fn http<S>(stream: S, router: Router, peer: Option<Peer>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        service.call(request.map(Body::new))
    });
    // Who asks and does not read would hold a place for an hour.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(LIFETIME, connection).await {
        tracing::debug!(%error, "an admin connection failed");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Much more than is on the way at once.
    const ANSWER: usize = 100_000;
    const ON_THE_WAY: usize = 4_096;

    fn router() -> Router {
        Router::new().route("/", get(|| async { "x".repeat(ANSWER) }))
    }

    /// O10: whoever asks and reads nothing.
    #[tokio::test(start_paused = true)]
    async fn o10_who_reads_nothing_of_an_answer_loses_the_connection() {
        let (mut client, server) = duplex(ON_THE_WAY);
        let ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(ask).await.unwrap();
        let began = Instant::now();
        http(server, router(), None).await;
        assert_eq!(began.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), ON_THE_WAY);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_gets_all_of_an_answer() {
        let (mut client, server) = duplex(ON_THE_WAY);
        let serving = tokio::spawn(http(server, router(), None));
        let ask = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(ask).await.unwrap();
        let (mut read, mut piece) = (0, [0; ON_THE_WAY]);
        loop {
            sleep(WRITE_TIMEOUT - Duration::from_secs(1)).await;
            match client.read(&mut piece).await.unwrap() {
                0 => break,
                more => read += more,
            }
        }
        assert!(read > ANSWER, "{read}");
        serving.await.unwrap();
    }
}
