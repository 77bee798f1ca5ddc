//! CSeq (RFC 3261 §20.16).

use nom::Parser;
use nom::bytes::complete::take_while1;

use crate::chars::trim_end;
use crate::grammar::{lws, number, refuse, sws, token, whole};
use crate::malformed::{Malformed, Reason};
use crate::method::Method;

/// A CSeq value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number. Peers may only use 31 bits; all 32 are accepted.
    pub number: u32,
    /// The method of the request, also in its responses.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Parses a header value.
    ///
    /// # Errors
    ///
    /// [`Reason::CSeq`], also for a number of 2^32 and more.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        whole(trim_end(value), Reason::CSeq, |input| {
            let (at_number, ()) = sws(input)?;
            let (after, digits) = take_while1(|b: u8| b.is_ascii_digit()).parse(at_number)?;
            let Some(number) = number(digits) else {
                return refuse(at_number, Reason::CSeq);
            };
            let (rest, ((), method)) = (lws, token).parse(after)?;
            Ok((
                rest,
                CSeq {
                    number,
                    method: Method::from_bytes(method),
                },
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::CSeq;
    use crate::method::Method;

    #[test]
    fn leading_zeros_and_folds_are_read_through() {
        assert_eq!(
            CSeq::parse(b"0009\r\n  INVITE"),
            Ok(CSeq {
                number: 9,
                method: Method::Invite
            })
        );
        assert_eq!(CSeq::parse(b"4294967295 ACK").unwrap().number, u32::MAX);
    }

    #[test]
    fn numbers_never_wrap() {
        for value in [
            "4294967296 ACK",
            "36893488147419103232 REGISTER",
            "-1 ACK",
            "1",
            "ACK",
            "",
        ] {
            assert!(CSeq::parse(value.as_bytes()).is_err(), "{value}");
        }
        assert!(CSeq::parse(b"1 INVITE INVITE").is_err());
        assert!(CSeq::parse(b"1 IN\"VITE").is_err());
    }

    /// A stack was once brought down by it.
    #[test]
    fn a_method_of_400_bytes_is_just_another_method() {
        let value = format!("1 {}", "M".repeat(400));
        let cseq = CSeq::parse(value.as_bytes()).unwrap();
        assert_eq!(cseq.method.as_bytes().len(), 400);
    }
}
