//! Dates and times of DICOM, with their dates: a scan after midnight is a day later, not earlier.

use std::fmt;

use dicom_core::Tag;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use super::object::{DataSet, text};

/// A time that can be compared with another without showing its date, since dates identify the patient.
#[derive(Clone, Copy, PartialEq)]
pub struct Moment {
    clock: DateTime,
    /// Zone of the clock, where it is known.
    zone: Option<TimeZone>,
}

impl Moment {
    pub(crate) fn new(clock: DateTime, zone: Option<TimeZone>) -> Self {
        Self { clock, zone }
    }

    /// Hours from this moment to a later one; negative to an earlier one. Clock times are compared directly unless both
    /// zones are known.
    pub fn hours_to(self, later: Self) -> f64 {
        let apart_min = self.zone.zip(later.zone).map_or(0, |(own, other)| own.minutes - other.minutes);
        (seconds(self.clock, later.clock) + 60.0 * apart_min as f64) / 3600.0
    }

    /// Whether it is on this day. The day itself is told to nobody but the user's own draft: dates identify the patient.
    pub fn is_on(self, day: Date) -> bool {
        self.clock.date() == day
    }

    /// Its day, for the draft of a course that stays with the images.
    pub fn day(self) -> Date {
        self.clock.date()
    }

    /// Calendar days from this moment's day to another's.
    pub fn days_to(self, later: Self) -> i64 {
        later.clock.date().duration_since(self.clock.date()).as_hours() / 24
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

/// A time zone: how far its clocks are ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone {
    minutes: i64,
}

impl TimeZone {
    /// A zone from `+01:00`, `-0530` or `Z`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("z") {
            return Some(Self { minutes: 0 });
        }
        let plain = if text.get(3..4) == Some(":") { text.replacen(':', "", 1) } else { text.to_owned() };
        Self::of_offset(&plain)
    }

    /// A zone as DICOM writes it: `+HHMM` or `-HHMM`, from -1200 to +1400.
    pub(super) fn of_offset(text: &str) -> Option<Self> {
        let (sign, digits) =
            if let Some(digits) = text.strip_prefix('-') { (-1, digits) } else { (1, text.strip_prefix('+')?) };
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes) = (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().ok()?);
        let offset = sign * (hours * 60 + minutes);
        (minutes < 60 && (-12 * 60..=14 * 60).contains(&offset)).then_some(Self { minutes: offset })
    }

    /// A clock reading in this zone converted to another zone.
    pub(super) fn shown_in(self, clock: DateTime, other: Self) -> Option<DateTime> {
        clock.checked_add(SignedDuration::from_mins(other.minutes - self.minutes)).ok()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.minutes < 0 { '-' } else { '+' }, self.minutes.abs());
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
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

/// A date and time (DT), and its zone where it states one.
pub(crate) fn date_time(text: &str) -> Option<(DateTime, Option<TimeZone>)> {
    let (clock, zone) = match text.find(['+', '-']) {
        Some(at) => (&text[..at], Some(TimeZone::of_offset(&text[at..])?)),
        None => (text, None),
    };
    if !clock.is_ascii() || clock.len() < 10 {
        return None;
    }
    Some((date(&clock[..8])?.to_datetime(time(&clock[8..])?), zone))
}

/// A value that is present but unreadable: its field, and a description that does not show it, since dates identify the
/// patient.
pub(crate) struct Illegible {
    pub(crate) tag: Tag,
    pub(crate) found: String,
    pub(crate) allowed: &'static str,
}

impl Illegible {
    fn new(tag: Tag, value: &str, what: &str, allowed: &'static str) -> Self {
        let length = value.chars().count();
        let offset = if what == "time of day" && value.get(2..).is_some_and(|rest| rest.contains(['+', '-'])) {
            ", with an offset from UTC that only a date and time can have"
        } else {
            ""
        };
        Self { tag, found: format!("{length} characters that are no {what}{offset}"), allowed }
    }
}

/// The moment of a DT element; `None` if it is absent.
pub(crate) fn moment_dt(set: &DataSet, tag: Tag) -> Result<Option<(DateTime, Option<TimeZone>)>, Illegible> {
    let Some(value) = text(set, tag) else { return Ok(None) };
    let found = date_time(&value);
    found.map(Some).ok_or_else(|| Illegible::new(tag, &value, "date and time", "YYYYMMDDHHMMSS, with &ZZXX or without"))
}

/// The moment of a pair of DA and TM elements; `None` if one of them is absent.
pub(crate) fn moment(set: &DataSet, date_tag: Tag, time_tag: Tag) -> Result<Option<DateTime>, Illegible> {
    let day = text(set, date_tag)
        .map(|value| date(&value).ok_or_else(|| Illegible::new(date_tag, &value, "date", "YYYYMMDD")))
        .transpose()?;
    let clock = text(set, time_tag)
        .map(|value| time(&value).ok_or_else(|| Illegible::new(time_tag, &value, "time of day", "HHMMSS")))
        .transpose()?;
    Ok(day.zip(clock).map(|(day, clock)| day.to_datetime(clock)))
}

/// Seconds from `from` to `to`.
pub(crate) fn seconds(from: DateTime, to: DateTime) -> f64 {
    let duration = to.duration_since(from);
    duration.as_secs() as f64 + f64::from(duration.subsec_nanos()) * 1e-9
}

/// The time this many seconds later; unchanged if that leaves the calendar.
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
        assert_eq!((moment, offset), (day.at(10, 0, 0, 0), TimeZone::parse("+01:30")));
        for bad in ["20260302", "20260302100000+01", "20260302100000+0160", "20260302100000+1500", "20260302100000Z"] {
            assert_eq!(date_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn io_dicom_zones_in_every_spelling() {
        for (text, minutes) in
            [("+01:00", 60), ("+0100", 60), ("-05:30", -330), ("Z", 0), ("z", 0), ("+1400", 840), ("-12:00", -720)]
        {
            let zone = TimeZone::parse(text).unwrap();
            assert_eq!(zone, TimeZone { minutes }, "{text}");
            assert_eq!(TimeZone::parse(&zone.to_string()), Some(zone));
        }
        for bad in ["", "1", "0100", "+1:00", "+01:0", "+01:60", "+15:00", "-13:00", "CET", "+01:00:00", "++100"] {
            assert_eq!(TimeZone::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn io_dicom_moments_of_known_zones_are_compared_in_one() {
        let at = |text: &str, zone: Option<&str>| {
            Moment::new(date_time(text).unwrap().0, zone.map(|zone| TimeZone::parse(zone).unwrap()))
        };
        let winter = at("20260302100000", Some("+01:00"));
        assert_eq!(winter.hours_to(at("20260302110000", Some("+02:00"))), 0.0);
        assert_eq!(winter.hours_to(at("20260302100000", Some("+02:00"))), -1.0);
        assert_eq!(winter.hours_to(at("20260302110000", None)), 1.0);
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
