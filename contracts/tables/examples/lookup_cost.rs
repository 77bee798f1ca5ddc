//! Fills tables with random rows and prints what lookups and rows cost: `cargo run --release -p sigbox-tables --example
//! lookup_cost [PREFIXES] [NUMBERS]`.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use sigbox_tables::{Builder, Format, Kind, Limits, Table, file, read};

struct Random(u64);

impl Random {
    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut count = |default| {
        args.next()
            .map_or(Ok(default), |text| text.parse::<usize>())
    };
    let (prefixes, numbers) = (count(1_000_000)?, count(10_000_000)?);
    measure(Kind::Prefixes, prefixes, |random| {
        let length = 3 + random.next() % 8;
        format!("{}", 1 + random.next() % 10_u64.pow(length as u32))
    })?;
    measure(Kind::Numbers, numbers, |random| {
        format!("49{:010}", random.next() % 10_000_000_000)
    })
}

fn measure(
    kind: Kind,
    rows: usize,
    key: impl Fn(&mut Random) -> String,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut random, mut seen) = (Random(7), std::collections::HashSet::new());
    let mut text = format!("{},rate,gateways\n", kind.key_fields()[0]).into_bytes();
    while seen.len() < rows {
        let key = key(&mut random);
        if seen.insert(key.clone()) {
            let (rate, carrier) = (random.next() % 5_000, random.next() % 20);
            writeln!(text, "{key},0.{rate:04},carrier-{carrier}")?;
        }
    }
    drop(seen);
    let start = Instant::now();
    let mut builder = Builder::new(kind, Limits::default());
    read(Format::Csv, text.as_slice(), &mut builder)?;
    let table = builder.finish()?;
    let reading = start.elapsed();
    let start = Instant::now();
    let (_, bytes) = file::write(&table, std::io::sink())?;
    println!(
        "{kind}: {rows} rows, {} distinct values, {:.1} bytes a row in memory; {:.1} s to read {} MB of CSV, {:.1} s to write {} MB",
        table.distinct_values().len(),
        table.bytes() as f64 / rows as f64,
        reading.as_secs_f64(),
        text.len() / 1_000_000,
        start.elapsed().as_secs_f64(),
        bytes / 1_000_000,
    );
    lookups(&table, &mut random);
    Ok(())
}

fn lookups(table: &Table, random: &mut Random) {
    let asked: Vec<_> = (0..1_000_000)
        .map(|_| match table.kind() {
            Kind::Prefixes => format!(
                "+{:013}",
                10_000_000_000 + random.next() % 9_990_000_000_000
            ),
            _ => format!("+49{:010}", random.next() % 10_000_000_000),
        })
        .collect();
    let start = Instant::now();
    let found = asked
        .iter()
        .filter(|number| black_box(table.longest_prefix(number)).is_some())
        .count();
    let each = start.elapsed().as_nanos() as f64 / asked.len() as f64;
    println!(
        "{}: {each:.0} ns a lookup, {found} of {} found",
        table.kind(),
        asked.len()
    );
}
