//! Hours of a week in a time zone, with holidays and exceptions.
//!
//! A schedule is a question about the clock on the wall of some place: the instant is turned into that
//! place's date and time first, so that what is open at eight is open at eight in summer and in winter.
//! When the clock is set forward the hour that does not exist is not asked about; when it is set back
//! the hour that comes twice is the same both times.

mod hours;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

pub use hours::{Dated, Days, Exception, HoursError, Span, Weekly};

/// When something is open.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name, in rules.
    pub name: Arc<str>,
    /// Where the clock hangs.
    pub zone: TimeZone,
    /// Open on days of the week.
    pub weekly: Vec<Weekly>,
    /// Open on dates besides.
    pub dates: Vec<Dated>,
    /// Closed on these days, whatever `weekly` and `dates` say; each with its name.
    pub holidays: Vec<(Box<str>, Days)>,
    /// The hours of these days, whatever the others say.
    pub exceptions: Vec<Exception>,
}

impl Schedule {
    /// Nothing but hours of the week.
    pub fn weekly(name: impl Into<Arc<str>>, zone: TimeZone, weekly: Vec<Weekly>) -> Self {
        Self {
            name: name.into(),
            zone,
            weekly,
            dates: Vec::new(),
            holidays: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    /// Whether it is open at that Unix time, in seconds. Hours that go over midnight belong to the day
    /// on which they begin.
    pub fn is_open(&self, unix_s: i64) -> bool {
        let Ok(instant) = Timestamp::from_second(unix_s) else {
            return false;
        };
        let local = self.zone.to_datetime(instant);
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = local.date();
        self.is_on(today, |span| span.has(minute))
            || today
                .yesterday()
                .is_ok_and(|before| self.is_on(before, |span| span.reaches(minute)))
    }

    /// The name of the holiday that `unix_s` falls on, if it does.
    pub fn holiday(&self, unix_s: i64) -> Option<&str> {
        let instant = Timestamp::from_second(unix_s).ok()?;
        let date = self.zone.to_datetime(instant).date();
        let mut holidays = self.holidays.iter();
        holidays
            .find(|(_, days)| days.contain(date))
            .map(|(name, _)| &**name)
    }

    /// Whether one of the spans that begin on that day does.
    fn is_on(&self, date: Date, does: impl Fn(&Span) -> bool) -> bool {
        let mut exceptions = self
            .exceptions
            .iter()
            .filter(|exception| exception.days.contain(date))
            .peekable();
        if exceptions.peek().is_some() {
            return exceptions.any(|exception| exception.span.as_ref().is_some_and(&does));
        }
        if self.holidays.iter().any(|(_, days)| days.contain(date)) {
            return false;
        }
        let weekday = date.weekday();
        self.weekly
            .iter()
            .any(|weekly| weekly.is_on(weekday) && does(&weekly.span))
            || self
                .dates
                .iter()
                .any(|dated| dated.days.contain(date) && does(&dated.span))
    }
}

/// Monday is 0.
fn position(day: Weekday) -> u8 {
    day.to_monday_zero_offset().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn schedule(weekly: &[&str]) -> Schedule {
        let weekly = weekly.iter().map(|text| text.parse().unwrap()).collect();
        Schedule::weekly("test", berlin(), weekly)
    }

    fn utc(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    /// Whether it is open at those times, given in UTC.
    fn open<const N: usize>(schedule: &Schedule, times: [&str; N]) -> [bool; N] {
        times.map(|time| schedule.is_open(utc(time)))
    }

    #[test]
    fn hours_are_those_of_the_clock_on_the_wall_in_summer_and_winter() {
        let office = schedule(&["mon-fri 08:00-18:00"]);
        // Monday, CET is UTC+1.
        let winter = [
            "2026-01-12T06:59:59Z",
            "2026-01-12T07:00:00Z",
            "2026-01-12T16:59:59Z",
            "2026-01-12T17:00:00Z",
        ];
        assert_eq!(open(&office, winter), [false, true, true, false]);
        // Monday, CEST is UTC+2.
        let summer = [
            "2026-07-13T05:59:59Z",
            "2026-07-13T06:00:00Z",
            "2026-07-13T15:59:59Z",
            "2026-07-13T16:00:00Z",
        ];
        assert_eq!(open(&office, summer), [false, true, true, false]);
        assert_eq!(open(&office, ["2026-07-12T10:00:00Z"]), [false]);
    }

    #[test]
    fn the_hour_that_does_not_exist_and_the_one_that_comes_twice() {
        let night = schedule(&["sun 02:00-03:00"]);
        // On 29 March 2026 it is 03:00 after 01:59.
        let forward = ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"];
        assert_eq!(open(&night, forward), [false, false]);
        let across = schedule(&["sun 01:30-03:30"]);
        let times = [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:29:59Z",
            "2026-03-29T01:30:00Z",
        ];
        assert_eq!(open(&across, times), [true, true, false]);
        // On 25 October 2026 it is 02:00 again after 02:59.
        let back = [
            "2026-10-24T23:59:59Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:59:59Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:59:59Z",
            "2026-10-25T02:00:00Z",
        ];
        assert_eq!(open(&night, back), [false, true, true, true, true, false]);
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin_on() {
        let late = schedule(&["fri-sat 22:00-06:00"]);
        let times = [
            // Friday morning belongs to Thursday.
            "2026-07-10T03:00:00Z",
            "2026-07-10T20:00:00Z",
            "2026-07-11T03:59:59Z",
            "2026-07-11T04:00:00Z",
            // Sunday morning belongs to Saturday, Monday morning to nobody.
            "2026-07-12T03:59:59Z",
            "2026-07-13T03:00:00Z",
        ];
        assert_eq!(open(&late, times), [false, true, true, false, true, false]);
        let always = schedule(&["mon-sun 00:00-24:00"]);
        assert_eq!(open(&always, times), [true; 6]);
    }

    #[test]
    fn holidays_close_and_exceptions_have_the_last_word() {
        let mut office = schedule(&["mon-fri 08:00-18:00"]);
        office.holidays = vec![
            ("Christmas".into(), "12-25..12-26".parse().unwrap()),
            ("Easter Monday".into(), "2026-04-06".parse().unwrap()),
            ("Christmas Eve".into(), "12-24".parse().unwrap()),
        ];
        office.exceptions = vec![
            "2026-12-24 09:00-12:00".parse().unwrap(),
            "2026-12-30 closed".parse().unwrap(),
        ];
        office.dates = vec!["2026-12-19 10:00-14:00".parse().unwrap()];
        let times = [
            // Easter Monday, and the same date a year later, a Tuesday.
            "2026-04-06T10:00:00Z",
            "2027-04-06T10:00:00Z",
            // A Saturday of its own, and the next.
            "2026-12-19T10:00:00Z",
            "2026-12-26T10:00:00Z",
            // The morning of a holiday, its afternoon, and the day after.
            "2026-12-24T09:00:00Z",
            "2026-12-24T14:00:00Z",
            "2026-12-25T09:00:00Z",
            // Every year.
            "2028-12-25T09:00:00Z",
            // Closed by exception.
            "2026-12-30T09:00:00Z",
        ];
        assert_eq!(
            open(&office, times),
            [false, true, true, false, true, false, false, false, false]
        );
        assert_eq!(office.holiday(utc(times[0])), Some("Easter Monday"));
        assert_eq!(office.holiday(utc(times[1])), None);
    }

    #[test]
    fn a_night_that_began_before_a_holiday_goes_on() {
        let mut late = schedule(&["mon-sun 22:00-06:00"]);
        late.holidays = vec![("New Year".into(), "01-01".parse().unwrap())];
        let times = [
            "2026-12-31T23:30:00Z",
            "2027-01-01T21:30:00Z",
            "2027-01-02T02:00:00Z",
            "2027-01-02T21:30:00Z",
        ];
        assert_eq!(open(&late, times), [true, false, false, true]);
    }
}
