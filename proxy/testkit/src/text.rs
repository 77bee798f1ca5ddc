//! SIP messages as phones write them.

use std::net::SocketAddr;

/// A request with everything a well-behaved phone puts in.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The Request-URI.
    pub uri: String,
    /// The value of the one Via, without its branch.
    pub sent_by: String,
    /// The branch.
    pub branch: String,
    /// From with its tag.
    pub from: String,
    /// To, with a tag inside a dialog.
    pub to: String,
    /// The Call-ID.
    pub call_id: String,
    /// The CSeq number.
    pub cseq: u32,
    /// Complete further header lines with CRLF; Max-Forwards is among them.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Request {
    /// An out-of-dialog request from `phone` to `uri`; `call` makes it unique.
    pub fn new(method: &str, uri: &str, phone: SocketAddr, call: &str) -> Self {
        Self {
            method: method.into(),
            uri: uri.into(),
            sent_by: format!("SIP/2.0/UDP {phone}"),
            branch: format!("z9hG4bK-{call}-{method}"),
            from: format!("\"Alice\" <sip:alice@{phone}>;tag=a-{call}"),
            to: format!("<{uri}>"),
            call_id: format!("{call}@{}", phone.ip()),
            cseq: 1,
            headers: format!("Max-Forwards: 70\r\nContact: <sip:alice@{phone}>\r\n"),
            body: String::new(),
        }
    }

    /// With another header line, given without its CRLF.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.headers.push_str(line);
        self.headers.push_str("\r\n");
        self
    }

    /// A request that belongs to this one hop by hop: CANCEL, or the ACK of a failed INVITE with
    /// the To of its `response`.
    pub fn hop_by_hop(&self, method: &str, response: Option<&str>) -> Self {
        let mut request = self.clone();
        request.method = method.into();
        request.headers = "Max-Forwards: 70\r\n".into();
        request.body = String::new();
        if let Some(to) = response.and_then(|text| field(text, "To")) {
            request.to = to.into();
        }
        request
    }

    /// A request in the dialog that a 2xx `response` made: its To, its Contact as Request-URI, its
    /// Record-Route reversed as Route set (RFC 3261 §12.1.2).
    pub fn in_dialog(&self, method: &str, response: &str, cseq: u32) -> Self {
        let mut request = self.clone();
        request.method = method.into();
        request.branch = format!("{}-{method}-{cseq}", self.branch);
        request.cseq = cseq;
        request.to = field(response, "To").unwrap_or_default().into();
        if let Some(contact) = field(response, "Contact") {
            request.uri = contact.trim_matches(['<', '>']).into();
        }
        request.headers = "Max-Forwards: 70\r\n".into();
        let mut routes: Vec<_> = fields(response, "Record-Route").collect();
        routes.reverse();
        for route in routes {
            request.headers.push_str(&format!("Route: {route}\r\n"));
        }
        request.body = String::new();
        request
    }

    /// The bytes.
    pub fn text(&self) -> String {
        format!(
            "{} {} SIP/2.0\r\nVia: {};branch={}\r\n{}From: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {} {}\r\nContent-Length: {}\r\n\r\n{}",
            self.method,
            self.uri,
            self.sent_by,
            self.branch,
            self.headers,
            self.from,
            self.to,
            self.call_id,
            self.cseq,
            self.method,
            self.body.len(),
            self.body
        )
    }
}

/// The value of the first header with that name.
pub fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    fields(text, name).next()
}

/// The values of all headers with that name, in order.
pub fn fields<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let name = format!("{name}: ");
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n")
        .filter_map(move |line| line.strip_prefix(name.as_str()))
}

/// The response of a phone at `contact` to a received request; `tag` goes on To.
pub fn response_to(request: &str, status: u16, tag: &str, contact: SocketAddr) -> String {
    let mut text = format!(
        "SIP/2.0 {status} {}\r\n",
        sigbox_wire::reason_phrase(status)
    );
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in fields(request, name) {
            text.push_str(&format!("{name}: {value}"));
            if name == "To" && status > 100 && !value.contains(";tag=") {
                text.push_str(&format!(";tag={tag}"));
            }
            text.push_str("\r\n");
        }
    }
    if status > 100 && status < 300 {
        text.push_str(&format!("Contact: <sip:callee@{contact}>\r\n"));
    }
    text + "Content-Length: 0\r\n\r\n"
}
