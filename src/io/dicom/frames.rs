//! Which images of a folder share a frame of reference, and between which frames its registration objects lead.
//!
//! Two images in one frame of reference lie where their headers say against one another; of two frames nothing is known
//! without a registration. Frames are told by number, in the order of the series: their UIDs could name a patient.

use dicom_dictionary_std::tags;

use super::kind::{DEFORMABLE_REGISTRATION, Kind, REGISTRATION};
use super::object::{Object, items, text};
use super::study::Series;

/// The frame of reference that a series lies in, where it states one.
pub(super) fn of_series(series: &Series) -> Option<String> {
    let object = series.objects.first()?;
    let own = || object.text(tags::FRAME_OF_REFERENCE_UID);
    let referenced = || {
        let list = object.items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE);
        list.first().and_then(|item| text(item, tags::FRAME_OF_REFERENCE_UID))
    };
    match series.kind {
        Kind::StructureSet => referenced().or_else(own),
        Kind::Other => None,
        _ => own(),
    }
}

/// The frames that a registration object leads between; none for another object.
fn between(object: &Object) -> Option<Vec<String>> {
    let sequence = match object.class().as_str() {
        REGISTRATION => tags::REGISTRATION_SEQUENCE,
        DEFORMABLE_REGISTRATION => tags::DEFORMABLE_REGISTRATION_SEQUENCE,
        _ => return None,
    };
    let frame = |item| {
        let deformed = text(item, tags::SOURCE_FRAME_OF_REFERENCE_UID);
        deformed.or_else(|| text(item, tags::FRAME_OF_REFERENCE_UID))
    };
    let mut frames: Vec<String> = object.text(tags::FRAME_OF_REFERENCE_UID).into_iter().collect();
    frames.extend(items(&object.header, sequence).iter().filter_map(frame));
    Some(frames)
}

/// What is to be told of the frames: one line a frame, one a registration object; nothing where no series states one.
pub(super) fn lines(all: &[Series]) -> Vec<String> {
    let mut frames: Vec<(String, Vec<String>)> = Vec::new();
    let mut silent = Vec::new();
    for (n, series) in all.iter().enumerate().filter(|(_, series)| series.kind != Kind::Other) {
        let name = format!("#{}", n + 1);
        match of_series(series) {
            None => silent.push(name),
            Some(uid) => match frames.iter_mut().find(|(known, _)| *known == uid) {
                Some((_, own)) => own.push(name),
                None => frames.push((uid, vec![name])),
            },
        }
    }
    if frames.is_empty() {
        return Vec::new();
    }
    let number = |uid: &String| frames.iter().position(|(known, _)| known == uid);
    let mut led = vec![0];
    let mut objects = Vec::new();
    for (n, series) in all.iter().enumerate() {
        for pair in series.objects.iter().filter_map(between) {
            let mut known: Vec<usize> = pair.iter().filter_map(number).collect();
            known.sort_unstable();
            known.dedup();
            let words: Vec<String> = known.iter().map(|frame| (frame + 1).to_string()).collect();
            objects.push(match known.as_slice() {
                [] | [_] => format!("#{}: a registration between frames of which these images have one or none", n + 1),
                _ => format!("#{}: a registration between frames {}", n + 1, words.join(" and ")),
            });
            if known.contains(&0) {
                led.extend(known);
            }
        }
    }
    let line = |(n, (_, series)): (usize, &(String, Vec<String>))| {
        let apart = if led.contains(&n) { "" } else { "; no registration object leads from it to frame 1" };
        format!("frame {}: {}{apart}", n + 1, series.join(", "))
    };
    let mut told: Vec<String> = frames.iter().enumerate().map(line).collect();
    told.extend((!silent.is_empty()).then(|| format!("none stated: {}", silent.join(", "))));
    told.extend(objects);
    told
}
