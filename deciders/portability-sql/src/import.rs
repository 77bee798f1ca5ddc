use std::io::Read;

use anyhow::{Context, Result, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};
use sigbox_decider::RoutingNumber;

use crate::database::Database;

const COLUMNS: [&str; 3] = ["number", "rn", "carrier"];

/// As long as a number in a table of the proxy may be.
const LONGEST: usize = 16;

/// Writes rows of CSV into the table, all of them or none: a number that is there gets its new row. Returns how many.
///
/// # Errors
/// The line that cannot be right, or what the database says.
pub(crate) async fn import(database: &Database, csv: impl Read, replace: bool) -> Result<u64> {
    database.migrate().await?;
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(csv);
    let columns = reader.headers().context("line 1")?;
    ensure!(
        columns == COLUMNS.as_slice(),
        "line 1: must be \"{}\"",
        COLUMNS.join(",")
    );
    let mut all = database.pool().begin().await?;
    if replace {
        sqlx::query("DELETE FROM ported").execute(&mut *all).await?;
    }
    let mut count = 0;
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let [number, rn, carrier] = cells(&record).with_context(|| format!("line {line}"))?;
        sqlx::query(
            "INSERT INTO ported (number, rn, carrier) VALUES ($1, NULLIF($2, ''), NULLIF($3, ''))
             ON CONFLICT (number) DO UPDATE SET rn = excluded.rn, carrier = excluded.carrier",
        )
        .bind(number)
        .bind(rn)
        .bind(carrier)
        .execute(&mut *all)
        .await
        .with_context(|| format!("line {line}"))?;
        count += 1;
    }
    all.commit().await?;
    Ok(count)
}

/// The cells of a row that can be right.
fn cells(record: &StringRecord) -> Result<[String; 3]> {
    let cell = |column: usize| record.get(column).unwrap_or_default();
    let number = cell(0).trim_start_matches('+');
    let is_number =
        (1..=LONGEST).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
    ensure!(is_number, "{:?} is no telephone number", cell(0));
    if !cell(1).is_empty() {
        RoutingNumber::parse(cell(1)).with_context(|| format!("{:?}", cell(1)))?;
    }
    Ok([number, cell(1), cell(2)].map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use e2e::Postgres;
    use tempfile::TempDir;

    use super::*;
    use crate::database::{Access, Row};

    const SAMPLE: &str = include_str!("../../carrier-rust/ported.csv");

    async fn import_twice(url: &str) {
        let database = Database::open(url, &Access::to_write()).unwrap();
        let rows = import(&database, SAMPLE.as_bytes(), false).await.unwrap();
        assert_eq!(rows, 3);
        let ported = Row {
            rn: Some("+49199123".to_owned()),
            carrier: Some("otherwise".to_owned()),
        };
        assert_eq!(database.find("493012345").await.unwrap(), Some(ported));
        let not_ported = Row {
            rn: None,
            carrier: Some("incumbent".to_owned()),
        };
        let found = database.find("493012346").await.unwrap();
        assert_eq!(found, Some(not_ported));
        assert_eq!(database.find("49301234").await.unwrap(), None);

        let more = "number,rn,carrier\n493012346,+49199555,\n4940,+491,x\n";
        import(&database, more.as_bytes(), false).await.unwrap();
        let now = database.find("493012346").await.unwrap().unwrap();
        assert_eq!((now.rn.as_deref(), now.carrier), (Some("+49199555"), None));
        assert!(database.find("493012345").await.unwrap().is_some());

        let only = "number,rn,carrier\n4940,+492,x\n";
        import(&database, only.as_bytes(), true).await.unwrap();
        assert_eq!(database.find("493012345").await.unwrap(), None);
        let now = database.find("4940").await.unwrap().unwrap();
        assert_eq!(now.rn.as_deref(), Some("+492"));

        let broken = "number,rn,carrier\n4950,+493,x\n4960,D123,x\n";
        let error = import(&database, broken.as_bytes(), true)
            .await
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("line 3: \"D123\": a routing number"),
            "{error}"
        );
        assert_eq!(database.find("4950").await.unwrap(), None);
        assert!(
            database.find("4940").await.unwrap().is_some(),
            "all or none"
        );
    }

    fn sqlite(folder: &TempDir) -> String {
        format!("sqlite:{}", folder.path().join("ported.db").display())
    }

    #[tokio::test]
    async fn rows_are_imported_into_sqlite() {
        let folder = TempDir::new().unwrap();
        import_twice(&sqlite(&folder)).await;
    }

    #[tokio::test]
    async fn rows_are_imported_into_postgresql() {
        let postgres = Postgres::start().unwrap();
        import_twice(&postgres.url()).await;
    }

    #[tokio::test]
    async fn a_mistake_is_named_with_its_line() {
        let folder = TempDir::new().unwrap();
        let database = Database::open(&sqlite(&folder), &Access::to_write()).unwrap();
        for (csv, expected) in [
            ("number,rn\n", "line 1: must be \"number,rn,carrier\""),
            (
                "number,rn,carrier\n,+491,x\n",
                "line 2: \"\" is no telephone number",
            ),
            ("number,rn,carrier\n1,,\n+4x9,,\n", "line 3: \"+4x9\" is no"),
            ("number,rn,carrier\n1,,\n2,\n", "line: 3"),
            (
                "number,rn,carrier\n12345678901234567,,\n",
                "line 2: \"12345678901234567\"",
            ),
        ] {
            let error = import(&database, csv.as_bytes(), false).await.unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expected), "{csv}: {error}");
        }
    }
}
