//! From PEM files (RFC 7468) to what a TLS server is made with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

use super::{identity, provider};

/// Where a server's certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its certificate, and behind it what leads to a root that clients know.
    pub cert: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Whose certificates clients may show; `None` asks for none.
    pub clients: Option<Clients>,
}

/// How clients are asked for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// The certificates of the authorities that sign theirs.
    pub ca: PathBuf,
    /// Whether they must have one.
    pub auth: ClientAuth,
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// There is no connection without.
    Required,
    /// They are asked for one; who shows one must show a good one.
    Optional,
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// [`Files::cert`]
    Cert,
    /// [`Files::key`]
    Key,
    /// [`Clients::ca`]
    ClientCa,
}

impl Part {
    /// The key in the configuration, and the label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cert => "cert",
            Self::Key => "key",
            Self::ClientCa => "client_ca",
        }
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{} {fault}", fault.subject(), path.display())]
pub struct TlsError {
    /// Which one.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is none.
    #[error("is not PEM: {0}")]
    Pem(pem::Error),
    /// It is, but not of what is needed.
    #[error("holds no certificate")]
    NoCertificate,
    /// It is, but not of what is needed.
    #[error("holds no private key")]
    NoKey,
    /// Nobody would be there to type the passphrase.
    #[error("holds an encrypted key; write it without a passphrase")]
    Encrypted,
    /// The DER in it is no certificate, or one that the library does not take.
    #[error("holds something that is no certificate: {0}")]
    Certificate(String),
    /// A kind of key that is not known, or none at all.
    #[error("holds a key that cannot be used: {0}")]
    Key(rustls::Error),
    /// Two files that do not belong together.
    #[error("does not belong to the certificate in {}", .0.display())]
    OtherKey(PathBuf),
}

impl Fault {
    /// What of the file it is about, when not the file itself.
    const fn subject(&self) -> &'static str {
        match self {
            Self::OtherKey(_) => "the key in ",
            _ => "",
        }
    }
}

/// Until when what is in a file is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Which file.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// Unix seconds. The first end of a server's chain; of authorities the last one, because that is
    /// when no client is let in any more.
    pub at: u64,
}

/// What was in the files.
#[derive(Debug)]
pub struct Loaded {
    /// What connections are made with.
    pub server: Arc<ServerConfig>,
    /// Until when it is good.
    pub expiries: Vec<Expiry>,
}

impl Files {
    /// Reads them all. `protocols` are offered (ALPN).
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(&self, protocols: &[&[u8]]) -> Result<Loaded, TlsError> {
        let chain = certificates(Part::Cert, &self.cert)?;
        let mut expiries = vec![expiry(Part::Cert, &self.cert, &chain, Iterator::min)?];
        let certified = certified(chain, &self.cert, &self.key)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            // The provider knows the cipher suites of both versions.
            .map_err(|error| fault(Part::Key, &self.key)(Fault::Key(error)))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(Clients { ca, auth }) => {
                let fault = fault(Part::ClientCa, ca);
                let authorities = certificates(Part::ClientCa, ca)?;
                expiries.push(expiry(Part::ClientCa, ca, &authorities, Iterator::max)?);
                let mut roots = RootCertStore::empty();
                for authority in authorities {
                    roots
                        .add(authority)
                        .map_err(|error| fault(Fault::Certificate(error.to_string())))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                let verifier = match auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| fault(Fault::Certificate(error.to_string())))?,
                )
            }
        };
        let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // Whom a connection belongs to is looked at each time: nothing is taken up again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Loaded {
            server: Arc::new(server),
            expiries,
        })
    }

    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let ca = self.clients.as_ref().map(|clients| clients.ca.as_path());
        [self.cert.as_path(), self.key.as_path()]
            .into_iter()
            .chain(ca)
    }
}

fn fault(part: Part, path: &Path) -> impl Fn(Fault) -> TlsError {
    move |fault| TlsError {
        part,
        path: path.to_owned(),
        fault,
    }
}

/// The certificates in a PEM file; at least one.
///
/// # Errors
/// What is wrong with it.
pub fn certificates(part: Part, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = fault(part, path);
    let text = std::fs::read(path).map_err(|error| fault(error.into()))?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match all.map_err(|error| fault(Fault::Pem(error)))? {
        none if none.is_empty() => Err(fault(Fault::NoCertificate)),
        all => Ok(all),
    }
}

/// The certificate of `chain`, which was read from `cert`, with the private key in `key`, which must be its own.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    cert: &Path,
    key: &Path,
) -> Result<CertifiedKey, TlsError> {
    CertifiedKey::from_der(chain, self::key(key)?, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => fault(Part::Key, key)(Fault::OtherKey(cert.into())),
        rustls::Error::InvalidCertificate(error) => {
            fault(Part::Cert, cert)(Fault::Certificate(error.to_string()))
        }
        error => fault(Part::Key, key)(Fault::Key(error)),
    })
}

/// The private key in a PEM file.
///
/// # Errors
/// What is wrong with it.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let fault = fault(Part::Key, path);
    let text = std::fs::read(path).map_err(|error| fault(error.into()))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let is_encrypted = memchr::memmem::find(&text, b"ENCRYPTED").is_some();
        fault(match error {
            _ if is_encrypted => Fault::Encrypted,
            pem::Error::NoItemsFound => Fault::NoKey,
            error => Fault::Pem(error),
        })
    })
}

fn expiry(
    part: Part,
    path: &Path,
    certificates: &[CertificateDer<'_>],
    pick: impl Fn(std::vec::IntoIter<u64>) -> Option<u64>,
) -> Result<Expiry, TlsError> {
    let fault = |what: String| fault(part, path)(Fault::Certificate(what));
    let ends: Result<Vec<_>, _> = certificates
        .iter()
        .map(|certificate| {
            identity::not_after(certificate).map_err(|error| fault(error.to_string()))
        })
        .collect();
    Ok(Expiry {
        part,
        path: path.to_owned(),
        // There is at least one.
        at: pick(ends?.into_iter()).unwrap_or_default(),
    })
}
