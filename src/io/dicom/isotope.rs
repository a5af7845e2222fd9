//! The nuclide stated in a header, and whether it is that of the run.
//!
//! A header gives its nuclide by code (`RadionuclideCodeSequence`: PS3.16 CID 18 and 4020), by the code's meaning, by
//! the radiopharmaceutical's code and name, and each in many spellings: 177Lu, Lu-177, ^177^Lutetium, [18F]FDG. A dose
//! of one nuclide from images of another can be wrong by any factor, so a different nuclide is refused unless the user
//! states that of the run.

use std::fmt;

use dicom_dictionary_std::tags;

use super::legible::note_once;
use super::object::{DataSet, Object, items, text};
use crate::fault::{Setting, Words, words};
use crate::io::IoError;
use crate::note::Note;

/// Symbol, names and masses of nuclides used in imaging or therapy.
const ELEMENTS: [&str; 41] = [
    "Ac actinium 225",
    "As arsenic 72",
    "At astatine 211",
    "Au gold 198 199",
    "Ba barium 133 131",
    "Bi bismuth 213 212",
    "Br bromine 75 76 77",
    "C carbon 11 14",
    "Co cobalt 57 58 60",
    "Cr chromium 51",
    "Cu copper 60 61 62 64 67",
    "Er erbium 169",
    "F fluorine fluor 18",
    "Fe iron 52 59",
    "Ga gallium 66 67 68",
    "Gd gadolinium 153",
    "Ge germanium 68",
    "Ho holmium 166",
    "I iodine iod 122 123 124 125 131",
    "In indium 111 113m",
    "Ir iridium 191m 192",
    "K potassium 38 42 43",
    "Kr krypton 81m 85",
    "Lu lutetium 177 177m",
    "Mn manganese 51 52 52m",
    "N nitrogen 13",
    "Na sodium 22 24",
    "O oxygen 14 15",
    "P phosphorus 32",
    "Pb lead 203 212",
    "Ra radium 223 224",
    "Rb rubidium 82",
    "Re rhenium 186 188",
    "Sc scandium 43 44 47",
    "Se selenium 73 75",
    "Sm samarium 153",
    "Sr strontium 85 87m 89 90",
    "Tb terbium 149 152 155 161",
    "Tc technetium 94m 99m",
    "Tl thallium 201",
    "Xe xenon 123 127 133",
];
/// The same for elements with few nuclides or a symbol that is also an ordinary word.
const MORE_ELEMENTS: [&str; 6] =
    ["Th thorium 227", "Ti titanium 45", "Y yttrium 86 90", "Yb ytterbium 169 175", "Zn zinc 62", "Zr zirconium 89"];

/// Products and short names that stand for a nuclide.
const PRODUCTS: [(&str, &str); 16] = [
    ("fdg", "18F"),
    ("fluorodeoxyglucose", "18F"),
    ("florbetapir", "18F"),
    ("florbetaben", "18F"),
    ("flutemetamol", "18F"),
    ("lutathera", "177Lu"),
    ("pluvicto", "177Lu"),
    ("xofigo", "223Ra"),
    ("zevalin", "90Y"),
    ("therasphere", "90Y"),
    ("sirspheres", "90Y"),
    ("quiremspheres", "166Ho"),
    ("quadramet", "153Sm"),
    ("metastron", "89Sr"),
    ("azedra", "131I"),
    ("netspot", "68Ga"),
];

/// Codes of nuclides and radiopharmaceuticals that are understood without their meaning: SNOMED CT, its older form, DCM
/// and MeSH (PS3.16 CID 18, CID 4020).
const CODES: [(&str, &str); 45] = [
    ("40565003", "11C"),
    ("C-105A1", "11C"),
    ("21576001", "13N"),
    ("C-107A1", "13N"),
    ("129504001", "15O"),
    ("C-B1038", "15O"),
    ("77004003", "18F"),
    ("C-111A1", "18F"),
    ("35321007", "18F"),
    ("C-B1031", "18F"),
    ("32505007", "32P"),
    ("126605", "43Sc"),
    ("126600", "44Sc"),
    ("C000615359", "47Sc"),
    ("3932008", "64Cu"),
    ("C-127A2", "64Cu"),
    ("53700003", "67Cu"),
    ("2008008", "67Ga"),
    ("35337001", "68Ga"),
    ("C-131A3", "68Ga"),
    ("79197006", "82Rb"),
    ("C-159A2", "82Rb"),
    ("10738001", "86Y"),
    ("C-162A3", "86Y"),
    ("7770004", "89Sr"),
    ("63360001", "89Zr"),
    ("C-168A4", "89Zr"),
    ("14691008", "90Y"),
    ("C-162A7", "90Y"),
    ("72454006", "99mTc"),
    ("56609000", "111In"),
    ("21572004", "123I"),
    ("40937006", "124I"),
    ("C-114A5", "124I"),
    ("1368003", "131I"),
    ("126606", "152Tb"),
    ("C000615038", "161Tb"),
    ("419804008", "153Sm"),
    ("447553000", "177Lu"),
    ("395865006", "186Re"),
    ("423578007", "188Re"),
    ("60057003", "201Tl"),
    ("87401005", "212Pb"),
    ("24853006", "223Ra"),
    ("32059002", "225Ac"),
];

/// Next step if the file states a nuclide other than the run's.
fn say_nuclide() -> Words {
    words!(
        "Give the images of this treatment, or state the nuclide, which decides over the file: ",
        Setting::Nuclide,
        " NAME|FILE, or nuclide in a SERIES.toml."
    )
}

/// A nuclide by element and mass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isotope {
    symbol: &'static str,
    mass: u16,
    metastable: bool,
}

impl fmt::Display for Isotope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.mass, if self.metastable { "m" } else { "" }, self.symbol)
    }
}

/// The nuclide of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunNuclide {
    /// Element and mass, if the name gives them.
    pub isotope: Option<Isotope>,
    /// Whether the user states it; otherwise Lutra assumes it.
    pub stated: bool,
}

impl RunNuclide {
    /// The nuclide of this name.
    pub fn new(name: &str, stated: bool) -> Self {
        Self { isotope: Isotope::all_in(name).first().copied(), stated }
    }
}

/// A run of letters or of digits, and whether it directly follows the one before.
struct Word<'a> {
    text: &'a str,
    glued: bool,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut found: Vec<Word<'_>> = Vec::new();
    let mut end = usize::MAX;
    let kind = |c: char| (c.is_ascii_alphabetic(), c.is_ascii_digit());
    let mut rest = text;
    let mut at = 0;
    while let Some(first) = rest.chars().next() {
        let own = kind(first);
        let length = if own == (false, false) {
            first.len_utf8()
        } else {
            let length = rest.find(|c| kind(c) != own).unwrap_or(rest.len());
            found.push(Word { text: &rest[..length], glued: end == at });
            end = at + length;
            length
        };
        at += length;
        rest = &rest[length..];
    }
    found
}

impl Isotope {
    /// Every nuclide that a text names, each once.
    pub fn all_in(text: &str) -> Vec<Self> {
        let words = words(text);
        let mut found: Vec<Self> = Vec::new();
        let mut add = |isotope: Option<Self>| {
            if let Some(isotope) = isotope.filter(|isotope| !found.contains(isotope)) {
                found.push(isotope);
            }
        };
        for (n, word) in words.iter().enumerate() {
            let Some(mass) = word.text.parse::<u16>().ok().filter(|_| !word.text.starts_with('0')) else { continue };
            let before = n.checked_sub(1).and_then(|n| words.get(n));
            let after = words.get(n + 1);
            let marked = after.is_some_and(|after| after.glued && after.text.eq_ignore_ascii_case("m"));
            let behind = if marked { words.get(n + 2) } else { after };
            let own = before.and_then(|before| Self::of(before.text, word.glued, mass, marked));
            add(own.or_else(|| behind.and_then(|behind| Self::of_start(behind, mass, marked))));
        }
        let lower: String = text.to_lowercase().chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        let is_word = |name: &str| words.iter().any(|word| word.text.eq_ignore_ascii_case(name));
        for (name, isotope) in PRODUCTS {
            if is_word(name) || (name.len() > 4 && lower.contains(name)) {
                add(Self::written(isotope));
            }
        }
        found
    }

    /// The nuclide of a word before or after its mass.
    fn of(word: &str, glued: bool, mass: u16, marked: bool) -> Option<Self> {
        ELEMENTS.iter().chain(&MORE_ELEMENTS).find_map(|line| {
            let mut parts = line.split(' ');
            let symbol = parts.next()?;
            let masses: Vec<&str> =
                parts.clone().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect();
            let named = parts.any(|part| part.eq_ignore_ascii_case(word));
            // an ordinary word, such as "in", is not a symbol
            let meant = word == symbol || word == symbol.to_uppercase() || (glued && word.eq_ignore_ascii_case(symbol));
            if !named && !meant {
                return None;
            }
            let [plain, long] = [mass.to_string(), format!("{mass}m")];
            let metastable = if masses.contains(&long.as_str()) && (marked || !masses.contains(&plain.as_str())) {
                true
            } else if masses.contains(&plain.as_str()) {
                false
            } else {
                return None;
            };
            Some(Self { symbol, mass, metastable })
        })
    }

    /// The nuclide of a word after its mass, which may begin with the m of a metastable state and continue with a name.
    fn of_start(word: &Word<'_>, mass: u16, marked: bool) -> Option<Self> {
        let text = word.text;
        let with_m = || text.strip_prefix('m').filter(|_| word.glued).and_then(|rest| Self::of(rest, true, mass, true));
        let with_more = || {
            [2, 1].into_iter().filter(|_| word.glued).find_map(|length| {
                let (symbol, more) = (text.get(..length)?, text.get(length..)?);
                let more = more.starts_with(|c: char| c.is_ascii_uppercase());
                Self::of(symbol, false, mass, marked).filter(|_| more)
            })
        };
        Self::of(text, word.glued, mass, marked).or_else(with_m).or_else(with_more)
    }

    /// The nuclide of one of the tables above.
    fn written(name: &str) -> Option<Self> {
        let at = name.find(|c: char| !c.is_ascii_digit())?;
        let (mass, symbol) = name.split_at(at);
        let marked = symbol.starts_with('m');
        Self::of(symbol.trim_start_matches('m'), true, mass.parse().ok()?, marked)
    }
}

/// What a header says about its nuclide.
#[derive(Default)]
struct Statements {
    /// The nuclides, each with the field that gives it.
    found: Vec<(&'static str, Isotope)>,
    /// The code of an unknown nuclide.
    unknown: Option<String>,
}

/// Reads a code and its meaning.
fn of_code(code: &DataSet) -> Vec<Isotope> {
    let value = text(code, tags::CODE_VALUE).or_else(|| text(code, tags::LONG_CODE_VALUE)).unwrap_or_default();
    let known = CODES.iter().find(|(known, _)| *known == value).and_then(|(_, name)| Isotope::written(name));
    let meaning = text(code, tags::CODE_MEANING).map_or(Vec::new(), |meaning| Isotope::all_in(&meaning));
    known.into_iter().chain(meaning).collect()
}

impl Statements {
    fn of(object: &Object) -> Self {
        let mut all = Self::default();
        for set in object.items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE) {
            let codes = items(set, tags::RADIONUCLIDE_CODE_SEQUENCE);
            let own: Vec<Isotope> = codes.iter().flat_map(of_code).collect();
            if let (true, Some(code)) = (own.is_empty(), codes.first()) {
                let value = text(code, tags::CODE_MEANING).or_else(|| text(code, tags::CODE_VALUE));
                all.unknown = all.unknown.or(value);
            }
            all.add("RadionuclideCodeSequence (0054,0300)", own);
            let drugs = items(set, tags::RADIOPHARMACEUTICAL_CODE_SEQUENCE).iter().flat_map(of_code).collect();
            all.add("RadiopharmaceuticalCodeSequence (0054,0304)", drugs);
            let name = text(set, tags::RADIOPHARMACEUTICAL).unwrap_or_default();
            all.add("Radiopharmaceutical (0018,0031)", Isotope::all_in(&name));
        }
        all
    }

    fn add(&mut self, field: &'static str, found: Vec<Isotope>) {
        self.found.extend(found.into_iter().map(|isotope| (field, isotope)));
    }
}

/// The nuclides that a header states, in words; `None` if it states none.
pub(super) fn stated(object: &Object) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, isotope) in Statements::of(object).found {
        let name = isotope.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(" and "))
}

/// Refuses a header that states a nuclide other than the run's, or an unknown one, unless the user states the run's.
/// The difference is then noted, as is an energy window named after another nuclide.
///
/// Errors: another nuclide; a code that is not known.
pub(super) fn check(object: &Object, run: RunNuclide, notes: &mut Vec<Note>) -> Result<(), IoError> {
    let own = run.isotope.map_or("the nuclide of the run".to_owned(), |isotope| isotope.to_string());
    let all = Statements::of(object);
    let other = all.found.iter().find(|(_, isotope)| Some(*isotope) != run.isotope);
    let found = match (other, &all.unknown) {
        (Some((field, isotope)), _) => Some((*field, isotope.to_string())),
        (None, Some(name)) => Some(("RadionuclideCodeSequence (0054,0300)", format!("\"{name}\", which is not known"))),
        (None, None) => None,
    };
    match found {
        Some((field, found)) if !run.stated => {
            return Err(object.refused(field, found, format!("{own}, the nuclide of this run"), say_nuclide()));
        }
        Some((field, found)) => {
            note_once(
                notes,
                Note::warning(
                    "nuclide-stated",
                    format!("{field}: the file says {found}, the user states {own}: {own} is used"),
                ),
            );
        }
        None => {}
    }
    for window in object.items(tags::ENERGY_WINDOW_INFORMATION_SEQUENCE) {
        let name = text(window, tags::ENERGY_WINDOW_NAME).unwrap_or_default();
        let named = Isotope::all_in(&name);
        if !named.is_empty() && run.isotope.is_some_and(|own| !named.contains(&own)) {
            note_once(
                notes,
                Note::warning(
                    "energy-window-other-nuclide",
                    format!("an energy window is called {name}; the nuclide of the run is {own}"),
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_dicom_nuclides_in_every_spelling() {
        for (name, texts) in [
            (
                "177Lu",
                &[
                    "177Lu",
                    "Lu-177",
                    "lu177",
                    "LU177",
                    "^177^Lutetium",
                    "Lutetium-177 oxodotreotide",
                    "[177Lu]Lu-PSMA-617",
                    "177Lu-DOTATATE",
                    "177LuDOTATATE",
                    "Lu 177 PSMA I&T",
                    "Lutathera",
                    "PLUVICTO",
                ][..],
            ),
            (
                "18F",
                &[
                    "18F",
                    "F-18",
                    "F18",
                    "FDG F^18^",
                    "[18F]PSMA-1007",
                    "Fluorodeoxyglucose",
                    "FDG -- fluoro",
                    "^18^Fluorine",
                ],
            ),
            (
                "99mTc",
                &["99mTc", "Tc-99m", "TC99M", "Tc^99m^", "^99m^Technetium", "99m-Tc MDP", "Technetium Tc99m", "Tc 99"],
            ),
            ("90Y", &["90Y", "Y-90", "Yttrium-90 microspheres", "SIR-Spheres", "TheraSphere"]),
            ("131I", &["131I", "I-131 MIBG", "Iodine 131"]),
            ("177mLu", &["177mLu", "Lu-177m"]),
        ] {
            for text in texts {
                let found: Vec<String> = Isotope::all_in(text).iter().map(Isotope::to_string).collect();
                assert_eq!(found, [name], "{text}");
            }
        }
    }

    #[test]
    fn io_dicom_words_that_name_no_nuclide() {
        for text in
            ["", "PSMA-617", "PSMA-1007", "PSMA-11", "B12", "in 111 patients", "Tyr3-octreotate", "7400 MBq", "DOTA"]
        {
            assert_eq!(Isotope::all_in(text), [], "{text}");
        }
        assert_eq!(Isotope::all_in("177Lu and 90Y").len(), 2);
        assert_eq!(RunNuclide::new("monoenergetic 100 keV", true).isotope, None);
    }

    #[test]
    fn law_the_tables_of_nuclides_are_whole() {
        for (code, name) in CODES.iter().chain(&PRODUCTS) {
            let isotope = Isotope::written(name).unwrap_or_else(|| panic!("{code}: {name}"));
            assert_eq!(isotope.to_string(), *name, "{code}");
            assert_eq!(Isotope::all_in(name), [isotope], "{code}");
            assert!(CODES.iter().filter(|(other, _)| other == code).count() <= 1, "{code} twice");
        }
        for line in ELEMENTS.iter().chain(&MORE_ELEMENTS) {
            let parts: Vec<&str> = line.split(' ').collect();
            for mass in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
                let name = format!("{mass}{}", parts[0]);
                for text in [name.clone(), format!("^{mass}^{}", parts[1]), format!("{}-{mass}", parts[0])] {
                    let found: Vec<String> = Isotope::all_in(&text).iter().map(Isotope::to_string).collect();
                    assert_eq!(found, [name.as_str()], "{text}");
                }
            }
        }
    }
}
