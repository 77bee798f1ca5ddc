//! Errors as RFC 9457 has them: `application/problem+json`.

use std::io;

use axum::Json;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sigbox_tables::{Fault, ManifestError};

use crate::tables::{ChangeError, ReplicaError};

/// What went wrong, for the one who asked.
#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

#[derive(Clone, Debug, Serialize)]
struct Document {
    /// `urn:sigbox:problem:<code>`, by which programs tell problems apart.
    #[serde(rename = "type")]
    kind: String,
    /// The same in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What it is this time.
    detail: String,
    /// What is wrong with an upload, the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// How many things are wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The entity tag that was expected to be another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// The rules that need what was to be removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Box<str>>,
    /// Who asked, for the audit log.
    #[serde(skip)]
    by: Option<Box<str>>,
}

impl Problem {
    /// The same, of somebody who is known.
    pub(super) fn of_caller(mut self, name: &str) -> Self {
        self.0.by = Some(name.into());
        self
    }

    /// Who asked, if that is known.
    pub(super) fn caller(&self) -> Option<&str> {
        self.0.by.as_deref()
    }

    /// A problem whose `code` is a slug.
    pub fn new(
        status: StatusCode,
        code: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Document {
            kind: format!("urn:sigbox:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            total: None,
            etag: None,
            rules: Vec::new(),
            by: None,
        }))
    }

    /// A problem that its status says enough about.
    pub fn of(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let code = title.to_ascii_lowercase().replace(' ', "-");
        Self::new(status, &code, title, detail)
    }

    /// Something in the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            detail,
        )
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    /// It is not the caller's fault. What it is goes to the log.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        tracing::error!(%detail, "an API request failed");
        let title = "The node cannot do it";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            title,
            "the log of the node says why",
        )
    }

    /// It would have to be kept, and there is no place for it (RFC 4918 §11.5).
    fn no_room(detail: String) -> Self {
        let title = "There is no room for it: nothing was changed";
        let status = StatusCode::INSUFFICIENT_STORAGE;
        Self::new(status, "insufficient-storage", title, detail)
    }

    /// The same with what should be there in front of what is wrong.
    pub(super) fn explained(mut self, wanted: &str) -> Self {
        self.0.detail = format!("{wanted}: {}", self.0.detail);
        self
    }

    /// For the audit log.
    pub(super) fn summary(&self) -> String {
        format!("{} {}", self.0.status, self.0.detail)
    }
}

/// Goes with the answer, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self.0)).into_response();
        response.extensions_mut().insert(Refusal(self.summary()));
        let value = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, value);
        if status == StatusCode::UNAUTHORIZED {
            let value = header::HeaderValue::from_static("Bearer realm=\"sigbox\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Manifest(error) => error.into(),
            ChangeError::Faults(faults) => {
                let title = "Nothing was changed: the upload is wrong";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let mut problem = Self::new(status, "invalid-rows", title, detail);
                problem.0.total = Some(faults.total);
                problem.0.errors = faults.kept;
                problem
            }
            ChangeError::Precondition(etag) => {
                let title = "Somebody else was faster";
                let status = StatusCode::PRECONDITION_FAILED;
                let mut problem = Self::new(status, "precondition-failed", title, detail);
                problem.0.etag = etag;
                problem
            }
            ChangeError::InUse { rules, .. } => {
                let title = "Rules need the table: nothing was changed";
                let mut problem = Self::new(StatusCode::CONFLICT, "in-use", title, detail);
                problem.0.rules = rules;
                problem
            }
            ChangeError::Input(error) => match error.kind() {
                io::ErrorKind::FileTooLarge => {
                    let title = "The upload is too large";
                    Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
                }
                io::ErrorKind::TimedOut => {
                    let title = "The upload does not go on";
                    Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", title, detail)
                }
                _ => Self::bad_request(detail),
            },
            ChangeError::Replica(ReplicaError::Conflict) => {
                let title = "Somebody else was faster";
                Self::new(StatusCode::CONFLICT, "conflict", title, detail)
            }
            ChangeError::Replica(
                ReplicaError::Away | ReplicaError::NoJetStream | ReplicaError::Refused(_),
            ) => {
                let title = "The other nodes cannot be told: nothing was changed";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "replication",
                    title,
                    detail,
                )
            }
            ChangeError::Replica(error @ ReplicaError::ManifestTooLarge { .. }) => {
                Self::no_room(error.to_string())
            }
            ChangeError::Store(error) | ChangeError::Replica(ReplicaError::Store(error))
                if error.is_full() =>
            {
                tracing::error!(%error, "no room for a table");
                Self::no_room(error.to_string())
            }
            ChangeError::Replica(ReplicaError::Store(_))
            | ChangeError::Store(_)
            | ChangeError::Died(_) => Self::internal(detail),
        }
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        let detail = error.to_string();
        match error {
            ManifestError::NoTable(_) | ManifestError::NoVersion { .. } => Self::not_found(detail),
            ManifestError::OtherKind { .. } => {
                let title = "The table is for something else";
                Self::new(StatusCode::CONFLICT, "other-kind", title, detail)
            }
        }
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "nothing is served at {}; /openapi.json says what is",
        uri.path()
    ))
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{method} is not for {}; /openapi.json says what is",
        uri.path()
    );
    let title = "This method is not for this path";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        title,
        detail,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::StoreError;

    #[test]
    fn a_full_disk_is_told_apart_from_one_that_fails() {
        let status = |kind: io::ErrorKind| {
            let error = StoreError::Io {
                what: "cannot write",
                path: "objects".into(),
                source: kind.into(),
            };
            Problem::from(ChangeError::Store(error)).0.status
        };
        assert_eq!(status(io::ErrorKind::StorageFull), 507);
        assert_eq!(status(io::ErrorKind::QuotaExceeded), 507);
        assert_eq!(status(io::ErrorKind::Other), 500);
    }
}
