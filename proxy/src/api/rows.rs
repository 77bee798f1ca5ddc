//! Rows of the version that counts, and what is different between versions.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use sigbox_tables::diff::{self, Counts};
use sigbox_tables::{Fields, Kind, Patch, Row, StrictFields, Table};
use tokio::sync::{Semaphore, mpsc};

use super::query::{self, Key, Query, TableName};
use super::tables::{PushQuery, asked, document, finish, settled, tagged};
use super::{Api, Caller, Problem, conditional};
use crate::background::{self, Died};
use crate::tables::{ChangeError, Compiled, RowChange, etag_of};

/// The most rows in one answer that is not a stream.
pub(super) const MOST: usize = 10_000;

/// Bytes of rows that are written at once.
const PIECE: usize = 64 * 1024;

struct Found {
    active: Arc<Compiled>,
    etag: String,
}

/// The version that counts.
fn active(api: &Api, name: &str) -> Result<Found, Problem> {
    let tables = api.tables.tables();
    let entry = tables.manifest.table(name)?;
    let Some(active) = tables.get(name) else {
        return Err(Problem::not_found(format!(
            "no version of table {name} is active"
        )));
    };
    Ok(Found {
        active: active.clone(),
        etag: etag_of(entry).unwrap_or_default(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    after: Option<String>,
    limit: Option<usize>,
}

/// GET /tables/{table}/rows: NDJSON in the order of keys.
pub(super) async fn list(
    State(api): State<Api>,
    TableName(name): TableName,
    Query(query): Query<Listing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Found { active, etag } = active(&api, &name)?;
    if conditional::has(&headers, Some(&etag)) {
        let status = axum::http::StatusCode::NOT_MODIFIED;
        return Ok(tagged(Some(&etag), status.into_response()));
    }
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let table = active.table.clone();
    let started = background::start(table.len(), move || {
        let limit = query.limit.unwrap_or(usize::MAX);
        let after = query.after.map(|after| query::meant(table.kind(), after));
        let after = after.as_deref();
        match after {
            Some(after) => write_rows(table.rows_after(after).take(limit), &sender),
            None => write_rows(table.rows().take(limit), &sender),
        }
    });
    started.map_err(ChangeError::from)?;
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((Ok::<_, io::Error>(piece), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok(tagged(
        Some(&etag),
        (kind, Body::from_stream(pieces)).into_response(),
    ))
}

fn write_rows<'t>(rows: impl Iterator<Item = Row<'t>>, to: &mpsc::Sender<Bytes>) {
    let mut piece = Vec::with_capacity(PIECE + 1024);
    for row in rows {
        row.write(&mut piece);
        piece.push(b'\n');
        if piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + 1024));
            // Whoever asked may be gone.
            if to.blocking_send(full.into()).is_err() {
                return;
            }
        }
    }
    let _ = to.blocking_send(piece.into());
}

/// GET /tables/{table}/rows/{key}
pub(super) async fn one(
    State(api): State<Api>,
    TableName(name): TableName,
    Key(key): Key,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Found { active, etag } = active(&api, &name)?;
    let Some(row) = active.table.get(&key) else {
        return Err(Problem::not_found(format!(
            "table {name} has no row {key:?}"
        )));
    };
    if conditional::has(&headers, Some(&etag)) {
        let status = axum::http::StatusCode::NOT_MODIFIED;
        return Ok(tagged(Some(&etag), status.into_response()));
    }
    Ok(tagged(Some(&etag), Json(row.fields()).into_response()))
}

/// PUT /tables/{table}/rows/{key}
pub(super) async fn put(
    State(api): State<Api>,
    TableName(name): TableName,
    Key(key): Key,
    caller: Caller,
    Query(query): Query<PushQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let StrictFields(row) = document(body).await?;
    change(api, name, key, Some(row), caller, query, headers).await
}

/// DELETE /tables/{table}/rows/{key}
pub(super) async fn delete(
    State(api): State<Api>,
    TableName(name): TableName,
    Key(key): Key,
    caller: Caller,
    Query(query): Query<PushQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if active(&api, &name)?.active.table.get(&key).is_none() {
        return Err(Problem::not_found(format!(
            "table {name} has no row {key:?}"
        )));
    }
    change(api, name, key, None, caller, query, headers).await
}

async fn change(
    api: Api,
    name: String,
    key: String,
    row: Option<Fields>,
    caller: Caller,
    query: PushQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let what = if row.is_some() {
        "put a row of"
    } else {
        "delete a row of"
    };
    let asked = asked(&name, &query, &caller, conditional::precondition(&headers)?)?;
    let tables = api.tables.clone();
    let pushed = background::run(tables.rows(&name), move || {
        let kind = tables.tables().manifest.table(&name)?.kind;
        tables.read_patch(&name, |_| {
            Patch::one(kind, &key, row).map_err(|(pointer, code, detail)| {
                let mut faults = sigbox_tables::Faults::default();
                faults.add(1, pointer, code, &detail);
                ChangeError::Faults(faults)
            })
        })
    });
    let pushed = pushed.await.map_err(ChangeError::from)?;
    let (asked, pushed) = settled(asked, pushed);
    finish(&api, what, asked, pushed).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupQuery {
    number: Option<String>,
    key: Option<String>,
}

/// What a lookup finds.
#[derive(Serialize)]
pub(super) struct Lookup {
    table: String,
    kind: Kind,
    version: u64,
    etag: String,
    asked: String,
    /// The row that counts.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    found: Option<Fields>,
    /// Shorter prefixes that match too, the longest first.
    runners_up: Vec<Fields>,
    /// What the proxy would do with a call, when the row says something about routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    /// Why it could not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// GET /tables/{table}/lookup
pub(super) async fn lookup(
    State(api): State<Api>,
    TableName(name): TableName,
    Query(query): Query<LookupQuery>,
) -> Result<Json<Lookup>, Problem> {
    let asked = match (query.number, query.key) {
        (Some(asked), None) | (None, Some(asked)) => asked,
        _ => {
            return Err(Problem::bad_request(
                "say what to look up: ?number= or ?key=",
            ));
        }
    };
    let Found { active, etag } = active(&api, &name)?;
    let kind = active.table.kind();
    let asked = query::meant(kind, asked);
    let parts = kind.key_fields();
    if asked.splitn(parts.len(), '/').count() < parts.len() {
        let key = parts.join("/");
        return Err(Problem::bad_request(format!(
            "{asked:?} is no key of {name}, a table of {kind}: its rows are found by ?key={key}"
        )));
    }
    let mut rows = active.table.prefixes_of(&asked);
    let found = rows.next();
    let runners_up = rows.map(|row| row.fields()).collect();
    let meaning =
        found.map(|row| active.found(row.value_number(), &row.key(), &asked, &api.tables.config()));
    let (action, problem) = match meaning {
        Some(crate::tables::Found::Plan(plan)) => (Some(plan.action()), None),
        Some(crate::tables::Found::Wrong(why)) => (None, Some(why.into())),
        Some(crate::tables::Found::Attributes) | None => (None, None),
    };
    Ok(Json(Lookup {
        version: active.version,
        found: found.map(|row| row.fields()),
        kind,
        table: name,
        etag,
        asked,
        runners_up,
        action,
        problem,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    from: u64,
    to: u64,
    limit: Option<usize>,
}

/// What is different between two versions.
#[derive(Serialize)]
pub(super) struct Diff {
    table: String,
    from: u64,
    to: u64,
    rows: Counts,
    /// In the order of keys.
    changes: Vec<RowChange>,
    /// Whether there are more.
    truncated: bool,
}

/// Each loads two whole versions, and goes on when the one who asked has gone.
static DIFFS: Semaphore = Semaphore::const_new(2);

/// Does `work`, which is about so many `rows`, in the background while there are less than two others.
async fn in_turn<T: Send + 'static>(
    rows: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Died> {
    // Whoever went away while waiting costs nothing.
    let turn = DIFFS.acquire().await.ok();
    background::run(rows, move || {
        let _turn = turn;
        work()
    })
    .await
}

/// GET /tables/{table}/diff
pub(super) async fn diff(
    State(api): State<Api>,
    TableName(name): TableName,
    Query(query): Query<DiffQuery>,
) -> Result<Json<Diff>, Problem> {
    let tables = api.tables.clone();
    let rows = tables
        .tables()
        .manifest
        .rows(&[(name.clone(), query.from), (name.clone(), query.to)]);
    let done = in_turn(rows, move || {
        let (old, new) = (
            tables.version(&name, query.from)?,
            tables.version(&name, query.to)?,
        );
        let limit = query.limit.unwrap_or(100).min(MOST);
        Ok::<_, ChangeError>(compare(name, &query, &old, &new, limit))
    });
    let diff = done.await.map_err(ChangeError::from)?;
    Ok(Json(diff?))
}

fn compare(table: String, query: &DiffQuery, old: &Table, new: &Table, limit: usize) -> Diff {
    let changes = RowChange::first(Some(old), new, limit);
    let rows = diff::count(Some(old), new);
    Diff {
        truncated: rows.added + rows.removed + rows.changed > changes.len() as u64,
        table,
        from: query.from,
        to: query.to,
        rows,
        changes,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use futures_util::FutureExt as _;

    use super::*;

    /// Work that says when it begins, and lasts until it is told to end.
    fn work(name: u8, began: &Sender<u8>, end: Receiver<()>) -> impl FnOnce() -> u8 + use<> {
        let began = began.clone();
        move || {
            began.send(name).unwrap();
            // Told so, or everybody who could is gone.
            let _ = end.recv();
            name
        }
    }

    #[tokio::test]
    async fn two_versions_are_compared_at_a_time_and_whoever_has_gone_counts() {
        let (began, begins) = channel();
        let ([end1, end2, end3], [ended1, ended2, ended3]): ([_; 3], [_; 3]) = {
            let [(a, b), (c, d), (e, f)] = [channel(), channel(), channel()];
            ([a, c, e], [b, d, f])
        };
        {
            let mut first = pin!(in_turn(0, work(1, &began, ended1)));
            assert!(first.as_mut().now_or_never().is_none());
            assert_eq!(begins.recv(), Ok(1));
            // Whoever asked for this one goes away.
        }
        let mut second = pin!(in_turn(0, work(2, &began, ended2)));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(begins.recv(), Ok(2));
        assert_eq!(DIFFS.available_permits(), 0);
        let mut third = pin!(in_turn(0, work(3, &began, ended3)));
        assert!(third.as_mut().now_or_never().is_none());
        // It waits, and has no thread that could begin anything.
        assert_eq!(DIFFS.available_permits(), 0);
        end3.send(()).unwrap();
        end1.send(()).unwrap();
        assert_eq!(third.await, Ok(3));
        assert_eq!(begins.recv(), Ok(3));
        end2.send(()).unwrap();
        assert_eq!(second.await, Ok(2));
        assert!(begins.try_recv().is_err());
    }
}
