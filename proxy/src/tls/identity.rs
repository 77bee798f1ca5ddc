//! Whom a certificate names, and until when it is good (RFC 5280).

use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Any, Decode as _, Error, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// `id-at-commonName`, RFC 5280 appendix A.1.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whom a certificate names. Whether to believe it is for whoever verified it to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The DNS names among its subject alternative names, in lower case.
    pub dns: Vec<String>,
    /// The URIs among them, as they are.
    pub uris: Vec<String>,
    /// The common name of its subject; `None` also when there are several.
    pub common_name: Option<String>,
}

impl Identity {
    /// Whom this certificate names.
    ///
    /// # Errors
    /// When it is not DER of a certificate.
    pub fn of(certificate: &[u8]) -> Result<Self, Error> {
        let certificate = Certificate::from_der(certificate)?.tbs_certificate;
        let mut identity = Self::default();
        let attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
        let mut names = attributes
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .map(|attribute| text(&attribute.value));
        if let (Some(name), None) = (names.next(), names.next()) {
            identity.common_name = name;
        }
        if let Some((_, SubjectAltName(names))) = certificate.get::<SubjectAltName>()? {
            for name in names {
                match name {
                    GeneralName::DnsName(name) => {
                        identity.dns.push(name.as_str().to_ascii_lowercase());
                    }
                    GeneralName::UniformResourceIdentifier(uri) => {
                        identity.uris.push(uri.as_str().to_owned());
                    }
                    _ => {}
                }
            }
        }
        Ok(identity)
    }

    /// One of its names, for people: the first URI, DNS name or common name there is.
    pub fn shown(&self) -> &str {
        let first = self.uris.first().or(self.dns.first());
        first
            .or(self.common_name.as_ref())
            .map_or("nobody", String::as_str)
    }
}

/// Text of the kinds that are in use today.
fn text(value: &Any) -> Option<String> {
    let text = match value.tag() {
        Tag::Utf8String => value
            .decode_as::<Utf8StringRef<'_>>()
            .ok()?
            .as_str()
            .to_owned(),
        Tag::PrintableString => value
            .decode_as::<PrintableStringRef<'_>>()
            .ok()?
            .as_str()
            .to_owned(),
        Tag::Ia5String => value
            .decode_as::<Ia5StringRef<'_>>()
            .ok()?
            .as_str()
            .to_owned(),
        _ => return None,
    };
    Some(text)
}

/// When it ends, in Unix seconds.
///
/// # Errors
/// When it is not DER of a certificate.
pub(super) fn not_after(certificate: &[u8]) -> Result<u64, Error> {
    let certificate = Certificate::from_der(certificate)?;
    let end = certificate.tbs_certificate.validity.not_after;
    Ok(end.to_unix_duration().as_secs())
}
