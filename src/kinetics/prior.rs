//! Prior files: what a population's curves look like, organ by organ, and where that is known from.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::curve::Shape;
use crate::fault::Fault;
use crate::note::Note;

/// Prior files that come with the program: name and text.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("dotatate-2017", include_str!("../../assets/kinetics/dotatate-2017.toml")),
    ("dotatate-kidney-2024", include_str!("../../assets/kinetics/dotatate-kidney-2024.toml")),
    ("dotatate-kidney-uptake", include_str!("../../assets/kinetics/dotatate-kidney-uptake.toml")),
];

/// The amplitude's parameter, for any shape: amplitude over administered activity and volume, MBq/(mL GBq).
pub const UPTAKE: &str = "uptake_mbq_per_ml_gbq";
/// All of an administered GBq in one mL, MBq/(mL GBq).
const MOST_UPTAKE: f64 = 1000.0;

const NEXT: &str = "See docs/methods/kinetics.md.";
/// Normal deviate of a one-sided probability of 97.5 %.
const UPPER: f64 = 1.959_964;
/// How far from a symmetric matrix with ones on its diagonal a correlation matrix may be.
const SYMMETRIC: f64 = 1e-9;

/// A parameter of a curve in the population: its logarithm (of a share: ln(w/(1-w))) is normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Median, h or a share.
    pub median: f64,
    /// Standard deviation of the logarithm among patients.
    pub patient_log_sd: f64,
    /// Standard deviation of the logarithm among the cycles of a patient.
    pub cycle_log_sd: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrgan {
    organ: String,
    names: Vec<String>,
    shape: Shape,
    scan_rel_sigma: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Vec<Vec<f64>>>,
    parameters: BTreeMap<String, Spread>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrior {
    schema: u32,
    name: String,
    source: String,
    pharmaceutical: Vec<String>,
    nuclide: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patients: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scanner: Option<String>,
    organs: Vec<RawOrgan>,
}

/// The population of one organ.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganPrior {
    /// Organ.
    pub organ: String,
    /// Words of region names that mean it.
    pub names: Vec<String>,
    /// Shape of its curves.
    pub shape: Shape,
    /// Scatter of a scan's activity about the curve, relative; used where a scan states none.
    pub scan_rel_sigma: f64,
    /// Means of the kinetic coordinates, then of the logarithm of the uptake where it is known.
    pub mean: Vec<f64>,
    /// Their standard deviations among patients.
    pub patient_sd: Vec<f64>,
    /// Their standard deviations among the cycles of a patient.
    pub cycle_sd: Vec<f64>,
    /// Their correlation, of patients and of cycles.
    pub correlation: DMatrix<f64>,
}

/// A prior file.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    /// Name.
    pub name: String,
    /// Where the numbers are from.
    pub source: String,
    /// Pharmaceuticals it holds for.
    pub pharmaceutical: Vec<String>,
    /// Nuclide: effective half-lives are its own.
    pub nuclide: String,
    /// Number of patients, where the source says it.
    pub patients: Option<u32>,
    /// Scanner, where it is known.
    pub scanner: Option<String>,
    /// Organs.
    pub organs: Vec<OrganPrior>,
}

impl OrganPrior {
    /// Whether the size of an uptake is known, not its shape in time alone.
    pub fn knows_uptake(&self) -> bool {
        self.mean.len() > self.shape.kinetics()
    }

    /// Names of the parameters, in the order of the means.
    pub fn parameter_names(&self) -> Vec<&'static str> {
        let uptake = self.knows_uptake().then_some(UPTAKE);
        self.shape.kinetic_names().iter().copied().chain(uptake).collect()
    }

    /// Median of a parameter.
    pub fn median(&self, parameter: usize) -> f64 {
        if parameter < self.shape.kinetics() {
            self.shape.value_of(parameter, self.mean[parameter])
        } else {
            self.mean[parameter].exp()
        }
    }

    /// The organ with nothing known of the size of an uptake.
    pub fn without_uptake(&self) -> Self {
        let k = self.shape.kinetics();
        let first = |all: &[f64]| all[..k].to_vec();
        Self {
            mean: first(&self.mean),
            patient_sd: first(&self.patient_sd),
            cycle_sd: first(&self.cycle_sd),
            correlation: self.correlation.view((0, 0), (k, k)).into_owned(),
            ..self.clone()
        }
    }

    fn covariance(&self, sd: &[f64]) -> DMatrix<f64> {
        DMatrix::from_fn(sd.len(), sd.len(), |i, j| self.correlation[(i, j)] * sd[i] * sd[j])
    }

    /// Covariance of the coordinates among patients.
    pub fn patient_covariance(&self) -> DMatrix<f64> {
        self.covariance(&self.patient_sd)
    }

    /// Their covariance among the cycles of a patient.
    pub fn cycle_covariance(&self) -> DMatrix<f64> {
        self.covariance(&self.cycle_sd)
    }

    /// Whether a region is of this organ: one of its words names it.
    pub fn is_of(&self, region: &str) -> bool {
        words(region).iter().any(|word| self.names.iter().any(|name| name.eq_ignore_ascii_case(word)))
    }

    /// The organ as it stands in a file.
    fn raw(&self) -> RawOrgan {
        let spread = |p: usize| Spread {
            median: self.median(p),
            patient_log_sd: self.patient_sd[p],
            cycle_log_sd: self.cycle_sd[p],
        };
        let names = self.parameter_names();
        let plain = self.correlation == DMatrix::identity(names.len(), names.len());
        let rows = self.correlation.row_iter().map(|row| row.iter().copied().collect()).collect();
        RawOrgan {
            organ: self.organ.clone(),
            names: self.names.clone(),
            shape: self.shape,
            scan_rel_sigma: self.scan_rel_sigma,
            note: None,
            correlation: (!plain).then_some(rows),
            parameters: names.iter().enumerate().map(|(p, name)| ((*name).to_owned(), spread(p))).collect(),
        }
    }
}

/// Words of a region's name, without numbers.
fn words(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect()
}

impl Prior {
    /// A prior from TOML text; `file` names it in errors, `physical_half_life_h` is that of its nuclide by name.
    ///
    /// Errors: a field that is missing, unknown or out of range; a matrix that is no correlation matrix; half-lives beyond
    /// physical decay; a nuclide that is not known.
    pub fn parse(text: &str, file: &str, physical_half_life_h: impl Fn(&str) -> Option<f64>) -> Result<Self, Fault> {
        let invalid = |field: &str, found: String, allowed: &str| Fault::invalid(file, field, found, allowed, NEXT);
        let tokens = crate::text::tokens(text);
        if tokens > crate::text::MAX_TOKENS {
            return Err(invalid("text", format!("{tokens} tokens"), "a file of a population's kinetics"));
        }
        let raw: RawPrior = toml::from_str(text).map_err(|error| {
            let found = crate::text::missing::words::<RawPrior>(text, &error);
            invalid("TOML", found, "the fields that the manual lists, each once")
        })?;
        if raw.schema != 1 {
            return Err(invalid("schema", raw.schema.to_string(), "1"));
        }
        for (field, value) in [("name", &raw.name), ("source", &raw.source)] {
            if value.trim().is_empty() {
                return Err(invalid(field, "none".to_owned(), "what the numbers are and where they are from"));
            }
        }
        if raw.patients == Some(0) {
            return Err(invalid("patients", "0".to_owned(), "1 or more"));
        }
        let physical_h = physical_half_life_h(&raw.nuclide)
            .ok_or_else(|| invalid("nuclide", format!("\"{}\"", raw.nuclide), "a nuclide that Lutra knows"))?;
        if raw.organs.is_empty() {
            return Err(invalid("organs", "none".to_owned(), "at least one [[organs]]"));
        }
        let organs = raw.organs.iter().map(|organ| of_organ(organ, file, physical_h)).collect::<Result<_, _>>()?;
        Ok(Self {
            name: raw.name,
            source: raw.source,
            pharmaceutical: raw.pharmaceutical,
            nuclide: raw.nuclide,
            patients: raw.patients,
            scanner: raw.scanner,
            organs,
        })
    }

    /// The prior as TOML.
    pub fn text(&self) -> String {
        let raw = RawPrior {
            schema: 1,
            name: self.name.clone(),
            source: self.source.clone(),
            pharmaceutical: self.pharmaceutical.clone(),
            nuclide: self.nuclide.clone(),
            patients: self.patients,
            scanner: self.scanner.clone(),
            organs: self.organs.iter().map(OrganPrior::raw).collect(),
        };
        toml::to_string(&raw).expect("numbers and texts are TOML")
    }

    /// The organ that a region is of; none where no organ or several claim it.
    pub fn organ_of(&self, region: &str) -> Option<&OrganPrior> {
        let mut of = self.organs.iter().filter(|organ| organ.is_of(region));
        let first = of.next()?;
        of.next().is_none().then_some(first)
    }

    /// What a user must be told before this prior is used for `nuclide` and, where it is stated, `pharmaceutical`.
    pub fn notes(&self, nuclide: &str, pharmaceutical: Option<&str>) -> Vec<Note> {
        let mut notes = Vec::new();
        if plain(&self.nuclide) != plain(nuclide) {
            let text = format!(
                "the kinetics of {} are for {}, the images are of {nuclide}: effective half-lives of one nuclide are not \
                 another's",
                self.name, self.nuclide
            );
            notes.push(Note::warning("prior-of-another-nuclide", text));
        }
        let same = |given: &str| self.pharmaceutical.iter().any(|own| own.eq_ignore_ascii_case(given));
        if let Some(given) = pharmaceutical.filter(|given| !same(given)) {
            let own = self.pharmaceutical.join(", ");
            let text = format!("the kinetics of {} are for {own}, the patient was given {given}", self.name);
            notes.push(Note::warning("prior-of-another-pharmaceutical", text));
        }
        notes
    }
}

/// A nuclide's name without what does not count: "lu177" and "Lu-177" are one.
fn plain(nuclide: &str) -> String {
    nuclide.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// One organ of a file.
fn of_organ(raw: &RawOrgan, file: &str, physical_h: f64) -> Result<OrganPrior, Fault> {
    let place = |field: &str| format!("organs ({}): {field}", raw.organ);
    let invalid = |field: &str, found: String, allowed: &str| Fault::invalid(file, place(field), found, allowed, NEXT);
    if raw.names.is_empty() || raw.names.iter().any(|name| words(name) != [name.as_str()]) {
        return Err(invalid("names", format!("{:?}", raw.names), "single words of region names, as \"kidney\""));
    }
    if !(raw.scan_rel_sigma > 0.0 && raw.scan_rel_sigma < 1.0) {
        return Err(invalid("scan_rel_sigma", raw.scan_rel_sigma.to_string(), "above 0 and below 1"));
    }
    let mut known = raw.shape.kinetic_names().to_vec();
    if let Some(other) = raw.parameters.keys().find(|name| !known.contains(&name.as_str()) && *name != UPTAKE) {
        return Err(invalid(other, "an entry".to_owned(), &format!("{}, {UPTAKE}", known.join(", "))));
    }
    known.extend(raw.parameters.contains_key(UPTAKE).then_some(UPTAKE));
    let (mut mean, mut patient_sd, mut cycle_sd) = (vec![], vec![], vec![]);
    for (p, name) in known.iter().enumerate() {
        let spread = raw.parameters.get(*name).ok_or_else(|| invalid(name, "none".to_owned(), "an entry"))?;
        check_spread(name, spread, physical_h).map_err(|(field, found, allowed)| invalid(&field, found, &allowed))?;
        mean.push(if *name == UPTAKE { spread.median.ln() } else { raw.shape.coordinate(p, spread.median) });
        patient_sd.push(spread.patient_log_sd);
        cycle_sd.push(spread.cycle_log_sd);
    }
    let correlation = match &raw.correlation {
        None => DMatrix::identity(known.len(), known.len()),
        Some(rows) => correlation(rows, known.len()).map_err(|found| {
            invalid("correlation", found, "a symmetric matrix with ones on its diagonal and positive eigenvalues")
        })?,
    };
    Ok(OrganPrior {
        organ: raw.organ.clone(),
        names: raw.names.clone(),
        shape: raw.shape,
        scan_rel_sigma: raw.scan_rel_sigma,
        mean,
        patient_sd,
        cycle_sd,
        correlation,
    })
}

/// Field, value found and values allowed of a spread that cannot be.
fn check_spread(name: &str, spread: &Spread, physical_h: f64) -> Result<(), (String, String, String)> {
    let wrong = |field: &str, found: f64, allowed: String| Err((format!("{name}.{field}"), found.to_string(), allowed));
    let Spread { median, patient_log_sd, cycle_log_sd } = *spread;
    for (field, sd) in [("patient_log_sd", patient_log_sd), ("cycle_log_sd", cycle_log_sd)] {
        if !(sd > 0.0 && sd <= 2.0) {
            return wrong(field, sd, "above 0 and at most 2, the standard deviation of the logarithm".to_owned());
        }
    }
    if name == UPTAKE {
        if !(median > 0.0 && median <= MOST_UPTAKE) {
            return wrong("median", median, format!("above 0 and at most {MOST_UPTAKE}, all of it in one mL"));
        }
        return Ok(());
    }
    if name == "fast_share" {
        if !(median > 0.0 && median < 1.0) {
            return wrong("median", median, "above 0 and below 1".to_owned());
        }
        return Ok(());
    }
    if !(median > 0.0 && median < physical_h) {
        return wrong("median", median, format!("above 0 and below physical decay, {physical_h} h"));
    }
    let upper = median * (UPPER * patient_log_sd.hypot(cycle_log_sd)).exp();
    if upper > physical_h {
        let allowed = format!("97.5 % of the patients below physical decay, {physical_h} h");
        return wrong("97.5 % quantile", upper, allowed);
    }
    Ok(())
}

/// A correlation matrix of `size` rows, or what is wrong with it.
fn correlation(rows: &[Vec<f64>], size: usize) -> Result<DMatrix<f64>, String> {
    if rows.len() != size || rows.iter().any(|row| row.len() != size) {
        return Err(format!("{} rows of {:?}", rows.len(), rows.iter().map(Vec::len).collect::<Vec<_>>()));
    }
    let matrix = DMatrix::from_fn(size, size, |i, j| rows[i][j]);
    for i in 0..size {
        if (matrix[(i, i)] - 1.0).abs() > SYMMETRIC {
            return Err(format!("{} on the diagonal", matrix[(i, i)]));
        }
        for j in 0..i {
            if !((matrix[(i, j)] - matrix[(j, i)]).abs() <= SYMMETRIC && matrix[(i, j)].abs() < 1.0) {
                return Err(format!("{} and {}", matrix[(i, j)], matrix[(j, i)]));
            }
        }
    }
    matrix.clone().cholesky().map(|_| matrix).ok_or_else(|| "an eigenvalue that is not above 0".to_owned())
}
