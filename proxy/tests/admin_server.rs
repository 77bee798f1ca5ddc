//! The admin server over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use sigbox::admin::{Admin, Health};
use sigbox::metrics::Metrics;

struct Node {
    health: Arc<Health>,
    admin: Admin,
}

fn node() -> Node {
    let metrics = Arc::new(Metrics::new("edge-1"));
    let health = Arc::new(Health::new(1, false, Arc::clone(&metrics)));
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let admin = Admin::start(listen, Arc::clone(&health), metrics).unwrap();
    Node { health, admin }
}

/// Everything the server says to `request` until it closes.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

#[test]
fn health_readiness_and_metrics_are_served() {
    let node = node();
    let address = node.admin.address();
    assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));

    let (status, body) = get(address, "/readyz");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (503, &"not_ready".into()));
    assert_eq!(body["reasons"][0], "0 of 1 shards run");

    node.health.shard_started();
    node.health.nats_up();
    let (status, body) = get(address, "/readyz");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &"ready".into()));
    assert_eq!(body["nats"]["connected"], 1);

    node.health.drain();
    assert_eq!(get(address, "/readyz").0, 503);
    assert_eq!(get(address, "/healthz").0, 200, "a draining process lives");

    let (status, body) = get(address, "/metrics");
    assert_eq!(status, 200);
    assert!(
        body.contains("sigbox_nats_connected 1\n") && body.ends_with("# EOF\n"),
        "{body}"
    );
}

#[test]
fn other_paths_and_methods_are_refused() {
    let node = node();
    assert_eq!(get(node.admin.address(), "/").0, 404);
    let answer = exchange(
        node.admin.address(),
        b"POST /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

/// O10
#[test]
fn a_head_without_an_end_is_cut_off() {
    let node = node();
    let mut request = b"GET /healthz HTTP/1.1\r\n".to_vec();
    request.resize(64 * 1024, b'x');
    let answer = exchange(node.admin.address(), &request);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let many: String = (0..200)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    let answer = exchange(
        node.admin.address(),
        format!("GET /healthz HTTP/1.1\r\n{many}\r\n").as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(get(node.admin.address(), "/healthz").0, 200);
}

#[test]
fn dropping_it_frees_the_port() {
    let node = node();
    let address = node.admin.address();
    drop(node.admin);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let node = node();
    let metrics = Arc::new(Metrics::new("edge-2"));
    let health = Arc::new(Health::new(1, true, Arc::clone(&metrics)));
    assert!(Admin::start(node.admin.address(), health, metrics).is_err());
}
