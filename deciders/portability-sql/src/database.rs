use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Row as _, SqlSafeStr as _};

/// How a database is used.
pub(crate) struct Access {
    connections: u32,
    /// For a connection, and for a statement of a server that can be told.
    timeout: Duration,
    /// Whether a file that is not there is made.
    is_to_write: bool,
}

/// The table `ported` in SQLite or PostgreSQL.
pub(crate) struct Database {
    pool: AnyPool,
}

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// `None`: it is not ported.
    pub(crate) rn: Option<String>,
    /// Whose routing number that is.
    pub(crate) carrier: Option<String>,
}

impl Access {
    /// As calls are decided: nothing is written, and nothing takes longer than `timeout`.
    pub(crate) fn to_read(timeout: Duration, connections: u32) -> Self {
        Self {
            connections,
            timeout,
            is_to_write: false,
        }
    }

    /// As numbers are imported.
    pub(crate) fn to_write() -> Self {
        Self {
            connections: 1,
            timeout: Duration::from_secs(30),
            is_to_write: true,
        }
    }
}

impl Database {
    /// Knows the database from now on; connections are made when they are needed.
    ///
    /// # Errors
    /// When the URL is none, or that of another kind of database.
    pub(crate) fn open(url: &str, access: &Access) -> Result<Self, sqlx::Error> {
        install_default_drivers();
        let mut options: AnyConnectOptions = url.parse()?;
        let url = &mut options.database_url;
        match url.scheme() {
            "postgres" | "postgresql" => {}
            "sqlite" => {
                let has_mode = url.query_pairs().any(|(name, _)| name == "mode");
                if access.is_to_write && !has_mode {
                    url.query_pairs_mut().append_pair("mode", "rwc");
                }
            }
            other => {
                let text = format!("DATABASE_URL begins with sqlite: or postgres:, not {other}:");
                return Err(sqlx::Error::Configuration(text.into()));
            }
        }
        let (limit, is_to_write) = (access.timeout.as_millis().to_string(), access.is_to_write);
        let pool = AnyPoolOptions::new()
            .max_connections(access.connections)
            .acquire_timeout(access.timeout)
            .after_connect(move |connection, _| {
                let limit = limit.clone();
                Box::pin(async move {
                    match is_to_write {
                        true => prepare_to_write(connection).await,
                        false => prepare_to_read(connection, limit).await,
                    }
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// What the table says about a number: digits, without `+`.
    pub(crate) async fn find(&self, number: &str) -> Result<Option<Row>, sqlx::Error> {
        let row = sqlx::query("SELECT rn, carrier FROM ported WHERE number = $1")
            .bind(number)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(Row {
                rn: row.try_get(0)?,
                carrier: row.try_get(1)?,
            })
        })
        .transpose()
    }

    /// Makes the table, or what a newer release has changed about it.
    pub(crate) async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let first = Migration::new(
            1,
            "ported".into(),
            MigrationType::Simple,
            include_str!("../migrations/1_ported.sql").into_sql_str(),
            false,
        );
        Migrator::with_migrations(vec![first]).run(&self.pool).await
    }

    /// For what is written.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }
}

fn is_postgres(connection: &AnyConnection) -> bool {
    connection.backend_name() == "PostgreSQL"
}

/// A server goes on with a query that nobody waits for unless it is told not to.
async fn prepare_to_read(connection: &mut AnyConnection, limit: String) -> Result<(), sqlx::Error> {
    if is_postgres(connection) {
        sqlx::query("SELECT set_config('statement_timeout', $1, false)")
            .bind(limit)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// With a write-ahead log, which stays with the file, SQLite goes on reading while somebody writes.
async fn prepare_to_write(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    if !is_postgres(connection) {
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(connection)
            .await?;
    }
    Ok(())
}
