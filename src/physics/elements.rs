//! Evaluated data of the elements Z = 1 to 92: atoms, photon cross-sections, form factors, electron
//! elastic transport cross-sections and bremsstrahlung.
//!
//! The tables are Lutra's own files below `assets/` (provenance in `assets/PROVENANCE.md`), embedded
//! in the program and parsed once. Sources: EPICS2017 (EPDL, EADL, EEDL; Cullen, IAEA-NDS-224) and
//! ELSEPA (Salvat, Jablonski & Powell 2005).

use crate::elementary::{exp, ln};
use std::sync::OnceLock;

/// Largest atomic number with data.
pub const MAX_Z: u8 = 92;

const ATOMS: &str = include_str!("../../assets/elements/atoms.csv");
const SHELLS: &str = include_str!("../../assets/elements/shells.csv");
const FLUORESCENCE: &str = include_str!("../../assets/elements/k_fluorescence.csv");
const CROSS_SECTIONS: &str = include_str!("../../assets/photon/cross_sections.csv");
const FORM_FACTOR: &str = include_str!("../../assets/photon/form_factor.csv");
const INCOHERENT_FUNCTION: &str = include_str!("../../assets/photon/incoherent_function.csv");
const ELASTIC: &str = include_str!("../../assets/electron/elastic_transport.csv");
const BREMSSTRAHLUNG: &str = include_str!("../../assets/electron/bremsstrahlung.csv");
const BREMSSTRAHLUNG_SHAPE: &str = include_str!("../../assets/electron/bremsstrahlung_shape.csv");

/// One atomic subshell (EADL2017).
#[derive(Clone, Debug, PartialEq)]
pub struct Shell {
    /// Name of the subshell: K, L1, ... .
    pub name: String,
    /// Electrons in the subshell; a fraction where EADL spreads a doublet.
    pub electrons: f64,
    /// Binding energy, keV.
    pub binding_kev: f64,
}

/// K-shell fluorescence of an element (EADL2017, EPDL2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KFluorescence {
    /// Photons per K vacancy.
    pub yield_per_vacancy: f64,
    /// Mean energy of the K lines, keV.
    pub mean_line_kev: f64,
    /// Share of the K shell in the photoelectric cross-section just above its edge, or at 1 keV.
    pub photoelectric_share: f64,
}

/// A tabulated function: `x` not descending (two equal neighbours mark an edge), `y` beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TabulatedCurve {
    /// Abscissae, not descending.
    pub x: Vec<f64>,
    /// Ordinates, as many as `x`.
    pub y: Vec<f64>,
}

impl TabulatedCurve {
    /// Linear interpolation at `x`; outside the table the nearest end value.
    pub fn lin_lin(&self, x: f64) -> f64 {
        lin_lin(&self.x, &self.y, x)
    }

    /// Log-log interpolation at `x` > 0; linear where an ordinate or abscissa is zero; outside the
    /// table the nearest end value.
    pub fn log_log(&self, x: f64) -> f64 {
        log_log(&self.x, &self.y, x)
    }
}

/// Index i of the interval `x[i] <= at < x[i + 1]`, clamped to the table. On an edge pair (two equal
/// abscissae) the interval above the edge. `x` holds at least two values.
fn interval(x: &[f64], at: f64) -> usize {
    x.partition_point(|&v| v <= at).clamp(1, x.len() - 1) - 1
}

/// Linear interpolation of the table (`x`, `y`) at `at`; outside the nearest end value. Exactly on an
/// edge pair the value above the edge. Panics when `x` and `y` are empty or of unequal length.
pub fn lin_lin(x: &[f64], y: &[f64], at: f64) -> f64 {
    assert!(x.len() == y.len() && !x.is_empty(), "a table has as many ordinates as abscissae, at least one");
    if at <= x[0] {
        return y[0];
    }
    if at >= x[x.len() - 1] {
        return y[y.len() - 1];
    }
    let i = interval(x, at);
    let share = (at - x[i]) / (x[i + 1] - x[i]);
    y[i] + share * (y[i + 1] - y[i])
}

/// Log-log interpolation of the table (`x`, `y`) at `at`; linear in an interval with a value that is
/// not positive; outside the nearest end value. Exactly on an edge pair the value above the edge.
/// Panics when `x` and `y` are empty or of unequal length.
pub fn log_log(x: &[f64], y: &[f64], at: f64) -> f64 {
    assert!(x.len() == y.len() && !x.is_empty(), "a table has as many ordinates as abscissae, at least one");
    if at <= x[0] {
        return y[0];
    }
    if at >= x[x.len() - 1] {
        return y[y.len() - 1];
    }
    let i = interval(x, at);
    if x[i] <= 0.0 || y[i] <= 0.0 || y[i + 1] <= 0.0 {
        let share = (at - x[i]) / (x[i + 1] - x[i]);
        return y[i] + share * (y[i + 1] - y[i]);
    }
    let share = ln(at / x[i]) / ln(x[i + 1] / x[i]);
    y[i] * exp(share * ln(y[i + 1] / y[i]))
}

/// Bremsstrahlung of an element (EEDL2017).
#[derive(Clone, Debug, PartialEq)]
pub struct Bremsstrahlung {
    /// Kinetic energy of the electron, keV, ascending.
    pub t_kev: Vec<f64>,
    /// Cross-section for photons above 0.1 eV, barn/atom.
    pub sigma_b: Vec<f64>,
    /// Mean energy of those photons, keV; radiative energy loss = sigma x mean.
    pub mean_k_kev: Vec<f64>,
    /// Energy spectra of the photons: kinetic energy of the electron, keV, ascending, and the share of the radiated
    /// energy per unit of photon energy over electron energy at [`SHAPE_NODES`] (integral 1).
    pub shape: Vec<(f64, [f64; SHAPE_NODES.len()])>,
}

/// Photon energy over electron energy at which the spectra of bremsstrahlung are tabulated.
pub const SHAPE_NODES: [f64; 15] = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];

/// Everything Lutra knows of an element. Cross-sections per atom.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Atomic number, 1 to 92.
    pub z: u8,
    /// Chemical symbol.
    pub symbol: String,
    /// Atomic weight, g/mol.
    pub atomic_weight: f64,
    /// Subshells, innermost first.
    pub shells: Vec<Shell>,
    /// K-shell fluorescence; none below carbon.
    pub k_fluorescence: Option<KFluorescence>,
    /// Photon energies of the four cross-sections below, keV, 1 to 3000, edges as pairs.
    pub photon_energy_kev: Vec<f64>,
    /// Coherent (Rayleigh) scattering, barn.
    pub coherent_b: Vec<f64>,
    /// Incoherent (bound Compton) scattering, barn.
    pub incoherent_b: Vec<f64>,
    /// Photoelectric absorption, barn.
    pub photoelectric_b: Vec<f64>,
    /// Pair and triplet production, barn.
    pub pair_b: Vec<f64>,
    /// Form factor F(x), x in 1/Angstrom.
    pub form_factor: TabulatedCurve,
    /// Incoherent scattering function S(x), x in 1/Angstrom.
    pub incoherent_function: TabulatedCurve,
    /// Electron kinetic energies of the two transport cross-sections, keV, ascending.
    pub elastic_energy_kev: Vec<f64>,
    /// First elastic transport cross-section, cm2.
    pub elastic_tr1_cm2: Vec<f64>,
    /// Second elastic transport cross-section, cm2.
    pub elastic_tr2_cm2: Vec<f64>,
    /// Bremsstrahlung, for the 16 elements with data.
    pub bremsstrahlung: Option<Bremsstrahlung>,
}

/// The element of atomic number `z`; `None` outside 1 to 92. The first call parses the embedded
/// tables (some 30 ms), later calls are a look-up.
pub fn element(z: u8) -> Option<&'static Element> {
    elements().get(usize::from(z).checked_sub(1)?)
}

/// The element with the chemical symbol `symbol` (case as usual: `Ca`); `None` when there is none.
pub fn element_by_symbol(symbol: &str) -> Option<&'static Element> {
    elements().iter().find(|e| e.symbol == symbol)
}

/// All 92 elements in order.
pub fn elements() -> &'static [Element] {
    static ELEMENTS: OnceLock<Vec<Element>> = OnceLock::new();
    ELEMENTS.get_or_init(parse)
}

/// Data rows of an embedded table: no comments, no header, no empty line. The first column is Z.
fn rows(table: &'static str) -> impl Iterator<Item = (usize, std::str::Split<'static, char>)> {
    table.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).skip(1).map(|line| {
        let mut fields = line.split(',');
        let z: usize = number(fields.next()) as usize;
        assert!((1..=usize::from(MAX_Z)).contains(&z), "embedded table: Z = {z} in {line:?}");
        (z - 1, fields)
    })
}

fn number(field: Option<&str>) -> f64 {
    let text = field.expect("embedded tables have every column");
    text.parse().unwrap_or_else(|_| panic!("embedded table: {text:?} is no number"))
}

fn parse() -> Vec<Element> {
    let mut elements: Vec<Element> = rows(ATOMS).map(|(index, fields)| atom(index, fields)).collect();
    assert!(elements.iter().enumerate().all(|(i, e)| usize::from(e.z) == i + 1), "embedded atoms stand in order");
    assert_eq!(elements.len(), usize::from(MAX_Z), "embedded table of atoms is complete");
    for (index, mut fields) in rows(SHELLS) {
        let name = fields.next().expect("embedded tables have every column").to_owned();
        let shell = Shell { name, electrons: number(fields.next()), binding_kev: number(fields.next()) };
        elements[index].shells.push(shell);
    }
    for (index, mut fields) in rows(FLUORESCENCE) {
        let _binding_kev = number(fields.next());
        elements[index].k_fluorescence = Some(KFluorescence {
            yield_per_vacancy: number(fields.next()),
            mean_line_kev: number(fields.next()),
            photoelectric_share: number(fields.next()),
        });
    }
    parse_photons(&mut elements);
    parse_electrons(&mut elements);
    elements
}

fn atom(index: usize, mut fields: std::str::Split<'static, char>) -> Element {
    Element {
        z: (index + 1) as u8,
        symbol: fields.next().expect("embedded tables have every column").to_owned(),
        atomic_weight: number(fields.next()),
        shells: Vec::new(),
        k_fluorescence: None,
        photon_energy_kev: Vec::new(),
        coherent_b: Vec::new(),
        incoherent_b: Vec::new(),
        photoelectric_b: Vec::new(),
        pair_b: Vec::new(),
        form_factor: TabulatedCurve::default(),
        incoherent_function: TabulatedCurve::default(),
        elastic_energy_kev: Vec::new(),
        elastic_tr1_cm2: Vec::new(),
        elastic_tr2_cm2: Vec::new(),
        bremsstrahlung: None,
    }
}

fn parse_photons(elements: &mut [Element]) {
    for (index, mut fields) in rows(CROSS_SECTIONS) {
        let element = &mut elements[index];
        element.photon_energy_kev.push(number(fields.next()));
        element.coherent_b.push(number(fields.next()));
        element.incoherent_b.push(number(fields.next()));
        element.photoelectric_b.push(number(fields.next()));
        element.pair_b.push(number(fields.next()));
    }
    for (index, mut fields) in rows(FORM_FACTOR) {
        let curve = &mut elements[index].form_factor;
        curve.x.push(number(fields.next()));
        curve.y.push(number(fields.next()));
    }
    for (index, mut fields) in rows(INCOHERENT_FUNCTION) {
        let curve = &mut elements[index].incoherent_function;
        curve.x.push(number(fields.next()));
        curve.y.push(number(fields.next()));
    }
}

fn parse_electrons(elements: &mut [Element]) {
    for (index, mut fields) in rows(ELASTIC) {
        let element = &mut elements[index];
        element.elastic_energy_kev.push(number(fields.next()));
        element.elastic_tr1_cm2.push(number(fields.next()));
        element.elastic_tr2_cm2.push(number(fields.next()));
    }
    for (index, mut fields) in rows(BREMSSTRAHLUNG) {
        let table = elements[index].bremsstrahlung.get_or_insert_with(|| Bremsstrahlung {
            t_kev: Vec::new(),
            sigma_b: Vec::new(),
            mean_k_kev: Vec::new(),
            shape: Vec::new(),
        });
        table.t_kev.push(number(fields.next()));
        table.sigma_b.push(number(fields.next()));
        table.mean_k_kev.push(number(fields.next()));
    }
    for (index, mut fields) in rows(BREMSSTRAHLUNG_SHAPE) {
        let t_kev = number(fields.next());
        let shape = SHAPE_NODES.map(|_| number(fields.next()));
        if let Some(table) = &mut elements[index].bremsstrahlung {
            table.shape.push((t_kev, shape));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::materials::tissues::SYMBOLS;

    #[test]
    fn law_symbols_are_those_of_the_tissues() {
        assert!(elements().iter().map(|e| e.symbol.as_str()).eq(SYMBOLS));
    }

    #[test]
    fn law_every_element_is_complete() {
        let start = std::time::Instant::now();
        assert_eq!(parse().len(), 92);
        println!("parsed in {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
        for e in elements() {
            let electrons: f64 = e.shells.iter().map(|s| s.electrons).sum();
            assert!((electrons - f64::from(e.z)).abs() < 0.02, "{}: {electrons} electrons", e.symbol);
            assert!(e.shells.iter().all(|s| s.binding_kev > 0.0), "{}", e.symbol);
            assert!((e.form_factor.y[0] - f64::from(e.z)).abs() < 1e-6, "{}", e.symbol);
            let s_end = e.incoherent_function.y[e.incoherent_function.y.len() - 1];
            assert!((s_end / f64::from(e.z) - 1.0).abs() < 1e-3, "{}: S ends at {s_end}", e.symbol);
            for table in [&e.coherent_b, &e.incoherent_b, &e.photoelectric_b, &e.pair_b] {
                assert_eq!(table.len(), e.photon_energy_kev.len());
                assert!(table.iter().all(|v| v.is_finite() && *v >= 0.0), "{}", e.symbol);
            }
            for x in [&e.photon_energy_kev, &e.form_factor.x, &e.incoherent_function.x, &e.elastic_energy_kev] {
                assert!(x.len() > 20 && x.windows(2).all(|p| p[1] >= p[0]), "{}", e.symbol);
            }
            assert_eq!(e.photon_energy_kev[0], 1.0);
            assert!(e.photon_energy_kev[e.photon_energy_kev.len() - 1] >= 3000.0);
            assert!(e.elastic_energy_kev[0] <= 1.0 && e.elastic_energy_kev[e.elastic_energy_kev.len() - 1] > 3000.0);
            assert!(e.elastic_tr1_cm2.windows(2).all(|p| p[1] < p[0]) || e.z > 50, "{}", e.symbol);
            assert!(e.elastic_tr1_cm2.iter().chain(&e.elastic_tr2_cm2).all(|v| *v > 0.0), "{}", e.symbol);
        }
        let radiators: Vec<_> = elements().iter().filter_map(|e| e.bremsstrahlung.as_ref()).collect();
        assert_eq!(radiators.len(), 16);
        for b in radiators {
            assert!(b.shape.len() >= 4 && b.shape.windows(2).all(|p| p[0].0 < p[1].0));
            for (t_kev, f) in &b.shape {
                let integral: f64 =
                    (1..f.len()).map(|i| 0.5 * (f[i] + f[i - 1]) * (SHAPE_NODES[i] - SHAPE_NODES[i - 1])).sum();
                assert!((integral - 1.0).abs() < 1e-4, "{t_kev} keV: {integral}");
            }
        }
        assert_eq!(element(20).map(|e| e.symbol.as_str()), Some("Ca"));
        assert!(element(0).is_none() && element(93).is_none());
        assert_eq!(element_by_symbol("I").map(|e| e.z), Some(53));
    }

    #[test]
    fn law_interpolation_respects_edges_and_ends() {
        let x = [1.0, 2.0, 2.0, 4.0];
        let y = [8.0, 4.0, 40.0, 20.0];
        assert_eq!(log_log(&x, &y, 2.0), 40.0);
        assert!((log_log(&x, &y, 1.999_999_999) - 4.0).abs() < 1e-6);
        assert!((log_log(&x, &y, 3.0) - 80.0 / 3.0).abs() < 1e-12);
        assert_eq!(lin_lin(&x, &y, 1.5), 6.0);
        assert_eq!(lin_lin(&x, &y, 0.5), 8.0);
        assert_eq!(log_log(&x, &y, 9.0), 20.0);
        assert_eq!(log_log(&[0.0, 1.0], &[0.0, 2.0], 0.5), 1.0);
    }
}
