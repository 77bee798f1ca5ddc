use serde::Deserialize;

use super::fold::{self, Folded};
use super::{Decision, Limits};
use crate::invalid::{Invalid, InvalidReason};
use crate::read;

impl Decision {
    /// Reads and checks a reply. This is all the checking that needs no SIP parser; the proxy goes on from here.
    ///
    /// Taken as well: an rtjson document (field names in any case, `""` for unset) and one inside Wazo's wrapper,
    /// `{"success": true, "rtjson": {…}}`.
    ///
    /// # Errors
    /// [`Invalid`] for the first thing found wrong.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Invalid> {
        if bytes.len() > limits.max_bytes {
            return Err(Invalid::new(
                InvalidReason::TooLarge,
                "",
                format!(
                    "{} bytes, at most {} are read",
                    bytes.len(),
                    limits.max_bytes
                ),
            ));
        }
        let Folded { text, wrapped } = fold::fold(read::text(bytes)?);
        if wrapped {
            let decision = unwrap_document(&text)?;
            decision
                .validate(limits)
                .map_err(|invalid| invalid.under(WRAPPER))?;
            return Ok(decision);
        }
        let decision: Self = read::document(&text)?;
        decision.validate(limits)?;
        Ok(decision)
    }
}

const WRAPPER: &str = "/rtjson";

/// Wazo's wrapper. `success` has been seen beside and inside `rtjson`; false means that there is no route.
fn unwrap_document(text: &str) -> Result<Decision, Invalid> {
    #[derive(Deserialize)]
    struct Wrapper<T> {
        #[serde(default)]
        success: Option<bool>,
        #[serde(
            default = "Option::default",
            deserialize_with = "read::optional_object",
            bound(deserialize = "T: Deserialize<'de>")
        )]
        rtjson: Option<T>,
    }

    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        success: Option<bool>,
    }

    let no_routes =
        |pointer: &str, detail: &str| Err(Invalid::new(InvalidReason::NoRoutes, pointer, detail));
    let verdict: Wrapper<Inner> = read::document(text)?;
    if verdict.success == Some(false) {
        return no_routes("/success", "the wrapper says that there is no route");
    }
    if verdict
        .rtjson
        .is_some_and(|inner| inner.success == Some(false))
    {
        return no_routes("/rtjson/success", "the wrapper says that there is no route");
    }
    match read::document::<Wrapper<Decision>>(text)?.rtjson {
        Some(decision) => Ok(decision),
        None => no_routes(WRAPPER, "the wrapper is empty"),
    }
}
