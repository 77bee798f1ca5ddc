//! `[admin] tls`: which certificates it has, and whether clients must have one.

use super::listed;
use crate::config::diagnostic::Diagnostic;
use crate::config::folder::Folder;
use crate::config::reader::Section;
use crate::tls::{ClientAuth, Clients, Files};

/// What was wrong has been reported.
pub(super) struct Faulty;

/// `None` without the table. The files are read to see whether they can be used.
pub(super) fn read(admin: &Section<'_>, folder: Folder<'_>) -> Result<Option<Files>, Faulty> {
    let client = listed(admin, "client");
    if admin.value("tls").is_none() {
        if let Some(client) = client {
            client.fault::<()>(
                "`admin.client` needs `admin.tls`".to_owned(),
                "nobody is asked for a certificate",
                Some("tls = { cert = \"…\", key = \"…\", client_ca = \"…\" }".to_owned()),
            );
            return Err(Faulty);
        }
        return Ok(None);
    }
    let section = admin.table("tls", "admin.tls");
    section.refuse_unknown(&[]);
    let at = || section.span.map(|(start, end)| start..end);
    for key in ["cert", "key"] {
        if section.value(key).is_none() {
            let message = format!("`admin.tls` has no `{key}`");
            let help =
                "tls = { cert = \"/etc/sigbox/admin.pem\", key = \"/etc/sigbox/admin.key\" }";
            section
                .faults
                .push(Diagnostic::error(at(), message).help(help));
        }
    }
    let path = |key| section.read(key, |value| folder.path(&value));
    let auth = section.read("client_auth", |value| {
        value.choice(&[
            ("required", ClientAuth::Required),
            ("optional", ClientAuth::Optional),
        ])
    });
    let ca = path("client_ca");
    match (&ca, section.value("client_auth"), client) {
        (Some(_), _, None) if listed(admin, "token").is_none() => {
            if let Some(value) = section.value("client_ca") {
                value.fault::<()>(
                    "`admin.tls.client_ca` without `admin.client` lets everybody in whom the authority knows".to_owned(),
                    "nobody is named",
                    Some("say who may do what:\n\n    [[admin.client]]\n    name = \"ops\"\n    cn = \"ops\"\n    scopes = [\"read\", \"tables\"]".to_owned()),
                );
            }
        }
        (None, Some(auth), _) => drop(auth.fault::<()>(
            "`admin.tls.client_auth` needs `admin.tls.client_ca`".to_owned(),
            "nobody is asked for a certificate",
            None,
        )),
        (None, _, Some(client)) => drop(client.fault::<()>(
            "`admin.client` needs `admin.tls.client_ca`".to_owned(),
            "nobody is asked for a certificate",
            None,
        )),
        _ => {}
    }
    let (Some(cert), Some(key), Some(auth)) = (path("cert"), path("key"), auth) else {
        return Err(Faulty);
    };
    let files = Files {
        cert,
        key,
        clients: ca.map(|ca| Clients { ca, auth }),
    };
    if let Err(error) = files.load(&[]) {
        let key = error.part.label();
        if let Some(value) = section.value(key) {
            let message = format!("`admin.tls.{key}` cannot be used");
            value.fault::<()>(message, &error.to_string(), folder.help(&value));
        }
        return Err(Faulty);
    }
    Ok(Some(files))
}
