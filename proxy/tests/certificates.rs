//! Reading certificates, and whom they name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use sigbox::tls::{ClientAuth, Clients, Files, Identity, Part};

fn made(change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::default();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

#[test]
fn a_certificate_names_whom_its_subject_and_alternative_names_say() {
    let (certificate, _) = made(|params| {
        params.distinguished_name.push(DnType::CommonName, "Ops");
        params.subject_alt_names = vec![
            SanType::DnsName("OPS.example.com".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::URI("spiffe://Example.com/ops".try_into().unwrap()),
        ];
    });
    let identity = Identity::of(certificate.der()).unwrap();
    assert_eq!(identity.common_name.as_deref(), Some("Ops"));
    assert_eq!(identity.dns, ["ops.example.com"]);
    assert_eq!(identity.uris, ["spiffe://Example.com/ops"]);
    assert_eq!(identity.shown(), "spiffe://Example.com/ops");
    let (nobody, _) = made(|params| params.distinguished_name = rcgen::DistinguishedName::new());
    let identity = Identity::of(nobody.der()).unwrap();
    assert_eq!(identity, Identity::default());
    assert!(Identity::of(&nobody.der()[..40]).is_err());
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    let (certificate, key) = made(|_| {});
    let (_, other) = made(|_| {});
    write("cert", &certificate.pem());
    write("key", &key.serialize_pem());
    write("other", &other.serialize_pem());
    write("both", &(key.serialize_pem() + &certificate.pem()));
    write("text", "hello\n");
    write("cut", &certificate.pem()[..100]);
    write(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    write(
        "junk",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let load = |cert: &str, key: &str, ca: Option<&str>| {
        let files = Files {
            cert: path(cert),
            key: path(key),
            clients: ca.map(|ca| Clients {
                ca: path(ca),
                auth: ClientAuth::Required,
            }),
        };
        files.load(&[]).map(|loaded| loaded.expiries.len())
    };
    assert_eq!(load("cert", "key", None).unwrap(), 1);
    assert_eq!(load("both", "both", Some("cert")).unwrap(), 2);
    for (cert, key, ca, part, says) in [
        (
            "none",
            "key",
            None,
            Part::Cert,
            "cannot be read: No such file",
        ),
        ("key", "key", None, Part::Cert, "holds no certificate"),
        ("text", "key", None, Part::Cert, "holds no certificate"),
        ("cut", "key", None, Part::Cert, "is not PEM"),
        ("junk", "key", None, Part::Cert, "no certificate: "),
        ("cert", "cert", None, Part::Key, "holds no private key"),
        ("cert", "encrypted", None, Part::Key, "without a passphrase"),
        (
            "cert",
            "other",
            None,
            Part::Key,
            "does not belong to the certificate in",
        ),
        (
            "cert",
            "key",
            Some("text"),
            Part::ClientCa,
            "holds no certificate",
        ),
        (
            "cert",
            "key",
            Some("junk"),
            Part::ClientCa,
            "no certificate: ",
        ),
    ] {
        let error = load(cert, key, ca).unwrap_err();
        assert_eq!(error.part, part, "{error}");
        let said = error.to_string();
        let file: &Path = &error.path;
        assert!(said.contains(&*file.to_string_lossy()), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
