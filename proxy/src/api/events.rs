//! What happens, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::broadcast::error::RecvError;

use super::Api;
use super::access::Grant;

/// How often something is sent when nothing happens, so that both ends see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// GET /events: `audit` for every change and refusal, `revision` when other versions of tables count. Ends when
/// whoever follows may not any more.
pub(super) async fn events(
    State(api): State<Api>,
    grant: Grant,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feeds = (api.audit.follow(), api.tables.revisions());
    let events = stream::unfold(feeds, |(mut audit, mut revisions)| async move {
        loop {
            let event = tokio::select! {
                record = audit.recv() => match record {
                    Ok(record) => Event::default().event("audit").json_data(record),
                    // It reads too slowly: it is told how much it missed.
                    Err(RecvError::Lagged(missed)) => {
                        Event::default().event("missed").json_data(missed)
                    }
                    Err(RecvError::Closed) => return None,
                },
                changed = revisions.changed() => {
                    changed.ok()?;
                    let revision = *revisions.borrow_and_update();
                    let data = serde_json::json!({ "revision": revision });
                    Event::default().event("revision").json_data(data)
                }
            };
            if let Ok(event) = event {
                return Some((Ok(event), (audit, revisions)));
            }
        }
    });
    let events = events.take_until(grant.revoked());
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
