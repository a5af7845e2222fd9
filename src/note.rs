//! What there is to say of a computation and its result, as data: which kind of thing, how much it matters, where, and the
//! sentence. Every layer says it so; `docs/notes.md` lists the codes.

use crate::fault::{Words, words};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What is being done, and by which choice.
    Info,
    /// What the reader of a result must not overlook.
    Warning,
}

/// One thing to say. `Display` is the whole sentence: `place: text`, or the text alone.
///
/// ```
/// use lutra::note::{Note, Severity};
///
/// let note = Note::warning("region-without-voxel", "no voxel of the grid").at("region 1 kidney").at("organs.dcm");
/// assert_eq!((note.code.as_ref(), note.severity), ("region-without-voxel", Severity::Warning));
/// assert_eq!(note.to_string(), "organs.dcm: region 1 kidney: no voxel of the grid");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about: lower-case words with hyphens. It stays when the sentence changes.
    pub code: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// The file, region, cycle or object, the outermost first.
    pub place: Option<Words>,
    /// The sentence behind the place.
    pub text: Words,
}

impl Note {
    /// Something that is being done.
    pub fn info(code: &'static str, text: impl Into<Words>) -> Self {
        Self { code: code.into(), severity: Severity::Info, place: None, text: text.into() }
    }

    /// Something that must not be overlooked.
    pub fn warning(code: &'static str, text: impl Into<Words>) -> Self {
        Self { code: code.into(), severity: Severity::Warning, place: None, text: text.into() }
    }

    /// The same at a place, or in what holds its place: that stands before it.
    pub fn at(mut self, place: impl Into<Words>) -> Self {
        let place = place.into();
        self.place = Some(match self.place.take() {
            Some(inner) => words!(place, ": ", inner),
            None => place,
        });
        self
    }

    /// The whole sentence.
    pub fn sentence(&self) -> Words {
        match &self.place {
            Some(place) => words!(place, ": ", &self.text),
            None => self.text.clone(),
        }
    }

    /// The same with the names that the library has for settings, as it is when it was kept and read back.
    pub(crate) fn plain(&self) -> Self {
        let plain = |words: &Words| Words::from(words.to_string());
        Self { place: self.place.as_ref().map(plain), text: plain(&self.text), ..self.clone() }
    }

    /// Whether these words stand in the sentence.
    pub fn contains(&self, words: &str) -> bool {
        self.to_string().contains(words)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

/// The sentences of notes.
pub fn sentences<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Vec<String> {
    notes.into_iter().map(Note::to_string).collect()
}

/// Notes in a record: as sentences under `warnings`, as data under `notes`.
pub(crate) fn in_record<S: Serializer>(notes: &[Note], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("warnings", &sentences(notes))?;
    map.serialize_entry("notes", notes)?;
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Setting;

    #[derive(Serialize)]
    struct Record {
        seed: u64,
        #[serde(flatten, serialize_with = "in_record")]
        warnings: Vec<Note>,
        cost: f64,
    }

    fn notes() -> Vec<Note> {
        let raise = words!("raise ", Setting::Histories);
        vec![Note::warning("few-batches", raise), Note::info("cycle-begins", "of 3").at("cycle 1").at("COURSE.toml")]
    }

    #[test]
    fn law_a_note_says_where_what_and_how_much() {
        let [plain, placed] = &notes()[..] else { panic!("two notes") };
        assert_eq!(plain.sentence(), words!("raise ", Setting::Histories), "settings stay settings");
        assert_eq!((plain.severity, &plain.place), (Severity::Warning, &None));
        assert_eq!(placed.to_string(), "COURSE.toml: cycle 1: of 3");
        assert_eq!(placed.place, Some("COURSE.toml: cycle 1".into()));
        assert!(placed.contains("cycle 1: of") && !placed.contains("cycle 2"));
    }

    #[test]
    fn law_a_record_holds_sentences_and_data() {
        let text = serde_json::to_string(&Record { seed: 1, warnings: notes(), cost: 2.0 }).expect("a record");
        let few = Setting::Histories.name();
        assert_eq!(
            text,
            format!(
                "{{\"seed\":1,\"warnings\":[\"raise {few}\",\"COURSE.toml: cycle 1: of 3\"],\"notes\":[\
                 {{\"code\":\"few-batches\",\"severity\":\"warning\",\"place\":null,\"text\":\"raise {few}\"}},\
                 {{\"code\":\"cycle-begins\",\"severity\":\"info\",\"place\":\"COURSE.toml: cycle 1\",\"text\":\"of 3\"}}],\
                 \"cost\":2.0}}"
            )
        );
    }

    /// What was kept is read back as it was said, but that settings have the library's names.
    #[test]
    fn law_notes_are_kept() {
        let text = serde_json::to_string(&notes()).expect("notes");
        let kept: Vec<Note> = serde_json::from_str(&text).expect("the same");
        assert_eq!(sentences(&kept), sentences(&notes()));
        assert_eq!(kept, notes().iter().map(Note::plain).collect::<Vec<_>>());
        assert_ne!(kept[0], notes()[0], "a setting is kept by its name");
        assert!(serde_json::from_str::<Note>("{\"severity\":\"warning\",\"place\":null,\"text\":\"x\"}").is_err());
    }
}
