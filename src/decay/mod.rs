//! Nuclides: half-life and the emissions of one decay, read from a file.
//!
//! A nuclide is a data file, no code. Built in are `lu177` (the default: evaluated DDEP set), `y90`,
//! `i131`, `tb161`, `cu67`, and `lu177-reference` (the exact source terms of the EGSnrc reference
//! calculations). A file of the user's own, TOML or JSON, has the same fields:
//!
//! ```toml
//! name = "Lu-177"
//! half_life_h = 159.528
//! source = "where the figures come from"
//! electrons = [[47.6, 0.0507, "K 112.9"]]    # energy_kev, yield_per_decay, label (optional)
//! photons = [[208.37, 0.1038]]
//! [beta]
//! edges_kev = [0.0, 100.0, 200.0]             # ascending, one more than probabilities
//! probability_per_decay = [0.7, 0.3]          # of each bin; uniform inside a bin
//! ```
//!
//! Each of `electrons`, `photons` and `beta` may be absent: a monoenergetic source is one line.
//! Emissions are isotropic and independent of each other: angular and coincidence correlations do not
//! change a mean dose. What is left out and how much it is: docs/methods/decay.md.

mod condense;
mod read;

use crate::place::Place;
use crate::text::{self, TextError};

pub use read::NuclideError;

/// Highest energy of an emission, keV: the end of the photon and electron tables.
pub const MAX_EMISSION_KEV: f64 = 3000.0;
/// Most bytes of a nuclide's file; the longest decay scheme has a tenth of that.
const MAX_FILE_BYTES: u64 = crate::text::MAX_BYTES;

/// Names of the nuclides built in, with their files.
const BUILT_IN: [(&str, &str); 6] = [
    ("lu177", include_str!("../../assets/nuclides/lu177.toml")),
    ("lu177-reference", include_str!("../../assets/nuclides/lu177-reference.toml")),
    ("y90", include_str!("../../assets/nuclides/y90.toml")),
    ("i131", include_str!("../../assets/nuclides/i131.toml")),
    ("tb161", include_str!("../../assets/nuclides/tb161.toml")),
    ("cu67", include_str!("../../assets/nuclides/cu67.toml")),
];

/// The three kinds of emission that are transported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EmissionClass {
    /// Beta particles: a continuous spectrum.
    Beta,
    /// Conversion and Auger electrons: lines.
    Electron,
    /// Gammas and X rays: lines.
    Photon,
}

/// A discrete emission.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Energy, keV, 0 < E <= 3000.
    pub energy_kev: f64,
    /// Mean number of particles per decay, positive (it may exceed 1).
    pub yield_per_decay: f64,
    /// What it is, for the reader.
    pub label: String,
}

/// A bin of the beta spectrum; the energy is uniform inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumBin {
    /// Lower edge, keV.
    pub e_lo_kev: f64,
    /// Upper edge, keV, above the lower.
    pub e_hi_kev: f64,
    /// Mean number of betas per decay in the bin.
    pub probability_per_decay: f64,
}

/// A nuclide: what one decay emits.
#[derive(Clone, Debug, PartialEq)]
pub struct Nuclide {
    /// Name as the file gives it, such as `Lu-177`.
    pub name: String,
    /// Half-life, h, positive.
    pub half_life_h: f64,
    /// Beta spectrum, ascending and without gaps; empty without betas.
    pub beta: Vec<SpectrumBin>,
    /// Conversion and Auger electrons, ascending in energy.
    pub electrons: Vec<Line>,
    /// Gammas and X rays, ascending in energy.
    pub photons: Vec<Line>,
    /// Where the figures come from.
    pub source: String,
}

impl Nuclide {
    /// The nuclide built in under `name_or_path` (upper or lower case, with or without hyphen), else
    /// the one in the TOML or JSON file at that path.
    ///
    /// Long line lists are condensed (see [`Line`]): lines below 0.1 keV become one, lines under 1e-6
    /// per decay join their nearest neighbour, and lists over 150 lines merge near neighbours. The
    /// energy per decay of each class is kept to 1e-6.
    ///
    /// Errors name the file, the field, the value found and the values allowed.
    pub fn load(name_or_path: impl Into<Place>) -> Result<Self, NuclideError> {
        let path = &name_or_path.into();
        let name_or_path = &*path.path().to_string_lossy();
        let name = plain(name_or_path);
        if let Some((key, text)) = BUILT_IN.iter().find(|(key, _)| plain(key) == name) {
            return read::from_text(text, &format!("built-in nuclide {key}"), read::Form::Toml);
        }
        if !path.exists() {
            return Err(NuclideError::Unknown {
                name: name_or_path.to_owned(),
                known: Self::built_in_names().join(", "),
            });
        }
        let unreadable = |source: std::io::Error| NuclideError::Unreadable { file: name_or_path.to_owned(), source };
        let bytes = text::bytes(path, MAX_FILE_BYTES).map_err(|error| match error {
            TextError::TooLong { bytes, limit } => {
                NuclideError::TooLong { file: name_or_path.to_owned(), bytes, limit }
            }
            TextError::Unreadable(source) => unreadable(source),
            other => unreadable(std::io::Error::other(other)),
        })?;
        let text =
            text::utf8(bytes).map_err(|source| NuclideError::NotText { file: name_or_path.to_owned(), source })?;
        let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        read::from_text(&text, name_or_path, if json { read::Form::Json } else { read::Form::Toml })
    }

    /// The names [`Nuclide::load`] knows without a file.
    pub fn built_in_names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// A source of one particle of `energy_kev` per decay (half-life 1 h), for tests of transport.
    /// Betas of one energy are a bin 1e-6 of the energy wide. `energy_kev` in (0, 3000].
    pub fn monoenergetic(class: EmissionClass, energy_kev: f64) -> Self {
        let line = Line { energy_kev, yield_per_decay: 1.0, label: "one line".to_owned() };
        let mut nuclide = Self {
            name: format!("monoenergetic {energy_kev} keV"),
            half_life_h: 1.0,
            beta: Vec::new(),
            electrons: Vec::new(),
            photons: Vec::new(),
            source: "monoenergetic".to_owned(),
        };
        match class {
            EmissionClass::Electron => nuclide.electrons.push(line),
            EmissionClass::Photon => nuclide.photons.push(line),
            EmissionClass::Beta => nuclide.beta.push(SpectrumBin {
                e_lo_kev: energy_kev * (1.0 - 0.5e-6),
                e_hi_kev: energy_kev * (1.0 + 0.5e-6),
                probability_per_decay: 1.0,
            }),
        }
        nuclide
    }

    /// Mean energy emitted in `class`, keV per decay. (methods/decay.md eq. 1)
    pub fn energy_kev_per_decay(&self, class: EmissionClass) -> f64 {
        match class {
            EmissionClass::Beta => {
                self.beta.iter().map(|b| 0.5 * (b.e_lo_kev + b.e_hi_kev) * b.probability_per_decay).sum()
            }
            EmissionClass::Electron => line_energy_kev(&self.electrons),
            EmissionClass::Photon => line_energy_kev(&self.photons),
        }
    }

    /// Mean number of particles of `class` per decay.
    pub fn yield_per_decay(&self, class: EmissionClass) -> f64 {
        match class {
            EmissionClass::Beta => self.beta.iter().map(|b| b.probability_per_decay).sum(),
            EmissionClass::Electron => self.electrons.iter().map(|l| l.yield_per_decay).sum(),
            EmissionClass::Photon => self.photons.iter().map(|l| l.yield_per_decay).sum(),
        }
    }

    /// Mean energy of all betas and electrons, keV per decay: what local deposition puts on the spot.
    pub fn electron_energy_kev_per_decay(&self) -> f64 {
        self.energy_kev_per_decay(EmissionClass::Beta) + self.energy_kev_per_decay(EmissionClass::Electron)
    }

    /// Mean energy of everything that is emitted, keV per decay.
    pub fn emitted_kev_per_decay(&self) -> f64 {
        self.electron_energy_kev_per_decay() + self.energy_kev_per_decay(EmissionClass::Photon)
    }

    /// Highest energy of a beta or electron, keV; 0 without any.
    pub fn max_electron_kev(&self) -> f64 {
        let beta = self.beta.iter().filter(|b| b.probability_per_decay > 0.0).map(|b| b.e_hi_kev);
        beta.chain(self.electrons.iter().map(|l| l.energy_kev)).fold(0.0, f64::max)
    }

    /// Highest energy of a photon, keV; 0 without any.
    pub fn max_photon_kev(&self) -> f64 {
        self.photons.iter().map(|l| l.energy_kev).fold(0.0, f64::max)
    }

    /// Decay constant, 1/h.
    pub fn decay_constant_per_h(&self) -> f64 {
        std::f64::consts::LN_2 / self.half_life_h
    }
}

/// Sum of energy x yield, keV per decay.
fn line_energy_kev(lines: &[Line]) -> f64 {
    lines.iter().map(|l| l.energy_kev * l.yield_per_decay).sum()
}

/// `Lu-177`, `lu177` and `LU_177` alike.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use EmissionClass::{Beta, Electron, Photon};

    /// Energy per decay of each class, keV, against independent sums; tolerance in keV.
    fn agrees(nuclide: &Nuclide, beta: f64, electron: f64, photon: f64, tolerance_kev: f64) -> bool {
        [(Beta, beta), (Electron, electron), (Photon, photon)]
            .iter()
            .all(|&(class, kev)| (nuclide.energy_kev_per_decay(class) - kev).abs() < tolerance_kev)
    }

    #[test]
    fn reference_lu177_energy_per_class() {
        let lu = Nuclide::load("Lu-177").unwrap();
        // Sums over the evaluated tables: beta 134.084 per beta, CE 13.133, Auger 1.100, gamma 30.016, X 3.438.
        assert!(
            agrees(&lu, 134.084, 14.233, 33.454, 0.01),
            "{:?}",
            [Beta, Electron, Photon].map(|c| lu.energy_kev_per_decay(c))
        );
        assert!((lu.electron_energy_kev_per_decay() - 148.4).abs() < 0.1);
        assert!((lu.yield_per_decay(Beta) - 1.0).abs() < 1e-5);
        assert!((lu.half_life_h - 159.528).abs() < 1e-9);
        assert!((lu.max_electron_kev() - 498.0).abs() < 1.0);
        assert!(lu.electrons.len() <= 150 && lu.photons.len() <= 150, "{} {}", lu.electrons.len(), lu.photons.len());
    }

    #[test]
    fn reference_other_nuclides_energy_per_class() {
        // Sums over the evaluated tables, betas normalised to one per decay.
        let i131_ce = 10.897 - (0.0066676 * 129.37 + 0.0031122 * 158.48 + 163.1 * 7.13e-4 + 163.8 * 1.5e-4);
        for (name, beta, electron, photon, tolerance_kev) in [
            ("y90", 929.358, 0.0, 0.0, 0.01),
            ("i131", 181.784, i131_ce + 0.464, 380.845 - 0.0346, 0.02),
            ("tb161", 154.264, 38.076 + 8.708, 35.938, 0.01),
            ("cu67", 135.890, 13.954 + 0.757, 115.347, 0.01),
        ] {
            let nuclide = Nuclide::load(name).unwrap();
            let found = [Beta, Electron, Photon].map(|c| nuclide.energy_kev_per_decay(c));
            assert!(agrees(&nuclide, beta, electron, photon, tolerance_kev), "{name}: {found:?}");
            assert!(nuclide.electrons.len() <= 150, "{name}: {} electron lines", nuclide.electrons.len());
        }
    }

    #[test]
    fn reference_set_stands_as_the_reference_runs_had_it() {
        let lu = Nuclide::load("lu177-reference").unwrap();
        assert!(
            agrees(&lu, 134.04, 14.25, 33.45, 0.005),
            "{:?}",
            [Beta, Electron, Photon].map(|c| lu.energy_kev_per_decay(c))
        );
        assert!((lu.yield_per_decay(Electron) - 0.690_766_196).abs() < 1e-9);
        assert!((lu.yield_per_decay(Photon) - 0.259_351).abs() < 1e-9);
        assert_eq!((lu.electrons.len(), lu.photons.len(), lu.beta.len()), (29, 15, 997));
    }

    #[test]
    fn alarm_one_percent_of_a_line_rings() {
        let mut lu = Nuclide::load("lu177").unwrap();
        let strongest = lu.photons.iter_mut().max_by(|a, b| a.yield_per_decay.total_cmp(&b.yield_per_decay)).unwrap();
        strongest.yield_per_decay *= 1.01;
        assert!(!agrees(&lu, 134.084, 14.233, 33.454, 0.01));
    }

    #[test]
    fn law_spectra_have_no_gap_and_lines_ascend() {
        for name in Nuclide::built_in_names() {
            let n = Nuclide::load(name).unwrap();
            println!(
                "{name}: {} bins, {} electron and {} photon lines",
                n.beta.len(),
                n.electrons.len(),
                n.photons.len()
            );
            assert!(n.beta.windows(2).all(|b| b[0].e_hi_kev == b[1].e_lo_kev), "{name}");
            assert!(n.beta.iter().all(|b| b.e_hi_kev > b.e_lo_kev && b.probability_per_decay >= 0.0), "{name}");
            for lines in [&n.electrons, &n.photons] {
                assert!(lines.windows(2).all(|l| l[0].energy_kev <= l[1].energy_kev), "{name}");
                assert!(lines.iter().all(|l| l.yield_per_decay > 0.0 && l.energy_kev >= 0.1 - 1e-12), "{name}");
            }
        }
    }

    #[test]
    fn law_monoenergetic_sources_emit_one_particle() {
        for class in [Beta, Electron, Photon] {
            let n = Nuclide::monoenergetic(class, 200.0);
            assert!((n.energy_kev_per_decay(class) - 200.0).abs() < 1e-9);
            assert_eq!(n.yield_per_decay(class), 1.0);
        }
    }
}
