//! What a report of a Monte Carlo dose has to state: the items of the AAPM's reporting guideline for Monte Carlo studies
//! (TG-268, RECORDS: Sechopoulos et al., Med. Phys. 45 (2018) e1), and those of the EANM's for patient dosimetry
//! (Lassmann et al., Eur. J. Nucl. Med. Mol. Imaging 38 (2011) 192; Sjögreen Gleisner et al., 49 (2022) 1778). An item that
//! a run cannot know is listed as not known, with the reason.

use super::number::{grouped, significant};
use super::{Block, Cell, Section, Table};
use crate::report::run_record::{GuidelineItem, InputFile, PassRecord};
use serde_json::Value;
use std::collections::BTreeMap;

/// Words for what is not known.
pub const NOT_KNOWN: &str = "not known";

/// What the statement of a transport is made of.
#[derive(Clone, Debug)]
pub struct Transport<'a> {
    /// Settings by name, as in the run record.
    pub settings: &'a BTreeMap<String, Value>,
    /// Data sets by name.
    pub data_sets: &'a BTreeMap<String, String>,
    /// Histories and batches by pass.
    pub passes: &'a [PassRecord],
    /// Seed.
    pub seed: u64,
    /// Hash of the tallies.
    pub tally_sha256: &'a str,
    /// Voxels along the axes.
    pub dims: [usize; 3],
    /// Voxel edges, mm.
    pub spacing_mm: [f64; 3],
    /// Whether matter comes from a CT.
    pub from_ct: bool,
    /// Decays in all.
    pub decays: f64,
    /// The file beside the page that names the inputs.
    pub record: &'a str,
}

/// The method in one paragraph, for a methods section.
pub fn method(t: &Transport<'_>) -> String {
    let matter = if t.from_ct {
        "Hounsfield units were turned into mass density and elemental composition by the calibration named under provenance"
    } else {
        "Mass density and tissue of every voxel were given"
    };
    format!(
        "Absorbed dose was computed with {} by Monte Carlo transport of the betas, conversion and Auger electrons, gammas and \
         X rays of {} on a grid of {} × {} × {} voxels of {} × {} × {} mm. {matter}. Electrons were followed by condensed \
         history with single hard collisions down to {} keV or until they could no longer leave their voxel, photons down \
         to {} keV; bremsstrahlung photons are emitted where the electron is \
         born, as strong as its tissue makes them, and followed with the photons. Electron and photon energy were tallied apart, in whole \
         numbers, so that the result does not depend on the machine. Dose is energy over mass, to the medium in the medium, \
         for all decays of the source.",
        crate::report::run_record::program(),
        t.settings.get("nuclide").and_then(Value::as_str).unwrap_or("the nuclide"),
        t.dims[0],
        t.dims[1],
        t.dims[2],
        significant(t.spacing_mm[0], 3),
        significant(t.spacing_mm[1], 3),
        significant(t.spacing_mm[2], 3),
        setting(t, "electron_cut_kev"),
        setting(t, "photon_cut_kev"),
    )
}

/// A transport setting as text.
fn setting(t: &Transport<'_>, name: &str) -> String {
    t.settings.get("transport").and_then(|s| s.get(name)).map_or_else(|| NOT_KNOWN.to_owned(), Value::to_string)
}

/// The twenty items of TG-268 with this run's values, for page and record.
pub fn guideline(t: &Transport<'_>) -> Vec<GuidelineItem> {
    [of_code(t), of_model(t), of_scoring(t), of_reporting(t)].concat()
}

fn item(items: &[u8], name: &'static str, says: impl Into<String>, fields: &[&'static str]) -> GuidelineItem {
    GuidelineItem { items: items.to_vec(), name, says: says.into(), fields: fields.to_vec() }
}

/// Title, code, validation, time.
fn of_code(t: &Transport<'_>) -> Vec<GuidelineItem> {
    vec![
        item(&[1], "Monte Carlo is named", "in the method statement of this page", &[]),
        item(
            &[2, 3],
            "Code, version",
            format!("{}; this program is the whole chain", crate::report::run_record::program()),
            &["/program", "/platform", "/command"],
        ),
        item(
            &[4, 17],
            "Validation",
            "against EGSnrc and published data; problems, figures and what fails are in docs/validation.md of the program; \
             a site repeats it with lutra verify and lutra validate",
            &["/program"],
        ),
        item(
            &[5],
            "Hardware and time",
            "under “This run”; the tallies do not depend on either",
            &["/device", "/cost", "/started_utc"],
        ),
        item(
            &[6],
            "Geometry",
            format!(
                "voxel grid, {} × {} × {} voxels of {} × {} × {} mm; vacuum around it",
                t.dims[0], t.dims[1], t.dims[2], t.spacing_mm[0], t.spacing_mm[1], t.spacing_mm[2]
            ),
            &["/scene", "/inputs"],
        ),
    ]
}

/// Materials, source, cross sections, transport, variance reduction.
fn of_model(t: &Transport<'_>) -> Vec<GuidelineItem> {
    let set = |name: &str| t.data_sets.get(name).cloned().unwrap_or_else(|| NOT_KNOWN.to_owned());
    let matter = if t.from_ct {
        format!("from CT: {}", set("ct_calibration"))
    } else {
        "density and tissue as given".to_owned()
    };
    let decays = super::number::scientific(t.decays, 4);
    let estimator = t.settings.get("photon_estimator").and_then(Value::as_str).unwrap_or("track length");
    vec![
        item(&[7], "Materials", matter, &["/data_sets", "/scene/mass_g"]),
        item(
            &[8],
            "Source",
            format!("{}; uniform within a voxel, isotropic; {decays} decays in all", set("nuclide")),
            &["/data_sets/nuclide", "/scene/decays_on_grid", "/settings/nuclide"],
        ),
        item(
            &[9],
            "Cross sections",
            format!(
                "photons: {}; electrons, elastic: {}",
                set("photon/cross_sections.csv"),
                set("electron/elastic_transport.csv")
            ),
            &["/data_sets"],
        ),
        item(
            &[10],
            "Transport parameters",
            format!(
                "electrons to {} keV, photons to {} keV, knock-on electrons from {} keV followed singly; steps limited to a \
                 mean scattering of {} and an energy loss of {}",
                setting(t, "electron_cut_kev"),
                setting(t, "photon_cut_kev"),
                setting(t, "knock_on_kev"),
                setting(t, "step_scattering"),
                setting(t, "step_loss")
            ),
            &["/settings/transport"],
        ),
        item(
            &[11],
            "Variance reduction",
            format!(
                "histories allotted by importance with weights that make up for it; energy that cannot move is not sampled; \
                 photons by {estimator}"
            ),
            &["/settings/photon_estimator", "/settings/photon_histories_per_electron_history"],
        ),
    ]
}

/// What is scored, and its statistics.
fn of_scoring(t: &Transport<'_>) -> Vec<GuidelineItem> {
    let histories: Vec<String> = t
        .passes
        .iter()
        .map(|pass| format!("{} {} in {} batches", grouped(u128::from(pass.histories)), pass.pass, pass.batches))
        .collect();
    vec![
        item(
            &[12],
            "Scored quantity",
            "energy by voxel and by region over mass, Gy, for all decays",
            &["/regions", "/energy_balance"],
        ),
        item(
            &[13, 18],
            "Histories and statistical uncertainty",
            format!(
                "{}; standard errors (k = 1) by voxel and by region, in the tables and the map",
                histories.join(", ")
            ),
            &["/passes", "/regions"],
        ),
        item(
            &[14],
            "Statistical methods",
            format!(
                "standard errors from the spread of independent batches; those of a region from the region's own batch sums, \
                 not from its voxels; random numbers counter-based, seed {}",
                t.seed
            ),
            &["/settings/least_batches", "/seed"],
        ),
        item(
            &[15, 16],
            "Post-processing",
            "none: no smoothing, no denoising; single voxels may be negative where nothing but noise was scored",
            &["/outputs"],
        ),
    ]
}

/// Results that can be compared, and their limits.
fn of_reporting(t: &Transport<'_>) -> Vec<GuidelineItem> {
    vec![
        item(
            &[19],
            "Results that others can repeat",
            format!("fingerprint of the tallies: SHA-256 {}; the same on every machine", t.tally_sha256),
            &["/tally_sha256", "/regions", "/inputs"],
        ),
        item(&[20], "Limits of the study", "under “Warnings” and “Not known”", &["/warnings", "/notes"]),
    ]
}

/// The items as names and what they say, for the page.
pub fn records(t: &Transport<'_>) -> Vec<(String, String)> {
    let numbers = |items: &[u8]| items.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    guideline(t).into_iter().map(|item| (format!("{} ({})", item.name, numbers(&item.items)), item.says)).collect()
}

/// Files by role, size and hash; names are left out, since they may name the patient: `record` is the file that holds them.
pub fn inputs(files: &[InputFile], record: &str) -> Table {
    let rows = files
        .iter()
        .map(|file| {
            vec![
                Cell::Text(super::number::name(&file.role)),
                Cell::Number(grouped(u128::from(file.bytes))),
                Cell::Text(file.sha256.clone()),
            ]
        })
        .collect();
    Table::new(&format!("Input files; their names are in {record}"), &["Used as", "Size|bytes", "SHA-256"], rows)
}

/// Rows above which the inputs are folded away: they are in the record.
const MOST_INPUTS: usize = 12;

/// A table, folded if it is long.
fn many(table: Table) -> Block {
    let rows = table.rows.len();
    let folded = |table| Block::Folded { summary: format!("Input files ({rows})"), blocks: vec![Block::Table(table)] };
    if rows > MOST_INPUTS { folded(table) } else { Block::Table(table) }
}

/// Method and provenance as two sections.
pub fn sections(t: &Transport<'_>, files: &[InputFile], clinic: Vec<(String, String)>) -> Vec<Section> {
    // the nuclide used has an entry of its own
    let used = t.data_sets.iter().filter(|(name, _)| !name.starts_with("nuclides/"));
    let data: Vec<(String, String)> = used.map(|(name, source)| (name.clone(), source.clone())).collect();
    let settings = t.settings.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    vec![
        Section::new("method", "Method", "Method", vec![Block::Text(method(t))]),
        Section::new(
            "provenance",
            "Provenance",
            "Provenance",
            vec![
                Block::Heading("What a clinic records (EANM lists of 2011 and 2022)".into()),
                Block::Terms(clinic),
                Block::Heading("What a Monte Carlo study records (AAPM TG-268)".into()),
                Block::Terms(records(t)),
                many(inputs(files, t.record)),
                Block::Folded { summary: format!("Data sets ({})", data.len()), blocks: vec![Block::Terms(data)] },
                Block::Folded { summary: "Settings, defaults included".into(), blocks: vec![Block::Terms(settings)] },
            ],
        ),
    ]
}

/// Takes file paths out of a text: each is replaced by what the file was used as.
pub fn without_paths(text: &str, files: &[InputFile]) -> String {
    let mut files: Vec<&InputFile> = files.iter().filter(|file| !file.path.is_empty()).collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.path.len()));
    files.iter().fold(text.to_owned(), |text, file| {
        text.replace(&file.path, &format!("the {} file", super::number::name(&file.role)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_the_guideline_has_each_of_its_twenty_items_once() {
        let (settings, sets) = (BTreeMap::new(), BTreeMap::new());
        let stated = Transport {
            settings: &settings,
            data_sets: &sets,
            passes: &[PassRecord { pass: "electron".into(), histories: 1000, batches: 20 }],
            seed: 177,
            tally_sha256: "ab",
            dims: [1, 2, 3],
            spacing_mm: [1.0; 3],
            from_ct: true,
            decays: 1e12,
            record: "run.json",
        };
        let all = guideline(&stated);
        let mut numbers: Vec<u8> = all.iter().flat_map(|item| item.items.clone()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=20).collect::<Vec<u8>>());
        assert!(all.iter().all(|item| !item.says.is_empty() && item.fields.iter().all(|field| field.starts_with('/'))));
        let page = records(&stated);
        assert!(
            page.iter().any(|(name, says)| name == "Code, version (2, 3)" && says.starts_with("lutra ")),
            "{page:?}"
        );
    }

    #[test]
    fn law_a_text_without_paths_names_roles() {
        let file =
            |role: &str, path: &str| InputFile { role: role.into(), path: path.into(), bytes: 1, sha256: "00".into() };
        let files = [file("ct", "/data/Doe_Jane/ct.nii"), file("label_names", "/data/Doe_Jane/ct.nii.csv")];
        assert_eq!(
            without_paths("/data/Doe_Jane/ct.nii.csv: a; /data/Doe_Jane/ct.nii: b", &files),
            "the label names file: a; the CT file: b"
        );
    }
}
