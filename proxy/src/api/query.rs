//! Parameters of paths and queries.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sigbox_contracts::Slug;
use sigbox_tables::Kind;

use super::access::Grant;
use super::{Caller, Problem};

/// The longest a request may wait for something to happen.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The query of a request; one that cannot be read is a [`Problem`].
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// The parameters of a path; ones that cannot be read are a [`Problem`].
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("an operation without a scope"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let grant = parts.extensions.get::<Self>().cloned();
        grant.ok_or_else(|| Problem::internal("an operation without a scope"))
    }
}

/// The name of a table in a path.
pub(super) struct TableName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for TableName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Named {
            table: String,
        }
        let Path(named) = Path::<Named>::from_request_parts(parts, state).await?;
        match Slug::new(named.table.clone()) {
            Ok(_) => Ok(Self(named.table)),
            Err(error) => Err(Problem::bad_request(format!(
                "the table's name {:?} {error}",
                named.table
            ))),
        }
    }
}

/// The key of a row in a path.
pub(super) struct Key(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Keyed {
            key: String,
        }
        let Path(keyed) = Path::<Keyed>::from_request_parts(parts, state).await?;
        Ok(Self(keyed.key))
    }
}

/// The number of a version in a path.
pub(super) struct VersionNumber(pub(super) u64);

impl<S: Send + Sync> FromRequestParts<S> for VersionNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Path(versioned) = Path::<Versioned>::from_request_parts(parts, state).await?;
        Ok(Self(versioned.version))
    }
}

/// What is looked up in a table of that kind: where keys are numbers, a space in front of one was a `+` that was not
/// written `%2B` (as forms have it, <https://url.spec.whatwg.org/#application/x-www-form-urlencoded>).
pub(super) fn meant(kind: Kind, text: String) -> String {
    match text.strip_prefix(' ') {
        Some(number) if kind.is_numeric() && number.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("+{number}")
        }
        _ => text,
    }
}

/// `30s`, `1500ms` or `30`, at most [`LONGEST_WAIT`].
pub(super) fn wait(text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    match number.parse::<u32>() {
        Ok(number) => Ok(Some(
            Duration::from_millis(u64::from(number) * unit).min(LONGEST_WAIT),
        )),
        Err(_) => Err(Problem::bad_request(format!(
            "{text:?} is no time; write 30s or 500ms"
        ))),
    }
}
