use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fold::{self, Folded};
use super::{CacheHint, Decision, Limits, Route, Routing, StatusMatch, usual};
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
        let text = read::text(bytes)?;
        let (decision, place) = match usual::read(text) {
            Some(decision) => (decision, ""),
            None => complete(text)?,
        };
        decision
            .validate(limits)
            .map_err(|invalid| invalid.under(place))?;
        Ok(decision)
    }
}

/// Reads any document there may be. The second is where in it the decision was found.
pub(super) fn complete(text: &str) -> Result<(Decision, &'static str), Invalid> {
    let Folded {
        text,
        wrapped,
        names_action,
    } = fold::fold(text);
    Ok(match (wrapped, names_action) {
        (false, true) => (read::document(&text)?, ""),
        (false, false) => (read::document::<Rtjson>(&text)?.into(), ""),
        (true, true) => (unwrap_document(&text)?, WRAPPER),
        (true, false) => (unwrap_document::<Rtjson>(&text)?.into(), WRAPPER),
    })
}

/// A decision that names no action. In rtjson other fields may stand beside the routes, for whoever reads them; a
/// `status` or `reason` there is not ours, whatever its type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rtjson {
    version: Option<String>,
    routing: Option<Routing>,
    #[serde(deserialize_with = "read::objects")]
    routes: Vec<Route>,
    failover: Option<Vec<StatusMatch>>,
    #[serde(deserialize_with = "read::or_default")]
    requery: bool,
    #[serde(deserialize_with = "read::or_default")]
    reasons: Vec<String>,
    #[serde(deserialize_with = "read::optional_object")]
    cache: Option<CacheHint>,
}

impl From<Rtjson> for Decision {
    fn from(document: Rtjson) -> Self {
        let Rtjson {
            version,
            routing,
            routes,
            failover,
            requery,
            reasons,
            cache,
        } = document;
        Self {
            version,
            routing,
            routes,
            failover,
            requery,
            reasons,
            cache,
            ..Self::default()
        }
    }
}

const WRAPPER: &str = "/rtjson";

/// Wazo's wrapper. `success` has been seen beside and inside `rtjson`; false means that there is no route.
fn unwrap_document<T: DeserializeOwned>(text: &str) -> Result<T, Invalid> {
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
    match read::document::<Wrapper<T>>(text)?.rtjson {
        Some(document) => Ok(document),
        None => no_routes(WRAPPER, "the wrapper is empty"),
    }
}
