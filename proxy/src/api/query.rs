//! Parameters of paths and queries.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sigbox_contracts::Slug;

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
        let Path(named) = path::<Named, S>(parts, state).await?;
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
        let Path(keyed) = path::<Keyed, S>(parts, state).await?;
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
        let Path(versioned) = path::<Versioned, S>(parts, state).await?;
        Ok(Self(versioned.version))
    }
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Path<T>, Problem> {
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map_err(|rejection| Problem::bad_request(rejection.body_text()))
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
