//! Tissues: elemental mass fractions, mean excitation energy, nominal density.
//!
//! Built in are the ICRU and NIST lists (`assets/materials/tissues.csv`) and the 24 tissues of
//! Schneider et al. 2000. A table of the user's own is CSV (`name,density_g_cm3,mean_excitation_ev,
//! composition`, composition as `H 0.111894; O 0.888106`) or JSON (a list, or an object with a list
//! `tissues`, of objects `name`, `mass_fractions` {symbol: fraction}, `I_eV` or
//! `mean_excitation_ev`, `nominal_density_g_cm3` or `density_g_cm3`, and `index` where given).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::MaterialError;
use crate::place::Place;
use crate::text::parsed::{of_csv, of_json};
use crate::text::{self, TextError};

const TISSUES: &str = include_str!("../../assets/materials/tissues.csv");
const SCHNEIDER: &str = include_str!("../../assets/materials/schneider2000_tissues.csv");

/// Chemical symbols of the elements 1 to 92.
pub(crate) const SYMBOLS: [&str; 92] = [
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",
    "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce",
    "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir",
    "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U",
];
/// Largest atomic number a tissue may hold.
const MAX_Z: u8 = SYMBOLS.len() as u8;

/// Largest deviation from one that a sum of mass fractions may have.
const SUM_TOLERANCE: f64 = 1e-3;
/// Most tissues a table may hold: a voxel's tissue is one byte.
pub const MAX_TISSUES: usize = 256;

/// Short names of everyday tissues.
const ALIASES: [(&str, &str); 6] = [
    ("soft-tissue", "muscle-skeletal-icru44"),
    ("lung", "lungtissue-icru44"),
    ("bone", "bone-cortical-icru44"),
    ("liver", "liver-icru44"),
    ("kidney", "kidney-icru44"),
    ("adipose", "adiposetissue-icru44"),
];

/// A tissue.
#[derive(Clone, Debug, PartialEq)]
pub struct Tissue {
    /// Name, for the reader.
    pub name: String,
    /// (Z, mass fraction), ascending in Z; fractions positive, their sum exactly normalised to 1.
    pub mass_fractions: Vec<(u8, f64)>,
    /// Mean excitation energy, eV, positive.
    pub mean_excitation_ev: f64,
    /// Nominal density, g/cm3, positive; transport takes the density of each voxel instead.
    pub density_g_cm3: f64,
}

impl Tissue {
    /// A checked tissue. `mass_fractions` are (Z, fraction) in any order, each Z 1 to 92 at most once,
    /// fractions not negative, sum 1 within 1e-3 (then normalised); `mean_excitation_ev` and
    /// `density_g_cm3` positive. The error names the tissue and the value.
    pub fn new(
        name: &str,
        mass_fractions: &[(u8, f64)],
        mean_excitation_ev: f64,
        density_g_cm3: f64,
    ) -> Result<Self, MaterialError> {
        let fault = |field: &str, found: String, allowed: &str| MaterialError::Tissue {
            tissue: name.to_owned(),
            field: field.to_owned(),
            found,
            allowed: allowed.to_owned(),
        };
        for (field, value, most) in
            [("mean_excitation_ev", mean_excitation_ev, 2000.0), ("density_g_cm3", density_g_cm3, 30.0)]
        {
            if !(value > 0.0 && value <= most) {
                return Err(fault(field, value.to_string(), &format!("a number above 0 and at most {most}")));
            }
        }
        let mut fractions = BTreeMap::new();
        for &(z, fraction) in mass_fractions {
            if !(1..=MAX_Z).contains(&z) {
                return Err(fault("atomic number", z.to_string(), &format!("1 to {MAX_Z}")));
            }
            if !(0.0..=1.0 + SUM_TOLERANCE).contains(&fraction) {
                return Err(fault(&format!("mass fraction of Z = {z}"), fraction.to_string(), "a number from 0 to 1"));
            }
            if fractions.insert(z, fraction).is_some() {
                return Err(fault("mass fractions", format!("Z = {z} twice"), "each element once"));
            }
        }
        let sum = fractions.values().fold(0.0, |sum, w| sum + w);
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(fault("sum of mass fractions", format!("{sum:.6}"), "1 within 0.001 (fractions, not percent)"));
        }
        let mass_fractions = fractions.into_iter().filter(|(_, w)| *w > 0.0).map(|(z, w)| (z, w / sum)).collect();
        Ok(Self { name: name.to_owned(), mass_fractions, mean_excitation_ev, density_g_cm3 })
    }

    /// The tissue built in under `name` (case and `_` or `-` alike): `water`, `air`, `soft-tissue`,
    /// `lung`, `bone`, `liver`, `kidney`, `adipose` and the names of [`Tissue::built_in_names`].
    pub fn built_in(name: &str) -> Result<Self, MaterialError> {
        let plain = name.trim().to_lowercase().replace('_', "-");
        let wanted = ALIASES.iter().find(|(alias, _)| *alias == plain).map_or(plain.as_str(), |(_, long)| long);
        match built_in().iter().find(|t| t.name == wanted) {
            Some(tissue) => Ok(tissue.clone()),
            None => {
                Err(MaterialError::UnknownTissue { name: name.to_owned(), known: Self::built_in_names().join(", ") })
            }
        }
    }

    /// Names of the tissues built in, in the order of the table.
    pub fn built_in_names() -> Vec<&'static str> {
        built_in().iter().map(|t| t.name.as_str()).collect()
    }
}

fn built_in() -> &'static [Tissue] {
    static BUILT_IN: OnceLock<Vec<Tissue>> = OnceLock::new();
    BUILT_IN.get_or_init(|| csv_tissues(TISSUES, "built-in tissues").expect("the embedded tissue table is valid"))
}

/// The 24 tissues of Schneider, Bortfeld & Schlegel 2000 in the order of their bins.
pub fn schneider_tissues() -> Vec<Tissue> {
    csv_tissues(SCHNEIDER, "built-in Schneider tissues").expect("the embedded Schneider table is valid")
}

/// HU bins (from, to) of [`schneider_tissues`], `hu_from <= HU < hu_to`.
pub(super) fn schneider_bins() -> Vec<(f64, f64)> {
    let rows = csv_rows(SCHNEIDER, "built-in Schneider tissues").expect("the embedded Schneider table is valid");
    rows.iter()
        .map(|row| {
            let edge = |name| row.number(name).expect("the embedded Schneider table is valid");
            (edge("hu_from"), edge("hu_to"))
        })
        .collect()
}

/// The text of a table.
pub(super) fn read_text(path: &Place, file: &str) -> Result<String, MaterialError> {
    text::read(path).map_err(|error| match error {
        TextError::Unreadable(source) => MaterialError::Unreadable { file: file.to_owned(), source },
        other => MaterialError::Syntax { file: file.to_owned(), detail: other.to_string() },
    })
}

/// The tissues of the CSV or JSON file at `path` (by its ending; all but `.json` is CSV), in order.
/// Errors name the file, the tissue or line, the value found and what is allowed.
pub fn read_tissues(path: impl Into<Place>) -> Result<Vec<Tissue>, MaterialError> {
    let path = &path.into();
    let file = path.display().to_string();
    let text = read_text(path, &file)?;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        json_tissues(&text, &file)
    } else {
        csv_tissues(&text, &file)
    }
}

/// A tissue as JSON has it.
#[derive(Deserialize)]
struct JsonTissue {
    index: Option<usize>,
    name: String,
    mass_fractions: BTreeMap<String, f64>,
    #[serde(rename = "mean_excitation_ev", alias = "I_eV")]
    mean_excitation_ev: f64,
    #[serde(rename = "density_g_cm3", alias = "nominal_density_g_cm3")]
    density_g_cm3: f64,
}

/// A list of tissues, bare or as the field `tissues`.
#[derive(Deserialize)]
struct JsonFile {
    tissues: Vec<JsonTissue>,
}

/// The tissues in the text `json`; `file` is its name in messages.
pub fn json_tissues(json: &str, file: &str) -> Result<Vec<Tissue>, MaterialError> {
    let syntax = |e: serde_json::Error| MaterialError::Syntax { file: file.to_owned(), detail: of_json(&e) };
    let list = if json.trim_start().starts_with('[') {
        text::json::read::<Vec<JsonTissue>>(json).map_err(syntax)?
    } else {
        text::json::read::<JsonFile>(json).map_err(syntax)?.tissues
    };
    let tissues = list
        .iter()
        .enumerate()
        .map(|(place, tissue)| {
            if tissue.index.is_some_and(|index| index != place) {
                return Err(MaterialError::Table {
                    file: file.to_owned(),
                    place: format!("tissue {:?}", tissue.name),
                    fault: format!("its index is {:?} but it stands at place {place} (counted from 0)", tissue.index),
                });
            }
            let fractions = tissue
                .mass_fractions
                .iter()
                .map(|(symbol, w)| Ok((atomic_number(symbol, file, &tissue.name)?, *w)))
                .collect::<Result<Vec<_>, MaterialError>>()?;
            Tissue::new(&tissue.name, &fractions, tissue.mean_excitation_ev, tissue.density_g_cm3)
                .map_err(|e| e.in_file(file))
        })
        .collect::<Result<Vec<_>, _>>()?;
    checked_count(tissues, file)
}

/// The tissues in CSV `text`; `file` is its name in messages.
pub fn csv_tissues(text: &str, file: &str) -> Result<Vec<Tissue>, MaterialError> {
    let tissues = csv_rows(text, file)?.iter().map(row_tissue).collect::<Result<Vec<_>, _>>()?;
    checked_count(tissues, file)
}

fn row_tissue(row: &CsvRow) -> Result<Tissue, MaterialError> {
    let name = row.text("name")?;
    let mut fractions = Vec::new();
    for part in row.text("composition")?.split(';').filter(|p| !p.trim().is_empty()) {
        let mut words = part.split_whitespace();
        let (Some(symbol), Some(fraction), None) = (words.next(), words.next(), words.next()) else {
            return Err(row.fault(&format!(
                "composition has {part:?}; allowed: symbol and mass fraction, as in \"H 0.1119; O 0.8881\""
            )));
        };
        let fraction = fraction.parse::<f64>().map_err(|_| {
            row.fault(&format!("mass fraction of {symbol} is {fraction:?}; allowed: a number from 0 to 1"))
        })?;
        fractions.push((atomic_number(symbol, row.file, name)?, fraction));
    }
    Tissue::new(name, &fractions, row.number("mean_excitation_ev")?, row.number("density_g_cm3")?)
        .map_err(|e| e.in_file(row.file))
}

fn atomic_number(symbol: &str, file: &str, tissue: &str) -> Result<u8, MaterialError> {
    let place = SYMBOLS.iter().position(|s| *s == symbol);
    place.map(|index| index as u8 + 1).ok_or_else(|| MaterialError::Table {
        file: file.to_owned(),
        place: format!("tissue {tissue:?}"),
        fault: format!("element {symbol:?} is not known; allowed: chemical symbols H to U, such as Ca"),
    })
}

fn checked_count(tissues: Vec<Tissue>, file: &str) -> Result<Vec<Tissue>, MaterialError> {
    if tissues.is_empty() || tissues.len() > MAX_TISSUES {
        return Err(MaterialError::Table {
            file: file.to_owned(),
            place: "the table".to_owned(),
            fault: format!("{} tissues; allowed: 1 to {MAX_TISSUES}", tissues.len()),
        });
    }
    Ok(tissues)
}

/// A row of a CSV table with its header, file and line for messages.
pub(super) struct CsvRow<'a> {
    file: &'a str,
    line: u64,
    header: csv::StringRecord,
    fields: csv::StringRecord,
}

impl CsvRow<'_> {
    /// An error at this line.
    pub(super) fn fault(&self, fault: &str) -> MaterialError {
        MaterialError::Table {
            file: self.file.to_owned(),
            place: format!("line {}", self.line),
            fault: fault.to_owned(),
        }
    }

    /// The text in the column `name`.
    pub(super) fn text(&self, name: &str) -> Result<&str, MaterialError> {
        let column = self.header.iter().position(|h| h == name).ok_or_else(|| MaterialError::Table {
            file: self.file.to_owned(),
            place: "the header".to_owned(),
            fault: format!("column {name} is missing; found: {}", self.header.iter().collect::<Vec<_>>().join(",")),
        })?;
        Ok(self.fields.get(column).unwrap_or_default())
    }

    /// The finite number in the column `name`.
    pub(super) fn number(&self, name: &str) -> Result<f64, MaterialError> {
        let text = self.text(name)?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.fault(&format!("{name} is {text:?}; allowed: a finite number"))),
        }
    }
}

/// Rows of a CSV text: `#` lines are comments, the first other line is the header, fields trimmed.
pub(super) fn csv_rows<'a>(text: &'a str, file: &'a str) -> Result<Vec<CsvRow<'a>>, MaterialError> {
    let syntax = |e: csv::Error| MaterialError::Syntax { file: file.to_owned(), detail: of_csv(&e) };
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(syntax)?.clone();
    reader
        .records()
        .map(|record| {
            let fields = record.map_err(syntax)?;
            let line = fields.position().map_or(0, |p| p.line());
            Ok(CsvRow { file, line, header: header.clone(), fields })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_built_in_tissues_are_sound() {
        assert_eq!(schneider_tissues().len(), 24);
        assert_eq!(schneider_bins().len(), 24);
        for t in built_in().iter().chain(&schneider_tissues()) {
            let sum: f64 = t.mass_fractions.iter().map(|f| f.1).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{}", t.name);
            assert!(t.mass_fractions.windows(2).all(|p| p[0].0 < p[1].0), "{}", t.name);
            assert!((0.44..0.6).contains(&t.z_over_a()), "{} {}", t.name, t.z_over_a());
        }
        let water = Tissue::built_in("Water").unwrap();
        assert_eq!(water.mean_excitation_ev, 78.0);
        assert!((water.z_over_a() - 0.555_09).abs() < 2e-5, "{}", water.z_over_a());
        for (alias, _) in ALIASES {
            assert!(Tissue::built_in(alias).is_ok(), "{alias}");
        }
        assert_eq!(Tissue::built_in("BONE_CORTICAL_ICRU44").unwrap(), Tissue::built_in("bone").unwrap());
    }

    #[test]
    fn reference_schneider_z_over_a() {
        // Z/A of the paper's tissues as tabulated independently with Bragg additivity.
        for (index, z_over_a) in [(0, 0.499_18), (1, 0.550_50), (2, 0.556_75), (7, 0.550_51), (23, 0.514_79)] {
            let tissue = &schneider_tissues()[index];
            assert!((tissue.z_over_a() - z_over_a).abs() < 5e-5, "{} {}", tissue.name, tissue.z_over_a());
        }
    }

    #[test]
    fn io_tissue_tables_are_read() {
        let csv = "# mine\nname, density_g_cm3, mean_excitation_ev, composition\nw, 1, 78, H 0.1119; O 0.8881\n";
        let json = r#"{"tissues":[{"index":0,"name":"w","mass_fractions":{"H":0.1119,"O":0.8881},"I_eV":78,"nominal_density_g_cm3":1.0}]}"#;
        let from_csv = csv_tissues(csv, "a.csv").unwrap();
        assert_eq!(from_csv, json_tissues(json, "a.json").unwrap());
        assert_eq!(from_csv[0].mass_fractions[0].0, 1);
        let bare = json.trim_start_matches("{\"tissues\":").trim_end_matches('}');
        assert_eq!(json_tissues(bare, "b.json").unwrap(), from_csv);
    }

    #[test]
    fn io_faults_in_tissue_tables_are_named() {
        let table = |row: &str| format!("name,density_g_cm3,mean_excitation_ev,composition\n{row}\n");
        for (row, expected) in [
            ("w,1,78,H 11.19; O 88.81", "mass fraction of Z = 1 is 11.19; allowed: a number from 0 to 1"),
            ("w,1,78,H 0.1; O 0.8", "sum of mass fractions is 0.900000"),
            ("w,1,0,H 0.1; O 0.9", "mean_excitation_ev is 0"),
            ("w,-1,78,H 0.1; O 0.9", "density_g_cm3 is -1"),
            ("w,1,x,H 0.1; O 0.9", "line 2: mean_excitation_ev is \"x\""),
            ("w,1,nan,H 0.1; O 0.9", "line 2: mean_excitation_ev is \"nan\""),
            ("w,1,78,H 0.1; Q 0.9", "element \"Q\" is not known"),
            ("w,1,78,H 0.1 O 0.9", "composition has"),
            ("w,1,78,H 0.1; H 0.9", "Z = 1 twice"),
            ("w,1,78,", "sum of mass fractions is 0"),
        ] {
            let text = csv_tissues(&table(row), "a.csv").unwrap_err().to_string();
            assert!(text.contains("a.csv") && text.contains(expected), "{row}: {text}");
        }
        let text = csv_tissues("name,density\nw,1\n", "a.csv").unwrap_err().to_string();
        assert!(text.contains("column composition is missing"), "{text}");
        assert!(csv_tissues("", "a.csv").is_err());
        assert!(json_tissues("{}", "a.json").unwrap_err().to_string().contains("tissues"));
        assert!(Tissue::built_in("cheese").unwrap_err().to_string().contains("water"));
    }
}
