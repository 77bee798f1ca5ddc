//! A node that is told to stop refuses new calls on every shard until the last open one has ended
//! (D15).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use sigbox::config::Config;
use sigbox::node::Node;

/// A socket that gives up rather than hang the test.
fn phone() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

fn receive(phone: &UdpSocket) -> String {
    let mut buffer = [0; 4_096];
    let length = phone.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// The next final response to an INVITE, acknowledged in its transaction (RFC 3261 §17.1.1.3).
fn receive_final(phone: &UdpSocket, proxy: SocketAddr) -> String {
    loop {
        let message = receive(phone);
        if message.starts_with("SIP/2.0 100 ") {
            continue;
        }
        let lines = copied(&message).replace("1 INVITE", "1 ACK");
        let ack = format!(
            "ACK sip:bob@example.com SIP/2.0\r\n{lines}Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send_to(ack.as_bytes(), proxy).unwrap();
        return message;
    }
}

/// What a response has of its request (RFC 3261 §8.2.6), and an ACK of its response.
const COPIED: [&str; 5] = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];

fn invite(from: &UdpSocket, proxy: SocketAddr, call: &str) {
    let here = from.local_addr().unwrap();
    let request = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=t\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:{here}>\r\nContent-Length: 0\r\n\r\n"
    );
    from.send_to(request.as_bytes(), proxy).unwrap();
}

fn copied(message: &str) -> String {
    let lines = message.split("\r\n");
    let copied = lines.filter(|line| COPIED.iter().any(|name| line.starts_with(name)));
    copied.map(|line| format!("{line}\r\n")).collect()
}

fn response(request: &str, status: &str) -> String {
    format!(
        "SIP/2.0 {status}\r\n{}Content-Length: 0\r\n\r\n",
        copied(request)
    )
}

#[tokio::test]
async fn d15_every_shard_refuses_calls_until_the_last_one_has_ended() {
    let (alice, bob) = (phone(), phone());
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [nats]\nservers = [\"nats://127.0.0.1:1\"]\n[runtime]\nshards = 4\n\
         [[rule]]\naction = \"route\"\nroutes = [{{ dst_uri = \"sip:{}\" }}]\n",
        bob.local_addr().unwrap()
    );
    let config = Config::parse(Path::new("test.toml"), &text).unwrap();
    let mut node = tokio::task::spawn_blocking(|| Node::start(config))
        .await
        .unwrap()
        .unwrap();
    let proxy = node.listeners()[0];

    // Bob is busy for everybody but the first caller.
    let (first, open) = std::sync::mpsc::channel();
    let busy = bob.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(length) = busy.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.contains("Call-ID: open\r\n") {
                let _ = first.send(message);
            } else if message.starts_with("INVITE ") {
                let refusal = response(&message, "486 Busy Here");
                busy.send_to(refusal.as_bytes(), proxy).unwrap();
            }
        }
    });

    invite(&alice, proxy, "open");
    let open = open.recv().unwrap();
    node.drain();
    // A shard hears of it within a moment; from then on its calls are refused.
    let mut refused = 0;
    for call in 0.. {
        assert!(call < 1_000, "calls are still taken");
        invite(&alice, proxy, &format!("late-{call}"));
        let refusal = receive_final(&alice, proxy);
        if refusal.starts_with("SIP/2.0 503 ") {
            assert!(refusal.contains("\r\nRetry-After: "), "{refusal}");
            refused += 1;
        } else {
            refused = 0;
        }
        if refused == 30 {
            break;
        }
    }
    bob.send_to(response(&open, "486 Busy Here").as_bytes(), proxy)
        .unwrap();
    let refusal = loop {
        let message = receive_final(&alice, proxy);
        if message.contains("Call-ID: open\r\n") {
            break message;
        }
    };
    assert!(refusal.starts_with("SIP/2.0 486 "), "{refusal}");
    node.ended().await.unwrap();
}
