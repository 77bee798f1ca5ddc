//! Conditional requests (RFC 9110 §13).

use axum::http::{HeaderMap, header};

use super::Problem;
use crate::tables::Precondition;

/// What If-Match and If-None-Match of a change say.
///
/// # Errors
/// When they cannot be read.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    match (
        headers.get(header::IF_MATCH),
        headers.get(header::IF_NONE_MATCH),
    ) {
        (None, None) => Ok(Precondition::None),
        (Some(value), None) => {
            let text = value
                .to_str()
                .map_err(|_| Problem::bad_request("If-Match is not text"))?;
            Ok(Precondition::Match(tags(text)))
        }
        (None, Some(value)) if value == "*" => Ok(Precondition::Absent),
        _ => Err(Problem::bad_request(
            "a change takes either If-Match with entity tags, or If-None-Match: *",
        )),
    }
}

/// Whether whoever asks has `etag` already.
pub(super) fn has(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let wanted = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let (Some(wanted), Some(etag)) = (wanted, etag) else {
        return false;
    };
    // Weak comparison (RFC 9110 §8.8.3.2).
    tags(wanted)
        .iter()
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Entity tags here have no commas in them.
fn tags(text: &str) -> Vec<String> {
    text.split(',').map(|tag| tag.trim().to_owned()).collect()
}
