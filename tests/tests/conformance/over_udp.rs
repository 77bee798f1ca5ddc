//! The messages over UDP, against the program.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use anyhow::{Context, Result, bail, ensure};
use e2e::{Metrics, PATIENCE, Phone, Setup, Sigbox};

use crate::forwarded::{self, Parts};
use crate::messages::{Case, compare};

/// RFC 3261 §16.3 step 1, §16.6 step 1, §18.2.2
#[test]
fn p1_rfc_4475_and_rfc_5118_over_udp() -> Result<()> {
    compare(|case| &case.udp, outcome)
}

/// What becomes of one message, sent to a proxy of its own that routes whatever it may to a phone.
fn outcome(case: &Case) -> Result<String> {
    let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let hop = format!("sip:{}", phone.local_addr()?);
    let sigbox = Setup::routing_to_hop(&hop).quiet().start()?;
    let sent = case.text(sigbox.sip(), phone.local_addr()?)?;
    let caller = Caller::new(Parts::of(&sent)?.response_port())?;
    caller.request.send_to(&sent, sigbox.sip())?;
    wait_until_handled(&sigbox)?;

    let mut heard = all_there(&phone)?;
    let mut answers = caller.answers()?;
    if let Some(got) = heard.pop() {
        ensure!(heard.is_empty(), "forwarded more than once");
        forwarded::check(&sent, &got, sigbox.sip(), caller.address)?;
        phone.send_to(&Parts::of(&got)?.answer(), sigbox.sip())?;
        forwarded::check_answer(&sent, &caller.answer()?)?;
        return Ok("forwarded".to_owned());
    }
    let metrics = sigbox.metrics()?;
    let Some(answer) = answers.pop() else {
        let mut dropped = moved(&metrics, "sigbox_messages_dropped_total");
        dropped.append(&mut moved(&metrics, "sigbox_udp_dropped_total"));
        return Ok(format!("dropped {}", only(&dropped)?));
    };
    ensure!(answers.is_empty(), "answered more than once");
    let status = Parts::of(&answer)?.status().context("a status")?;
    let rejected = moved(&metrics, "sigbox_requests_rejected_total");
    Ok(format!("{status} {}", only(&rejected)?))
}

/// The proxy answers an OPTIONS after all that came before it. What belongs to calls under way has a socket of its own,
/// which was looked at for certain before the second one is answered.
fn wait_until_handled(sigbox: &Sigbox) -> Result<()> {
    let other = Phone::new("other")?;
    for _ in 0..2 {
        other.options(sigbox.sip())?;
        other.expect(200)?;
    }
    Ok(())
}

fn moved(metrics: &Metrics, family: &str) -> BTreeMap<String, f64> {
    metrics.moved(&Metrics::default(), family)
}

/// The one counter that moved, by one.
fn only(moved: &BTreeMap<String, f64>) -> Result<&str> {
    match moved.iter().collect::<Vec<_>>()[..] {
        [(reason, 1.0)] => Ok(reason),
        _ => bail!("not one counter moved by one, but {moved:?}"),
    }
}

/// Who sends the message, from port 5060: there or to the port in its Via the responses go, as next to none of the
/// messages asks for another (RFC 3261 §18.2.2, RFC 3581 §4). So it has an address of this host that is nobody else's.
struct Caller {
    address: IpAddr,
    request: UdpSocket,
    /// Where responses come, if not there.
    response: Option<UdpSocket>,
}

impl Caller {
    fn new(response_port: u16) -> Result<Self> {
        let random = RandomState::new();
        for attempt in 0..20_u8 {
            let [a, b, c, ..] = random.hash_one(attempt).to_be_bytes();
            let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
            let bind = |port| UdpSocket::bind((address, port));
            let response = (response_port != 5060)
                .then(|| bind(response_port))
                .transpose();
            if let (Ok(request), Ok(response)) = (bind(5060), response) {
                for socket in [Some(&request), response.as_ref()].into_iter().flatten() {
                    socket.set_read_timeout(Some(PATIENCE))?;
                }
                let address = address.into();
                return Ok(Self {
                    address,
                    request,
                    response,
                });
            }
        }
        bail!(
            "no address 127.x.y.z has UDP port 5060 free: something is bound to it on all addresses"
        )
    }

    fn responses(&self) -> &UdpSocket {
        self.response.as_ref().unwrap_or(&self.request)
    }

    /// The final responses that are there.
    fn answers(&self) -> Result<Vec<Vec<u8>>> {
        let mut answers = all_there(self.responses())?;
        answers.retain(|answer| !is_trying(answer));
        Ok(answers)
    }

    /// Waits for the final response.
    fn answer(&self) -> Result<Vec<u8>> {
        loop {
            let answer = receive(self.responses()).context("no answer came back")?;
            if !is_trying(&answer) {
                return Ok(answer);
            }
        }
    }
}

fn is_trying(response: &[u8]) -> bool {
    response.starts_with(b"SIP/2.0 100 ")
}

fn receive(socket: &UdpSocket) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Every datagram that waits at `socket`.
fn all_there(socket: &UdpSocket) -> Result<Vec<Vec<u8>>> {
    let mut datagrams = Vec::new();
    socket.set_nonblocking(true)?;
    loop {
        match receive(socket) {
            Ok(datagram) => datagrams.push(datagram),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    socket.set_nonblocking(false)?;
    Ok(datagrams)
}
