//! `cargo xtask tables --from DATA --refs REFS`: writes Lutra's own tables into `assets/`.
//!
//! Every file opens with `#` lines (quantity, units, source, edition, rights, checks); the same
//! notes make `assets/PROVENANCE.md`, so the two cannot drift apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What a table says about itself.
struct Note {
    quantity: &'static str,
    columns: &'static str,
    source: &'static str,
    edition: &'static str,
    rights: &'static str,
    checks: &'static str,
}

/// A written table, for PROVENANCE.md.
struct Written {
    path: String,
    note: Note,
}

/// Largest number of beta bins a nuclide file holds; finer spectra are merged in pairs, threes, ...
const MAX_BETA_BINS: usize = 1024;

/// Runs the task: parses `--from` and `--refs`, writes every table below `assets/`.
pub fn run(arguments: &[String]) -> Result<()> {
    let from = folder(arguments, "--from")?;
    let refs = folder(arguments, "--refs")?;
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let mut written = Vec::new();
    elements(&from, &assets, &mut written)?;
    photons(&from, &assets, &mut written)?;
    electrons(&from, &assets, &mut written)?;
    materials(&from, &assets, &mut written)?;
    for nuclide in NUCLIDES {
        evaluated_nuclide(&from, &assets, nuclide, &mut written)?;
    }
    reference_nuclide(&refs, &assets, &mut written)?;
    fs::write(assets.join("PROVENANCE.md"), provenance(&written))?;
    println!("{} tables written below assets/", written.len());
    Ok(())
}

/// The folder given with `flag`.
pub(crate) fn folder(arguments: &[String], flag: &str) -> Result<PathBuf> {
    let position = arguments.iter().position(|a| a == flag);
    match position.and_then(|p| arguments.get(p + 1)) {
        Some(path) => Ok(PathBuf::from(path)),
        None => bail!("{flag} FOLDER is missing; `cargo xtask` alone tells the usage"),
    }
}

/// A source CSV: `#` comments skipped, columns reached by name.
pub(crate) struct Source {
    path: PathBuf,
    header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Source {
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .flexible(true)
            .from_path(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let header = reader.headers()?.iter().map(str::to_owned).collect();
        let rows = reader.records().map(|r| Ok(r?.iter().map(str::to_owned).collect())).collect::<Result<_>>()?;
        Ok(Self { path, header, rows })
    }

    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.header
            .iter()
            .position(|h| h == name)
            .with_context(|| format!("{} has no column {name}", self.path.display()))
    }

    /// The rows with only the named columns, joined by commas.
    pub(crate) fn select(&self, names: &[&str]) -> Result<Vec<String>> {
        let columns = names.iter().map(|n| self.column(n)).collect::<Result<Vec<_>>>()?;
        Ok(self.rows.iter().map(|row| columns.iter().map(|&c| row[c].as_str()).collect::<Vec<_>>().join(",")).collect())
    }

    pub(crate) fn number(&self, row: &[String], name: &str) -> Result<f64> {
        let text = &row[self.column(name)?];
        text.parse().with_context(|| format!("{}: {name} = {text:?} is no number", self.path.display()))
    }
}

fn comment(note: &Note) -> String {
    let mut text = String::new();
    for (key, value) in [
        ("quantity", note.quantity),
        ("columns and units", note.columns),
        ("source", note.source),
        ("edition", note.edition),
        ("rights", note.rights),
        ("checks", note.checks),
        ("written by", "cargo xtask tables (do not edit by hand)"),
    ] {
        let _ = writeln!(text, "# {key}: {value}");
    }
    text
}

fn write(assets: &Path, path: &str, note: Note, body: &str, written: &mut Vec<Written>) -> Result<()> {
    let target = assets.join(path);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&target, comment(&note) + body).with_context(|| format!("cannot write {}", target.display()))?;
    written.push(Written { path: path.to_owned(), note });
    Ok(())
}

fn lines(header: &str, rows: &[String]) -> String {
    let mut body = format!("{header}\n");
    for row in rows {
        body.push_str(row);
        body.push('\n');
    }
    body
}

const EPICS: &str =
    "EPICS2017 (LLNL; distributed by IAEA-NDS), text form of the public repository RuiFilipeCampos/MontyCarlo e85abcbb";
const EPICS_RIGHTS: &str = "evaluated library of the US government, free to use; cite D.E. Cullen, IAEA-NDS-224 (2018)";

fn elements(from: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let cross = Source::read(from, "photon/epdl2017_xs_Z1-92.csv")?;
    let mut weights = BTreeMap::new();
    for row in cross.select(&["Z", "symbol", "atomic_weight"])? {
        let z: u32 = row.split(',').next().unwrap_or_default().parse()?;
        weights.insert(z, row);
    }
    let rows: Vec<String> = weights.into_values().collect();
    write(
        assets,
        "elements/atoms.csv",
        Note {
            quantity: "chemical symbol and atomic weight, Z 1-92",
            columns: "z; symbol; atomic_weight (g/mol)",
            source: EPICS,
            edition: "EPDL2017",
            rights: EPICS_RIGHTS,
            checks: "mass fractions of water from these weights agree with NIST's to 1e-5",
        },
        &lines("z,symbol,atomic_weight", &rows),
        written,
    )?;
    let shells = Source::read(from, "photon/eadl2017_shells.csv")?;
    write(
        assets,
        "elements/shells.csv",
        Note {
            quantity: "atomic subshells: occupancy and binding energy, Z 1-92",
            columns: "z; shell (K, L1, ...); electrons (may be a fraction: mean over p or d doublets); binding_kev (keV)",
            source: EPICS,
            edition: "EADL2017",
            rights: EPICS_RIGHTS,
            checks: "electrons sum to Z for every element (test)",
        },
        &lines("z,shell,electrons,binding_kev", &shells.select(&["Z", "shell", "electrons", "binding_keV"])?),
        written,
    )?;
    fluorescence(from, assets, &shells, written)
}

/// K-shell fluorescence: yield and mean line energy, what local deposition of the photoelectric
/// energy neglects.
fn fluorescence(from: &Path, assets: &Path, shells: &Source, written: &mut Vec<Written>) -> Result<()> {
    let transitions = Source::read(from, "photon/eadl2017_fluorescence.csv")?;
    let fractions = Source::read(from, "photon/epdl2017_shell_photo.csv")?;
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for row in &transitions.rows {
        if row[transitions.column("shell")?] == "K" {
            let z = transitions.number(row, "Z")? as u32;
            let probability = transitions.number(row, "probability")?;
            let sum = sums.entry(z).or_default();
            sum.0 += probability;
            sum.1 += probability * transitions.number(row, "E_keV")?;
        }
    }
    let mut share = BTreeMap::new();
    for row in &fractions.rows {
        if row[fractions.column("subshell")?] == "K" {
            let z = fractions.number(row, "Z")? as u32;
            share.entry(z).or_insert(fractions.number(row, "fraction_of_total")?);
        }
    }
    let mut rows = Vec::new();
    for row in &shells.rows {
        if row[shells.column("shell")?] != "K" {
            continue;
        }
        let z = shells.number(row, "Z")? as u32;
        let Some(&(total, energy)) = sums.get(&z) else {
            continue;
        };
        let of_photoelectric = share.get(&z).copied().unwrap_or(0.0);
        rows.push(format!(
            "{z},{},{total:.6},{:.5},{of_photoelectric:.5}",
            row[shells.column("binding_keV")?],
            energy / total
        ));
    }
    write(
        assets,
        "elements/k_fluorescence.csv",
        Note {
            quantity: "K-shell fluorescence: yield per K vacancy, mean energy of the K lines, share of the K shell in the photoelectric cross-section just above its edge (or at 1 keV)",
            columns: "z; k_binding_kev (keV); k_yield (photons per K vacancy); k_mean_line_kev (keV); k_share (0-1)",
            source: EPICS,
            edition: "EADL2017 and EPDL2017",
            rights: EPICS_RIGHTS,
            checks: "Ca: 0.16 x 3.7 keV, I: 0.88 x 29.2 keV, as in Krause 1979 within 3 %",
        },
        &lines("z,k_binding_kev,k_yield,k_mean_line_kev,k_share", &rows),
        written,
    )
}

fn photons(from: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let cross = Source::read(from, "photon/epdl2017_xs_Z1-92.csv")?;
    let mut rows = Vec::new();
    let fixed = cross.select(&["Z", "E_keV", "coherent_b", "incoherent_b", "photoelectric_b"])?;
    for (head, row) in fixed.iter().zip(&cross.rows) {
        let pair = cross.number(row, "pair_b")? + cross.number(row, "triplet_b")?;
        rows.push(format!("{head},{}", significant(pair, 7)));
    }
    write(
        assets,
        "photon/cross_sections.csv",
        Note {
            quantity: "photon cross-sections per atom, Z 1-92, 1 keV to 3 MeV, 60 points a decade and both sides of every photoelectric edge",
            columns: "z; energy_kev (keV); coherent_b, incoherent_b (bound), photoelectric_b, pair_b (pair + triplet) (barn/atom); interpolate log-log, never across an edge",
            source: EPICS,
            edition: "EPDL2017",
            rights: EPICS_RIGHTS,
            checks: "totals within 0.3 % of NIST XAAMDI for water, soft tissue and bone, 10 keV to 1 MeV (test)",
        },
        &lines("z,energy_kev,coherent_b,incoherent_b,photoelectric_b,pair_b", &rows),
        written,
    )?;
    let form = Source::read(from, "photon/epdl2017_formfactor_F.csv")?;
    write(
        assets,
        "photon/form_factor.csv",
        Note {
            quantity: "atomic form factor of coherent scattering",
            columns: "z; x_per_angstrom = E sin(theta/2) / 12.39842 keV A (1/Angstrom); f (electrons; F(0) = Z); linear interpolation holds 0.2 %",
            source: EPICS,
            edition: "EPDL2017 (free atoms: no molecular interference)",
            rights: EPICS_RIGHTS,
            checks: "F(0) = Z; integral of Thomson x F^2 against the coherent cross-section (test)",
        },
        &lines("z,x_per_angstrom,f", &form.select(&["Z", "x_invA", "F"])?),
        written,
    )?;
    let incoherent = Source::read(from, "photon/epdl2017_incoh_S.csv")?;
    write(
        assets,
        "photon/incoherent_function.csv",
        Note {
            quantity: "incoherent scattering function",
            columns: "z; x_per_angstrom (1/Angstrom); s (electrons; S(large x) = Z); linear interpolation holds 0.2 %",
            source: EPICS,
            edition: "EPDL2017",
            rights: EPICS_RIGHTS,
            checks: "S(0) = 0, S(large) = Z; integral of Klein-Nishina x S against the incoherent cross-section (test)",
        },
        &lines("z,x_per_angstrom,s", &incoherent.select(&["Z", "x_invA", "S"])?),
        written,
    )
}

fn electrons(from: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let elastic = Source::read(from, "electron/elastic_transport_Z1-92.csv")?;
    write(
        assets,
        "electron/elastic_transport.csv",
        Note {
            quantity: "first and second transport cross-sections of elastic electron scattering by free atoms, Z 1-92",
            columns: "z; energy_kev (keV); sigma_tr1_cm2, sigma_tr2_cm2 (cm2/atom): integrals of (1 - P1) and (1 - P2) over the differential cross-section",
            source: "ELSEPA Dirac partial-wave runs (F. Salvat, A. Jablonski, C.J. Powell, Comput. Phys. Commun. 165 (2005) 157), arrays published with RuiFilipeCampos/MontyCarlo e85abcbb (MIT)",
            edition: "ELSEPA 2005",
            rights: "computed numbers; cite ELSEPA",
            checks: "positive and falling with energy (test)",
        },
        &lines(
            "z,energy_kev,sigma_tr1_cm2,sigma_tr2_cm2",
            &elastic.select(&["Z", "T_keV", "sigma_tr1_cm2", "sigma_tr2_cm2"])?,
        ),
        written,
    )?;
    let bremsstrahlung = Source::read(from, "electron/brems_eedl2017.csv")?;
    write(
        assets,
        "electron/bremsstrahlung.csv",
        Note {
            quantity: "bremsstrahlung of electrons: cross-section for photons above 0.1 eV and mean photon energy, 16 elements of tissue",
            columns: "z; t_kev (keV); sigma_b (barn/atom); mean_k_kev (keV)",
            source: EPICS,
            edition: "EEDL2017",
            rights: EPICS_RIGHTS,
            checks: "radiative stopping power of water within 2 % of NIST ESTAR",
        },
        &lines("z,t_kev,sigma_b,mean_k_kev", &bremsstrahlung.select(&["Z", "T_keV", "sigma_b", "mean_k_keV"])?),
        written,
    )?;
    let spectra = Source::read(from, "electron/brems_eedl2017_spectra.csv")?;
    write(
        assets,
        "electron/bremsstrahlung_shape.csv",
        Note {
            quantity: "energy spectrum of bremsstrahlung photons: share of the radiated energy by photon energy over electron energy, 16 elements of tissue",
            columns: "z; t_kev (keV); f at k/T = 0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1 (dimensionless, integral over k/T 1); linear in k/T, linear in ln T",
            source: EPICS,
            edition: "EEDL2017",
            rights: EPICS_RIGHTS,
            checks: "integral 1; mean photon energy against bremsstrahlung.csv (test)",
        },
        &lines(&format!("z,t_kev{}", ",f".repeat(SHAPE_NODES.len())), &bremsstrahlung_shapes(&spectra)?),
        written,
    )
}

/// Photon energy over electron energy at which the shape of bremsstrahlung is tabulated.
const SHAPE_NODES: [f64; 15] = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];

/// A row per element and electron energy: k p(k) at the nodes, scaled so that the trapezoidal integral is 1.
///
/// p is interpolated as a power of k; at k = 0 the value at the lowest tabulated k stands for the limit (k p is level
/// there), at k = T the last tabulated one.
fn bremsstrahlung_shapes(spectra: &Source) -> Result<Vec<String>> {
    type Group = ((String, f64), Vec<(f64, f64)>);
    let mut groups: Vec<Group> = Vec::new();
    for row in &spectra.rows {
        let key = (row[spectra.column("Z")?].clone(), spectra.number(row, "T_keV")?);
        let point = (spectra.number(row, "k_keV")?, spectra.number(row, "p_per_keV")?);
        match groups.last_mut() {
            Some((last, points)) if *last == key => points.push(point),
            _ => groups.push((key, vec![point])),
        }
    }
    let mut rows = Vec::new();
    for ((z, t_kev), points) in groups {
        let energy_at = |k_kev: f64| -> f64 {
            let i = points.partition_point(|p| p.0 <= k_kev).clamp(1, points.len() - 1) - 1;
            let ((k0, p0), (k1, p1)) = (points[i], points[i + 1]);
            if k_kev <= k0 {
                return k0 * p0;
            }
            if k_kev >= k1 || p0 <= 0.0 || p1 <= 0.0 {
                return k_kev * p1;
            }
            k_kev * p0 * ((k_kev / k0).ln() / (k1 / k0).ln() * (p1 / p0).ln()).exp()
        };
        let values = SHAPE_NODES.map(|x| energy_at(x * t_kev));
        let integral: f64 =
            (1..values.len()).map(|i| 0.5 * (values[i] + values[i - 1]) * (SHAPE_NODES[i] - SHAPE_NODES[i - 1])).sum();
        let values: Vec<String> = values.iter().map(|v| significant(v / integral, 5)).collect();
        rows.push(format!("{z},{t_kev},{}", values.join(",")));
    }
    Ok(rows)
}

/// `H 0.111894; O 0.888106` from columns named `w_SYMBOL` + `suffix`, times `scale`.
fn composition(source: &Source, row: &[String], suffix: &str, scale: f64) -> Result<String> {
    let mut parts = Vec::new();
    for (column, name) in source.header.iter().enumerate() {
        if let Some(symbol) = name.strip_prefix("w_").and_then(|n| n.strip_suffix(suffix)) {
            let fraction = row[column].parse::<f64>()? * scale;
            if fraction > 0.0 {
                parts.push(format!("{symbol} {}", significant(fraction, 7)));
            }
        }
    }
    Ok(parts.join("; "))
}

fn materials(from: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let icru = Source::read(from, "materials/materials_icru.csv")?;
    let mut rows = Vec::new();
    for row in &icru.rows {
        let name = row[icru.column("name")?].as_str();
        let origin = if name.starts_with("NIST_") {
            "NIST 1998 composition (ESTAR and XCOM)"
        } else if name.ends_with("_ICRU_1986") {
            "ICRU Report 44; I by Bragg additivity"
        } else if name == "WATER" {
            "ICRU Report 90 (I = 78 eV)"
        } else {
            "ICRP/ICRU list"
        };
        rows.push(format!(
            "{},{},{},{},{origin}",
            tissue_name(name),
            row[icru.column("density_g_cm3")?],
            row[icru.column("I_eV")?],
            composition(&icru, row, "", 1.0)?,
        ));
    }
    write(
        assets,
        "materials/tissues.csv",
        Note {
            quantity: "tissues and tissue substitutes",
            columns: "name; density_g_cm3 (nominal, g/cm3); mean_excitation_ev (eV); composition (symbol mass-fraction; ...); origin",
            source: "ICRU Reports 44, 46 and 90; ICRP Publication 23 lists; NIST 1998 composition tables, through xraylib 4.0.0, EGSnrc 9edee3eb and Geant4 b4a16de6",
            edition: "ICRU 44 (1989), ICRU 90 (2016), NIST 1998",
            rights: "published figures; cite ICRU and NIST",
            checks: "fractions sum to 1 within 1e-3 (test); stopping powers against NIST ESTAR",
        },
        &lines("name,density_g_cm3,mean_excitation_ev,composition,origin", &rows),
        written,
    )?;
    schneider(from, assets, written)
}

/// `BONE_CORTICAL_ICRU_1986` -> `bone-cortical-icru44`, `NIST_WATER` -> `water-nist`.
fn tissue_name(source: &str) -> String {
    let lower = source.to_lowercase().replace('_', "-");
    if let Some(stem) = lower.strip_prefix("nist-") {
        format!("{stem}-nist")
    } else if let Some(stem) = lower.strip_suffix("-icru-1986") {
        format!("{stem}-icru44")
    } else {
        lower
    }
}

const SCHNEIDER: &str = "W. Schneider, T. Bortfeld, W. Schlegel, Phys. Med. Biol. 45 (2000) 459-478";

fn schneider(from: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let bins = Source::read(from, "ct/schneider2000_materials.csv")?;
    let excitation = Source::read(from, "ct/schneider2000_I.csv")?;
    let mut rows = Vec::new();
    for (bin, matter) in bins.rows.iter().zip(&excitation.rows) {
        let name = &bin[bins.column("name")?];
        if name != &matter[excitation.column("material")?] {
            bail!("{}: bin {name} stands beside {}", excitation.path.display(), matter[0]);
        }
        rows.push(format!(
            "{},{},{},{},{},{}",
            bin[bins.column("HU_from")?],
            bin[bins.column("HU_to")?],
            schneider_name(name),
            matter[excitation.column("density_g_cm3")?],
            matter[excitation.column("I_eV")?],
            composition(&bins, bin, "_pct", 0.01)?,
        ));
    }
    write(
        assets,
        "materials/schneider2000_tissues.csv",
        Note {
            quantity: "tissue of a Hounsfield number: 24 bins",
            columns: "hu_from <= HU < hu_to; name; density_g_cm3 (of the bin's middle, g/cm3); mean_excitation_ev (eV, Bragg additivity with ICRU 37 constituents); composition (symbol mass-fraction; ...)",
            source: SCHNEIDER,
            edition: "table 6; lower edges as rounded by GATE; metals above 1640 HU left out",
            rights: "published figures; cite the paper",
            checks: "copies in GATE (opengate 9b079510) and TOPAS/matRad agree",
        },
        &lines("hu_from,hu_to,name,density_g_cm3,mean_excitation_ev,composition", &rows),
        written,
    )?;
    let curve = Source::read(from, "ct/schneider2000_density.csv")?;
    let mut pieces = Vec::new();
    for row in &curve.rows {
        if curve.number(row, "HU_from")? > 2000.0 {
            continue;
        }
        let offset = curve.number(row, "offset_g_cm3")?;
        let slope = curve.number(row, "slope_g_cm3_per_HU")?;
        let shift = curve.number(row, "hu_shift")?;
        pieces.push(format!(
            "{},{},{},{}",
            row[curve.column("HU_from")?],
            row[curve.column("HU_to")?],
            significant(offset + slope * shift, 9),
            significant(slope, 9),
        ));
    }
    write(
        assets,
        "materials/schneider2000_density.csv",
        Note {
            quantity: "mass density of a Hounsfield number: straight pieces (with the paper's jump at 101 HU)",
            columns: "hu_from <= HU < hu_to; offset_g_cm3 (g/cm3 at HU 0); slope_g_cm3_per_hu (g/cm3 per HU)",
            source: SCHNEIDER,
            edition: "equations 17-23; one scanner, 120 kV: a clinic needs its own curve",
            rights: "published figures; cite the paper",
            checks: "GATE's Schneider2000 table and the TOPAS/matRad constants",
        },
        &lines("hu_from,hu_to,offset_g_cm3,slope_g_cm3_per_hu", &pieces),
        written,
    )
}

/// Plain names for the source's abbreviations.
fn schneider_name(source: &str) -> String {
    match source {
        "SoftTissus" => "soft-tissue".to_owned(),
        "ConnectiveTissue" => "connective-tissue".to_owned(),
        other => other
            .replace("AT_AG_SI", "adipose-adrenal-intestine-")
            .replace("Marrow_Bone", "marrow-bone-")
            .to_lowercase(),
    }
}

/// A nuclide of the evaluated set.
struct Evaluated {
    stem: &'static str,
    file: &'static str,
    name: &'static str,
    evaluation: &'static str,
    rights: &'static str,
    remark: &'static str,
    /// Labels and gamma energy (keV) of transitions left out, if any.
    without: Option<(&'static str, f64)>,
}

const DDEP: &str = "DDEP/LNHB evaluation (BIPM Monographie-5) as distributed with EGSnrc 9edee3eb";
const DDEP_RIGHTS: &str =
    "figures of an evaluation; cite DDEP/LNHB, BIPM Monographie-5; spectrum and lines are our calculation";
const ENSDF: &str = "ENSDF (NNDC) through paceENSDF 0.6.3";
const ENSDF_RIGHTS: &str = "ENSDF is free to use, cite NNDC; spectrum and lines are our calculation";

const NUCLIDES: &[Evaluated] = &[
    Evaluated {
        stem: "Lu177",
        file: "lu177",
        name: "Lu-177",
        evaluation: DDEP,
        rights: DDEP_RIGHTS,
        remark: "the default; betas of DDEP sum to 1.0005 per decay and are normalised to 1",
        without: None,
    },
    Evaluated {
        stem: "Y90",
        file: "y90",
        name: "Y-90",
        evaluation: DDEP,
        rights: DDEP_RIGHTS,
        remark: "the E0 transition of 1760.7 keV (1.7e-4 per decay, 0.2 keV of electrons, 3.2e-5 positrons) is left out",
        without: None,
    },
    Evaluated {
        stem: "I131",
        file: "i131",
        name: "I-131",
        evaluation: DDEP,
        rights: DDEP_RIGHTS,
        remark: "gamma and conversion electrons of the 163.9 keV transition of the daughter Xe-131m (11.96 d, a gas; 1.6 keV per decay) are left out, its X rays and Auger electrons (< 0.3 keV) are not; betas sum to 0.9982 and are normalised to 1",
        without: Some(("g163.9-", 163.93)),
    },
    Evaluated {
        stem: "Tb161",
        file: "tb161",
        name: "Tb-161",
        evaluation: ENSDF,
        rights: ENSDF_RIGHTS,
        remark: "betas of ENSDF sum to 1.0088 and are normalised to 1",
        without: None,
    },
    Evaluated {
        stem: "Cu67",
        file: "cu67",
        name: "Cu-67",
        evaluation: ENSDF,
        rights: ENSDF_RIGHTS,
        remark: "betas of ENSDF sum to 1.0010 and are normalised to 1",
        without: None,
    },
];

fn half_life_h(text: &str) -> Result<f64> {
    let mut parts = text.split_whitespace();
    let value: f64 = parts.next().unwrap_or_default().parse()?;
    match parts.next() {
        Some("D" | "d") => Ok(value * 24.0),
        Some("h" | "H") => Ok(value),
        unit => bail!("half-life unit {unit:?} is not known"),
    }
}

/// Bins and probabilities of a density given at points (linear between them), normalised to one.
fn beta_bins(points: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let fine: Vec<f64> = points.windows(2).map(|p| 0.5 * (p[0].1 + p[1].1) * (p[1].0 - p[0].0)).collect();
    let total: f64 = fine.iter().sum();
    let merge = fine.len().div_ceil(MAX_BETA_BINS);
    let probabilities: Vec<f64> = fine.chunks(merge).map(|c| c.iter().sum::<f64>() / total).collect();
    let mut edges: Vec<f64> = points[..points.len() - 1].iter().step_by(merge).map(|p| p.0).collect();
    edges.push(points[points.len() - 1].0);
    (edges, probabilities)
}

struct LineRow {
    energy_kev: f64,
    yield_per_decay: f64,
    label: String,
}

fn evaluated_nuclide(from: &Path, assets: &Path, nuclide: &Evaluated, written: &mut Vec<Written>) -> Result<()> {
    let scheme_path = from.join(format!("decay/{}_scheme.json", nuclide.stem));
    let scheme: serde_json::Value = serde_json::from_str(&fs::read_to_string(&scheme_path)?)?;
    let half_life = half_life_h(scheme["half_life"].as_str().context("half_life is missing")?)?;
    let spectrum = Source::read(from, &format!("decay/{}_beta_spectrum.csv", nuclide.stem))?;
    let points =
        spectrum.rows.iter().map(|r| Ok((r[0].parse()?, r[1].parse()?))).collect::<Result<Vec<(f64, f64)>>>()?;
    let (edges, probabilities) = beta_bins(&points);
    let lines = Source::read(from, &format!("decay/{}_lines_eval.csv", nuclide.stem))?;
    let (mut electrons, mut photons) = (Vec::new(), Vec::new());
    for row in &lines.rows {
        let (kind, label) = (row[0].as_str(), row[1].as_str());
        let line =
            LineRow { energy_kev: row[2].parse()?, yield_per_decay: row[3].parse()?, label: format!("{kind} {label}") };
        if line.energy_kev <= 0.0 {
            continue; // transitions whose energy the free-atom binding energies round to nothing
        }
        if let Some((prefix, gamma_kev)) = nuclide.without {
            let gamma = kind == "gamma" && (line.energy_kev - gamma_kev).abs() < 0.05;
            if gamma || (kind == "ce" && label.starts_with(prefix)) {
                continue;
            }
        }
        match kind {
            "ce" | "auger" => electrons.push(line),
            "gamma" | "xray" => photons.push(line),
            other => bail!("{}: unknown type {other}", lines.path.display()),
        }
    }
    let source = format!(
        "{}; beta spectrum: Fermi function, finite size, screening, own calculation; conversion electrons from evaluated coefficients; X rays and Auger electrons from a cascade on EADL2017; {}",
        nuclide.evaluation, nuclide.remark
    );
    let body = nuclide_toml(nuclide.name, half_life, &source, &edges, &probabilities, &electrons, &photons);
    write(
        assets,
        &format!("nuclides/{}.toml", nuclide.file),
        Note {
            quantity: nuclide.name,
            columns: "keV; per decay; beta probability of each bin between two edges, uniform inside a bin",
            source: nuclide.evaluation,
            edition: nuclide.remark,
            rights: nuclide.rights,
            checks: "energy per decay and class against independent sums (test)",
        },
        &body,
        written,
    )
}

/// The emissions the EGSnrc reference runs were made with, figure by figure.
fn reference_nuclide(refs: &Path, assets: &Path, written: &mut Vec<Written>) -> Result<()> {
    let text = fs::read_to_string(refs.join("emissions.json")).context("cannot read emissions.json")?;
    let emissions: serde_json::Value = serde_json::from_str(&text)?;
    let table = Source::read(refs, "spectrum_beta.csv")?;
    let mut edges = Vec::new();
    let mut probabilities = Vec::new();
    for row in &table.rows {
        if edges.is_empty() {
            edges.push(row[0].parse::<f64>()?);
        }
        edges.push(row[1].parse::<f64>()?);
        probabilities.push(row[2].parse::<f64>()?);
    }
    let class = |name: &str| -> Result<Vec<LineRow>> {
        let list = emissions[name]["lines"].as_array().with_context(|| format!("{name}.lines is missing"))?;
        list.iter()
            .map(|line| {
                Ok(LineRow {
                    energy_kev: line["keV"].as_f64().context("keV is missing")?,
                    yield_per_decay: line["per_decay"].as_f64().context("per_decay is missing")?,
                    label: line["what"].as_str().unwrap_or_default().to_owned(),
                })
            })
            .collect()
    };
    let source = "DDEP/LNHB evaluation as shipped in EGSnrc; allowed beta shape; lumped Auger lines: the exact source terms of the EGSnrc reference calculations";
    let body =
        nuclide_toml("Lu-177", 6.647 * 24.0, source, &edges, &probabilities, &class("electrons")?, &class("photons")?);
    write(
        assets,
        "nuclides/lu177-reference.toml",
        Note {
            quantity: "Lu-177 as the EGSnrc reference calculations emitted it",
            columns: "keV; per decay; beta probability of each bin between two edges, uniform inside a bin",
            source: DDEP,
            edition: "for comparisons only: the default set is lu177",
            rights: DDEP_RIGHTS,
            checks: "beta 134.04, electrons 14.25, photons 33.45 keV per decay (test)",
        },
        &body,
        written,
    )
}

fn nuclide_toml(
    name: &str,
    half_life_h: f64,
    source: &str,
    edges_kev: &[f64],
    probabilities: &[f64],
    electrons: &[LineRow],
    photons: &[LineRow],
) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "name = {name:?}\nhalf_life_h = {}\nsource = {source:?}\n", significant(half_life_h, 9));
    for (key, list) in [("electrons", electrons), ("photons", photons)] {
        let _ = writeln!(text, "# energy_kev, yield_per_decay, label\n{key} = [");
        for line in list {
            let _ = writeln!(text, "  [{:?}, {:?}, {:?}],", line.energy_kev, line.yield_per_decay, line.label);
        }
        let _ = writeln!(text, "]\n");
    }
    let _ = writeln!(text, "[beta]");
    for (key, list, digits) in [("edges_kev", edges_kev, 9), ("probability_per_decay", probabilities, 7)] {
        let _ = writeln!(text, "{key} = [");
        for row in list.chunks(10) {
            let row: Vec<String> = row.iter().map(|&v| toml_float(&significant(v, digits))).collect();
            let _ = writeln!(text, "  {},", row.join(", "));
        }
        let _ = writeln!(text, "]");
    }
    text
}

/// TOML tells integers from floats; a table of floats holds floats only.
fn toml_float(number: &str) -> String {
    if number.contains(['.', 'e']) { number.to_owned() } else { format!("{number}.0") }
}

/// Shortest decimal form of `value` rounded to `digits` significant digits.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let rounded: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    if rounded != 0.0 && rounded.abs() < 1e-4 { format!("{rounded:e}") } else { format!("{rounded}") }
}

fn provenance(written: &[Written]) -> String {
    let mut text = String::from(
        "# Where Lutra's tables come from\n\n\
         Written by `cargo xtask tables` together with the tables; each file repeats its own entry in its first lines.\n\
         Figures of the sources named are carried in Lutra's own layout; no program text of any of them is included.\n",
    );
    for table in written {
        let note = &table.note;
        let _ = writeln!(
            text,
            "\n## {}\n- Quantity: {}\n- Columns and units: {}\n- Source: {}\n- Edition: {}\n- Rights: {}\n- Checks: {}",
            table.path, note.quantity, note.columns, note.source, note.edition, note.rights, note.checks
        );
    }
    text
}
