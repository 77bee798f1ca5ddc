//! Request methods.

use std::fmt;

macro_rules! methods {
    ($($variant:ident $name:literal,)+) => {
        /// A request method. Case-sensitive (RFC 3261 §7.1): `invite` is [`Method::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the variants are the methods' names")]
        pub enum Method<'a> {
            $($variant,)+
            /// A method this crate has no name for, as written.
            Other(&'a [u8]),
        }

        impl<'a> Method<'a> {
            /// The method with this name.
            pub fn from_bytes(name: &'a [u8]) -> Self {
                $(if name == $name.as_bytes() { return Method::$variant; })+
                Method::Other(name)
            }

            /// As it stands on the wire.
            pub const fn as_bytes(self) -> &'a [u8] {
                match self {
                    $(Method::$variant => $name.as_bytes(),)+
                    Method::Other(name) => name,
                }
            }

            /// A name from a closed set, for a metric label: `OTHER` when unknown.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Method::$variant => $name,)+
                    Method::Other(_) => "OTHER",
                }
            }
        }
    };
}

methods! {
    Invite "INVITE",
    Ack "ACK",
    Bye "BYE",
    Cancel "CANCEL",
    Options "OPTIONS",
    Register "REGISTER",
    Prack "PRACK",
    Subscribe "SUBSCRIBE",
    Notify "NOTIFY",
    Publish "PUBLISH",
    Info "INFO",
    Refer "REFER",
    Message "MESSAGE",
    Update "UPDATE",
}

impl<'a> Method<'a> {
    /// As text. A parsed method is a token and so ASCII; other bytes read as `?`.
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::from_bytes(b"INVITE"), Method::Invite);
        assert_eq!(Method::from_bytes(b"invite"), Method::Other(b"invite"));
        assert_eq!(Method::from_bytes(b"RE%47IST%45R").label(), "OTHER");
    }

    #[test]
    fn a_method_is_written_as_it_was_read() {
        for name in [
            "ACK",
            "UPDATE",
            "!interesting-Method0123456789_*+`.%indeed'~",
        ] {
            assert_eq!(Method::from_bytes(name.as_bytes()).to_string(), name);
        }
    }
}
