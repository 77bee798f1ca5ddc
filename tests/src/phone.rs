//! A scripted SIP user agent on a UDP socket of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::PATIENCE;
use crate::message::Message;

/// The session description that every INVITE of a [`Phone`] carries.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// Makes branches, tags and Call-IDs unlike any other in this process.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A user agent that sends what it is told and reads what comes, strictly in order.
#[derive(Debug)]
pub struct Phone {
    user: String,
    socket: UdpSocket,
    address: SocketAddr,
    /// Datagrams that came already: retransmissions are not news.
    seen: RefCell<HashSet<Vec<u8>>>,
    repeats: Cell<usize>,
}

impl Phone {
    /// A phone of `user` on a free port.
    pub fn new(user: &str) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let address = socket.local_addr()?;
        Ok(Self {
            user: user.to_owned(),
            socket,
            address,
            seen: RefCell::default(),
            repeats: Cell::new(0),
        })
    }

    /// Where the phone listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `sip:user@127.0.0.1:port`
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.user, self.address)
    }

    /// `sip:127.0.0.1:port`: the phone as a next hop.
    pub fn hop(&self) -> String {
        format!("sip:{}", self.address)
    }

    /// Sends bytes as they are.
    pub fn send(&self, to: SocketAddr, datagram: impl AsRef<[u8]>) -> Result<()> {
        let datagram = datagram.as_ref();
        let sent = self.socket.send_to(datagram, to)?;
        ensure!(
            sent == datagram.len(),
            "sent {sent} of {} bytes",
            datagram.len()
        );
        Ok(())
    }

    /// A request with fresh identifiers, to be changed at will and sent with [`Phone::send`].
    pub fn request(&self, method: &str, uri: &str) -> Request {
        let number = unique();
        let mark = format!("{}-{}-{number}", self.user, self.address.port());
        Request {
            method: method.to_owned(),
            uri: uri.to_owned(),
            via: format!("SIP/2.0/UDP {};branch=z9hG4bK{mark};rport", self.address),
            from: format!("<{}>;tag={mark}", self.uri()),
            to: format!("<{uri}>"),
            call_id: format!("{mark}@127.0.0.1"),
            cseq: 1,
            max_forwards: Some("70".to_owned()),
            headers: vec![format!("Contact: <{}>", self.uri())],
            body: String::new(),
        }
    }

    /// A branch that no other transaction has, as a complete Via value.
    pub fn fresh_via(&self) -> String {
        format!(
            "SIP/2.0/UDP {};branch=z9hG4bK{}-{};rport",
            self.address,
            self.user,
            unique()
        )
    }

    /// The next message, retransmissions left out.
    pub fn receive(&self) -> Result<Message> {
        loop {
            let message = self.receive_any()?;
            if self.seen.borrow_mut().insert(message.raw.clone()) {
                return Ok(message);
            }
            self.repeats.set(self.repeats.get() + 1);
        }
    }

    /// The next message, be it a retransmission or not.
    pub fn receive_any(&self) -> Result<Message> {
        let mut buffer = vec![0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, source)) => Message::parse(&buffer[..length], source)
                .with_context(|| format!("{} received garbage", self.user)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("{} received nothing for {PATIENCE:?}", self.user)
            }
            Err(error) => Err(error).with_context(|| format!("{} receiving", self.user)),
        }
    }

    /// How many retransmissions [`Phone::receive`] has left out.
    pub fn repeats(&self) -> usize {
        self.repeats.get()
    }

    /// The next message must be this response; 100 Trying is passed over unless it is what is wanted.
    pub fn expect(&self, status: u16) -> Result<Message> {
        loop {
            let message = self.receive()?;
            if message.status() == Some(100) && status != 100 {
                continue;
            }
            return message
                .must_be_status(status)
                .with_context(|| format!("{} waited for {status}", self.user));
        }
    }

    /// The next messages must be these responses `(status, method)`, in any order; returned in the order asked for.
    pub fn expect_each<const N: usize>(&self, wanted: [(u16, &str); N]) -> Result<[Message; N]> {
        let mut found: [Option<Message>; N] = std::array::from_fn(|_| None);
        while found.iter().any(Option::is_none) {
            let message = self.receive()?;
            if message.status() == Some(100) {
                continue;
            }
            let place = wanted.iter().zip(&found).position(|(want, have)| {
                have.is_none() && (message.status(), message.method()) == (Some(want.0), want.1)
            });
            let place = place.with_context(|| {
                format!("{} waited for {wanted:?}, received:\n{message}", self.user)
            })?;
            found[place] = Some(message);
        }
        let found: Vec<Message> = found.into_iter().flatten().collect();
        found.try_into().ok().context("all were found")
    }

    /// The next message must be this request.
    pub fn expect_request(&self, method: &str) -> Result<Message> {
        self.receive()?
            .must_be_request(method)
            .with_context(|| format!("{} waited for {method}", self.user))
    }

    /// Nothing may have come before now.
    ///
    /// Silence cannot be waited for, so something is asked of `proxy` that it answers after all it has sent here: an
    /// OPTIONS, answered by the same thread (call this with one shard). Anything that arrives before that answer fails.
    pub fn expect_quiet(&self, proxy: SocketAddr) -> Result<()> {
        let options = self.options(proxy)?;
        let message = self.receive()?;
        ensure!(
            message.call_id() == options.call_id,
            "{} expected silence, received:\n{message}",
            self.user
        );
        ensure!(
            message.status() == Some(200),
            "OPTIONS was answered with:\n{message}"
        );
        Ok(())
    }

    /// Sends an OPTIONS to the proxy itself.
    pub fn options(&self, proxy: SocketAddr) -> Result<Request> {
        let options = self.request("OPTIONS", &format!("sip:{proxy}"));
        self.send(proxy, options.to_string())?;
        Ok(options)
    }

    /// Answers a request as RFC 3261 §8.2.6 says: Via, From, To (with this phone's tag), Call-ID and CSeq copied,
    /// Record-Route too, sent to where the request came from.
    pub fn reply(&self, request: &Message, status: u16, reason: &str) -> Result<()> {
        self.send(
            request.source,
            self.reply_text(request, status, reason, &[]),
        )
    }

    /// As [`Phone::reply`], with complete header lines (`X-A: b`) added.
    pub fn reply_with(
        &self,
        request: &Message,
        status: u16,
        reason: &str,
        headers: &[&str],
    ) -> Result<()> {
        self.send(
            request.source,
            self.reply_text(request, status, reason, headers),
        )
    }

    fn reply_text(&self, request: &Message, status: u16, reason: &str, extra: &[&str]) -> String {
        let mut text = format!("SIP/2.0 {status} {reason}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                text.push_str(&format!("{name}: {value}"));
                if name == "To" && status > 100 && request.tag("To").is_none() {
                    text.push_str(&format!(";tag={}", self.local_tag()));
                }
                text.push_str("\r\n");
            }
        }
        if (101..300).contains(&status) && request.method() == "INVITE" {
            text.push_str(&format!("Contact: <{}>\r\n", self.uri()));
        }
        for line in extra {
            text.push_str(&format!("{line}\r\n"));
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }

    /// Stops ringing as it is told to: 200 to the CANCEL, 487 to the INVITE, and the ACK of that (RFC 3261 §9.2).
    /// Returns the CANCEL.
    pub fn stop_ringing(&self, invite: &Message) -> Result<Message> {
        let cancel = self.expect_request("CANCEL")?;
        ensure!(
            cancel.branch() == invite.branch() && cancel.request_uri() == invite.request_uri(),
            "{cancel}\ndoes not cancel\n{invite}"
        );
        self.reply(&cancel, 200, "OK")?;
        self.reply(invite, 487, "Request Terminated")?;
        self.expect_request("ACK")?;
        Ok(cancel)
    }

    /// The tag that this phone puts into the To of what it answers.
    pub fn local_tag(&self) -> String {
        format!("{}-{}", self.user, self.address.port())
    }
}

/// A request in the making; its `Display` is the datagram.
#[derive(Clone, Debug)]
pub struct Request {
    /// As in the request line and in CSeq.
    pub method: String,
    /// The Request-URI.
    pub uri: String,
    /// The value of the one Via.
    pub via: String,
    /// The value of From, tag included.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The value of Call-ID.
    pub call_id: String,
    /// The number in CSeq.
    pub cseq: u32,
    /// The value of Max-Forwards, or none for a request without it.
    pub max_forwards: Option<String>,
    /// Further complete header lines, without their line ends.
    pub headers: Vec<String>,
    /// What follows the empty line.
    pub body: String,
}

impl Request {
    /// The branch of the Via.
    pub fn branch(&self) -> &str {
        self.via
            .split_once("branch=")
            .map_or("", |(_, rest)| rest.split(';').next().unwrap_or(rest))
    }

    /// Adds a complete header line.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} SIP/2.0\r\nVia: {}\r\n",
            self.method, self.uri, self.via
        )?;
        if let Some(hops) = &self.max_forwards {
            write!(f, "Max-Forwards: {hops}\r\n")?;
        }
        write!(
            f,
            "From: {}\r\nTo: {}\r\nCall-ID: {}\r\n",
            self.from, self.to, self.call_id
        )?;
        write!(f, "CSeq: {} {}\r\n", self.cseq, self.method)?;
        for line in &self.headers {
            write!(f, "{line}\r\n")?;
        }
        write!(
            f,
            "Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        )
    }
}
