//! Header names, long and compact.

macro_rules! header_ids {
    ($($variant:ident $name:literal $($compact:literal)?,)+) => {
        /// A header this crate has a number for; everything else is [`HeaderId::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the variants are the headers' names")]
        pub enum HeaderId {
            $($variant,)+
            /// A header without a number; find it with [`Message::named`](crate::Message::named).
            Other,
        }

        impl HeaderId {
            pub(crate) const COUNT: usize = HeaderId::Other as usize + 1;

            const NAMED: [(HeaderId, &'static str); HeaderId::COUNT - 1] =
                [$((HeaderId::$variant, $name),)+];

            /// The long name as RFCs write it; empty for [`HeaderId::Other`].
            #[inline]
            pub const fn name(self) -> &'static str {
                match self {
                    $(HeaderId::$variant => $name,)+
                    HeaderId::Other => "",
                }
            }

            /// The one-letter form (RFC 3261 §7.3.3), in lower case.
            pub const fn compact(self) -> Option<u8> {
                match self {
                    $($(HeaderId::$variant => Some($compact),)?)+
                    _ => None,
                }
            }

            const fn from_compact(letter: u8) -> HeaderId {
                match letter.to_ascii_lowercase() {
                    $($($compact => HeaderId::$variant,)?)+
                    _ => HeaderId::Other,
                }
            }
        }
    };
}

header_ids! {
    Via "Via" b'v',
    From "From" b'f',
    To "To" b't',
    CallId "Call-ID" b'i',
    CSeq "CSeq",
    Contact "Contact" b'm',
    MaxForwards "Max-Forwards",
    Route "Route",
    RecordRoute "Record-Route",
    ContentLength "Content-Length" b'l',
    ContentType "Content-Type" b'c',
    ContentEncoding "Content-Encoding" b'e',
    ContentDisposition "Content-Disposition",
    Expires "Expires",
    MinExpires "Min-Expires",
    Require "Require",
    ProxyRequire "Proxy-Require",
    Supported "Supported" b'k',
    Unsupported "Unsupported",
    Authorization "Authorization",
    WwwAuthenticate "WWW-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyAuthenticate "Proxy-Authenticate",
    AuthenticationInfo "Authentication-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" b'u',
    Accept "Accept",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptContact "Accept-Contact" b'a',
    RejectContact "Reject-Contact" b'j',
    RequestDisposition "Request-Disposition" b'd',
    AlertInfo "Alert-Info",
    CallInfo "Call-Info",
    UserAgent "User-Agent",
    Server "Server",
    Path "Path",
    ServiceRoute "Service-Route",
    RetryAfter "Retry-After",
    Reason "Reason",
    Date "Date",
    Timestamp "Timestamp",
    Subject "Subject" b's',
    Priority "Priority",
    Warning "Warning",
    Event "Event" b'o',
    SubscriptionState "Subscription-State",
    ReferTo "Refer-To" b'r',
    ReferredBy "Referred-By" b'b',
    Replaces "Replaces",
    SessionExpires "Session-Expires" b'x',
    MinSe "Min-SE",
    Identity "Identity" b'y',
    IdentityInfo "Identity-Info" b'n',
    PAssertedIdentity "P-Asserted-Identity",
    PPreferredIdentity "P-Preferred-Identity",
    Privacy "Privacy",
    Diversion "Diversion",
    HistoryInfo "History-Info",
    RAck "RAck",
    RSeq "RSeq",
    SipETag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    FlowTimer "Flow-Timer",
    MaxBreadth "Max-Breadth",
    MimeVersion "MIME-Version",
}

const SLOTS: usize = 256;

/// A hash without collisions among the names above, checked when this is compiled. Only length and
/// three letters go in, so that the lookup costs the same for every name; the name itself is
/// compared afterwards.
const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    // Of a letter in upper case this makes the one in lower case, of other bytes whatever it may.
    let first = (name[0] | 0x20) as usize;
    let middle = (name[len / 2] | 0x20) as usize;
    let last = (name[len - 1] | 0x20) as usize;
    (len * 3 + first * 29 + middle * 21 + last * 16) % SLOTS
}

static BY_NAME: [HeaderId; SLOTS] = {
    let mut table = [HeaderId::Other; SLOTS];
    let mut at = 0;
    while at < HeaderId::NAMED.len() {
        let (id, name) = HeaderId::NAMED[at];
        let slot = slot(name.as_bytes());
        assert!(
            matches!(table[slot], HeaderId::Other),
            "two header names share a slot: choose other factors"
        );
        table[slot] = id;
        at += 1;
    }
    table
};

impl HeaderId {
    /// The header with this name, long or compact, in any case.
    #[inline]
    pub fn from_name(name: &[u8]) -> HeaderId {
        if let [letter] = name {
            return HeaderId::from_compact(*letter);
        }
        let id = BY_NAME[slot(name)];
        let known = id.name().as_bytes();
        // Most peers write it as the RFCs do, and comparing bytes is cheaper than letters.
        if known == name || known.eq_ignore_ascii_case(name) {
            id
        } else {
            HeaderId::Other
        }
    }

    /// The letters that a line with this header may start with, in lower case.
    pub(crate) const fn initials(self) -> [u8; 2] {
        let long = match self.name().as_bytes() {
            [first, ..] => first.to_ascii_lowercase(),
            [] => 0,
        };
        match self.compact() {
            Some(compact) => [long, compact],
            None => [long, long],
        }
    }

    /// Headers that every SIP element reads and that may stand once only: two of them, read
    /// differently by two hops, are how a request is smuggled.
    pub(crate) const fn is_single(self) -> bool {
        matches!(
            self,
            HeaderId::From
                | HeaderId::To
                | HeaderId::CallId
                | HeaderId::CSeq
                | HeaderId::MaxForwards
                | HeaderId::ContentLength
        )
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderId;

    #[test]
    fn every_name_is_found_in_any_case_and_in_its_compact_form() {
        for (id, name) in HeaderId::NAMED {
            assert_eq!(HeaderId::from_name(name.as_bytes()), id);
            assert_eq!(HeaderId::from_name(name.to_uppercase().as_bytes()), id);
            assert_eq!(HeaderId::from_name(name.to_lowercase().as_bytes()), id);
            assert!(
                id.initials()
                    .contains(&name.as_bytes()[0].to_ascii_lowercase())
            );
            if let Some(letter) = id.compact() {
                assert!(id.initials().contains(&letter));
                assert_eq!(HeaderId::from_name(&[letter]), id);
                assert_eq!(HeaderId::from_name(&[letter.to_ascii_uppercase()]), id);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_name_is_other() {
        for name in [
            "",
            "Vi",
            "Viaa",
            "Xia",
            "Call_ID",
            "C%6Fntact",
            "q",
            "Content-Lengti",
        ] {
            assert_eq!(
                HeaderId::from_name(name.as_bytes()),
                HeaderId::Other,
                "{name}"
            );
        }
    }
}
