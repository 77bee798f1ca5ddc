//! A gateway that answers by itself, as long as it is alive.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use anyhow::Result;

use crate::message::Message;
use crate::phone::Phone;

/// Answers OPTIONS and BYE with 200, INVITE with a status; stopped when dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Seen {
    alive: AtomicBool,
    status: AtomicU16,
    invites: AtomicUsize,
    probes: AtomicUsize,
    stopped: AtomicBool,
}

impl Gateway {
    /// One that answers INVITEs with this status.
    pub fn answering(status: u16) -> Result<Self> {
        let phone = Phone::new("gateway")?;
        let seen = Arc::new(Seen {
            alive: AtomicBool::new(true),
            status: AtomicU16::new(status),
            invites: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        Ok(Self {
            address: phone.address(),
            seen: seen.clone(),
            thread: Some(thread::spawn(move || {
                while !seen.stopped.load(SeqCst) {
                    // Silence, and what wakes the thread up to stop, are no messages.
                    if let Ok(message) = phone.receive_any() {
                        // A peer that is gone gets no answer.
                        let _ = seen.answer(&phone, &message);
                    }
                }
            })),
        })
    }

    /// `sip:127.0.0.1:port`
    pub fn uri(&self) -> String {
        format!("sip:{}", self.address)
    }

    /// A dead one hears nothing and says nothing.
    pub fn set_alive(&self, alive: bool) {
        self.seen.alive.store(alive, SeqCst);
    }

    /// INVITEs it has had, retransmissions included.
    pub fn invites(&self) -> usize {
        self.seen.invites.load(SeqCst)
    }

    /// OPTIONS requests it has had, retransmissions included.
    pub fn probes(&self) -> usize {
        self.seen.probes.load(SeqCst)
    }
}

impl Seen {
    fn answer(&self, phone: &Phone, message: &Message) -> Result<()> {
        if !self.alive.load(SeqCst) || message.status().is_some() {
            return Ok(());
        }
        match message.method() {
            "ACK" => Ok(()),
            "INVITE" => {
                self.invites.fetch_add(1, SeqCst);
                let status = self.status.load(SeqCst);
                phone.reply(message, status, "As It Is Told")
            }
            "OPTIONS" => {
                self.probes.fetch_add(1, SeqCst);
                phone.reply(message, 200, "OK")
            }
            _ => phone.reply(message, 200, "OK"),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.seen.stopped.store(true, SeqCst);
        let woken =
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"stop", self.address));
        if woken.is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}
