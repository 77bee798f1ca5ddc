//! A NATS server that is there and does not do its part: it stops reading, or takes less than a
//! query is long (D14). Nobody waits for it, and the caller's fallback runs at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use sigbox::admin::Health;
use sigbox::bus::{Bus, Link};
use sigbox::config::Config;
use sigbox::metrics::Metrics;
use sigbox_core::{
    Core, Counters, FallbackCause, Flow, Input, Instant, ListenerId, Output, Outputs, Settings,
    Token, Transport,
};

const NOW: Instant = Instant::ZERO;

/// A server that greets each client, reads what it says on connecting, and from then on nothing.
/// It ends when the returned handle is dropped.
fn server(max_payload: usize) -> (String, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Small, so that it is full soon.
    socket2::SockRef::from(&listener)
        .set_recv_buffer_size(4_096)
        .unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let (stop, stopped) = channel();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let info = serde_json::json!({
            "server_id": "T", "version": "2.10.0", "headers": true, "max_payload": max_payload,
            "host": "127.0.0.1", "port": 4222, "proto": 1, "go": "", "client_id": 1
        });
        client
            .write_all(format!("INFO {info}\r\n").as_bytes())
            .unwrap();
        let mut seen = Vec::new();
        while !seen.windows(6).any(|bytes| bytes == b"PING\r\n") {
            let mut chunk = [0; 512];
            let read = client.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..read]);
        }
        client.write_all(b"PONG\r\n").unwrap();
        // The connection stays open until the test is over.
        let _ = stopped.recv();
    });
    (url, stop)
}

struct Asker {
    core: Core,
    settings: Arc<Settings>,
    out: Outputs,
    bus: Bus,
    calls: u32,
}

impl Asker {
    /// A bus that is connected to `url`.
    async fn connected(url: &str) -> Self {
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n[nats]\nservers = [\"{url}\"]\nadaptive = false\n"
        );
        let config = Config::parse(Path::new("test.toml"), &text).unwrap();
        let shared = Arc::new(Metrics::new("test"));
        let health = Arc::new(Health::new(1, true, shared.clone()));
        let counters = Arc::new(Counters::default());
        let own = shared.register_shard(counters.clone());
        let mut bus = Bus::connect(&config, 1, 0, health, shared, own)
            .await
            .unwrap();
        while bus.lost(NOW, &mut Vec::new()) != Some(Link::Up) {
            std::future::poll_fn(|cx| bus.poll_incoming(cx)).await;
        }
        let settings = config.settings.clone();
        let core = Core::new(settings.clone(), 0, [1; 16], 0, counters);
        Self {
            core,
            settings,
            out: Outputs::new(),
            bus,
            calls: 0,
        }
    }

    /// A new call, suspended.
    fn suspend(&mut self) -> Token {
        self.calls += 1;
        let call = self.calls;
        let invite = format!(
            "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=t\r\nTo: <sip:bob@example.com>\r\n\
             Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        let flow = Flow {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: None,
            peer: "192.0.2.9:5060".parse().unwrap(),
        };
        let bytes = invite.as_bytes();
        self.core
            .handle(NOW, Input::Message { flow, bytes }, &mut self.out);
        let outputs = self.out.take();
        let token = outputs.iter().find_map(|output| match output {
            Output::Query { token } => Some(*token),
            _ => None,
        });
        self.out.recycle(outputs);
        token.unwrap()
    }

    fn ask(&mut self) -> Result<(), FallbackCause> {
        let token = self.suspend();
        let suspended = self.core.suspended(NOW, token).unwrap();
        self.bus
            .ask(NOW, token, &suspended, &self.settings.listeners[0])
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_congests_the_bus() {
    let (url, _stop) = server(1_048_576);
    let mut asker = Asker::connected(&url).await;
    let mut sent = 0;
    let refused = loop {
        match asker.ask() {
            Ok(()) => sent += 1,
            Err(cause) => break cause,
        }
        assert!(sent < 19_000, "everything was taken");
        // The connection's task hands over what the system takes.
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, FallbackCause::Congested);
    assert!(sent > 1_000, "{sent} were queued");
    assert_eq!(
        asker.bus.pending(),
        sent,
        "what was not sent is not waited for"
    );
}

#[tokio::test]
async fn a_query_that_is_too_long_for_the_server_is_not_sent() {
    let (url, _stop) = server(64);
    let mut asker = Asker::connected(&url).await;
    for _ in 0..3 {
        assert_eq!(asker.ask(), Err(FallbackCause::Congested));
    }
    assert_eq!(asker.bus.pending(), 0);
}

#[tokio::test]
async fn without_a_server_nobody_is_asked() {
    let (url, stop) = server(1_048_576);
    let mut asker = Asker::connected(&url).await;
    let token = asker.suspend();
    let suspended = asker.core.suspended(NOW, token).unwrap();
    let local = &asker.settings.listeners[0];
    assert_eq!(asker.bus.ask(NOW, token, &suspended, local), Ok(()));

    drop(stop);
    let mut lost = Vec::new();
    while asker.bus.lost(NOW, &mut lost) != Some(Link::Down) {
        std::future::poll_fn(|cx| asker.bus.poll_incoming(cx)).await;
    }
    assert_eq!(lost, [token], "what was out fails with the connection");
    assert_eq!(asker.ask(), Err(FallbackCause::Disconnected));
}
