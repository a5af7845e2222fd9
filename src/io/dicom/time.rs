//! Dates and times of DICOM, with their dates: a scan after midnight is a day later, not earlier.

use std::fmt;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use super::object::{DataSet, text};

/// A moment that can be compared with another and tells no date: dates identify.
#[derive(Clone, Copy, PartialEq)]
pub struct Moment(DateTime);

impl Moment {
    pub(crate) fn new(moment: DateTime) -> Self {
        Self(moment)
    }

    /// Hours from this moment to a later one; negative to an earlier one.
    pub fn hours_to(self, later: Self) -> f64 {
        seconds(self.0, later.0) / 3600.0
    }

    /// Calendar days from this moment's day to another's.
    pub fn days_to(self, later: Self) -> i64 {
        later.0.date().duration_since(self.0.date()).as_hours() / 24
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

/// Days of a date (DA): `YYYYMMDD`, or `YYYY.MM.DD` as old files have it.
pub(crate) fn date(text: &str) -> Option<Date> {
    let digits: String = text.chars().filter(|c| !matches!(c, '.' | '-' | '/')).collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Date::new(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?).ok()
}

/// A time of day (TM): `HHMMSS.FFFFFF`, trailing parts may be left out.
pub(crate) fn time(text: &str) -> Option<Time> {
    let text: String = text.chars().filter(|&c| c != ':').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || ![2, 4, 6].contains(&whole.len()) || fraction.len() > 9 {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0), |s| s.parse::<i8>().ok());
    let micros = format!("{fraction:0<6}")[..6].parse::<i32>().ok()?;
    // A leap second counts as the last second of its minute.
    Time::new(part(0)?, part(2)?, part(4)?.min(59), micros * 1000).ok()
}

/// A date and time (DT), and its offset from UTC in minutes where it states one.
pub(crate) fn date_time(text: &str) -> Option<(DateTime, Option<i64>)> {
    let (clock, offset) = match text.find(['+', '-']) {
        Some(at) => (&text[..at], Some(utc_offset(&text[at..])?)),
        None => (text, None),
    };
    if !clock.is_ascii() || clock.len() < 10 {
        return None;
    }
    Some((date(&clock[..8])?.to_datetime(time(&clock[8..])?), offset))
}

/// Minutes of `+HHMM` or `-HHMM`.
pub(super) fn utc_offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..5).filter(|s| s.bytes().all(|b| b.is_ascii_digit()))?;
    let minutes = digits[..2].parse::<i64>().ok()? * 60 + digits[2..].parse::<i64>().ok()?;
    (minutes <= 14 * 60).then_some(sign * minutes)
}

/// The moment of a DT element in the local time of the object that holds it.
pub(crate) fn moment_dt(object: &DataSet, set: &DataSet, tag: Tag) -> Option<DateTime> {
    let (moment, offset) = date_time(&text(set, tag)?)?;
    let local = text(object, tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|text| utc_offset(&text));
    match (offset, local) {
        (Some(offset), Some(local)) => moment.checked_add(SignedDuration::from_mins(local - offset)).ok(),
        _ => Some(moment),
    }
}

/// The moment of a pair of DA and TM elements.
pub(crate) fn moment(set: &DataSet, date_tag: Tag, time_tag: Tag) -> Option<DateTime> {
    Some(date(&text(set, date_tag)?)?.to_datetime(time(&text(set, time_tag)?)?))
}

/// Seconds from `from` to `to`.
pub(crate) fn seconds(from: DateTime, to: DateTime) -> f64 {
    let duration = to.duration_since(from);
    duration.as_secs() as f64 + f64::from(duration.subsec_nanos()) * 1e-9
}

/// A moment so many seconds later; the same moment where that leaves the calendar.
pub(crate) fn later(moment: DateTime, seconds: f64) -> DateTime {
    moment.checked_add(SignedDuration::from_micros((seconds * 1e6).round() as i64)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_dicom_dates_and_times_in_every_spelling() {
        let day = Date::new(2026, 3, 2).unwrap();
        assert_eq!(date("20260302"), Some(day));
        assert_eq!(date("2026.03.02"), Some(day));
        for bad in ["", "2026", "20261302", "20260230", "2026030a", "２０２６0302"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        let clock = |h, m, s, us| Time::new(h, m, s, us * 1000).ok();
        assert_eq!(time("10"), clock(10, 0, 0, 0));
        assert_eq!(time("1003"), clock(10, 3, 0, 0));
        assert_eq!(time("100300.5"), clock(10, 3, 0, 500_000));
        assert_eq!(time("10:03:00.000001"), clock(10, 3, 0, 1));
        assert_eq!(time("235960"), clock(23, 59, 59, 0));
        for bad in ["", "1", "2460", "246000", "10.5.5", "-10000"] {
            assert_eq!(time(bad), None, "{bad}");
        }
        let (moment, offset) = date_time("20260302100000.000000+0130").unwrap();
        assert_eq!((moment, offset), (day.at(10, 0, 0, 0), Some(90)));
        assert_eq!(date_time("20260302"), None);
    }

    #[test]
    fn io_dicom_midnight_is_a_day_later() {
        let before = date_time("20260302233000").unwrap().0;
        let after = date_time("20260303003000").unwrap().0;
        assert_eq!(seconds(before, after), 3600.0);
        assert_eq!(later(before, 3600.0), after);
        let december = date_time("20251231235959.5").unwrap().0;
        let january = date_time("20260101000000.25").unwrap().0;
        assert_eq!(seconds(december, january), 0.75);
        assert_eq!(seconds(january, december), -0.75);
    }
}
