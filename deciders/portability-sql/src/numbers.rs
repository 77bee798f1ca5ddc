use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::time::timeout;

use crate::database::{Database, Row};
use crate::health::Health;

/// What is known of numbers: what was asked lately, found or not, and the database for the rest.
#[derive(Clone)]
pub(crate) struct Numbers {
    shared: Arc<Shared>,
    cache: Cache<String, Option<Row>>,
}

struct Shared {
    database: Database,
    health: Health,
    timeout: Duration,
}

/// Why a number was not looked up. Said to the proxy, so without anything that the database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("the database did not answer in time")]
    Slow,
    #[error("the database is away")]
    Away,
}

impl Numbers {
    /// Remembers as many numbers as `size`, each for `ttl`. A query takes `timeout` at most.
    pub(crate) fn new(database: Database, timeout: Duration, size: u64, ttl: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                database,
                health: Health::new(),
                timeout,
            }),
            cache: Cache::builder()
                .max_capacity(size)
                .time_to_live(ttl)
                .build(),
        }
    }

    /// What is known of a number, digits without `+`, if it can be had `within` that time. Calls to one number at the same time
    /// are one query.
    pub(crate) async fn find(
        &self,
        number: &str,
        within: Duration,
    ) -> Result<Option<Row>, Unanswered> {
        let found = self
            .cache
            .try_get_with_by_ref(number, self.shared.ask(number));
        match timeout(within, found).await {
            Ok(found) => found.map_err(|why| *why),
            Err(_) => Err(Unanswered::Slow),
        }
    }
}

impl Shared {
    async fn ask(&self, number: &str) -> Result<Option<Row>, Unanswered> {
        let _leave = self.health.leave().ok_or(Unanswered::Away)?;
        match timeout(self.timeout, self.database.find(number)).await {
            Ok(Ok(row)) => {
                self.health.answered();
                Ok(row)
            }
            Ok(Err(error)) => {
                self.health.failed(&error);
                Err(Unanswered::Away)
            }
            Err(_) => {
                self.health.failed(&Unanswered::Slow);
                Err(Unanswered::Slow)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use e2e::{PATIENCE, Postgres};
    use sqlx::{AnyPool, Executor as _, Row as _};
    use tempfile::TempDir;

    use super::*;
    use crate::database::Access;
    use crate::import::import;

    const ROWS: &str = "number,rn,carrier\n4930,+491,a\n";
    const LONG: Duration = Duration::from_secs(60);

    /// A database with rows, written to by `Database` and read by `Numbers`.
    async fn filled(url: &str) -> Database {
        let database = Database::open(url, &Access::to_write()).unwrap();
        import(&database, ROWS.as_bytes(), true).await.unwrap();
        database
    }

    fn numbers(url: &str, timeout: Duration, ttl: Duration) -> Numbers {
        let database = Database::open(url, &Access::to_read(timeout, 2)).unwrap();
        Numbers::new(database, timeout, 1_000, ttl)
    }

    async fn rn(numbers: &Numbers, number: &str) -> Result<Option<String>, Unanswered> {
        let row = numbers.find(number, PATIENCE).await?;
        Ok(row.and_then(|row| row.rn))
    }

    /// Asks until the answer is this one.
    async fn until(numbers: &Numbers, number: &str, expected: Option<&str>) {
        let asked = async {
            while rn(numbers, number).await != Ok(expected.map(str::to_owned)) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, asked).await.expect("another answer");
    }

    #[tokio::test]
    async fn numbers_are_remembered_found_or_not_and_for_a_while() {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ported.db").display());
        let database = filled(&url).await;
        let (long, short) = (
            numbers(&url, PATIENCE, LONG),
            numbers(&url, PATIENCE, Duration::from_millis(50)),
        );
        for numbers in [&long, &short] {
            assert_eq!(rn(numbers, "4930").await, Ok(Some("+491".to_owned())));
            assert_eq!(rn(numbers, "4940").await, Ok(None));
        }
        let other = "number,rn,carrier\n4940,+492,b\n";
        import(&database, other.as_bytes(), true).await.unwrap();
        assert_eq!(rn(&long, "4930").await, Ok(Some("+491".to_owned())));
        assert_eq!(rn(&long, "4940").await, Ok(None));
        until(&short, "4930", None).await;
        until(&short, "4940", Some("+492")).await;
    }

    #[tokio::test]
    async fn a_slow_database_costs_the_timeout_and_is_told_to_stop() {
        let postgres = Postgres::start().unwrap();
        filled(&postgres.url()).await;
        let numbers = numbers(&postgres.url(), Duration::from_millis(500), LONG);
        assert_eq!(rn(&numbers, "4930").await, Ok(Some("+491".to_owned())));
        let other = AnyPool::connect(&postgres.url()).await.unwrap();
        let mut lock = other.begin().await.unwrap();
        lock.execute("LOCK TABLE ported IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();

        // The server ends the query at the same time as its client: either may be first.
        let error = rn(&numbers, "4950").await.unwrap_err();
        assert!(matches!(error, Unanswered::Slow | Unanswered::Away));
        assert_eq!(rn(&numbers, "4930").await, Ok(Some("+491".to_owned())));
        // With the table still locked, nothing waits for it any more.
        let waiting = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            while other.fetch_one(waiting).await.unwrap().get::<i64, _>(0) > 0 {}
        };
        timeout(PATIENCE, waiting).await.expect("no query");

        // A call that has less time than a query may take does not wait for it.
        let patient = self::numbers(&postgres.url(), LONG, LONG);
        let hurry = patient.find("4940", Duration::from_millis(1));
        let hurry = timeout(PATIENCE, hurry).await.expect("an answer");
        assert_eq!(hurry, Err(Unanswered::Slow));

        lock.rollback().await.unwrap();
        until(&numbers, "4950", None).await;
    }

    #[tokio::test]
    async fn a_database_that_died_is_found_again() {
        let mut postgres = Postgres::start().unwrap();
        filled(&postgres.url()).await;
        let numbers = numbers(&postgres.url(), Duration::from_millis(500), LONG);
        assert_eq!(rn(&numbers, "4930").await, Ok(Some("+491".to_owned())));
        postgres.stop().unwrap();
        assert!(rn(&numbers, "4940").await.is_err());
        // While one query looks whether it is back, the next one does not wait.
        let (slow, quick) = tokio::join!(rn(&numbers, "4940"), rn(&numbers, "4950"));
        assert!(slow.is_err());
        assert_eq!(quick, Err(Unanswered::Away));
        assert_eq!(rn(&numbers, "4930").await, Ok(Some("+491".to_owned())));
        postgres.restart().unwrap();
        until(&numbers, "4940", None).await;
    }
}
