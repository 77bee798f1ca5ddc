//! Headers by type, parsed when asked for.

use std::ops::Range;

use super::{Header, Message};
use crate::credentials::Credentials;
use crate::cseq::CSeq;
use crate::grammar::{number, skip_sws};
use crate::header_id::HeaderId;
use crate::malformed::{Malformed, Reason};
use crate::name_addr::NameAddr;
use crate::uri::Uri;
use crate::values::{Values, first_end};
use crate::via::Via;

/// Every `at` of the errors is an offset into [`Message::raw`].
impl<'a> Message<'a> {
    /// The Request-URI, parsed.
    ///
    /// # Errors
    ///
    /// As [`Uri::parse`]; always for a response.
    pub fn uri(&self) -> Result<Uri<'a>, Malformed> {
        let range = self.request_uri_range();
        Uri::parse(self.part(range.clone())).map_err(|fault| fault.shifted(range.start))
    }

    /// The topmost Via.
    ///
    /// # Errors
    ///
    /// [`Reason::MissingVia`], or as [`Via::parse`].
    pub fn via(&self) -> Result<Via<'a>, Malformed> {
        let header = self.required(HeaderId::Via, Reason::MissingVia)?;
        // No Via holds a comma that separates: what parses is one value.
        Via::parse(header.value).or_else(|_| self.typed(Values::first(header.value), Via::parse))
    }

    /// All Vias from the topmost down, lists in one header flattened.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, Malformed>> + use<'a> {
        self.vias_from_line(0)
    }

    /// The Vias below those that stand in the first Via header.
    pub fn vias_below_first_line(
        &self,
    ) -> impl Iterator<Item = Result<Via<'a>, Malformed>> + use<'a> {
        self.vias_from_line(1)
    }

    fn vias_from_line(
        &self,
        line: usize,
    ) -> impl Iterator<Item = Result<Via<'a>, Malformed>> + use<'a> {
        let message = *self;
        let mut headers = self.all(HeaderId::Via).skip(line);
        let mut values = Values::none();
        std::iter::from_fn(move || {
            loop {
                if let Some(value) = values.next() {
                    return Some(message.typed(value, Via::parse));
                }
                let value = headers.next()?.value;
                // As in `via`: what parses is one value.
                match Via::parse(value) {
                    Ok(via) => return Some(Ok(via)),
                    Err(_) => values = Values::new(value),
                }
            }
        })
    }

    /// From.
    ///
    /// # Errors
    ///
    /// [`Reason::MissingFrom`], or as [`NameAddr::parse`].
    pub fn from(&self) -> Result<NameAddr<'a>, Malformed> {
        let header = self.required(HeaderId::From, Reason::MissingFrom)?;
        self.typed(header.value, NameAddr::parse)
    }

    /// To.
    ///
    /// # Errors
    ///
    /// [`Reason::MissingTo`], or as [`NameAddr::parse`].
    pub fn to(&self) -> Result<NameAddr<'a>, Malformed> {
        let header = self.required(HeaderId::To, Reason::MissingTo)?;
        self.typed(header.value, NameAddr::parse)
    }

    /// Call-ID; empty when there is none.
    pub fn call_id(&self) -> &'a [u8] {
        self.header(HeaderId::CallId)
            .map(|header| header.value)
            .unwrap_or_default()
    }

    /// CSeq.
    ///
    /// # Errors
    ///
    /// [`Reason::MissingCSeq`], or [`Reason::CSeq`].
    pub fn cseq(&self) -> Result<CSeq<'a>, Malformed> {
        let header = self.required(HeaderId::CSeq, Reason::MissingCSeq)?;
        self.typed(header.value, CSeq::parse)
    }

    /// Max-Forwards: `0068` is 68, 256 is malformed (RFC 4475 §3.1.1.1, RFC 3261 §20.22).
    ///
    /// # Errors
    ///
    /// [`Reason::MaxForwards`]
    pub fn max_forwards(&self) -> Result<Option<u8>, Malformed> {
        let Some(header) = self.header(HeaderId::MaxForwards) else {
            return Ok(None);
        };
        number(header.value)
            .and_then(|hops| u8::try_from(hops).ok())
            .map(Some)
            .ok_or(Malformed::new(
                Reason::MaxForwards,
                header.value_range.start,
            ))
    }

    /// Expires in seconds.
    ///
    /// # Errors
    ///
    /// [`Reason::Number`] for what is no number below 2^32.
    pub fn expires(&self) -> Result<Option<u32>, Malformed> {
        let Some(header) = self.header(HeaderId::Expires) else {
            return Ok(None);
        };
        number(header.value)
            .map(Some)
            .ok_or(Malformed::new(Reason::Number, header.value_range.start))
    }

    /// Content-Length, when it is there and a number.
    pub fn content_length(&self) -> Option<usize> {
        let header = self.header(HeaderId::ContentLength)?;
        number(header.value).and_then(|length| usize::try_from(length).ok())
    }

    /// The addresses in Contact, Route, Record-Route, Path, P-Asserted-Identity and their like, lists
    /// in one header flattened. `Contact: *` is an address with the URI `*`. Those that `skip` or
    /// `nth` pass over are not parsed.
    pub fn addresses(
        &self,
        id: HeaderId,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, Malformed>> + use<'a> {
        self.addresses_from_line(id, 0)
    }

    /// The addresses below those that stand in the first header with this id.
    pub fn addresses_below_first_line(
        &self,
        id: HeaderId,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, Malformed>> + use<'a> {
        self.addresses_from_line(id, 1)
    }

    fn addresses_from_line(
        &self,
        id: HeaderId,
        line: usize,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, Malformed>> + use<'a> {
        Addresses {
            message: *self,
            id,
            values: self.values(id, line),
        }
    }

    /// The words of Require, Supported, Allow and their like; empty ones are passed over.
    pub fn tokens(&self, id: HeaderId) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.values(id, 0).filter(|value| !value.is_empty())
    }

    /// The credentials or challenges under this header, one in each line.
    pub fn credentials(
        &self,
        id: HeaderId,
    ) -> impl Iterator<Item = Result<Credentials<'a>, Malformed>> + use<'a> {
        let message = *self;
        self.all(id)
            .map(move |header| message.typed(header.value, Credentials::parse))
    }

    /// What to cut to take away the first value of a header that may have several: its whole line
    /// when it is alone there, else up to where the next value starts.
    pub fn first_value_range(&self, id: HeaderId) -> Option<Range<usize>> {
        let Header {
            value,
            line,
            value_range,
            ..
        } = self.header(id)?;
        let end = first_end(value);
        let Some(others) = value.get(end + 1..) else {
            return Some(line);
        };
        Some(value_range.start..value_range.end - skip_sws(others).len())
    }

    /// The values under this header from the `line`th line with it on.
    fn values(&self, id: HeaderId, line: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut headers = self.all(id).skip(line);
        let mut values = Values::none();
        std::iter::from_fn(move || {
            loop {
                if let Some(value) = values.next() {
                    return Some(value);
                }
                values = Values::new(headers.next()?.value);
            }
        })
    }

    fn required(&self, id: HeaderId, missing: Reason) -> Result<Header<'a>, Malformed> {
        self.header(id)
            .ok_or(Malformed::new(missing, self.headers_end()))
    }

    /// `value`, a part of this message, parsed.
    fn typed<T>(
        &self,
        value: &'a [u8],
        parse: impl FnOnce(&'a [u8]) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        parse(value).map_err(|fault| fault.shifted(self.offset_of(value)))
    }
}

/// The addresses under one header, parsed one by one.
struct Addresses<'a, V> {
    message: Message<'a>,
    id: HeaderId,
    values: V,
}

impl<'a, V: Iterator<Item = &'a [u8]>> Iterator for Addresses<'a, V> {
    type Item = Result<NameAddr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.nth(0)
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let value = self.values.nth(n)?;
        Some(match value {
            b"*" if self.id == HeaderId::Contact => Ok(NameAddr::wildcard(value)),
            value => self.message.typed(value, NameAddr::parse),
        })
    }
}
