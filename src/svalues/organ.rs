//! Organ-level dose by the MIRD schema: D(target) = sum over sources of decays x S(target <- source), S from a reference
//! phantom, the self part scaled to the patient's mass.
//!
//! Split scaling: the electrons' part of S times m_ref/m, the photons' part times (m_ref/m)^(2/3); linear scaling: all
//! of it times m_ref/m. Cross parts stay as they are. The electrons' part of a self S is the nuclide's electron energy
//! over the reference mass (they stay in an organ but for some 0.5 %), the photons' part the rest.
//! [methods/svalues.md, eq. 4]

use super::{MGY_PER_MBQ_S_PER_KEV_G, SvalueError};
use crate::decay::Nuclide;
use crate::place::Place;
use crate::text::parsed::of_csv;
use crate::text::{self, TextError};
use std::collections::BTreeMap;

const ADULT: &str = include_str!("../../assets/svalues/organs_adult.csv");

/// One S value.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganS {
    /// Name of the nuclide; `None` if the table does not say.
    pub nuclide: Option<String>,
    /// Name of the phantom; empty where the table does not say.
    pub phantom: String,
    /// Source organ.
    pub source: String,
    /// Target organ.
    pub target: String,
    /// S value, mGy/(MBq s).
    pub s_mgy_per_mbq_s: f64,
    /// Mass of the target in the phantom, g.
    pub target_mass_g: f64,
}

/// How self S values follow the mass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassScaling {
    /// Electrons with 1/m, photons with 1/m^(2/3).
    Split,
    /// Everything with 1/m.
    Linear,
}

/// A table of organ S values of one phantom.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganTable {
    /// Name for tables.
    pub name: String,
    rows: Vec<OrganS>,
}

/// A region of the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganInput {
    /// Label.
    pub label: u16,
    /// Name: matched to the table's organs whatever the order and case of its words.
    pub name: String,
    /// Mass, g.
    pub mass_g: f64,
    /// Decays.
    pub decays: f64,
}

/// Organ-level energy of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganEnergy {
    /// From its own decays, keV.
    pub self_kev: f64,
    /// From the other organs of the table, keV.
    pub cross_kev: f64,
    /// Mass of the organ in the phantom, g.
    pub reference_g: f64,
}

/// Words of an organ's name in order: `Left kidney C+M+P` and `kidney_left` are one.
fn canonical(name: &str) -> String {
    let mut words: Vec<String> = name
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| w.len() > 1)
        .map(|w| if w == "kidneys" { "kidney".to_owned() } else { w.to_owned() })
        .collect();
    words.sort_unstable();
    words.join(" ")
}

/// Self values of the built-in table, both phantoms.
pub fn adult_self_values() -> Vec<OrganS> {
    let rows = parse(ADULT, "built-in organ table").expect("the embedded organ table is valid");
    rows.into_iter().filter(|r| r.source == r.target).collect()
}

impl OrganTable {
    /// The built-in table of 177Lu: kidneys, liver and spleen of the ICRP 110 adult male (`AM`) or female (`AF`).
    pub fn adult(phantom: &str) -> Self {
        let rows = parse(ADULT, "built-in organ table").expect("the embedded organ table is valid");
        let rows = rows.into_iter().filter(|r| r.phantom == phantom).collect();
        Self { name: format!("OpenDose {phantom}"), rows }
    }

    /// Reads a CSV table with the columns `source`, `target`, `S_mGy_per_MBq_s` and `target_mass_g`, and optionally
    /// `phantom` and `nuclide`; lines that begin with # are comments. One table a phantom.
    ///
    /// Errors: a column that is missing, a value that is no number or not positive (S may be 0), no row at all.
    pub fn read(path: impl Into<Place>) -> Result<Vec<Self>, SvalueError> {
        let path = &path.into();
        let file = path.display().to_string();
        let text = text::read(path).map_err(|error| match error {
            TextError::Unreadable(source) => SvalueError::from(crate::io::IoError::read(path, source)),
            other => SvalueError::Table {
                file: file.clone(),
                place: "table".to_owned(),
                found: other.to_string(),
                allowed: "a CSV table of S values".to_owned(),
                next: "Give the table of the organs of one phantom.".to_owned(),
            },
        })?;
        let mut tables: BTreeMap<String, Vec<OrganS>> = BTreeMap::new();
        for row in parse(&text, &file)? {
            tables.entry(row.phantom.clone()).or_default().push(row);
        }
        let stem = path.path().file_stem().map_or_else(|| file.clone(), |s| s.to_string_lossy().into_owned());
        Ok(tables.into_iter().map(|(p, rows)| Self { name: format!("{stem} {p}").trim().to_owned(), rows }).collect())
    }

    /// The nuclide of the table, where every row says the same.
    pub fn nuclide(&self) -> Option<&str> {
        self.rows.first()?.nuclide.as_deref()
    }

    fn find(&self, source: &str, target: &str) -> Option<&OrganS> {
        let (source, target) = (canonical(source), canonical(target));
        self.rows.iter().find(|r| canonical(&r.source) == source && canonical(&r.target) == target)
    }

    /// Energy of a region; `None` if the table has no self value of that name.
    pub fn energy(
        &self,
        target: &OrganInput,
        sources: &[OrganInput],
        nuclide: &Nuclide,
        scaling: MassScaling,
    ) -> Option<OrganEnergy> {
        let own = self.find(&target.name, &target.name)?;
        let ratio = own.target_mass_g / target.mass_g;
        // energy per decay in the phantom's organ
        let total_kev = own.s_mgy_per_mbq_s * own.target_mass_g / MGY_PER_MBQ_S_PER_KEV_G;
        let electron_kev = nuclide.electron_energy_kev_per_decay().min(total_kev);
        let photon_kev = total_kev - electron_kev;
        let kev = match scaling {
            MassScaling::Linear => total_kev,
            // dose ~ E/m: energy of photons grows as m x m^(-2/3)
            MassScaling::Split => electron_kev + photon_kev * ratio.powf(-1.0 / 3.0),
        };
        let cross_kev = sources
            .iter()
            .filter(|s| s.label != target.label)
            .filter_map(|s| Some((s, self.find(&s.name, &target.name)?)))
            .map(|(s, row)| s.decays * row.s_mgy_per_mbq_s / MGY_PER_MBQ_S_PER_KEV_G * target.mass_g)
            .sum();
        Some(OrganEnergy { self_kev: target.decays * kev, cross_kev, reference_g: own.target_mass_g })
    }
}

fn parse(text: &str, file: &str) -> Result<Vec<OrganS>, SvalueError> {
    let fault = |place: String, found: String, allowed: &str, next: &str| SvalueError::Table {
        file: file.to_owned(),
        place,
        found,
        allowed: allowed.to_owned(),
        next: next.to_owned(),
    };
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|e| fault("header".into(), of_csv(&e), "a CSV table", "Write one header line."))?
        .clone();
    let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
    const COLUMNS: [&str; 4] = ["source", "target", "S_mGy_per_MBq_s", "target_mass_g"];
    let missing: Vec<&str> = COLUMNS.into_iter().filter(|name| column(name).is_none()).collect();
    let [Some(source), Some(target), Some(s), Some(mass)] = COLUMNS.map(column) else {
        return Err(fault(
            "header".into(),
            header.iter().collect::<Vec<_>>().join(","),
            &format!("the columns {}", COLUMNS.join(", ")),
            &format!("Add {}, with these units.", missing.join(", ")),
        ));
    };
    let (phantom, nuclide) = (column("phantom"), column("nuclide"));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|e| fault("table".into(), of_csv(&e), "as many fields as the header", "Correct it."))?;
        let line = record.position().map_or(0, csv::Position::line);
        let number = |index: usize, least: f64| {
            let text = record.get(index).unwrap_or("");
            text.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= least).ok_or_else(|| {
                let name = header.get(index).unwrap_or("");
                fault(format!("line {line}, {name}"), format!("\"{text}\""), "a number, not negative", "Correct it.")
            })
        };
        rows.push(OrganS {
            nuclide: nuclide.and_then(|n| record.get(n)).map(str::to_owned),
            phantom: phantom.and_then(|n| record.get(n)).unwrap_or("").to_owned(),
            source: record.get(source).unwrap_or("").to_owned(),
            target: record.get(target).unwrap_or("").to_owned(),
            s_mgy_per_mbq_s: number(s, 0.0)?,
            target_mass_g: number(mass, f64::MIN_POSITIVE)?,
        });
    }
    if rows.is_empty() {
        return Err(fault("table".into(), "no row".into(), "at least one S value", "Add the S values."));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kidney(mass_g: f64) -> OrganInput {
        OrganInput { label: 2, name: "kidney_right".into(), mass_g, decays: 1e12 }
    }

    fn self_kev(mass_g: f64, scaling: MassScaling) -> f64 {
        let nuclide = Nuclide::load("lu177").unwrap();
        OrganTable::adult("AM").energy(&kidney(mass_g), &[kidney(mass_g)], &nuclide, scaling).unwrap().self_kev / 1e12
    }

    #[test]
    fn law_names_are_matched_by_their_words() {
        assert_eq!(canonical("Left kidney C+M+P"), canonical("kidney_left"));
        assert_ne!(canonical("kidney_left"), canonical("kidney_right"));
    }

    /// At the phantom's mass both scalings are the phantom's own value; they differ by less than 1 % for kidneys.
    #[test]
    fn law_linear_and_split_scaling_agree_for_kidneys() {
        let reference = self_kev(157.011, MassScaling::Linear);
        assert!((reference / 149.8 - 1.0).abs() < 0.005, "{reference}");
        assert!((self_kev(157.011, MassScaling::Split) / reference - 1.0).abs() < 1e-12);
        for mass_g in [100.0, 202.0, 310.0] {
            let (split, linear) = (self_kev(mass_g, MassScaling::Split), self_kev(mass_g, MassScaling::Linear));
            assert!((split / linear - 1.0).abs() < 0.01, "{mass_g} g: {split} {linear}");
        }
    }

    #[test]
    fn law_cross_dose_comes_from_the_other_organs() {
        let nuclide = Nuclide::load("lu177").unwrap();
        let liver = OrganInput { label: 4, name: "liver".into(), mass_g: 1000.0, decays: 5e12 };
        let table = OrganTable::adult("AM");
        let got = table.energy(&kidney(200.0), &[kidney(200.0), liver], &nuclide, MassScaling::Split).unwrap();
        let want = 5e12 * 2.2932e-7 / MGY_PER_MBQ_S_PER_KEV_G * 200.0;
        assert!((got.cross_kev / want - 1.0).abs() < 1e-12);
        let tumour = OrganInput { label: 21, name: "tumour_1".into(), mass_g: 3.0, decays: 1.0 };
        assert!(table.energy(&tumour, &[], &nuclide, MassScaling::Split).is_none());
    }

    #[test]
    fn io_a_table_without_unit_or_with_text_is_refused() {
        for (text, said) in [
            ("source,target,S,target_mass_g\na,b,1,2\n", "S_mGy_per_MBq_s"),
            ("source,target,S_mGy_per_MBq_s,target_mass_g\na,b,x,2\n", "line 2"),
            ("source,target,S_mGy_per_MBq_s,target_mass_g\na,b,1,0\n", "target_mass_g"),
            ("source,target,S_mGy_per_MBq_s,target_mass_g\n", "no row"),
        ] {
            let message = parse(text, "t.csv").unwrap_err().to_string();
            assert!(message.contains(said) && message.contains("t.csv"), "{message}");
        }
    }
}
