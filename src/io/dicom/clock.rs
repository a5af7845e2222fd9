//! The clock of an image: times of scan and injection, and their time zones.
//!
//! A date and a time of day come from the scanner's clock; a date-time may carry its offset from UTC. The zone of the
//! scanner's clock is what the user states, else `TimezoneOffsetFromUTC`, else the offset of the date-time of the scan.
//! Two times are compared only if both come from one clock or both zones are known; otherwise they are refused. An hour
//! is 0.4 % of the activity of 177Lu, a wrong day much more.
//!
//! A date or time that is present but unreadable is refused, never treated as absent.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use jiff::civil::DateTime;

use super::legible::note_once;
use super::object::{DataSet, Object, items, tag_name, text};
use super::stated::{ActivityOptions, StatedMoment, say_injection, say_time, say_zone};
use super::time::{Illegible, TimeZone, date_time, moment, moment_dt};
use crate::fault::Words;
use crate::io::IoError;
use crate::note::Note;

/// The clock of one object.
pub(super) struct Clock<'a> {
    object: &'a Object,
    options: &'a ActivityOptions,
    /// Zone of its dates and times, where it is known.
    zone: Option<TimeZone>,
    /// Whether the zone applies to every time without one, not only to that of the scan.
    of_all: bool,
}

/// Why a time cannot be used.
enum Doubt {
    Illegible(Illegible),
    /// Its zone and the scan's cannot be compared.
    Zones(Tag, String),
}

impl From<Illegible> for Doubt {
    fn from(illegible: Illegible) -> Self {
        Self::Illegible(illegible)
    }
}

impl<'a> Clock<'a> {
    /// The clock of an object.
    ///
    /// Errors: a zone that cannot be read and that nobody states.
    pub(super) fn of(object: &'a Object, options: &'a ActivityOptions, notes: &mut Vec<Note>) -> Result<Self, IoError> {
        let own = text(&object.header, tags::TIMEZONE_OFFSET_FROM_UTC);
        let read = own.as_deref().map(TimeZone::of_offset);
        let clock = |zone, of_all| Ok(Self { object, options, zone, of_all });
        if let Some(stated) = options.time_zone {
            note_once(
                notes,
                Note::warning(
                    "time-zone-stated",
                    match read {
                        Some(Some(own)) if own != stated => {
                            format!("time zone: the file says {own}, the user states {stated}: {stated} is used")
                        }
                        Some(None) => format!("time zone {stated} as stated; the file's own cannot be read"),
                        _ => format!("time zone {stated} as stated"),
                    },
                ),
            );
            return clock(Some(stated), true);
        }
        match (read, own) {
            (Some(Some(own)), _) => clock(Some(own), true),
            (Some(None), own) => Err(object.refused(
                tag_name(tags::TIMEZONE_OFFSET_FROM_UTC),
                format!("\"{}\"", own.unwrap_or_default()),
                "+HHMM or -HHMM",
                say_zone(),
            )),
            (None, _) => clock(zone_of_scan(object), false),
        }
    }

    /// Zone of its dates and times, where it is known.
    pub(super) fn zone(&self) -> Option<TimeZone> {
        self.zone
    }

    /// Start of the acquisition; `None` if the file does not date it.
    ///
    /// Errors: a date or time that cannot be read, unless the user states the time of the scan.
    pub(super) fn start(&self, notes: &mut Vec<Note>) -> Result<Option<DateTime>, IoError> {
        let found = self.own_start().and_then(|own| match own {
            Some(own) => Ok(Some(own)),
            None => Ok(self.of_series(notes)?),
        });
        let timed = self.options.hours_after_injection.is_some();
        found.or_else(|doubt| self.excused(doubt, timed, say_time(), "the time of the scan", notes))
    }

    /// Start of the acquisition of a frame, from the frame's own attributes or the object's.
    ///
    /// Errors: as [`Clock::start`].
    pub(super) fn start_of_frame(
        &self,
        content: Option<&DataSet>,
        notes: &mut Vec<Note>,
    ) -> Result<Option<DateTime>, IoError> {
        let tag = tags::FRAME_ACQUISITION_DATE_TIME;
        let found = content.map_or(Ok(None), |set| moment_dt(set, tag)).map_err(Doubt::from);
        let timed = self.options.hours_after_injection.is_some();
        match found.and_then(|found| found.map(|found| self.local(tag, found, true)).transpose()) {
            Ok(Some(start)) => Ok(Some(start)),
            Ok(None) => self.start(notes),
            Err(doubt) => self.excused(doubt, timed, say_time(), "the time of the scan", notes),
        }
    }

    /// Time of injection if the file dates it; a time of day alone does not give the day.
    ///
    /// Errors: a moment that cannot be read or compared with the scan's, unless the user states when it was.
    pub(super) fn injection(&self, notes: &mut Vec<Note>) -> Result<Option<DateTime>, IoError> {
        let Some(set) = self.object.radiopharmaceutical() else { return Ok(None) };
        let told = self.options.injection.is_some() || self.options.hours_after_injection.is_some();
        let tag = tags::RADIOPHARMACEUTICAL_START_DATE_TIME;
        let found = moment_dt(set, tag).map_err(Doubt::from);
        match found.and_then(|found| found.map(|found| self.local(tag, found, false)).transpose()) {
            Ok(Some(dated)) => Ok(Some(dated)),
            Ok(None) => {
                if text(set, tags::RADIOPHARMACEUTICAL_START_TIME).is_some() && !told {
                    notes.push(Note::warning(
                        "injection-without-date",
                        "the injection has a time of day but no date: the time after injection is not known",
                    ));
                }
                Ok(None)
            }
            Err(doubt) => {
                let next = if matches!(doubt, Doubt::Zones(..)) { say_zone() } else { say_injection() };
                self.excused(doubt, told, next, "date and time of injection", notes)
            }
        }
    }

    /// A stated injection time on the scanner's clock. If the scanner's zone is unknown, the offset of the stated time
    /// is taken as that of the clock; UTC says nothing about the clock.
    ///
    /// Errors: a moment in UTC beside a scan without a zone.
    pub(super) fn stated(&self, stated: StatedMoment, notes: &mut Vec<Note>) -> Result<DateTime, IoError> {
        match (stated.zone, self.zone) {
            (Some(zone), Some(own)) => Ok(zone.shown_in(stated.clock, own).unwrap_or(stated.clock)),
            (Some(_), None) if stated.utc => Err(self.object.refused(
                "TimezoneOffsetFromUTC (0008,0201)",
                "none, beside an injection that is stated in UTC",
                "the zone of the scanner's clock",
                say_zone(),
            )),
            (Some(zone), None) => {
                note_once(
                    notes,
                    Note::warning(
                        "time-zone-assumed",
                        format!("the file states no time zone: {zone} of the stated injection is taken as its clock's"),
                    ),
                );
                Ok(stated.clock)
            }
            (None, _) => Ok(stated.clock),
        }
    }

    /// Start of the acquisition from the acquisition's own fields.
    fn own_start(&self) -> Result<Option<DateTime>, Doubt> {
        let header = &self.object.header;
        if let Some(start) = moment(header, tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)? {
            return Ok(Some(start));
        }
        let tag = tags::ACQUISITION_DATE_TIME;
        moment_dt(header, tag)?.map(|found| self.local(tag, found, true)).transpose()
    }

    /// Date and time of the series in place of the acquisition's.
    fn of_series(&self, notes: &mut Vec<Note>) -> Result<Option<DateTime>, Illegible> {
        let header = &self.object.header;
        let series = moment(header, tags::SERIES_DATE, tags::SERIES_TIME)?;
        if series.is_some() {
            let lacks = |tag, name: &str| text(header, tag).is_none().then(|| name.to_owned());
            let absent: Vec<String> =
                [lacks(tags::ACQUISITION_DATE, "AcquisitionDate"), lacks(tags::ACQUISITION_TIME, "AcquisitionTime")]
                    .into_iter()
                    .flatten()
                    .collect();
            let are = if absent.len() == 1 { "is" } else { "are" };
            note_once(
                notes,
                Note::warning(
                    "series-time-used",
                    format!("{} {are} absent: the series' date and time are used", absent.join(" and ")),
                ),
            );
        }
        Ok(series)
    }

    /// A time on the scanner's clock. The date-time of the scan gives the clock its zone if nothing else does.
    fn local(&self, tag: Tag, found: (DateTime, Option<TimeZone>), of_scan: bool) -> Result<DateTime, Doubt> {
        let zones = |found: String| Err(Doubt::Zones(tag, found));
        match (found, self.zone) {
            ((clock, Some(zone)), Some(own)) => Ok(zone.shown_in(clock, own).unwrap_or(clock)),
            ((clock, None), None) => Ok(clock),
            ((clock, None), Some(_)) if self.of_all || of_scan => Ok(clock),
            ((_, None), Some(own)) => zones(format!("a moment without a zone beside a scan at {own}")),
            ((_, Some(zone)), None) => zones(format!("a moment at {zone} beside a scan without a zone")),
        }
    }

    /// Adds a note if the user states the doubtful value; otherwise returns the error.
    fn excused(
        &self,
        doubt: Doubt,
        told: bool,
        next: Words,
        what: &str,
        notes: &mut Vec<Note>,
    ) -> Result<Option<DateTime>, IoError> {
        if told {
            let why = match doubt {
                Doubt::Illegible(_) => "cannot be read",
                Doubt::Zones(..) => "cannot be compared for its zone",
            };
            note_once(notes, Note::warning("moment-stated", format!("the file's {what} {why}: the user states it")));
            return Ok(None);
        }
        Err(match doubt {
            Doubt::Illegible(Illegible { tag, found, allowed }) => {
                self.object.refused(tag_name(tag), found, allowed, next)
            }
            Doubt::Zones(tag, found) => self.object.refused(
                tag_name(tag),
                found,
                "moments by one clock, or with the zones of both (TimezoneOffsetFromUTC)",
                next,
            ),
        })
    }
}

/// The zone of the date-time that dates the scan; `None` if a date and a time of day do.
fn zone_of_scan(object: &Object) -> Option<TimeZone> {
    let header = &object.header;
    let zone = |set: &DataSet, tag| text(set, tag).and_then(|text| date_time(&text)).and_then(|(_, zone)| zone);
    // unreadable groups are refused by the code that reads them all
    let frame = object.frame_groups().next().and_then(Result::ok);
    let content = frame.as_ref().and_then(|groups| items(groups, tags::FRAME_CONTENT_SEQUENCE).first());
    if let Some(content) = content.filter(|set| text(set, tags::FRAME_ACQUISITION_DATE_TIME).is_some()) {
        return zone(content, tags::FRAME_ACQUISITION_DATE_TIME);
    }
    let by_day = [tags::ACQUISITION_DATE, tags::ACQUISITION_TIME].iter().all(|tag| text(header, *tag).is_some());
    if by_day { None } else { zone(header, tags::ACQUISITION_DATE_TIME) }
}
