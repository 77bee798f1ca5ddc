use std::time::Duration;

use clap::{Args, ValueEnum};
use sigbox_decider::contracts::{Invalid, Limits};
use sigbox_decider::{Decider, Dialled, NoRoutingNumber, RoutingNumber, prelude::*};

use crate::database::Row;
use crate::numbers::{Numbers, Unanswered};

/// Numbers that are matched as a whole, never looked up and never refused: the proxy's local rules have them.
const EMERGENCY: [&str; 3] = ["110", "112", "911"];

/// What is left of the proxy's patience for the answer to arrive in.
const MARGIN: Duration = Duration::from_millis(20);

/// Where calls go with what was found.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Onward {
    /// The next hop of all calls, as a SIP URI
    #[arg(long, env)]
    next_hop: Option<String>,
    /// The gateway set of the proxy that all calls go to
    #[arg(long, env)]
    gateways: Option<String>,
}

/// What becomes of a call when the database does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// An error, upon which the proxy's fallback rules decide
    #[default]
    Error,
    /// It goes on as it is, and who is next may look it up
    Route,
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("number {0}: {1}")]
    Row(String, NoRoutingNumber),
}

impl Onward {
    /// Finds out now whether calls can go there.
    ///
    /// # Errors
    /// [`Invalid`], as the proxy would find it.
    pub(crate) fn checked(self) -> Result<Self, Invalid> {
        Decision::from(route([self.target()])).validate(&Limits::default())?;
        Ok(self)
    }

    fn target(&self) -> Target {
        let target = to(self.next_hop.clone().unwrap_or_default());
        match &self.gateways {
            Some(set) => target.gateways(set),
            None => target,
        }
    }
}

/// Writes into the Request-URI what the database knows of the number (RFC 4694), and sends the call on.
pub(crate) fn decider(numbers: Numbers, onward: Onward, on_failure: OnFailure) -> Decider {
    Decider::new("portability-sql", env!("CARGO_PKG_VERSION"))
        .description("Number portability from a database")
        .on(Class::Invite, move |call: Call| {
            let (numbers, onward) = (numbers.clone(), onward.clone());
            async move {
                match decide(&numbers, &onward, &call).await {
                    Err(failure) if on_failure == OnFailure::Route => {
                        Ok(route([onward.target()]).because(format!("not looked up: {failure}")))
                    }
                    decided => decided,
                }
            }
        })
}

async fn decide(numbers: &Numbers, onward: &Onward, call: &Call) -> Result<Answer, Failure> {
    let Some(dialled) = Dialled::of(call.request_uri()) else {
        return Ok(pass().because("not a telephone number"));
    };
    let number = dialled.number();
    if EMERGENCY.contains(&number) {
        return Ok(pass().because(format!("emergency call {number}")));
    }
    let target = onward.target();
    if dialled.is_dipped() {
        return Ok(route([target]).because(format!("dipped before: {}", dialled.routed_by())));
    }
    let within = call.remaining().saturating_sub(MARGIN);
    Ok(match numbers.find(number, within).await? {
        Some(Row {
            rn: Some(text),
            carrier,
        }) => {
            let rn = RoutingNumber::parse(&text)
                .map_err(|error| Failure::Row(number.to_owned(), error))?;
            let of = carrier.map_or(String::new(), |carrier| format!(" of {carrier}"));
            let reason = format!("number {number} -> {rn}{of}");
            route([target.uri(dialled.after_dip(Some(&rn)))]).because(reason)
        }
        Some(Row { rn: None, .. }) => {
            let target = target.uri(dialled.after_dip(None));
            route([target]).because(format!("number {number} is not ported"))
        }
        None => route([target]).because(format!("number {number} is not known")),
    })
}

#[cfg(test)]
mod tests {
    use sigbox_decider::contracts::Action;
    use sigbox_decider::testing::{Harness, Outcome};
    use tempfile::TempDir;

    use super::*;
    use crate::database::{Access, Database};
    use crate::import::import;

    const SECOND: Duration = Duration::from_secs(1);

    struct Scene {
        harness: Harness,
        database: Database,
        _folder: TempDir,
    }

    fn onward() -> Onward {
        Onward {
            next_hop: Some("sip:192.0.2.1".to_owned()),
            gateways: None,
        }
    }

    /// A decider on a SQLite file, which is there or is not.
    async fn scene(is_there: bool, on_failure: OnFailure) -> Scene {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ported.db").display());
        let database = Database::open(&url, &Access::to_write()).unwrap();
        if is_there {
            let csv = include_str!("../../carrier-rust/ported.csv");
            import(&database, csv.as_bytes(), false).await.unwrap();
        }
        let read = Database::open(&url, &Access::to_read(SECOND, 1)).unwrap();
        let numbers = Numbers::new(read, SECOND, 10, SECOND);
        Scene {
            harness: Harness::new(decider(numbers, onward(), on_failure)),
            database,
            _folder: folder,
        }
    }

    #[tokio::test]
    async fn the_request_uri_says_what_is_known() {
        let scene = scene(true, OnFailure::Error).await;
        for (call, uri, reason) in [
            (
                "sip:+493012345@example.com",
                Some("sip:+493012345;npdi;rn=+49199123@example.com"),
                "number 493012345 -> +49199123 of otherwise",
            ),
            (
                "tel:+49-30-12346",
                Some("tel:+49-30-12346;npdi"),
                "number 493012346 is not ported",
            ),
            (
                "sip:+12125550100@example.com",
                None,
                "number 12125550100 is not known",
            ),
            (
                "sip:+493012345;npdi@example.com",
                None,
                "dipped before: 493012345",
            ),
        ] {
            let decision = scene.harness.invite(call).await;
            assert_eq!(decision.routes[0].uri.as_deref(), uri, "{call}");
            assert_eq!(
                decision.routes[0].dst_uri.as_deref(),
                Some("sip:192.0.2.1"),
                "{call}"
            );
            assert_eq!(decision.reasons, [reason], "{call}");
        }
        for call in ["sip:alice@example.com", "sip:112@example.com"] {
            let decision = scene.harness.invite(call).await;
            assert_eq!(decision.verb(), Action::Pass, "{call}");
        }
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_sent_is_an_error() {
        let scene = scene(true, OnFailure::Error).await;
        // Past the import, and past the checks of the table.
        let wrong = "INSERT INTO ported (number, rn) VALUES ('4970', '+x;y@z')";
        sqlx::query(wrong)
            .execute(scene.database.pool())
            .await
            .unwrap();
        let outcome = scene
            .harness
            .invite("sip:+4970@example.com")
            .outcome()
            .await;
        let Outcome::Error { code: 500, text } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(
            text.starts_with("number 4970: a routing number is"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn without_a_database_it_is_as_the_setting_says() {
        let call = "sip:+493012345@example.com";
        let failing = scene(false, OnFailure::Error).await;
        let outcome = failing.harness.invite(call).outcome().await;
        let away = "the database is away".to_owned();
        assert_eq!(
            outcome,
            Outcome::Error {
                code: 500,
                text: away
            }
        );
        let routing = scene(false, OnFailure::Route).await;
        let decision = routing.harness.invite(call).await;
        assert_eq!(decision.routes[0].uri, None);
        assert_eq!(decision.reasons, ["not looked up: the database is away"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_comes_before_the_deadline() {
        // Nobody listens on port 1: it is tried again and again.
        let url = "postgres://127.0.0.1:1/x";
        let minute = Duration::from_secs(60);
        let database = Database::open(url, &Access::to_read(minute, 1)).unwrap();
        let numbers = Numbers::new(database, minute, 10, minute);
        let harness = Harness::new(decider(numbers, onward(), OnFailure::Error));
        let call = harness.invite("sip:+4930@example.com");
        let outcome = call.remaining(Duration::from_millis(200)).outcome().await;
        let text = Unanswered::Slow.to_string();
        assert_eq!(outcome, Outcome::Error { code: 500, text });
    }

    #[test]
    fn a_way_on_that_cannot_be_is_found_at_the_start() {
        assert!(onward().checked().is_ok());
        let wrong = Onward {
            next_hop: Some("192.0.2.1".to_owned()),
            gateways: None,
        };
        assert!(wrong.checked().is_err());
    }
}
