//! TLS with a running node: whom it is believed by, what is shown to it, and what is wrong when it does not come about.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rustls::{AlertDescription, CertificateError, Error};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::tls::{self, Part};

/// The files of the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Secure {
    /// The authorities that the node's certificate is believed by, PEM; those of the system without it
    #[arg(long, value_name = "FILE", env = "SIGBOX_CA", global = true)]
    ca: Option<PathBuf>,
    /// A certificate to show to the node, PEM
    #[arg(long, value_name = "FILE", env = "SIGBOX_CERT", global = true)]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", env = "SIGBOX_KEY", global = true)]
    key: Option<PathBuf>,
}

impl Secure {
    /// Whether the command line says anything about TLS.
    pub(super) fn is_wanted(&self) -> bool {
        self.ca.is_some() || self.cert.is_some()
    }

    /// How to connect.
    pub(super) fn config(&self) -> Result<TlsConfig> {
        let roots = match &self.ca {
            Some(path) => tls::certificates(Part::ClientCa, path)?,
            None => system_roots()?,
        };
        let roots: Vec<_> = roots.iter().map(|der| owned(der)).collect();
        let shown = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(shown(cert, key)?),
            (None, None) => None,
            (Some(_), None) => bail!("--cert needs --key"),
            (None, Some(_)) => bail!("--key needs --cert"),
        };
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(shown)
            .unversioned_rustls_crypto_provider(tls::provider())
            .build())
    }
}

fn system_roots() -> Result<Vec<rustls::pki_types::CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if let ([], [error, ..]) = (found.certs.as_slice(), found.errors.as_slice()) {
        bail!("the system's authorities cannot be read: {error}; --ca names others");
    }
    Ok(found.certs)
}

fn owned(der: &[u8]) -> Certificate<'static> {
    Certificate::from_der(der).to_owned()
}

fn shown(cert: &Path, key: &Path) -> Result<ClientCert> {
    let chain = tls::certificates(Part::Cert, cert)?;
    // The HTTP client takes for granted that both belong together.
    tls::certified(chain.clone(), cert, key)?;
    let key = PrivateKey::from_pem(&std::fs::read(key)?)?;
    let chain: Vec<_> = chain.iter().map(|der| owned(der)).collect();
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// What is wrong, when it is about TLS.
pub(super) fn in_words(error: &ureq::Error) -> Option<String> {
    let mut cause = match error {
        ureq::Error::Io(error) => error.get_ref().map(|inner| inner as &dyn std::error::Error),
        error => error.source(),
    };
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return Some(words(error));
        }
        cause = inner.source();
    }
    None
}

fn words(error: &Error) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match error {
        Error::InvalidCertificate(error) => match error {
            Expired | ExpiredContext { .. } => "its certificate has expired".to_owned(),
            NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            UnknownIssuer => {
                "no authority that is believed has signed its certificate; --ca names one"
                    .to_owned()
            }
            NotValidForName | NotValidForNameContext { .. } => {
                format!("its certificate is for another name: {error}")
            }
            error => format!("its certificate is not good: {error}"),
        },
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => "it wants a client certificate: --cert and --key".to_owned(),
        Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "it says that the client certificate has expired".to_owned()
        }
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            "it does not know who signed the client certificate".to_owned()
        }
        Error::InvalidMessage(_) => "it does not speak TLS; http:// may reach it".to_owned(),
        error => error.to_string(),
    }
}
