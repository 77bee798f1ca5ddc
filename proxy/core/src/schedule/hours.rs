//! `mon-fri 08:00-18:00`, `2026-12-24 09:00-12:00`, `12-25..12-26`.

use std::str::FromStr;

use jiff::civil::{Date, Weekday};

use super::position;

/// Why a text is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Days and hours are to stand apart.
    #[error("days and hours stand apart, such as \"mon-fri 08:00-18:00\"")]
    Apart,
    /// Not a day of the week.
    #[error("`{0}` is not a day: mon, tue, wed, thu, fri, sat, sun")]
    Day(String),
    /// Not a date.
    #[error("`{0}` is not a date such as 2026-12-24, or 12-24 for every year")]
    Date(String),
    /// The last date comes before the first.
    #[error("the last date comes before the first")]
    Order,
    /// Not a span of hours.
    #[error("`{0}` is not a span such as 08:00-18:00")]
    Span(String),
    /// Not a time of the day.
    #[error("`{0}` is not a time from 00:00 to 24:00")]
    Time(String),
    /// An exception without hours.
    #[error("there are no hours behind the days")]
    NoHours,
    /// Nothing is between them.
    #[error("it ends when it begins; the whole day is 00:00-24:00")]
    Empty,
}

/// Hours of a day, in minutes. When they end before they begin, they end on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: u16,
    to: u16,
}

impl Span {
    /// Whether the minute of the day on which it begins is in it.
    pub(super) fn has(&self, minute: u16) -> bool {
        minute >= self.from && (minute < self.to || self.to < self.from)
    }

    /// Whether the minute of the next day is in it.
    pub(super) fn reaches(&self, minute: u16) -> bool {
        self.to < self.from && minute < self.to
    }
}

impl FromStr for Span {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (from, to) = text
            .split_once('-')
            .ok_or_else(|| HoursError::Span(text.to_owned()))?;
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(HoursError::Empty);
        }
        if from == DAY {
            return Err(HoursError::Span(text.to_owned()));
        }
        Ok(Self { from, to })
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

fn time(text: &str) -> Result<u16, HoursError> {
    let wrong = || HoursError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY)
        .then_some(minutes)
        .ok_or_else(wrong)
}

/// Hours on days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekly {
    /// A bit per day, Monday the lowest.
    days: u8,
    /// The hours.
    pub span: Span,
}

impl Weekly {
    pub(super) fn is_on(&self, day: Weekday) -> bool {
        self.days >> position(day) & 1 == 1
    }
}

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for Weekly {
    type Err = HoursError;

    /// `mon-fri 08:00-18:00`, `sat,sun 10:00-14:00`, `fri-mon 22:00-06:00`.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (days, span) = text.trim().split_once(' ').ok_or(HoursError::Apart)?;
        let day = |name: &str| {
            NAMES
                .iter()
                .position(|day| day.eq_ignore_ascii_case(name))
                .ok_or_else(|| HoursError::Day(name.to_owned()))
        };
        let mut bits = 0;
        for range in days.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (mut at, last) = (day(first)?, day(last)?);
            bits |= 1 << at;
            while at != last {
                at = (at + 1) % 7;
                bits |= 1 << at;
            }
        }
        Ok(Self {
            days: bits,
            span: span.trim().parse()?,
        })
    }
}

/// Days of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// From one date to another.
    Once(Date, Date),
    /// The same each year, as month and day; the last may be in the next year.
    Yearly((i8, i8), (i8, i8)),
}

impl Days {
    /// Whether the date is one of them.
    pub fn contain(&self, date: Date) -> bool {
        match *self {
            Self::Once(first, last) => first <= date && date <= last,
            Self::Yearly(first, last) => {
                let day = (date.month(), date.day());
                if first <= last {
                    first <= day && day <= last
                } else {
                    first <= day || day <= last
                }
            }
        }
    }
}

impl FromStr for Days {
    type Err = HoursError;

    /// `2026-12-24`, `12-25`, `12-24..12-26`, `2026-12-24..2027-01-06`.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let wrong = |text: &str| HoursError::Date(text.to_owned());
        let yearly = |text: &str| {
            // A leap year has every date.
            let date: Date = format!("2024-{text}").parse().ok()?;
            (text.len() == 5).then_some((date.month(), date.day()))
        };
        let once = |text: &str| text.parse::<Date>().ok().filter(|_| text.len() == 10);
        match (yearly(first), yearly(last)) {
            (Some(first), Some(last)) => return Ok(Self::Yearly(first, last)),
            (Some(_), None) => return Err(wrong(last)),
            _ => {}
        }
        let first = once(first).ok_or_else(|| wrong(first))?;
        let last = once(last).ok_or_else(|| wrong(last))?;
        match first <= last {
            true => Ok(Self::Once(first, last)),
            false => Err(HoursError::Order),
        }
    }
}

/// Hours on days of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The days.
    pub days: Days,
    /// The hours.
    pub span: Span,
}

/// What holds on days of the calendar whatever else is said about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The days.
    pub days: Days,
    /// The hours; closed without.
    pub span: Option<Span>,
}

impl FromStr for Exception {
    type Err = HoursError;

    /// `2026-12-24 09:00-12:00`, `12-31 closed`.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (days, hours) = text.trim().split_once(' ').ok_or(HoursError::NoHours)?;
        Ok(Self {
            days: days.parse()?,
            span: match hours.trim() {
                "closed" => None,
                hours => Some(hours.parse()?),
            },
        })
    }
}

impl FromStr for Dated {
    type Err = HoursError;

    /// `2026-12-19 10:00-14:00`; days without hours are open the whole day.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (days, span) = text
            .trim()
            .split_once(' ')
            .unwrap_or((text.trim(), "00:00-24:00"));
        Ok(Self {
            days: days.parse()?,
            span: span.trim().parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_hours_says_why() {
        let weekly = |text: &str| text.parse::<Weekly>().unwrap_err().to_string();
        for (text, fault) in [
            (
                "mon-fri",
                "days and hours stand apart, such as \"mon-fri 08:00-18:00\"",
            ),
            (
                "mo-fr 08:00-18:00",
                "`mo` is not a day: mon, tue, wed, thu, fri, sat, sun",
            ),
            ("mon 8:00-18:00", "`8:00` is not a time from 00:00 to 24:00"),
            (
                "mon 08:00-24:01",
                "`24:01` is not a time from 00:00 to 24:00",
            ),
            ("mon 08:00", "`08:00` is not a span such as 08:00-18:00"),
            (
                "mon 08:00-08:00",
                "it ends when it begins; the whole day is 00:00-24:00",
            ),
            (
                "mon 24:00-08:00",
                "`24:00-08:00` is not a span such as 08:00-18:00",
            ),
        ] {
            assert_eq!(weekly(text), fault, "{text}");
        }
        let days = |text: &str| text.parse::<Days>().unwrap_err();
        assert_eq!(
            days("2026-02-29"),
            HoursError::Date("2026-02-29".to_owned())
        );
        assert_eq!(days("2026-1-1"), HoursError::Date("2026-1-1".to_owned()));
        assert_eq!(
            days("12-24..2026-12-26"),
            HoursError::Date("2026-12-26".to_owned())
        );
        assert_eq!(days("2026-12-26..2026-12-24"), HoursError::Order);
        assert!("02-29".parse::<Days>().is_ok());
    }

    #[test]
    fn days_of_the_week_go_round() {
        let weekly: Weekly = "sat-mon,wed 10:00-12:00".parse().unwrap();
        let on: Vec<_> = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ]
        .map(|day| weekly.is_on(day))
        .into();
        assert_eq!(on, [true, false, true, false, false, true, true]);
    }

    #[test]
    fn days_of_every_year_go_over_its_end() {
        let days: Days = "12-24..01-06".parse().unwrap();
        for (date, is_in) in [
            ("2026-12-23", false),
            ("2026-12-24", true),
            ("2027-01-06", true),
            ("2027-01-07", false),
        ] {
            assert_eq!(days.contain(date.parse().unwrap()), is_in, "{date}");
        }
    }
}
