//! Named buffers are read as the folder that holds the same files: same results, notes, records and refusals.

use crate::cli_dicom::{files as files_below, study, twin};
use crate::io_dicom_made::{nm, seg, square, structure_set, write};
use crate::io_nifti::Made;
use crate::patient::{patient, series};
use lutra::clinic::course::source::CourseSource;
use lutra::clinic::course::treated;
use lutra::clinic::dose::dose;
use lutra::clinic::failure::Failure;
use lutra::clinic::init::{drafted, init};
use lutra::clinic::notes::{Listener, Note, Unheard};
use lutra::clinic::request::{
    DeviceChoice, DoseRequest, EngineChoice, ImageChoice, InitRequest, MediumRequest, ParityRequest, ParityScene,
    RunOptions, SceneInput, Stop, StudyChoice,
};
use lutra::clinic::series::{OpenSeries, SeriesRegions, integrate};
use lutra::clinic::shelf::Shelf;
use lutra::clinic::survey::{Reach, survey};
use lutra::clinic::{files, guard};
use lutra::io::dicom::{self, ActivityOptions, DoseDepth, DoseOptions, DoseType, inspect};
use lutra::io::{nifti, open_dose, open_labels};
use lutra::place::{Buffers, Place};
use lutra::svalues::kernel_file;
use lutra::{Volume, VoxelGrid};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Keeps what is said.
#[derive(Default)]
struct Heard(Vec<Note>);

impl Listener for Heard {
    fn note(&mut self, note: Note) {
        self.0.push(note);
    }

    fn progress(&mut self, _: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn progress_ended(&mut self) {}
}

/// Every file below a folder as bytes, by its path below it.
fn dropped(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = Vec::new();
    files_below(folder, &mut all);
    let name = |path: &PathBuf| path.strip_prefix(folder).expect("below").to_str().expect("text").to_owned();
    all.iter().map(|path| (name(path), std::fs::read(path).expect("read"))).collect()
}

fn buffers(files: &BTreeMap<String, Vec<u8>>) -> Buffers {
    Buffers::new(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()))).expect("good names")
}

/// What `told` says of a folder on the disk and of the same folder in memory: places below `.` by both.
fn both(folder: &Path, told: &dyn Fn(&Place) -> String) -> [String; 2] {
    let disk = told(&Place::from(folder)).replace(&format!("{}/", folder.display()), "./");
    let disk = disk.replace(&folder.display().to_string(), ".");
    [disk, told(&buffers(&dropped(folder)).folder())]
}

fn run() -> RunOptions {
    RunOptions { engine: EngineChoice::Cpu(None), stop: Stop::Histories(2000), ..RunOptions::default() }
}

fn choice() -> ImageChoice {
    ImageChoice {
        nuclide: "lu177".into(),
        nuclide_stated: false,
        options: ActivityOptions::default(),
        effective_half_life_h: None,
        half_lives_h: BTreeMap::new(),
        model: None,
        administered_mbq: None,
    }
}

/// Everything a dose says: tally, voxels, rows, the record of its inputs with their hashes, notes.
fn told_dose(request: &DoseRequest) -> String {
    let mut heard = Heard::default();
    match dose(request, &mut heard) {
        Ok(result) => format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            result.computed.tally_sha256,
            result.dose.dose_gy,
            result.tables.rows,
            result.case.inputs,
            result.warnings().collect::<Vec<_>>(),
            heard.0
        ),
        Err(Failure::User(error)) => format!("refused: {}", error.sentence()),
        Err(_) => panic!("a fault of the run"),
    }
}

fn refusal<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.err().expect("refused").to_string()
}

#[test]
fn io_buffers_give_the_dose_of_nifti_files() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let labels = nifti::read_labels(folder.path().join("labels.nii")).expect("labels");
    let decays = labels.map(|label| [1e9, 1e12, 1.2e12][usize::from(label) - 1]);
    nifti::write(folder.path().join("decays.nii.gz"), &decays, "decays").expect("written");
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/nuclides/y90.toml"),
        folder.path().join("own.toml"),
    )
    .expect("copied");
    let told = |place: &Place| {
        told_dose(&DoseRequest {
            labels: Some(place.join("labels.nii")),
            label_names: Some(place.join("names.csv")),
            nuclide: place.join("own.toml"),
            run: run(),
            ..DoseRequest::of_decays(place.join("ct.nii"), place.join("decays.nii.gz"))
        })
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("kidney_left") && disk.contains("\"nuclide\"") && !disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
    // alarm: a buffer with one other voxel
    let mut other = dropped(folder.path());
    *other.get_mut("ct.nii").and_then(|bytes| bytes.last_mut()).expect("bytes") ^= 1;
    assert_ne!(told(&buffers(&other).folder()), memory);
    // nothing in memory can be overwritten, so nothing is guarded there
    let place = buffers(&other).folder();
    let request = DoseRequest::of_decays(place.join("ct.nii"), place.join("decays.nii.gz"));
    assert_eq!(guard::of_dose(&request).paths().count(), 0);
}

#[test]
fn io_buffers_give_the_series_of_its_toml() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let below = folder.path().join("cycle 1");
    std::fs::create_dir(&below).expect("made");
    patient(folder.path());
    // images beside the file, regions above it
    let text = series(&[24.0, 96.0, 168.0]).replace("\"labels.nii\"", "\"../labels.nii\"");
    std::fs::write(below.join("SERIES.toml"), text.replace("\"names.csv\"", "\"../names.csv\"")).expect("written");
    for hour in [24, 96, 168] {
        std::fs::rename(folder.path().join(format!("t{hour}.nii")), below.join(format!("t{hour}.nii"))).expect("moved");
    }
    let told = |place: &Place| {
        let open = OpenSeries::open(place.join("cycle 1/SERIES.toml"), &choice(), &mut Unheard);
        let from = SeriesRegions { labels: None, label_names: None, ct: None, sharing: None, quiet: false };
        let mut heard = Heard::default();
        match open.and_then(|open| integrate(open, &BTreeMap::new(), from, &mut Shelf::default(), &mut heard)) {
            Ok(done) => format!("{:?} {:?} {:?} {:?}", done.map.decays.data, done.inputs, done.warnings, heard.0),
            Err(error) => format!("refused: {}", error.sentence()),
        }
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("t168.nii") && !disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
    // alarm: an image that the file names is not handed over
    let mut other = dropped(folder.path());
    other.remove("cycle 1/t96.nii");
    let error = told(&buffers(&other).folder());
    assert!(error.contains("cycle 1/t96.nii") && error.contains("no such file"), "{error}");
}

fn options() -> DoseOptions {
    DoseOptions {
        dose_type: DoseType::Physical,
        depth: DoseDepth::Bits32,
        description: "Absorbed dose".to_owned(),
        comment: "177Lu".to_owned(),
        deidentify: false,
        created: None,
    }
}

/// A study with a dose below it, a hidden file, a text and a damaged index.
fn untidy(folder: &Path) {
    study(folder);
    std::fs::create_dir(folder.join("dose")).expect("made");
    let grid = VoxelGrid::axis_aligned([4, 3, 2], [5.0; 3], [0.0; 3]);
    let dose = Volume { data: (0..24).map(|n| 0.1 * f64::from(n)).collect(), grid };
    let ct = dicom::read_ct(folder).expect("the CT").origin.expect("DICOM");
    lutra::io::dicom::write_rtdose(folder.join("dose/RD.dcm"), &dose, Some(&ct), &options()).expect("written");
    std::fs::write(folder.join("dose/.hidden"), "x").expect("written");
    std::fs::write(folder.join("notes.txt"), "a text").expect("written");
    std::fs::write(folder.join("DICOMDIR"), "damaged").expect("written");
}

#[test]
fn io_buffers_give_the_study_of_a_folder() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path().join("study");
    untidy(&folder);
    let inspected = |place: &Place| match inspect(place, &ActivityOptions::default()) {
        Ok(found) => format!("{found} {}", serde_json::to_string(&found).expect("JSON")),
        Err(error) => format!("refused: {error}"),
    };
    let [disk, memory] = both(&folder, &inspected);
    assert!(disk.contains("RD.dcm") && !disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
    let surveyed = |place: &Place| match survey(place, Reach::Below) {
        Ok(found) => format!("{found:?}").replace(" (in memory)", ""),
        Err(error) => format!("refused: {}", error.sentence()),
    };
    let [disk, memory] = both(&folder, &surveyed);
    assert!(!disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
    let opened = |place: &Place| {
        let dose = open_dose(place.join("dose/RD.dcm")).expect("a dose");
        let ct = dicom::read_ct(place).expect("the CT");
        let labels = open_labels(place.join("000"), &ct.volume.grid, None).map(|found| found.labels.data);
        format!("{:?} {:?} {:?}", dose.volume.data, ct.volume.data, labels.map_err(|error| error.to_string()))
    };
    let [disk, memory] = both(&folder, &opened);
    assert_eq!(disk, memory);
    // alarm: a buffer without its file
    let mut other = dropped(&folder);
    other.remove("dose/RD.dcm");
    assert_ne!(inspected(&buffers(&other).folder()), memory);
}

#[test]
fn io_buffers_give_the_course_of_a_study() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path().join("study");
    study(&folder);
    let told = |place: &Place| {
        let choice = StudyChoice {
            ct: None,
            activity: Vec::new(),
            labels: None,
            label_names: None,
            protocol: "iluminet".to_owned(),
            facts: Default::default(),
            images: choice(),
        };
        let mut heard = Heard::default();
        let course = CourseSource::of_study(place, &choice, &mut heard).map_err(Failure::from);
        match course.and_then(|course| treated(course, None, &run(), &mut heard)) {
            Ok(result) => format!(
                "{:?} {:?} {:?} {:?} {:?}",
                result.input,
                result.accumulated.totals,
                result.computed.iter().map(|one| (&one.tally_sha256, &one.inputs, &one.warnings)).collect::<Vec<_>>(),
                result.verdict,
                heard.0
            ),
            Err(Failure::User(error)) => format!("refused: {}", error.sentence()),
            Err(_) => panic!("a fault of the run"),
        }
    };
    let [disk, memory] = both(&folder, &told);
    assert!(disk.contains("kidney_left") && !disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
    // a file of the course elsewhere than the course itself
    let own = buffers(&dropped(&folder));
    let choice = StudyChoice {
        ct: Some(Place::from(&folder)),
        activity: Vec::new(),
        labels: None,
        label_names: None,
        protocol: "iluminet".to_owned(),
        facts: Default::default(),
        images: choice(),
    };
    let error = CourseSource::of_study(own.folder(), &choice, &mut Unheard).err().expect("refused");
    assert!(error.sentence().to_string().contains("on the disk, with a study in memory"), "{}", error.sentence());
}

#[test]
fn io_buffers_give_the_course_of_its_toml() {
    let folder = tempfile::tempdir().expect("temporary folder");
    twin(folder.path());
    let protocols = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/protocols/iluminet.toml");
    std::fs::copy(protocols, folder.path().join("own protocol.toml")).expect("copied");
    let path = folder.path().join("COURSE.toml");
    let text = std::fs::read_to_string(&path).expect("read");
    let text = text.replace("protocol = \"iluminet\"", "protocol_file = \"own protocol.toml\"");
    let text = text.replace("[[cycles]]", "labels = \"labels.nii\"\n[[cycles]]");
    std::fs::write(&path, text).expect("written");
    let told = |place: &Place| {
        let source = CourseSource::of_file(place.join("COURSE.toml"));
        match source.map_err(Failure::from).and_then(|course| treated(course, None, &run(), &mut Unheard)) {
            Ok(result) => {
                let inputs: Vec<_> = result.computed.iter().map(|one| (&one.inputs, &one.tally_sha256)).collect();
                format!("{:?} {:?} {inputs:?} {:?}", result.input, result.accumulated.totals, result.verdict)
            }
            Err(Failure::User(error)) => format!("refused: {}", error.sentence()),
            Err(_) => panic!("a fault of the run"),
        }
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("kidney_left") && !disk.starts_with("refused"), "{disk}");
    assert_eq!(disk, memory);
}

#[test]
fn io_buffers_give_single_objects_of_dicom() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(&folder.path().join("nm.dcm"), &nm());
    write(&folder.path().join("seg.dcm"), &seg("BINARY", &[(1, 5.0, [1; 16]), (1, 9.0, [1; 16])]));
    let square = [3.0, 5.0, 7.0].map(|z| square(0.0, 0.0, z, 4.0)).to_vec();
    write(&folder.path().join("rs.dcm"), &structure_set(&[("kidney", "ORGAN", square)]));
    let grid = VoxelGrid::axis_aligned([8, 8, 4], [2.0; 3], [-8.0, -8.0, 0.0]);
    let told = |place: &Place| {
        let activity = dicom::read_activity(place.join("nm.dcm"), &ActivityOptions::default());
        let activity = activity.map(|found| format!("{:?} {:?}", found.image.volume, found.scan));
        let regions = |name: &str| {
            let found = open_labels(place.join(name), &grid, None);
            found.map(|found| format!("{:?} {:?} {:?}", found.labels, found.names, found.notes))
        };
        let [seg, set] = ["seg.dcm", "rs.dcm"].map(|name| regions(name).unwrap_or_else(|error| error.to_string()));
        format!("{} {seg} {set}", activity.unwrap_or_else(|error| error.to_string()))
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("kidney"), "{disk}");
    assert_eq!(disk, memory);
}

#[test]
fn io_buffers_give_kernels_and_pairs() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = "# nuclide: Lu-177\n# voxel_mm: 3\ni,j,k,S_mGy_per_MBq_s\n0,0,0,1.5e-2\n1,0,0,2e-4\n";
    std::fs::write(folder.path().join("kernel.csv"), text).expect("written");
    let told = |place: &Place| format!("{:?}", kernel_file::read(place.join("kernel.csv")).map(|found| found.len()));
    let [disk, memory] = both(folder.path(), &told);
    assert_eq!((disk.as_str(), &disk), ("Ok(1)", &memory));
    // the image of a pair is found beside its header, and the header beside its image
    let made = Made { pair: true, offset: 0.0, ..Made::new([2, 2, 2], 4, 16) };
    made.file(folder.path(), "pair.hdr.gz", &[]);
    std::fs::write(folder.path().join("pair.img"), [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0]).expect("written");
    for name in ["pair.hdr.gz", "pair.img"] {
        let told = |place: &Place| {
            let opened = lutra::io::open_ct(place.join(name)).expect("a pair");
            let files = lutra::clinic::images::recorded("ct", &place.join(name), &opened.files).expect("recorded");
            format!("{:?} {:?} {files:?}", opened.volume.data, opened.files).replace(" (in memory)", "")
        };
        let [disk, memory] = both(folder.path(), &told);
        assert!(disk.contains("8.0]") && disk.contains("./pair.img"), "{disk}");
        assert_eq!(disk, memory);
    }
}

/// Everything that a draft says.
fn told_drafts(request: &InitRequest) -> String {
    match drafted(request) {
        Ok(done) => format!("{:?} {:?} {:?} {:?}", done.drafts, done.to_fill_in, done.left, done.next),
        Err(error) => format!("refused: {}", error.sentence()),
    }
}

#[test]
fn io_buffers_give_the_drafts_of_a_folder() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let below = folder.path().join("cycle 1");
    std::fs::create_dir(&below).expect("made");
    patient(folder.path());
    for hour in [4, 24, 96, 168] {
        std::fs::rename(folder.path().join(format!("t{hour}.nii")), below.join(format!("spect_{hour}h.nii")))
            .expect("moved");
    }
    study(&folder.path().join("study"));
    let course = |place: &Place| {
        let out = place.path().to_path_buf();
        told_drafts(&InitRequest::Course { folder: place.clone(), out, protocol: None, force: false })
    };
    let dose = |place: &Place| {
        let folder = place.join("study");
        let out = folder.path().join("plans/dose.toml");
        told_drafts(&InitRequest::Dose { folder, out, force: false })
    };
    std::fs::create_dir(folder.path().join("study/plans")).expect("made");
    for told in [&course as &dyn Fn(&Place) -> String, &dose] {
        let [disk, memory] = both(folder.path(), told);
        let [disk, memory] = [disk, memory].map(|text| text.replace("\"./", "\"").replace(" (in memory)", ""));
        assert!(!disk.starts_with("refused"), "{disk}");
        assert_eq!(disk, memory);
    }
    let set = buffers(&dropped(folder.path())).folder();
    let text = course(&set);
    assert!(text.contains("SERIES.toml") && text.contains("cycle 1/spect_24h.nii"), "{text}");
    // nothing is written beside buffers
    let request = InitRequest::Course { folder: set, out: "".into(), protocol: None, force: true };
    let Err(Failure::User(error)) = init(&request) else { panic!("refused") };
    assert!(error.sentence().to_string().contains("buffers in memory"), "{}", error.sentence());
    // alarm: an image less is another draft
    let mut other = dropped(folder.path());
    other.remove("cycle 1/spect_96h.nii");
    assert_ne!(course(&buffers(&other).folder()), text);
}

#[test]
fn io_buffers_give_the_scene_of_parity() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let labels = nifti::read_labels(folder.path().join("labels.nii")).expect("labels");
    let decays = labels.map(|label| [1e9, 1e12, 1.2e12][usize::from(label) - 1]);
    nifti::write(folder.path().join("decays.nii"), &decays, "decays").expect("written");
    let told = |place: &Place| {
        let request = ParityRequest {
            scene: ParityScene::Files(place.join("ct.nii"), place.join("decays.nii")),
            histories: 400,
            devices: Some(vec![DeviceChoice::Cpu(1, None)]),
            seed: 1,
            trace: None,
            json: folder.path().join("parity.json"),
            force: true,
        };
        match lutra::clinic::parity::run(&request, &mut Unheard) {
            Ok(found) => {
                let hashes: Vec<String> = found.record["devices"]
                    .as_array()
                    .expect("devices")
                    .iter()
                    .map(|device| device["tally_sha256"].to_string())
                    .collect();
                format!("{} {} {hashes:?} {:?}", found.record["scene"], found.record["dims"], found.fault)
            }
            Err(Failure::User(error)) => format!("refused: {}", error.sentence()),
            Err(_) => panic!("a fault of the run"),
        }
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(!disk.starts_with("refused") && disk.ends_with("None"), "{disk}");
    assert_eq!(disk, memory);
    // alarm: other decays
    let mut other = dropped(folder.path());
    let more = decays.map(|value| if value > 1e10 { 2e12 } else { value });
    nifti::write(folder.path().join("more.nii"), &more, "decays").expect("written");
    other.insert("decays.nii".into(), std::fs::read(folder.path().join("more.nii")).expect("read"));
    assert_ne!(told(&buffers(&other).folder()), memory);
}

#[test]
fn io_buffers_give_the_nuclide_and_tissue_of_a_kernel() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write(
        "own.toml",
        "name = \"own\"\nhalf_life_h = 100\nsource = \"a test\"\nelectrons = [[100.0, 1.0]]\nphotons = [[208.0, 0.1]]\n",
    );
    write("own.csv", "name,density_g_cm3,mean_excitation_ev,composition\nown water,1.0,78,H 0.111894; O 0.888106\n");
    let told = |place: &Place| {
        let request = MediumRequest {
            tissue: place.join("own.csv"),
            density_g_cm3: None,
            nuclide: place.join("own.toml"),
            histories: 2000,
            seed: 1,
            threads: Some(1),
            out: PathBuf::new(),
            force: false,
        };
        match lutra::clinic::kernel::point_kernel(&request, &mut Unheard) {
            Ok((point, density, _)) => lutra::clinic::point_kernel::csv(&point, density),
            Err(Failure::User(error)) => format!("refused: {}", error.sentence()),
            Err(_) => panic!("a fault of the run"),
        }
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("own in own water at 1 g/cm3"), "{disk}");
    assert_eq!(disk, memory);
    // alarm: without the nuclide's buffer
    let mut other = dropped(folder.path());
    other.remove("own.toml");
    let error = told(&buffers(&other).folder());
    assert!(error.starts_with("refused: ") && error.contains("own.toml"), "{error}");
}

#[test]
fn io_buffers_give_the_configuration_of_a_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let labels = nifti::read_labels(folder.path().join("labels.nii")).expect("labels");
    let decays = labels.map(|label| [1e9, 1e12, 1.2e12][usize::from(label) - 1]);
    nifti::write(folder.path().join("decays.nii"), &decays, "decays").expect("written");
    std::fs::write(folder.path().join("dose.toml"), "ct = \"ct.nii\"\n").expect("written");
    let told = |place: &Place| {
        told_dose(&DoseRequest {
            config: Some(place.join("dose.toml")),
            run: run(),
            ..DoseRequest::of_decays(place.join("ct.nii"), place.join("decays.nii"))
        })
    };
    let [disk, memory] = both(folder.path(), &told);
    assert!(disk.contains("role: \"config\""), "{disk}");
    assert_eq!(disk, memory);
    // alarm: another byte of the configuration is in the record
    let mut other = dropped(folder.path());
    other.insert("dose.toml".into(), b"ct = 'ct.nii'\n".to_vec());
    assert_ne!(told(&buffers(&other).folder()), memory);
}

#[test]
fn alarm_hostile_buffers_are_refused_as_files_are() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    study(&folder.path().join("study"));
    let whole = std::fs::read(folder.path().join("ct.nii")).expect("read");
    let object = std::fs::read(folder.path().join("study/000")).expect("read");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("cut.nii", &whole[..whole.len() - 7]);
    write("empty.nii", b"");
    write("cut.dcm", &object[..object.len() / 2]);
    write("half.dcm", &object[..200]);
    write("empty.dcm", b"");
    write("noise.nii.gz", &[0x1f, 0x8b, 1, 2, 3]);
    for name in ["cut.nii", "empty.nii", "cut.dcm", "half.dcm", "empty.dcm", "noise.nii.gz", "study", "no.nii", "ct.ni"]
    {
        let told = |place: &Place| {
            let place = place.join(name);
            [
                lutra::io::open_ct(&place).map(|_| ()).map_err(|error| error.to_string()),
                nifti::read(&place).map(|_| ()).map_err(|error| error.to_string()),
                files::read_text(&place).map(|_| ()).map_err(|error| error.sentence().to_string()),
            ]
            .map(|told| told.err().unwrap_or_else(|| "taken".to_owned()))
            .join("\n")
        };
        let [disk, memory] = both(folder.path(), &told);
        // the system's own words for what is missing
        let plain = |text: &str| {
            text.replace("no such file or folder among the buffers", "none").replace("no such file or folder", "none")
        };
        assert_eq!(plain(&disk), plain(&memory), "{name}");
        assert!(memory.contains(&format!("./{name}")), "{name}: {memory}");
    }
    // an empty slice beside the others of its series
    let mut slices = dropped(&folder.path().join("study"));
    let name = slices.keys().next().expect("a slice").clone();
    slices.insert(format!("{name}1"), Vec::new());
    let error = refusal(dicom::read_ct(buffers(&slices).folder()));
    assert!(error.contains(&format!("./{name}1")) && error.contains("an empty file"), "{error}");
}

#[test]
fn io_two_sets_with_files_of_one_name_do_not_meet() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let mut files = dropped(folder.path());
    let one = buffers(&files);
    *files.get_mut("ct.nii").and_then(|bytes| bytes.last_mut()).expect("bytes") ^= 1;
    let two = buffers(&files);
    let scene = |set: &Buffers| SceneInput::Ct(set.place("ct.nii"));
    assert_ne!(scene(&one), scene(&two));
    // one thread reads both before either is recorded: neither counts as changed
    let [a, b] = [&one, &two].map(|set| nifti::read(set.place("ct.nii")).expect("read"));
    assert_ne!(a, b);
    let [a, b] = [&one, &two].map(|set| lutra::clinic::images::read("ct", &set.place("ct.nii")).expect("recorded"));
    assert_ne!(a.sha256, b.sha256);
}
