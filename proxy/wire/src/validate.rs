//! Whether a message can be acted on (RFC 3261 §8.1.1, §16.3 step 1).

use crate::chars::visible_run;
use crate::cseq::CSeq;
use crate::header_id::HeaderId;
use crate::malformed::{Malformed, Reason};
use crate::message::Message;
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::uri::Uri;
use crate::via::Via;

/// What every SIP element must read of a message, parsed.
#[derive(Debug, Clone, Copy)]
pub struct Essentials<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// From.
    pub from: NameAddr<'a>,
    /// To.
    pub to: NameAddr<'a>,
    /// CSeq.
    pub cseq: CSeq<'a>,
    /// Max-Forwards, if it is there.
    pub max_forwards: Option<u8>,
    /// The Request-URI; none in a response.
    pub uri: Option<Uri<'a>>,
}

impl<'a> Message<'a> {
    /// Reads what every SIP element must: topmost Via, From, To, Call-ID, CSeq, Max-Forwards if
    /// present; in a request the Request-URI, and that CSeq has its method. That they stand once
    /// only was seen to by [`Index::parse`](crate::Index::parse).
    ///
    /// A From without a tag passes, as peers of RFC 2543 send it; so does a Request-URI of an unknown
    /// scheme, which is answered 416 and not 400. One with headers does not: they belong into no
    /// request line (RFC 3261 §19.1.1, RFC 4475 §3.1.2.11).
    ///
    /// # Errors
    ///
    /// The first fault, in the order above.
    pub fn validate(&self) -> Result<Essentials<'a>, Malformed> {
        let via = self.via()?;
        let from = self.from()?;
        let to = self.to()?;
        self.validate_call_id()?;
        let cseq = self.cseq()?;
        let max_forwards = self.max_forwards()?;
        let mut uri = None;
        if self.is_request() {
            let requested = self.uri()?;
            if let Some(headers) = requested.headers {
                return Err(Malformed::new(Reason::Uri, self.offset_of(headers)));
            }
            uri = Some(requested);
            if cseq.method != self.method() {
                let end = self
                    .header(HeaderId::CSeq)
                    .map_or(0, |header| header.value_range.end);
                let at = end.saturating_sub(cseq.method.as_bytes().len());
                return Err(Malformed::new(Reason::CSeqMethod, at));
            }
        }
        Ok(Essentials {
            via,
            from,
            to,
            cseq,
            max_forwards,
            uri,
        })
    }

    fn validate_call_id(&self) -> Result<(), Malformed> {
        let Some(header) = self.header(HeaderId::CallId) else {
            return Err(Malformed::new(Reason::MissingCallId, self.headers_end()));
        };
        let len = visible_run(header.value);
        if len == 0 || len < header.value.len() {
            return Err(Malformed::new(
                Reason::CallId,
                header.value_range.start + len,
            ));
        }
        Ok(())
    }

    /// Whether a response can be built that its sender will know again (RFC 3261 §17.1.3): a request
    /// other than ACK, with Via and CSeq there. They need not be well formed; a Via that does not
    /// parse goes back unstamped, and the response to where the request came from. Without From, To
    /// or Call-ID the response has none either: better than none at all (RFC 4475 §3.3.1).
    pub fn answerable(&self) -> bool {
        let needed = [HeaderId::Via, HeaderId::CSeq];
        self.is_request() && self.method() != Method::Ack && needed.iter().all(|id| self.has(*id))
    }
}
