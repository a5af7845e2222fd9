//! Scanner calibration: Hounsfield units to mass density (straight pieces) and to a tissue (bins).
//!
//! The default is Schneider, Bortfeld & Schlegel, Phys. Med. Biol. 45 (2000) 459: one scanner at
//! 120 kV, with the jump of the paper at 101 HU (1.1199 to 1.0768 g/cm3). A clinic gives its own curve
//! (CSV `hu,density_g_cm3`, straight between the points) and, where wanted, its own bins (CSV
//! `hu_from,hu_to,tissue`).

use super::MaterialError;
use super::tissues::{self, CsvRow, Tissue, csv_rows, read_text, schneider_tissues};
use crate::place::Place;

const SCHNEIDER_DENSITY: &str = include_str!("../../assets/materials/schneider2000_density.csv");

/// HU outside this range take the value at its end: the range of Schneider's curve and bins.
const SCHNEIDER_CLIP_HU: (f64, f64) = (-1000.0, 1600.0);

/// A straight piece of a density curve, `hu_from <= HU < hu_to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DensityPiece {
    /// First HU of the piece.
    pub hu_from: f64,
    /// End of the piece, HU.
    pub hu_to: f64,
    /// Density at `hu_from`, g/cm3, positive.
    pub from_g_cm3: f64,
    /// Density where the piece ends, g/cm3, positive.
    pub to_g_cm3: f64,
}

impl DensityPiece {
    fn density_g_cm3(&self, hu: f64) -> f64 {
        self.from_g_cm3 + (self.to_g_cm3 - self.from_g_cm3) * (hu - self.hu_from) / (self.hu_to - self.hu_from)
    }
}

/// A bin of HU with its tissue, `hu_from <= HU < hu_to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TissueBin {
    /// First HU of the bin.
    pub hu_from: f64,
    /// End of the bin, HU.
    pub hu_to: f64,
    /// Index into the tissues of the calibration.
    pub tissue: u8,
}

/// From HU to matter: a density curve, tissue bins and the tissues.
#[derive(Clone, Debug, PartialEq)]
pub struct HuCalibration {
    /// Where it comes from, for the report.
    pub source: String,
    pieces: Vec<DensityPiece>,
    bins: Vec<TissueBin>,
    tissues: Vec<Tissue>,
    clip_hu: (f64, f64),
}

impl HuCalibration {
    /// The calibration of Schneider et al. 2000; HU are held within -1000 to 1600.
    pub fn schneider2000() -> Self {
        let rows = csv_rows(SCHNEIDER_DENSITY, "built-in Schneider curve").expect("the embedded curve is valid");
        let pieces = rows.iter().map(schneider_piece).collect();
        let bins = tissues::schneider_bins()
            .iter()
            .enumerate()
            .map(|(index, &(hu_from, hu_to))| TissueBin { hu_from, hu_to, tissue: index as u8 })
            .collect();
        Self {
            source: "Schneider, Bortfeld & Schlegel 2000 (24 tissues; one scanner at 120 kV)".to_owned(),
            pieces,
            bins,
            tissues: schneider_tissues(),
            clip_hu: SCHNEIDER_CLIP_HU,
        }
    }

    /// A checked calibration: `pieces` and `bins` each ascending and without gaps or overlaps,
    /// densities in (0, 30] g/cm3, tissue indices inside `tissues`. HU outside the pieces take the
    /// density at their end, HU outside the bins the tissue of the end bin.
    pub fn new(
        source: &str,
        pieces: Vec<DensityPiece>,
        bins: Vec<TissueBin>,
        tissues: Vec<Tissue>,
    ) -> Result<Self, MaterialError> {
        let fault = |place: String, fault: String| MaterialError::Table { file: source.to_owned(), place, fault };
        for (what, edges) in [
            ("density curve", pieces.iter().map(|p| (p.hu_from, p.hu_to)).collect::<Vec<_>>()),
            ("tissue bins", bins.iter().map(|b| (b.hu_from, b.hu_to)).collect()),
        ] {
            if edges.is_empty() {
                return Err(fault(what.to_owned(), "it is empty; allowed: at least one piece".to_owned()));
            }
            if let Some(bad) = edges.iter().find(|(from, to)| !(from < to && from.is_finite() && to.is_finite())) {
                return Err(fault(what.to_owned(), format!("HU from {} to {}; allowed: ascending HU", bad.0, bad.1)));
            }
            if let Some(pair) = edges.windows(2).find(|p| p[0].1 != p[1].0) {
                let text = format!(
                    "a piece ends at {} HU and the next begins at {} HU; allowed: no gap and no overlap",
                    pair[0].1, pair[1].0
                );
                return Err(fault(what.to_owned(), text));
            }
        }
        let sound = |rho: f64| rho > 0.0 && rho <= 30.0;
        if let Some(bad) = pieces.iter().find(|p| !(sound(p.from_g_cm3) && sound(p.to_g_cm3))) {
            let text = format!(
                "{} to {} g/cm3; allowed: above 0 and at most 30 (in g/cm3, not kg/m3)",
                bad.from_g_cm3, bad.to_g_cm3
            );
            return Err(fault(format!("density at {} HU", bad.hu_from), text));
        }
        if let Some(bad) = bins.iter().find(|b| usize::from(b.tissue) >= tissues.len()) {
            let text = format!("tissue index {}; allowed: 0 to {}", bad.tissue, tissues.len().saturating_sub(1));
            return Err(fault(format!("bin from {} HU", bad.hu_from), text));
        }
        let clip_hu = (pieces[0].hu_from, pieces[pieces.len() - 1].hu_to);
        Ok(Self { source: source.to_owned(), pieces, bins, tissues, clip_hu })
    }

    /// This calibration with the density curve of the CSV file at `path` (columns `hu`,
    /// `density_g_cm3`; at least two rows, HU not descending; two rows with one HU make a jump).
    pub fn with_density_file(self, path: impl Into<Place>) -> Result<Self, MaterialError> {
        let path = &path.into();
        let file = path.display().to_string();
        let text = read_text(path, &file)?;
        let pieces = density_pieces(&csv_rows(&text, &file)?, &file)?;
        Self::new(&format!("{file} (density) on {}", self.source), pieces, self.bins, self.tissues)
    }

    /// This calibration with the bins of the CSV file at `path` (columns `hu_from`, `hu_to`,
    /// `tissue`); `tissue` names one of `tissues`, else a tissue built in.
    pub fn with_tissue_file(self, path: impl Into<Place>, tissues: &[Tissue]) -> Result<Self, MaterialError> {
        let path = &path.into();
        let file = path.display().to_string();
        let text = read_text(path, &file)?;
        let (mut bins, mut used): (Vec<TissueBin>, Vec<Tissue>) = (Vec::new(), Vec::new());
        for row in csv_rows(&text, &file)? {
            let name = row.text("tissue")?;
            let index = match used.iter().position(|t| t.name == name) {
                Some(index) => index,
                None => {
                    let mut tissue = match tissues.iter().find(|t| t.name == name) {
                        Some(tissue) => tissue.clone(),
                        None => Tissue::built_in(name).map_err(|e| row.fault(&e.to_string()))?,
                    };
                    name.clone_into(&mut tissue.name);
                    used.push(tissue);
                    used.len() - 1
                }
            };
            let tissue = u8::try_from(index).map_err(|_| row.fault("more than 256 different tissues"))?;
            bins.push(TissueBin { hu_from: row.number("hu_from")?, hu_to: row.number("hu_to")?, tissue });
        }
        let clip_hu = self.clip_hu;
        let mut calibration = Self::new(&format!("{file} (tissues) on {}", self.source), self.pieces, bins, used)?;
        calibration.clip_hu = clip_hu;
        Ok(calibration)
    }

    /// Density at `hu`, g/cm3; `hu` outside the curve takes the value at its end.
    pub fn density_g_cm3(&self, hu: f64) -> f64 {
        let hu = hu.clamp(self.clip_hu.0, self.clip_hu.1);
        let index = self.pieces.partition_point(|p| p.hu_from <= hu).saturating_sub(1);
        self.pieces[index].density_g_cm3(hu)
    }

    /// Index of the tissue at `hu`; `hu` outside the bins takes the end bin.
    pub fn tissue_index(&self, hu: f64) -> u8 {
        let hu = hu.clamp(self.clip_hu.0, self.clip_hu.1);
        let index = self.bins.partition_point(|b| b.hu_from <= hu).saturating_sub(1);
        self.bins[index].tissue
    }

    /// The tissues that [`HuCalibration::tissue_index`] points into.
    pub fn tissues(&self) -> &[Tissue] {
        &self.tissues
    }

    /// The pieces of the density curve, ascending.
    pub fn pieces(&self) -> &[DensityPiece] {
        &self.pieces
    }

    /// The tissue bins, ascending.
    pub fn bins(&self) -> &[TissueBin] {
        &self.bins
    }

    /// HU are held within this range, (lowest, highest).
    pub fn clip_hu(&self) -> (f64, f64) {
        self.clip_hu
    }
}

fn schneider_piece(row: &CsvRow) -> DensityPiece {
    let number = |name| row.number(name).expect("the embedded curve is valid");
    let at = |hu: f64| number("offset_g_cm3") + number("slope_g_cm3_per_hu") * hu;
    let (hu_from, hu_to) = (number("hu_from"), number("hu_to"));
    DensityPiece { hu_from, hu_to, from_g_cm3: at(hu_from), to_g_cm3: at(hu_to) }
}

fn density_pieces(rows: &[CsvRow], file: &str) -> Result<Vec<DensityPiece>, MaterialError> {
    let points = rows
        .iter()
        .map(|row| Ok((row.number("hu")?, row.number("density_g_cm3")?)))
        .collect::<Result<Vec<_>, MaterialError>>()?;
    if points.len() < 2 {
        return Err(MaterialError::Table {
            file: file.to_owned(),
            place: "density curve".to_owned(),
            fault: format!("{} points; allowed: at least 2", points.len()),
        });
    }
    if let Some(place) = points.windows(2).position(|p| p[1].0 < p[0].0) {
        return Err(rows[place + 1].fault(&format!(
            "hu is {} after {}; allowed: HU that do not descend",
            points[place + 1].0,
            points[place].0
        )));
    }
    Ok(points
        .windows(2)
        .filter(|p| p[1].0 > p[0].0)
        .map(|p| DensityPiece { hu_from: p[0].0, hu_to: p[1].0, from_g_cm3: p[0].1, to_g_cm3: p[1].1 })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn reference_schneider_density_at_the_knots() {
        let c = HuCalibration::schneider2000();
        // Values by hand from equations 17 to 23 of the paper; 101 HU is the jump.
        for (hu, g_cm3) in [
            (-2000.0, 0.001_21),
            (-1000.0, 0.001_21),
            (-549.0, 0.465_605),
            (-98.0, 0.930_486),
            (0.0, 1.018),
            (15.0, 1.03),
            (22.0, 1.03),
            (40.0, 1.049_76),
            (100.0, 1.1199),
            (100.999, 1.121_068),
            (101.0, 1.076_792),
            (1000.0, 1.609),
            (1600.0, 1.9642),
            (3000.0, 1.9642),
        ] {
            assert!((c.density_g_cm3(hu) - g_cm3).abs() < 1e-6, "{hu}: {}", c.density_g_cm3(hu));
        }
    }

    #[test]
    fn reference_schneider_bins_at_the_edges() {
        let c = HuCalibration::schneider2000();
        for (hu, index) in [
            (-1024.0, 0),
            (-951.0, 0),
            (-950.0, 1),
            (-120.0, 2),
            (-83.0, 2),
            (-82.0, 3),
            (18.0, 6),
            (19.0, 7),
            (79.0, 7),
            (80.0, 8),
            (120.0, 9),
            (1500.0, 23),
            (3071.0, 23),
        ] {
            assert_eq!(c.tissue_index(hu), index, "{hu}");
        }
        assert_eq!(c.tissues()[7].name, "soft-tissue");
    }

    #[test]
    fn alarm_a_smoothed_jump_rings() {
        let c = HuCalibration::schneider2000();
        let smooth = written("hu,density_g_cm3\n-1000,0.00121\n-98,0.930486\n100,1.1199\n1600,1.9642\n");
        let smoothed = c.clone().with_density_file(smooth.path()).unwrap();
        assert!((smoothed.density_g_cm3(110.0) / c.density_g_cm3(110.0) - 1.0).abs() > 0.02);
    }

    #[test]
    fn io_a_clinics_own_curve_and_bins() {
        let curve = written("# ours\nhu,density_g_cm3\n-1000,0.0012\n0,1.0\n100,1.1\n100,1.08\n1000,1.6\n");
        let bins = written("hu_from,hu_to,tissue\n-1000,-900,air\n-900,-200,lung\n-200,150,mine\n150,3000,bone\n");
        let mine = Tissue::new("mine", &[(1, 0.1), (8, 0.9)], 75.0, 1.0).unwrap();
        let c = HuCalibration::schneider2000().with_density_file(curve.path()).unwrap();
        let c = c.with_tissue_file(bins.path(), &[mine]).unwrap();
        assert!((c.density_g_cm3(99.999) - 1.099_999).abs() < 1e-5);
        assert!((c.density_g_cm3(100.0) - 1.08).abs() < 1e-12);
        assert!((c.density_g_cm3(4000.0) - 1.6).abs() < 1e-12);
        assert_eq!(c.tissues()[usize::from(c.tissue_index(0.0))].name, "mine");
        assert_eq!(c.tissues()[usize::from(c.tissue_index(700.0))].name, "bone");
        assert_eq!(c.tissues().len(), 4);
    }

    #[test]
    fn io_faults_in_a_calibration_are_named() {
        let base = HuCalibration::schneider2000;
        for (text, expected) in [
            ("hu,density_g_cm3\n0,1\n", "1 points; allowed: at least 2"),
            ("hu,density_g_cm3\n0,1\n-5,2\n", "line 3: hu is -5 after 0"),
            ("hu,density_g_cm3\n0,1000\n5,1010\n", "in g/cm3, not kg/m3"),
            ("hu,density_g_cm3\n0,one\n5,1\n", "density_g_cm3 is \"one\""),
            ("hu,rho\n0,1\n5,1\n", "column density_g_cm3 is missing"),
        ] {
            let file = written(text);
            let message = base().with_density_file(file.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        for (text, expected) in [
            ("hu_from,hu_to,tissue\n0,10,water\n20,30,water\n", "ends at 10 HU and the next begins at 20 HU"),
            ("hu_from,hu_to,tissue\n0,10,cheese\n", "no tissue \"cheese\""),
            ("hu_from,hu_to,tissue\n10,0,water\n", "HU from 10 to 0"),
        ] {
            let file = written(text);
            let message = base().with_tissue_file(file.path(), &[]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
