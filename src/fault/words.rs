//! Sentences that name what a person can set by its type.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::setting::Setting;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// As it is read.
    Text(String),
    /// What a person can set: every front end has its own name for it.
    Setting(Setting),
}

/// A sentence or a part of one. `Display` and `Serialize` name settings as the library does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Part>);

impl Words {
    /// The pieces, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words if anything is said.
    pub fn given(self) -> Option<Self> {
        Some(self).filter(|words| !words.is_empty())
    }

    /// As one text, with a name for each setting.
    pub fn shown<T: fmt::Display>(&self, name: impl Fn(Setting) -> T) -> String {
        let piece = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Setting(setting) => name(*setting).to_string(),
        };
        self.0.iter().map(piece).collect()
    }

    /// These words and then others; text next to text becomes one piece.
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        for part in more.into().0 {
            match (self.0.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => self.0.push(part),
            }
        }
        self
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(Setting::name))
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As text: the names of settings stay what they were called.
impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl From<Setting> for Words {
    fn from(setting: Setting) -> Self {
        Self(vec![Part::Setting(setting)])
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] })
    }
}

impl From<&Words> for Words {
    fn from(words: &Words) -> Self {
        words.clone()
    }
}

/// What is text as it stands.
macro_rules! from_text {
    ($($from:ty: $text:expr),+ $(,)?) => {
        $(impl From<$from> for Words {
            fn from(from: $from) -> Self {
                let text: fn($from) -> String = $text;
                text(from).into()
            }
        })+
    };
}

from_text!(
    &str: str::to_owned,
    &String: String::clone,
    &Path: |path| path.display().to_string(),
    &PathBuf: |path| path.display().to_string(),
);

/// Words of texts, settings and other words, one after the other.
macro_rules! words {
    ($($part:expr),+ $(,)?) => {
        $crate::fault::Words::default()$(.and($part))+
    };
}

pub(crate) use words;
