//! `cargo xtask reference --refs REFS --data DATA`: writes Lutra's own compact tables of reference results into
//! `assets/reference/`.
//!
//! Energies become keV per decay (or per particle for monoenergetic sources), doses Gy per decay. Every table opens
//! with `#` lines that say which code with which settings and decay data made the figures, and with what statistics;
//! the same notes make `assets/reference/PROVENANCE.md`.

use crate::tables::{Source, folder, significant};
use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use nifti::{NiftiObject, NiftiType, NiftiVolume, ReaderOptions};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a table says about itself, in order.
type Note = Vec<(&'static str, String)>;

/// Where tables go, and what was written.
struct Shelf {
    folder: PathBuf,
    egs: String,
    runs: Value,
    provenance: String,
}

const DECAY: &str = "DDEP/LNHB as in assets/nuclides/lu177-reference.toml";
const ITSELF: &str = "the source is one particle of the energy named";

/// Runs the task.
pub fn run(arguments: &[String]) -> Result<()> {
    let refs = folder(arguments, "--refs")?;
    let data = folder(arguments, "--data")?;
    let mut shelf = Shelf::open(&refs)?;
    point_kernels(&refs, &mut shelf)?;
    spheres(&refs, &mut shelf)?;
    voxel_s(&refs, &mut shelf)?;
    slabs(&refs, &mut shelf)?;
    interface(&refs, &mut shelf)?;
    patient(&refs, &mut shelf)?;
    published(&data, &mut shelf)?;
    fs::write(shelf.folder.join("PROVENANCE.md"), &shelf.provenance)?;
    Ok(())
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

impl Shelf {
    fn open(refs: &Path) -> Result<Self> {
        let physics = json(&refs.join("physics.json"))?;
        let mut common: Vec<String> = physics["common"]
            .as_object()
            .context("physics.json has no common settings")?
            .iter()
            .map(|(key, value)| format!("{key} {}", value.to_string().trim_matches('"')))
            .collect();
        common.sort_unstable();
        let egs = format!("{}; {}", physics["code"].as_str().unwrap_or_default(), common.join(", "));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/reference");
        fs::create_dir_all(&folder)?;
        let runs = json(&refs.join("index.json"))?["runs"].clone();
        let provenance = "# Where the reference results come from\n\nWritten by `cargo xtask reference` together with \
                          the tables. Figures are carried in Lutra's own layout; comparisons only, no run reads them.\n"
            .to_owned();
        Ok(Self { folder, egs, runs, provenance })
    }

    /// Note of an EGSnrc result: `runs` are names in the index of runs.
    fn egs(&self, quantity: &str, columns: &str, decay: &str, runs: &[&str]) -> Note {
        let mut statistics = Vec::new();
        let mut cutoffs = Vec::new();
        for run in runs {
            for (class, facts) in self.runs[run].as_object().into_iter().flatten() {
                let histories = facts["histories"].as_f64().unwrap_or(0.0);
                let setting = facts["setting"].as_str().unwrap_or_default().to_owned();
                statistics.push(format!("{run} {class} {histories:e} histories ({setting})"));
                cutoffs.push(setting);
            }
        }
        cutoffs.sort_unstable();
        cutoffs.dedup();
        let cut = |s: &String| match s.as_str() {
            "hi1" => "hi1: 1 keV cut-offs",
            "hi10" => "hi10: 10 keV electron, 1 keV photon cut-off",
            _ => "other cut-offs",
        };
        let cutoffs: Vec<&str> = cutoffs.iter().map(cut).collect();
        vec![
            ("quantity", quantity.to_owned()),
            ("columns and units", columns.to_owned()),
            ("code and settings", format!("{}; {}", self.egs, cutoffs.join("; "))),
            ("decay data", decay.to_owned()),
            ("statistics", format!("rel: relative standard error; {}", statistics.join(", "))),
        ]
    }

    fn published(quantity: &str, columns: &str, source: &str, decay: &str) -> Note {
        vec![
            ("quantity", quantity.to_owned()),
            ("columns and units", columns.to_owned()),
            ("source", source.to_owned()),
            ("decay data", decay.to_owned()),
            ("statistics", "as published, none given".to_owned()),
        ]
    }

    fn note(&mut self, name: &str, note: &Note) {
        let _ = writeln!(self.provenance, "\n## {name}");
        for (key, value) in note {
            let _ = writeln!(self.provenance, "- {key}: {value}");
        }
    }

    fn table(&mut self, name: &str, note: &Note, header: &str, rows: &[String]) -> Result<()> {
        let mut text = String::new();
        for (key, value) in note {
            let _ = writeln!(text, "# {key}: {value}");
        }
        let _ = writeln!(text, "# written by: cargo xtask reference (do not edit by hand)\n{header}");
        for row in rows {
            let _ = writeln!(text, "{row}");
        }
        self.note(name, note);
        fs::write(self.folder.join(name), text).with_context(|| format!("cannot write {name}"))
    }

    /// Numbers without a table: gzip of little-endian f32.
    fn volume(&mut self, name: &str, note: &Note, values: &[f32]) -> Result<()> {
        let mut gz = GzEncoder::new(Vec::new(), Compression::best());
        for value in values {
            gz.write_all(&value.to_le_bytes())?;
        }
        self.note(name, note);
        fs::write(self.folder.join(name), gz.finish()?).with_context(|| format!("cannot write {name}"))
    }
}

const CLASSES: [&str; 4] = ["beta", "elec", "phot", "all"];

fn point_kernels(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let kev = |source: &Source, row: &[String], column: &str| -> Result<String> {
        Ok(significant(source.number(row, &format!("{column}_MeV_per_decay"))? * 1000.0, 6))
    };
    let point = Source::read(refs, "R1_point_water.csv")?;
    let mut rows = Vec::new();
    for row in &point.rows {
        let mut cells = vec![row[0].clone(), row[1].clone()];
        for class in &CLASSES[..3] {
            cells.push(kev(&point, row, class)?);
            cells.push(significant(point.number(row, &format!("{class}_relunc"))?, 3));
        }
        rows.push(cells.join(","));
    }
    let columns =
        "shell from r_lo_mm to r_hi_mm (mm); energy left in it by each class of emission (keV per decay), rel";
    let note = shelf.egs(
        "177Lu point source in endless water, density 1.000 g/cm3, I 78 eV",
        columns,
        DECAY,
        &["R1_point_water"],
    );
    shelf.table(
        "r1_point_water.csv",
        &note,
        "r_lo_mm,r_hi_mm,beta_kev,beta_rel,elec_kev,elec_rel,phot_kev,phot_rel",
        &rows,
    )?;
    for (file, name, run, what) in [
        ("R1_mono_e100.csv", "r1_electron_100.csv", "R1_mono_e100", "100 keV electrons"),
        ("R1_mono_e200.csv", "r1_electron_200.csv", "R1_mono_e200", "200 keV electrons"),
        ("R1_mono_e400.csv", "r1_electron_400.csv", "R1_mono_e400", "400 keV electrons"),
        ("R1_mono_g208p4.csv", "r1_photon_208.csv", "R1_mono_g208p4", "208.4 keV photons"),
    ] {
        let mono = Source::read(refs, file)?;
        let rows = mono
            .rows
            .iter()
            .map(|row| {
                let rel = significant(mono.number(row, "src_relunc")?, 3);
                Ok([row[0].clone(), row[1].clone(), kev(&mono, row, "src")?, rel].join(","))
            })
            .collect::<Result<Vec<_>>>()?;
        let quantity = format!("point source of {what} in endless water, density 1.000 g/cm3, I 78 eV");
        let note = shelf.egs(&quantity, "shell (mm); energy left in it (keV per particle), rel", ITSELF, &[run]);
        shelf.table(name, &note, "r_lo_mm,r_hi_mm,kev,rel", &rows)?;
    }
    Ok(())
}

fn spheres(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let source = Source::read(refs, "R2_spheres.csv")?;
    let mut rows = Vec::new();
    for row in &source.rows {
        let mut cells = vec![row[0].clone(), row[1].clone()];
        for class in &CLASSES[..3] {
            cells.push(significant(source.number(row, &format!("{class}_absorbed_fraction"))?, 6));
            cells.push(significant(source.number(row, &format!("{class}_relunc"))?, 3));
        }
        let run = format!("R2_{}", row[0].replace('.', "p"));
        for class in &CLASSES[..3] {
            cells.push(significant(shelf.runs[&run][class]["histories"].as_f64().context("histories missing")?, 6));
        }
        rows.push(cells.join(","));
    }
    let note = shelf.egs(
        "absorbed fraction of spheres of ICRU-44 soft tissue at 1.000 g/cm3 with the source spread evenly in them, the same tissue outside",
        "mass (g), radius (mm); energy absorbed in the sphere over energy emitted in the same run; rel is that of the dose, which the sampled energies dominate; particles sampled",
        DECAY,
        &[],
    );
    let header =
        "mass_g,radius_mm,beta_fraction,beta_rel,elec_fraction,elec_rel,phot_fraction,phot_rel,beta_n,elec_n,phot_n";
    shelf.table("r2_spheres.csv", &note, header, &rows)
}

fn voxel_s(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let mut rows = Vec::new();
    for (edge_mm, file) in [("3", "R3_3mm_voxelS.csv"), ("4.42", "R3_4p42mm_voxelS.csv")] {
        let source = Source::read(refs, file)?;
        for row in &source.rows {
            let mut cells = vec![edge_mm.to_owned()];
            cells.extend(row[..4].iter().cloned());
            for class in CLASSES {
                for column in [format!("{class}_Gy_per_decay"), format!("{class}_relunc")] {
                    cells.push(significant(source.number(row, &column)?, 6));
                }
            }
            rows.push(cells.join(","));
        }
    }
    let note = shelf.egs(
        "177Lu voxel S values, ICRU-44 soft tissue at 1.04 g/cm3 without end, cubic voxels",
        "voxel edge (mm); offset i >= j >= k from the source voxel; symmetric voxels averaged; dose by class (Gy per decay), rel",
        DECAY,
        &["R3_3mm", "R3_4p42mm"],
    );
    let header = "edge_mm,i,j,k,equivalent,beta_gy,beta_rel,elec_gy,elec_rel,phot_gy,phot_rel,all_gy,all_rel";
    shelf.table("r3_voxels.csv", &note, header, &rows)
}

/// Keeps `bits` of the 23 mantissa bits, rounded.
fn round_mantissa(value: f32, bits: u32) -> f32 {
    let drop = 23 - bits;
    f32::from_bits((value.to_bits() + (1 << (drop - 1))) >> drop << drop)
}

/// A volume, x fastest.
struct Map {
    dims: [usize; 3],
    data: Vec<f32>,
}

impl Map {
    fn read(path: &Path) -> Result<Self> {
        let object = ReaderOptions::new().read_file(path).with_context(|| format!("cannot read {}", path.display()))?;
        let volume = object.into_volume();
        let dims = volume.dim();
        let &[nx, ny, nz] = dims else { bail!("{} has {} dimensions", path.display(), dims.len()) };
        let dims = [usize::from(nx), usize::from(ny), usize::from(nz)];
        let data = match volume.data_type() {
            NiftiType::Uint8 => volume.into_nifti_typed_data::<u8>()?.into_iter().map(f32::from).collect(),
            _ => volume.into_nifti_typed_data::<f32>()?,
        };
        Ok(Self { dims, data })
    }

    fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.dims[0] * (j + self.dims[1] * k)
    }

    fn voxel(&self, n: usize) -> [usize; 3] {
        [n % self.dims[0], n / self.dims[0] % self.dims[1], n / (self.dims[0] * self.dims[1])]
    }
}

/// Voxels of a volume that equals itself under the eight symmetries of a square in x and y, one of each kind:
/// x from the middle outward, y from the middle up to x, z last.
fn octant(volume: &Map) -> Vec<f32> {
    let [nx, _, nz] = volume.dims;
    let half = nx / 2;
    let mut values = Vec::new();
    for k in 0..nz {
        for i in 0..half {
            for j in 0..=i {
                values.push(volume.data[volume.index(half + i, half + j, k)]);
            }
        }
    }
    values
}

/// Doses of an octant, then their relative standard errors.
fn dose_octant(refs: &Path, stem: &str) -> Result<Vec<f32>> {
    let read = |kind: &str| -> Result<Vec<f32>> {
        let path = refs.join(format!("{stem}_{kind}.nii.gz"));
        Ok(octant(&Map::read(&path)?))
    };
    let mut values: Vec<f32> = read("Gy_per_decay")?.iter().map(|&v| round_mantissa(v, 13)).collect();
    values.extend(read("relunc")?.iter().map(|&v| round_mantissa(v, 5)));
    Ok(values)
}

/// Mean dose of regions with its relative standard error. Voxels related by symmetry carry one value and count as one.
fn region_rows(
    refs: &Path,
    problem: &str,
    source: &str,
    regions: &[(&str, Vec<bool>)],
    rows: &mut Vec<String>,
) -> Result<()> {
    let stem = if source.is_empty() { problem.to_owned() } else { format!("{problem}_{source}") };
    for class in CLASSES {
        let dose = Map::read(&refs.join(format!("{stem}_{class}_Gy_per_decay.nii.gz")))?;
        let rel = Map::read(&refs.join(format!("{stem}_{class}_relunc.nii.gz")))?;
        for (name, members) in regions {
            let inside = || (0..members.len()).filter(|&n| members[n]);
            let count = inside().count() as f64;
            let sum: f64 = inside().map(|n| f64::from(dose.data[n])).sum();
            let mut variance = 0.0;
            for n in inside() {
                let [i, j, _] = dose.voxel(n);
                let [a, b] = [i.max(dose.dims[0] - 1 - i), j.max(dose.dims[1] - 1 - j)];
                let kind = if a == b { 4.0 } else { 8.0 };
                variance += kind * (f64::from(dose.data[n]) * f64::from(rel.data[n])).powi(2);
            }
            rows.push(format!(
                "{source},{class},{name},{},{}",
                significant(sum / count, 7),
                significant(variance.sqrt() / sum, 3)
            ));
        }
    }
    Ok(())
}

const REGION_COLUMNS: &str = "source layer; class of emission; region; mean dose over the voxels of the region (Gy per decay), rel (voxels taken as independent, energy spread over neighbours can make it 1.3 times larger)";

fn slabs(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let layers = [("soft-1", 0, 10), ("lung", 10, 25), ("soft-2", 25, 35), ("bone", 35, 40), ("soft-3", 40, 60)];
    let per_slice = 40 * 40;
    let regions: Vec<(&str, Vec<bool>)> = layers
        .iter()
        .map(|&(name, from, to)| (name, (0..60 * per_slice).map(|n| (from..to).contains(&(n / per_slice))).collect()))
        .collect();
    let runs = ["R4_soft", "R4_lung", "R4_bone"];
    let mut rows = Vec::new();
    for source in ["soft", "lung", "bone"] {
        region_rows(refs, "R4", source, &regions, &mut rows)?;
    }
    let quantity = "layers of ICRU-44 soft tissue (1.04), ICRP lung (0.26) and ICRP cortical bone (1.85 g/cm3), 40 x 40 x 60 voxels of 2 mm, vacuum outside; 177Lu spread evenly in one layer (soft: soft-2)";
    let note = shelf.egs(quantity, REGION_COLUMNS, DECAY, &runs);
    shelf.table("r4_layers.csv", &note, "source,class,region,gy,rel", &rows)?;
    let mut profile = Vec::new();
    for source in ["soft", "lung", "bone"] {
        let table = Source::read(refs, &format!("R4_{source}_zprofile.csv"))?;
        for row in &table.rows {
            profile.push(format!(
                "{source},{},{},{}",
                row[0],
                significant(table.number(row, "all_Gy_per_decay")?, 6),
                significant(table.number(row, "all_relunc_approx")?, 3)
            ));
        }
    }
    let note = shelf.egs(
        "depth profile of the same",
        "source layer; slice; mean dose over the 20 x 20 central columns (Gy per decay), rel",
        DECAY,
        &runs,
    );
    shelf.table("r4_profile.csv", &note, "source,slice,gy,rel", &profile)?;
    for source in ["soft", "lung", "bone"] {
        let values = dose_octant(refs, &format!("R4_{source}_all"))?;
        let note = shelf.egs(
            "dose of every voxel of the same, all emissions",
            OCTANT_COLUMNS,
            DECAY,
            &[&format!("R4_{source}")],
        );
        shelf.volume(&format!("r4_{source}_voxels.f32.gz"), &note, &values)?;
    }
    Ok(())
}

const OCTANT_COLUMNS: &str = "gzip of little-endian f32: dose (Gy per decay, 13 bits of mantissa), then rel (5 bits), of one voxel of each kind: z, x from the middle outward, y from the middle up to x, the last running fastest";

fn interface(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let source = Map::read(&refs.join("R5_source.nii.gz"))?;
    let tumour: Vec<bool> = source.data.iter().map(|&v| v > 0.0).collect();
    let touching: Vec<bool> = (0..source.data.len())
        .map(|n| {
            let [i, j, k] = source.voxel(n);
            let beside = |a: usize, b: usize, c: usize| a < 40 && b < 40 && c < 40 && tumour[source.index(a, b, c)];
            k < 20
                && !tumour[n]
                && (beside(i + 1, j, k)
                    || beside(i.wrapping_sub(1), j, k)
                    || beside(i, j + 1, k)
                    || beside(i, j.wrapping_sub(1), k)
                    || beside(i, j, k + 1)
                    || beside(i, j, k.wrapping_sub(1)))
        })
        .collect();
    if tumour.iter().filter(|t| **t).count() != 4224 {
        bail!("R5_source.nii.gz has another tumour than 4224 voxels");
    }
    let mut rows = Vec::new();
    region_rows(refs, "R5", "", &[("tumour", tumour), ("lung-touching", touching)], &mut rows)?;
    let quantity = "tumour of ICRU-44 soft tissue across the interface of ICRP lung (0.26, z < 10 mm) and soft tissue (1.04 g/cm3), 40^3 voxels of 0.5 mm, vacuum outside; 177Lu spread evenly in the 4224 voxels with their centre within 5 mm of the middle; lung-touching: lung voxels with a face in common with the tumour";
    let note = shelf.egs(quantity, REGION_COLUMNS, DECAY, &["R5"]);
    shelf.table("r5_regions.csv", &note, "source,class,region,gy,rel", &rows)?;
    let note = shelf.egs("dose of every voxel of the same, all emissions", OCTANT_COLUMNS, DECAY, &["R5"]);
    shelf.volume("r5_voxels.f32.gz", &note, &dose_octant(refs, "R5_all")?)
}

fn patient(refs: &Path, shelf: &mut Shelf) -> Result<()> {
    let organs = json(&refs.join("ct-liver-g48/organs.json"))?;
    let mut rows = Vec::new();
    let mut statistics = Vec::new();
    for map in ["tia_blur6_noisy", "tia_true"] {
        for organ in organs[map]["organs"].as_array().context("organs.json has no organs")? {
            let number = |key: &str| organ[key].as_f64().with_context(|| format!("organs.json: {key} is missing"));
            rows.push(format!(
                "{map},{},{},{},{},{},{}",
                organ["label"],
                organ["name"].as_str().context("name is missing")?,
                significant(number("mass_g")?, 8),
                significant(number("decays")?, 9),
                significant(number("dose_Gy")?, 7),
                significant(number("rel_sigma")?, 3)
            ));
        }
        for (class, run) in organs[map]["runs"].as_object().into_iter().flatten() {
            statistics.push(format!("{map} {class} {} histories", run["histories"]));
        }
    }
    let mut note = shelf.egs(
        "organs of an abdomen from a CT of 4.8 mm voxels in 24 tissues (TotalSegmentator test data, Apache-2.0), two maps of 177Lu decays",
        "map; label; name; mass (g); decays in it; energy left in it over its mass (Gy for all decays of the map), rel",
        DECAY,
        &[],
    );
    note.retain(|(key, _)| *key != "statistics");
    note.push(("statistics", format!("rel: relative standard error; control variate; {}", statistics.join(", "))));
    shelf.table("r6_organs.csv", &note, "map,label,name,mass_g,decays,gy,rel", &rows)
}

fn published(data: &Path, shelf: &mut Shelf) -> Result<()> {
    let spheres = Source::read(data, "ref/sphere_S_177Lu.csv")?;
    let rows: Vec<String> = spheres
        .rows
        .iter()
        .filter(|row| row[0] == "100%/0%")
        .map(|row| [row[1].as_str(), &row[2], &row[4]].join(","))
        .collect();
    let note = Shelf::published(
        "self S values of soft-tissue spheres, 177Lu",
        "radius (cm), mass (g), S (mGy per MBq s, three digits)",
        "E. Olguin et al., Phys. Med. Biol. 65 (2020) 235015, as shipped with PyTheranostics (Apache-2.0)",
        "MIRD 2008",
    );
    shelf.table("spheres_olguin.csv", &note, "radius_cm,mass_g,s_mgy_per_mbq_s", &rows)?;

    let opendose = Source::read(data, "ref/opendose_S_177Lu_icrp110.csv")?;
    let mut rows = Vec::new();
    for row in &opendose.rows {
        // names of target organs hold semicolons, never commas
        let own = [("left kidney c+m+p", "Left kidney C+M+P"), ("right kidney c+m+p", "Right kidney C+M+P")];
        if own.contains(&(row[1].as_str(), row[2].as_str())) {
            let side = row[1].split(' ').next().unwrap_or_default();
            rows.push(format!("{},{side},{},{}", row[0], row[3], row[5]));
        }
    }
    let note = Shelf::published(
        "self S values of the kidneys of the ICRP-110 adults, 177Lu",
        "phantom (AF, AM), side, S (mGy per MBq s), mass (g)",
        "OpenDose, M. Chauvin et al., J. Nucl. Med. 61 (2020) 1514, through dsarrut/rpt_dosi 0eced2a1",
        "ICRP 107",
    );
    shelf.table("kidneys_opendose.csv", &note, "phantom,side,s_mgy_per_mbq_s,mass_g", &rows)?;

    let estar = Source::read(data, "electron/estar_reference.csv")?;
    let mut rows = Vec::new();
    for (id, name) in [("water.liquid", "water-nist"), ("air.dry", "air-dry-nist"), ("pmma", "pmma-nist")] {
        for row in estar.rows.iter().filter(|row| row[0] == id) {
            let energy_kev = estar.number(row, "T_keV")?;
            if energy_kev <= 3000.0 {
                let cells = ["S_col", "S_rad", "CSDA_g_cm2"].map(|c| Ok(significant(estar.number(row, c)?, 6)));
                let cells = cells.into_iter().collect::<Result<Vec<_>>>()?;
                rows.push(format!("{name},{energy_kev},{}", cells.join(",")));
            }
        }
    }
    let note = Shelf::published(
        "stopping powers and ranges of electrons",
        "tissue, energy (keV), collision and radiative stopping power (MeV cm2/g), CSDA range (g/cm2)",
        "NIST ESTAR (SRD 124), through clanElectrons 0.4.0",
        "none",
    );
    shelf.table("estar.csv", &note, "tissue,energy_kev,collision_mev_cm2_g,radiative_mev_cm2_g,csda_g_cm2", &rows)?;

    let xcom = Source::read(data, "photon/nist_xaamdi_compounds.csv")?;
    let mut rows = Vec::new();
    for (id, name) in [
        ("water", "water"),
        ("tissue", "tissue-soft-icru44"),
        ("bone", "bone-cortical-icru44"),
        ("lung", "lungtissue-icru44"),
    ] {
        for row in xcom.rows.iter().filter(|row| row[0] == id) {
            let energy_kev = xcom.number(row, "E_keV")?;
            if (10.0..=1000.0).contains(&energy_kev) {
                rows.push(format!("{name},{energy_kev},{}", xcom.number(row, "mu_rho_cm2_g")?));
            }
        }
    }
    let note = Shelf::published(
        "mass attenuation of photons",
        "tissue, energy (keV), attenuation with coherent scattering (cm2/g, four digits)",
        "Hubbell & Seltzer, NISTIR 5632 (NIST SRD 126), from the XCOM cross sections",
        "none",
    );
    shelf.table("xcom.csv", &note, "tissue,energy_kev,attenuation_cm2_g", &rows)?;

    let yttrium = Source::read(data, "ref/dpk_Y90_electrons_water.csv")?;
    let mut rows = Vec::new();
    for row in &yttrium.rows {
        if (0.05..=15.0).contains(&yttrium.number(row, "r_mm")?) {
            rows.push(format!("{},{}", row[0], row[1]));
        }
    }
    let note = Shelf::published(
        "point source of 90Y in endless water: energy left inside a radius; 929.358 keV per decay in all, without bremsstrahlung",
        "radius (mm), energy inside (keV per decay)",
        "superposition of the ETRAN kernels of 10 to 1000 keV (M. J. Berger, S. M. Seltzer; as in Geant4 TestEm12), scaled with CSDA ranges",
        "DDEP",
    );
    shelf.table("y90_etran.csv", &note, "r_mm,inside_kev", &rows)?;

    let scaled = Source::read(data, "ref/dpk_electron_water.csv")?;
    let curve = |code: &str| -> Result<Vec<(f64, f64)>> {
        let own = scaled.rows.iter().filter(|row| row[0] == code && row[1] == "1000");
        own.map(|row| Ok((row[2].parse()?, row[3].parse()?))).collect()
    };
    let etran = curve("Etran")?;
    let at = |x: f64| {
        let i = etran.partition_point(|p| p.0 < x).clamp(1, etran.len() - 1);
        let ((x0, f0), (x1, f1)) = (etran[i - 1], etran[i]);
        f0 + (f1 - f0) * (x - x0) / (x1 - x0)
    };
    let rows: Vec<String> = curve("EGSnrc")?
        .iter()
        .enumerate()
        .map(|(bin, (_, egs))| {
            let low = 0.05 * bin as f64;
            // mean of ETRAN's curve over the bin, Simpson
            let mean = (at(low) + 4.0 * at(low + 0.025) + at(low + 0.05)) / 6.0;
            format!("{},{},{egs},{}", significant(low, 3), significant(low + 0.05, 3), significant(mean, 4))
        })
        .collect();
    let note = Shelf::published(
        "point source of 1 MeV electrons in endless water: share of the energy per share of the CSDA range, mean over bins",
        "lower and upper edge (shares of the CSDA range), EGSnrc, ETRAN",
        "EGSnrc: E. Mainegra-Hing et al., Med. Phys. 32 (2005) 685, run by Y. Perrot; ETRAN: M. J. Berger, S. M. Seltzer; both as shipped with Geant4 TestEm12",
        ITSELF,
    );
    shelf.table("electron_1mev.csv", &note, "low,high,egsnrc,etran", &rows)
}
