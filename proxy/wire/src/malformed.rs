//! Why bytes were refused.

use std::fmt;

/// Bytes that are not what RFC 3261 says they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What was wrong.
    pub reason: Reason,
    /// Where: a byte offset into [`Message::raw`](crate::Message::raw), or into the slice given when
    /// a value was parsed on its own.
    pub at: usize,
}

impl Malformed {
    pub(crate) const fn new(reason: Reason, at: usize) -> Self {
        Self { reason, at }
    }

    /// The same fault seen from a message in which the parsed value starts at `by`.
    pub(crate) const fn shifted(self, by: usize) -> Self {
        Self {
            reason: self.reason,
            at: self.at + by,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.reason.expected(), self.at)
    }
}

impl std::error::Error for Malformed {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $label:literal $expected:literal,)+) => {
        /// What was wrong with a message or a value, one variant for each thing worth counting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason, for registering counters before the first fault.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// A stable name in `snake_case` for a metric label.
            pub const fn label(self) -> &'static str {
                match self { $(Reason::$variant => $label,)+ }
            }

            /// What was expected, as a sentence for people.
            pub const fn expected(self) -> &'static str {
                match self { $(Reason::$variant => $expected,)+ }
            }
        }
    };
}

reasons! {
    /// Neither a request line nor a status line.
    StartLine "start_line" "expected `METHOD URI SIP/2.0` or `SIP/2.0 STATUS REASON` with single spaces",
    /// A SIP version other than 2.0; answered 505.
    Version "version" "expected version SIP/2.0",
    /// A status that is not three digits from 100 to 699.
    Status "status" "expected a status of three digits from 100 to 699",
    /// The first header line starts with white space.
    Fold "fold" "expected a header name, found a continuation line under the start line",
    /// A CR without LF within the header.
    BareCr "bare_cr" "expected LF after CR",
    /// An LF without CR within the header.
    BareLf "bare_lf" "expected CR before LF",
    /// A NUL that is not a quoted pair in a quoted string.
    Nul "nul" "expected no NUL in the header",
    /// A header line without a colon, or with a name that is not a token of at most 255 bytes.
    HeaderName "header_name" "expected a header name (a token of at most 255 bytes) and a colon",
    /// The bytes ended before the empty line.
    Unterminated "unterminated" "expected an empty line after the headers",
    /// More bytes than [`Limits::message`](crate::Limits::message).
    MessageTooLarge "message_too_large" "expected a smaller message",
    /// More lines than [`Limits::headers`](crate::Limits::headers).
    TooManyHeaders "too_many_headers" "expected fewer headers",
    /// A longer line than [`Limits::header`](crate::Limits::header).
    HeaderTooLong "header_too_long" "expected a shorter header line",
    /// More values than [`Limits::vias`](crate::Limits::vias).
    TooManyVias "too_many_vias" "expected fewer Via values",
    /// A header that may stand once stands twice.
    Duplicate "duplicate" "expected this header once",
    /// No Via.
    MissingVia "missing_via" "expected a Via header",
    /// No From.
    MissingFrom "missing_from" "expected a From header",
    /// No To.
    MissingTo "missing_to" "expected a To header",
    /// No Call-ID.
    MissingCallId "missing_call_id" "expected a Call-ID header",
    /// No CSeq.
    MissingCSeq "missing_cseq" "expected a CSeq header",
    /// Not a number, or more than the datagram holds.
    ContentLength "content_length" "expected a Content-Length that fits the bytes received",
    /// No Content-Length in a stream, where only it says where the message ends.
    MissingContentLength "missing_content_length" "expected a Content-Length header",
    /// Not a Via value.
    Via "via" "expected `SIP/2.0/TRANSPORT host[:port];params`",
    /// Neither a name-addr nor an addr-spec.
    Address "address" "expected `\"name\" <uri>;params` or `uri;params`",
    /// A quoted string without its closing quote, or with a line break in it.
    Quote "quote" "expected a closing quote",
    /// Not `;name` or `;name=value`.
    Param "param" "expected `;name` or `;name=value`",
    /// Not a 32-bit number and a method.
    CSeq "cseq" "expected a number below 2^32 and a method",
    /// The CSeq of a request names another method.
    CSeqMethod "cseq_method" "expected the method of the request in CSeq",
    /// An empty Call-ID, or one with white space.
    CallId "call_id" "expected a Call-ID without white space",
    /// Not a number from 0 to 255.
    MaxForwards "max_forwards" "expected a number from 0 to 255",
    /// Not a number, or more than the field holds.
    Number "number" "expected a number below 2^32",
    /// A byte or form that a URI cannot have.
    Uri "uri" "expected a URI",
    /// Neither an address nor a host name.
    Host "host" "expected a host name, an IPv4 address or a bracketed IPv6 address",
    /// Not a port from 1 to 65535.
    Port "port" "expected a port from 1 to 65535",
    /// A `%` without two hexadecimal digits.
    Escape "escape" "expected two hexadecimal digits after %",
    /// Not a scheme with its parameters.
    Credentials "credentials" "expected a scheme and comma-separated name=value",
}
