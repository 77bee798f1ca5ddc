//! Certificates made for a test, and HTTP over TLS with them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::PATIENCE;

/// A stream of TLS over TCP, from the client's side.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Issued {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Signs a certificate of `name` for servers at 127.0.0.1, changed by `change` before.
    pub fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> Result<Issued> {
        self.issue("server", |params| {
            params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
            change(params);
        })
    }

    /// Signs a certificate of that common name, changed by `change` before.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Result<Issued> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate, key })
    }

    /// Writes its certificate into a file of `dir`.
    pub fn write(&self, dir: &Path, name: &str) -> Result<PathBuf> {
        written(dir, &format!("{name}.pem"), &self.certificate.pem())
    }
}

impl Issued {
    /// Writes `<name>.pem` and `<name>.key` into `dir`.
    pub fn write(&self, dir: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let key = written(dir, &format!("{name}.key"), &self.key.serialize_pem())?;
        let cert = written(dir, &format!("{name}.pem"), &self.certificate.pem())?;
        Ok((cert, key))
    }

    /// The certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }
}

fn written(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

/// A client that believes an authority, and may show a certificate.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// One that shows nothing, or `shown`.
    pub fn new(authority: &Authority, shown: Option<&Issued>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::try_from(issued.key.serialize_der());
                let key = key.map_err(anyhow::Error::msg)?;
                builder.with_client_auth_cert(vec![issued.der().clone()], key)?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// Connects; the handshake happens with the first byte.
    pub fn connect(&self, address: SocketAddr) -> Result<Stream> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::IpAddress(address.ip().into());
        let connection = ClientConnection::new(self.0.clone(), name)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

/// Asks for `/healthz` and leaves the connection open; an error when it is not answered.
pub fn healthz(stream: &mut Stream) -> Result<()> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\nok\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(())
}

/// GETs `path` and leaves the connection open; the status of the answer.
pub fn status(stream: &mut Stream, path: &str) -> Result<u16> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.context("a length")?.trim().parse()?];
    stream.read_exact(&mut body)?;
    Ok(head.split(' ').nth(1).context("a status")?.parse()?)
}

/// The certificate that the server showed.
pub fn shown(stream: &Stream) -> Result<CertificateDer<'static>> {
    let chain = stream.conn.peer_certificates().context("a handshake")?;
    Ok(chain.first().context("a certificate")?.clone().into_owned())
}
