//! Drafts a commented configuration from a folder of images.
//!
//! What the files state is written with the reason. What no file states (units, corrections, times, activities, dates)
//! is left as `"?"`, and the next command names that field and refuses the file until the user has filled it in.

use super::failure::{Failure, OrUserError, UserError};
use super::files::make_folder;
use super::request::InitRequest;
use super::study::too_close;
use super::survey::{Candidate, Reach, Role, Survey, folders_of, inputs, survey};
use crate::bed::RADIOBIOLOGY_SETS;
use crate::course::input::{BLANK, blanks};
use crate::course::names::{near, standard};
use crate::course::protocol::{BUILT_IN, Protocol};
use crate::course::series::{DecayCorrection, ImageUnit};
use crate::fault::{Explained, Setting, Words, words};
use crate::io::IoError;
use crate::io::atomic::OutputFiles;
use crate::io::dicom::{self, Moment};
use crate::place::Place;
use crate::source::ActivityUnit;
use crate::units::rounded;
use std::path::{Component, Path, PathBuf};

/// Columns of a comment.
const WIDTH: usize = 112;
/// How far the time in an image's name may lie from that in its header, h: names state the planned day.
const NAME_AGREES_H: f64 = 6.0;
/// Number of CT voxels above which the activity's grid is proposed for the result.
const LARGE_CT_VOXELS: usize = 20_000_000;

/// A drafted configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where it belongs.
    pub path: PathBuf,
    /// TOML, with comments.
    pub text: String,
}

/// TOML text as it grows.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A comment, broken into lines.
    fn comment(&mut self, text: &str) -> &mut Self {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = String::from("#  ");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line)
    }

    fn line(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
        self
    }

    fn gap(&mut self) -> &mut Self {
        self.line("")
    }

    /// A field with text.
    fn text(&mut self, field: &str, value: &str) -> &mut Self {
        let value = toml::Value::String(value.to_owned());
        self.line(&format!("{field} = {value}"))
    }

    /// A field the user has to fill in, and why.
    fn blank(&mut self, field: &str, why: &str) -> &mut Self {
        self.comment(&format!("FILL IN: {why}")).line(&format!("{field} = \"{BLANK}\""))
    }
}

/// The command that uses a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A dose with this configuration.
    Dose(PathBuf),
    /// The course in this file.
    Course(PathBuf),
}

/// Result of drafting.
pub struct Drafted {
    /// The configurations.
    pub drafts: Vec<Draft>,
    /// What the user has to fill in: file, line, field.
    pub to_fill_in: Vec<(PathBuf, usize, String)>,
    /// Files that are not used, each with the reason.
    pub left: Vec<Words>,
    /// The command that uses the draft.
    pub next: Next,
}

/// Drafts the configuration of a folder and writes it.
///
/// Errors: a folder that cannot be read, or one in memory; a configuration that exists, unless the request allows it.
pub fn init(request: &InitRequest) -> Result<Drafted, Failure> {
    let (folder, force) = match request {
        InitRequest::Dose { folder, force, .. } | InitRequest::Course { folder, force, .. } => (folder, *force),
    };
    if folder.in_memory() {
        let next = "Ask for the texts alone and keep them beside the images.";
        let error = UserError::invalid(folder, "folder of images", "buffers in memory", "a folder on the disk", next);
        return Err(error.into());
    }
    if let InitRequest::Course { out, .. } = request
        && !out.as_os_str().is_empty()
    {
        make_folder(out)?;
    }
    let drafted = drafted(request)?;
    let paths: Vec<&Path> = drafted.drafts.iter().map(|draft| draft.path.as_path()).collect();
    let claimed = OutputFiles::claim(&paths, force, &inputs(folder)?).map_err(|error| match &error {
        IoError::OutputFileExists { .. } => {
            error.fault().then(words!("Go on with the one that is there, or give ", Setting::Force, " to replace it."))
        }
        other => other.fault(),
    })?;
    for draft in &drafted.drafts {
        claimed.write(&draft.path, |file| file.write_all(draft.text.as_bytes())).or_user_error()?;
    }
    Ok(drafted)
}

/// Drafts the configuration of a folder, on the disk or in memory, and writes nothing.
///
/// Errors: a folder that cannot be read.
pub fn drafted(request: &InitRequest) -> Result<Drafted, UserError> {
    let (drafts, left, next) = match request {
        InitRequest::Dose { folder, out, force: _ } => {
            let found = survey(folder, Reach::Below)?;
            let drafts = vec![dose_draft(folder, out, &found)?];
            (drafts, found.left, Next::Dose(out.clone()))
        }
        InitRequest::Course { folder, out, protocol, force: _ } => {
            let (drafts, left) = course_drafts(folder, &folder.at(out), protocol.as_deref())?;
            (drafts, left, Next::Course(out.join("COURSE.toml")))
        }
    };
    let to_fill_in = drafts
        .iter()
        .flat_map(|draft| blanks(&draft.text).into_iter().map(|(line, field)| (draft.path.clone(), line, field)))
        .collect();
    Ok(Drafted { drafts, to_fill_in, left, next })
}

/// A path as typed on the command line.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(' ') { format!("'{text}'") } else { text }
}

/// The path of a file as seen from a folder, with `/` between its parts.
fn relative(from: &Place, to: &Place) -> Result<String, UserError> {
    // one series of a DICOM folder: FOLDER#3
    if let Some((folder, number)) = to.path().to_str().and_then(|text| text.rsplit_once('#')).filter(|_| !to.exists()) {
        return Ok(format!("{}#{number}", relative(from, &to.at(folder))?));
    }
    let whole = |place: &Place| {
        let path = if place.path().as_os_str().is_empty() { Path::new(".") } else { place.path() };
        if place.in_memory() {
            // names of buffers hold no links
            return Ok(path.components().filter(|part| *part != Component::CurDir).collect());
        }
        path.canonicalize().map_err(|error| IoError::read(path, error).fault())
    };
    let (from, whole_to): (PathBuf, PathBuf) = (whole(from)?, whole(to)?);
    let common = from.components().zip(whole_to.components()).take_while(|(a, b)| a == b).count();
    if common == 0 && !to.in_memory() {
        return Ok(whole_to.display().to_string());
    }
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = whole_to.components().skip(common).map(|part| match part {
        Component::Normal(name) => name.to_string_lossy().into_owned(),
        other => other.as_os_str().to_string_lossy().into_owned(),
    });
    let parts: Vec<String> = up.chain(down).collect();
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// A field with the only candidate, or a blank that lists all candidates.
fn choose(
    text: &mut Text,
    base: &Place,
    field: &str,
    what: &str,
    candidates: &[&Candidate],
    otherwise: &str,
) -> Result<(), UserError> {
    match candidates {
        [] => {
            text.blank(field, otherwise);
        }
        [one] => {
            text.comment(&format!("{what}: {}.", one.why));
            for doubt in &one.doubts {
                text.comment(&format!("DOUBT: {doubt}"));
            }
            text.text(field, &relative(base, &one.path)?);
        }
        several => {
            for one in several {
                text.comment(&format!("{}: {}.", relative(base, &one.path)?, one.why));
            }
            text.blank(field, &format!("which of these {} is the {what}?", several.len()));
        }
    }
    Ok(())
}

fn parent_of(path: &Place) -> Place {
    path.parent().unwrap_or_else(|| path.at(""))
}

/// Labels and their names: optional fields, left out where there are none.
fn labels(text: &mut Text, base: &Place, found: &Survey, missing: &str) -> Result<(), UserError> {
    let maps = found.of(&[Role::Labels]);
    if maps.is_empty() {
        text.comment(missing);
        return Ok(());
    }
    choose(text, base, "labels", "labels", &maps, "")?;
    match found.names.as_slice() {
        [] if maps.iter().all(|map| map.is_dicom) => {}
        [] => {
            text.comment("No file of label names (CSV value,name; JSON; ITK-SNAP) was found: regions are called label_1 and so on.");
        }
        [one] => {
            let names: Vec<String> = one.names.iter().map(|(n, name)| format!("{n} {name}")).collect();
            text.comment(&format!("Names: {}.", names.join(", ")));
            text.text("label_names", &relative(base, &one.path)?);
        }
        several => {
            for one in several {
                text.comment(&format!("{}: {} names.", relative(base, &one.path)?, one.names.len()));
            }
            text.blank("label_names", &format!("which of these {} belongs to the labels?", several.len()));
        }
    }
    Ok(())
}

const UNIT_OF_TIA: &str = "what a value of this map means; its header does not say. decays: decays in the voxel; \
    mbq_h: MBq h in the voxel; bq_ml_h: Bq h per mL. Look it up where the map was made: a wrong unit makes every dose \
    wrong by that factor.";
const ADMINISTERED: &str = "administered activity, MBq (7.4 GBq is 7400): what was measured in the syringe or bottle \
    before less what was left after, at the time of injection.";

/// `dose.toml`.
fn dose_draft(folder: &Place, out: &Path, found: &Survey) -> Result<Draft, UserError> {
    let base = parent_of(&folder.at(out));
    let mut text = Text::default();
    text.comment("Configuration of `lutra dose`, drafted by `lutra init dose` from the images of a folder.");
    text.comment("Read it line by line: each guess says why it was made, each \"?\" is for a person to fill in.");
    text.comment(
        "Paths are those beside this file. Fields are the options that `lutra help dose` lists, with _ for -.",
    );
    text.gap();
    choose(&mut text, &base, "ct", "CT", &found.of(&[Role::Ct]), "no CT was found: give its path.")?;
    text.gap();
    activity(&mut text, &base, folder, found)?;
    text.gap();
    let images = found.of(&[Role::Moment]);
    let stated = |image: &&Candidate| image.scan.as_ref().is_some_and(|scan| scan.administered_mbq.is_some());
    if text.0.contains("\nactivity = [") && images.iter().any(stated) {
        text.comment(ADMINISTERED);
        text.comment("The images state it; a value here comes before theirs.");
        text.line("# administered_mbq = 7400");
    } else {
        text.blank(
            "administered_mbq",
            &format!(
                "{ADMINISTERED} Delete the line if it is not known: then no dose per GBq is stated, and decays are not bounded by what was given."
            ),
        );
    }
    text.gap();
    match images.iter().find_map(|image| image.scan.as_ref()?.nuclide.as_deref()) {
        Some(other) if other != "177Lu" => {
            text.blank(
                "nuclide",
                &format!("the images state {other}; what stands here decides: built-in name or file."),
            );
        }
        _ => {
            text.comment(
                "Nuclide: nothing in an image says it for sure; lu177 is the default and the one that is validated.",
            );
            text.text("nuclide", "lu177");
        }
    }
    text.gap();
    labels(&mut text, &base, found, "No label map was found: the dose is reported for all that is not air.")?;
    text.gap();
    let ct = found.of(&[Role::Ct]);
    let large = ct.iter().filter_map(|image| image.grid.as_ref()).map(|grid| grid.len()).max();
    text.comment("Grid of the result: ct, activity, or an edge length in mm.");
    match large {
        Some(voxels) if voxels > LARGE_CT_VOXELS => {
            text.comment(&format!(
                "The CT has {:.0} million voxels: that of the activity is enough and quicker.",
                voxels as f64 / 1e6
            ));
            text.text("grid", "activity");
        }
        _ => {
            text.line("# grid = \"activity\"");
        }
    }
    text.gap();
    text.comment("How long to run: until 95 % of the voxels above a tenth of the highest dose have this relative standard error.");
    text.line("target_sigma = 0.02");
    text.line("# target_labels = [2, 3]      # .. or the voxels of these labels");
    text.line("# histories = 2e7             # .. or so many electron histories");
    Ok(Draft { path: out.to_path_buf(), text: text.0 })
}

/// DICOM images of one injection, which the run integrates itself.
fn dicom_activity(text: &mut Text, base: &Place, images: &[&Candidate]) -> Result<(), UserError> {
    let mut images = images.to_vec();
    images.sort_by(|a, b| hours(a).total_cmp(&hours(b)));
    let mut paths = Vec::new();
    for one in &images {
        let path = relative(base, &one.path)?;
        text.comment(&format!("{path}: {}.", one.why));
        for doubt in &one.doubts {
            text.comment(&format!("DOUBT: {doubt}"));
        }
        paths.push(toml::Value::String(path).to_string());
    }
    text.comment(
        "DICOM images state unit and times themselves and are integrated region by region, one exponential each.",
    );
    text.comment(
        "They must be of one injection: take out those of others. Images of one moment that agree count once.",
    );
    text.line(&format!("activity = [{}]", paths.join(", ")));
    let mut times: Vec<f64> = images.iter().map(|one| hours(one)).collect();
    times.dedup_by(|a, b| (*a - *b).abs() < 0.05);
    if times.len() == 1 {
        text.gap();
        text.blank(
            "effective_half_life",
            "effective half-life of everything, h: one image says nothing of how the activity leaves.",
        );
    }
    Ok(())
}

/// The activity map of a dose: integrated over time, or a blank that says what is missing.
fn activity(text: &mut Text, base: &Place, folder: &Place, found: &Survey) -> Result<(), UserError> {
    let integrated = found.of(&[Role::Integrated]);
    let unclear = found.of(&[Role::Activity]);
    let moments = found.of(&[Role::Moment]);
    if integrated.is_empty() && unclear.is_empty() && !moments.is_empty() && moments.iter().all(|one| one.is_dicom) {
        return dicom_activity(text, base, &moments);
    }
    if integrated.is_empty() && unclear.len() != 1 {
        for one in unclear.iter().chain(&moments) {
            text.comment(&format!("{}: {}.", relative(base, &one.path)?, one.why));
        }
        let found = match (unclear.len(), moments.len()) {
            (0, 0) => "no activity map was found.".to_owned(),
            (0, _) => "the images above hold activity at a moment; a dose needs it integrated over time.".to_owned(),
            _ => "which of the images above is integrated over time, if any?".to_owned(),
        };
        text.blank(
            "activity",
            &format!(
                "{found} `lutra init course {}` and `lutra tia` make a map of decays from images at several times.",
                shown(folder.path())
            ),
        );
    } else {
        let candidates = if integrated.is_empty() { &unclear } else { &integrated };
        choose(text, base, "activity", "time-integrated activity", candidates, "")?;
        if integrated.is_empty() {
            text.comment("DOUBT: nothing says that this map is integrated over time; an image at one moment is not.");
        }
        for one in moments {
            text.comment(&format!(
                "Not this one, it seems to be activity at a moment: {}.",
                relative(base, &one.path)?
            ));
        }
    }
    text.gap();
    let maps = if integrated.is_empty() { unclear } else { integrated };
    unit_of_map(text, "activity_unit", &maps);
    Ok(())
}

/// Unit of a map that is integrated over time: as the description of the only one's header has it, else a blank.
fn unit_of_map(text: &mut Text, field: &str, maps: &[&Candidate]) {
    match maps {
        [one] if one.described.integrated.is_some() => {
            text.comment(&format!(
                "Unit: the file's header says \"{}\". Check it against the maker's record.",
                one.described.words()
            ));
            let unit = one.described.integrated.map_or("", ActivityUnit::name);
            text.text(field, unit);
        }
        _ => {
            text.blank(field, UNIT_OF_TIA);
        }
    }
}

/// A field that the headers of all images describe alike, else a blank that says why.
fn described(
    text: &mut Text,
    field: &str,
    images: &[&Candidate],
    of: fn(&Candidate) -> Option<&'static str>,
    why: &str,
) {
    match images.first().map(|first| (first, of(first))) {
        Some((first, Some(value))) if images.iter().all(|image| of(image) == Some(value)) => {
            text.comment(&format!(
                "The headers of the images say so, as in \"{}\": check it.",
                first.described.words()
            ));
            text.text(field, value);
        }
        _ => {
            text.blank(field, why);
        }
    }
}

/// Time of an image that its DICOM headers do not date: as the description of its header has it, unless the name says
/// another.
fn time_of(text: &mut Text, image: &Candidate) {
    const BLANK_TIME: &str = "middle of the scan, h after injection.";
    match (image.described.hours, image.hours_by_name) {
        (Some(hours), name) if name.is_none_or(|name| (name - hours).abs() <= NAME_AGREES_H) => {
            text.comment(&format!(
                "Middle of the scan, h after injection: the file's header says \"{}\".",
                image.described.words()
            ));
            text.line(&format!("time_h = {hours}"));
        }
        (Some(hours), Some(name)) => {
            text.blank("time_h", &format!("{BLANK_TIME} The header says {hours}, the name suggests {name}."));
        }
        (_, Some(name)) => {
            text.blank("time_h", &format!("{BLANK_TIME} The name suggests {name}."));
        }
        (_, None) => {
            text.blank("time_h", BLANK_TIME);
        }
    }
}

/// A cycle's folder and what is in it.
struct Cycle {
    folder: Place,
    found: Survey,
    /// When its images date the injection.
    injection: Option<Moment>,
}

impl Cycle {
    fn of_folder(folder: Place, found: Survey) -> Self {
        Self { folder, found, injection: None }
    }
}

/// When an image dates its injection.
fn injection(image: &Candidate) -> Option<Moment> {
    image.scan.as_ref()?.timing.injection
}

/// The cycles of DICOM images by their injections, whatever folders they lie in, as `lutra course FOLDER` groups them; none
/// where no image dates an injection. Images that date none beside those that do are left out by name. A CT or regions of a
/// folder stay with the one cycle of its images, others are common.
///
/// Errors: injections too close for two cycles.
fn by_injection(
    folder: &Place,
    common: &mut Survey,
    cycles: &[Cycle],
    left: &mut Vec<Words>,
) -> Result<Option<Vec<Cycle>>, UserError> {
    const DOSED: [Role; 4] = [Role::Integrated, Role::Moment, Role::Activity, Role::Dose];
    let all = cycles.iter().map(|cycle| &cycle.found).chain([&*common]);
    let (images, undated): (Vec<Candidate>, Vec<Candidate>) =
        all.flat_map(|found| found.of(&DOSED)).cloned().partition(|image| injection(image).is_some());
    let dated: Vec<Moment> = images.iter().filter_map(injection).collect();
    if dated.is_empty() {
        return Ok(None);
    }
    left.extend(undated.iter().map(|one| {
        words!(
            &one.path,
            ": it dates no injection, the DICOM images beside it do: a cycle of its own is for a person to add"
        )
    }));
    let groups = dicom::by_injection(&dated).map_err(|close| {
        let [first, second] = close.pair.map(|n| images[n].path.display().to_string());
        too_close(&second, &first, close.apart_h)
    })?;
    let dir = |image: &Candidate| if image.path.is_dir() { image.path.clone() } else { parent_of(&image.path) };
    let mut found: Vec<Cycle> = Vec::new();
    for group in &groups {
        let own: Vec<Candidate> = group.iter().map(|&n| images[n].clone()).collect();
        let below = |one: &Place| own.iter().all(|image| dir(image).starts_with(one));
        let home = cycles.iter().map(|cycle| &cycle.folder).find(|inner| *inner != folder && below(inner));
        let folder = home.cloned().unwrap_or_else(|| folder.clone());
        let found_here = Survey { images: own, ..Survey::default() };
        found.push(Cycle { folder, found: found_here, injection: Some(dated[group[0]]) });
    }
    for cycle in cycles {
        let rest = Survey {
            images: cycle.found.images.iter().filter(|image| !DOSED.contains(&image.role)).cloned().collect(),
            ..cycle.found.clone()
        };
        match found.iter_mut().find(|one| one.folder == cycle.folder && one.folder != *folder) {
            Some(one) => one.found.add(rest),
            None => common.add(rest),
        }
    }
    common.images.retain(|image| !DOSED.contains(&image.role));
    Ok(Some(found))
}

fn brings_dosimetry(found: &Survey) -> bool {
    !found.of(&[Role::Integrated, Role::Moment, Role::Activity, Role::Dose]).is_empty()
}

/// `COURSE.toml` and a `SERIES.toml` for each cycle with images at several times, all to be written into `home`.
fn course_drafts(folder: &Place, home: &Place, protocol: Option<&str>) -> Result<(Vec<Draft>, Vec<Words>), UserError> {
    let mut common = survey(folder, Reach::Here)?;
    let mut cycles = Vec::new();
    for inner in folders_of(folder)? {
        let found = survey(&inner, Reach::Below)?;
        if brings_dosimetry(&found) { cycles.push(Cycle::of_folder(inner, found)) } else { common.add(found) }
    }
    let mut left = common.left.clone();
    if let Some(grouped) = by_injection(folder, &mut common, &cycles, &mut left)? {
        left.extend(cycles.iter().flat_map(|cycle| cycle.found.left.clone()));
        cycles = grouped;
    } else if cycles.is_empty() {
        if !brings_dosimetry(&common) {
            return Err(UserError::invalid(
                folder,
                "images",
                "no activity image and no dose map",
                "a folder with one folder of images a cycle, or with the images of one cycle",
                format!("`lutra inspect {}` says what is there.", shown(folder.path())),
            ));
        }
        cycles.push(Cycle::of_folder(folder.clone(), common.clone()));
    } else {
        let unused = common.of(&[Role::Integrated, Role::Moment, Role::Activity, Role::Dose]);
        left.extend(unused.iter().map(|one| words!(&one.path, ": it lies beside the folders of the cycles")));
        left.extend(cycles.iter().flat_map(|cycle| cycle.found.left.clone()));
    }
    let protocol = protocol.map(Protocol::built_in).transpose().or_user_error()?;
    let mut drafts = Vec::new();
    let course = course_text((folder, home), protocol.as_ref(), &common, &cycles, &mut drafts)?;
    drafts.insert(0, Draft { path: home.path().join("COURSE.toml"), text: course.0 });
    Ok((drafts, left))
}

fn course_text(
    (folder, home): (&Place, &Place),
    protocol: Option<&Protocol>,
    common: &Survey,
    cycles: &[Cycle],
    drafts: &mut Vec<Draft>,
) -> Result<Text, UserError> {
    let mut text = Text::default();
    text.comment(
        "Configuration of `lutra course`, drafted by `lutra init course` from a folder with one folder a cycle.",
    );
    text.comment("Read it line by line: each guess says why it was made, each \"?\" is for a person to fill in.");
    text.comment("Paths are those beside this file. The fields are listed in docs/formats.md.");
    text.line("schema = 1").gap();
    let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    match protocol {
        Some(protocol) => {
            text.comment(&format!("{} ({}).", protocol.title, protocol.source));
            text.text("protocol", &protocol.id);
        }
        None => {
            text.blank(
                "protocol",
                &format!(
                    "by which protocol the patient is treated: {}; or protocol_file = \"mine.toml\".",
                    known.join(", ")
                ),
            );
        }
    }
    text.comment("The step of the protocol that the patient is in; 1 is where everyone begins.");
    text.line("step = 1").gap();
    let own_ct =
        cycles.iter().filter(|cycle| cycle.folder != *folder && !cycle.found.of(&[Role::Ct]).is_empty()).count();
    if own_ct < cycles.len() || !common.of(&[Role::Ct]).is_empty() {
        choose(
            &mut text,
            home,
            "ct",
            "CT of all cycles without their own",
            &common.of(&[Role::Ct]),
            "no CT was found: give its path.",
        )?;
    } else {
        text.comment("Each cycle has its own CT: see there.");
    }
    let missing = "No label map was found beside the cycles' folders: give labels here or with the cycles.";
    labels(&mut text, home, common, missing)?;
    steering(&mut text, protocol, common, cycles);
    text.gap();
    text.comment("Grid of the dose: ct, activity, or an edge length in mm.");
    text.line("# grid = \"activity\"").gap();
    if cycles.iter().any(|cycle| kind_of(&cycle.found) != Dosimetry::Series) {
        text.comment(
            "Cycles with a ready map bring no curve: the BED needs the effective half-life of each structure, h.",
        );
        text.line("[effective_half_life_h]");
        for structure in structures(protocol) {
            text.blank(
                &structure,
                &format!(
                    "effective half-life of {structure}, h, from this patient's images or stated with its source."
                ),
            );
        }
        text.gap();
    }
    text.line("[patient]");
    text.comment("A pseudonym for the record, never a name. Reasons to stop: \"progression\", \"refusal\", ..");
    text.line("# id = \"P-001\"").line("# stop_flags = []").gap();
    text.comment("What the rules of the protocol ask for. What is left out is unknown, and unknown is never a pass.");
    if protocol.is_none() {
        text.comment("A draft that is given the protocol's name lists them here: `lutra help init course`.");
    }
    text.line("[patient.facts]");
    let mut facts: Vec<(String, Vec<&str>)> = Vec::new();
    for rule in protocol.map(|p| p.rules.as_slice()).unwrap_or_default() {
        for (fact, _) in rule.facts() {
            match facts.iter_mut().find(|(known, _)| *known == fact) {
                Some((_, texts)) => texts.push(&rule.text),
                None => facts.push((fact, vec![&rule.text])),
            }
        }
    }
    for (fact, texts) in facts {
        text.line(&format!("# {fact} =          # {}", texts.join("; ")));
    }
    text.gap();
    text.comment(
        "BED of other regions needs their radiobiology, stated with its source. A named set, or your own numbers:",
    );
    for set in RADIOBIOLOGY_SETS.iter().filter(|set| !set.name.starts_with("kidney")) {
        text.comment(&format!(
            "{}: alpha/beta {} Gy, repair half-life {} h ({}).",
            set.name, set.alpha_beta_gy, set.repair_half_life_h, set.source
        ));
    }
    text.line("# [[radiobiology]]").line("# region = \"tumour_1\"").line("# set = \"tumour-generic\"").gap();
    for (number, cycle) in (1..).zip(cycles) {
        let series = if cycles.len() == 1 { "SERIES.toml".to_owned() } else { format!("SERIES-{number}.toml") };
        cycle_text(&mut text, (folder, home), (number, &series), cycle, common, drafts)?;
    }
    Ok(text)
}

fn structures(protocol: Option<&Protocol>) -> Vec<String> {
    match protocol {
        Some(protocol) => protocol.organ.structures.clone(),
        None => ["kidney_left", "kidney_right"].map(str::to_owned).to_vec(),
    }
}

/// Whether the labels contain the dose-limiting structures.
fn steering(text: &mut Text, protocol: Option<&Protocol>, common: &Survey, cycles: &[Cycle]) {
    let names = common.names.iter().chain(cycles.iter().flat_map(|cycle| &cycle.found.names)).next();
    let Some(names) = names else { return };
    let here = |wanted: &str| names.names.iter().any(|(_, name)| name == wanted || standard(name) == Some(wanted));
    for (label, name) in names.names.iter() {
        if let Some(wanted) =
            standard(name).filter(|wanted| *wanted != name && structures(protocol).iter().any(|s| s == wanted))
        {
            text.comment(&format!(
                "Label {label}, {name}, is taken as the protocol's {wanted}, by the table of names."
            ));
        }
    }
    let lacking: Vec<String> = structures(protocol).into_iter().filter(|s| !here(s)).collect();
    if !lacking.is_empty() {
        text.comment(&format!(
            "DOUBT: the protocol steers by {}, but no label is called {}: without these names there is no verdict on them.",
            structures(protocol).join(" and "),
            lacking.join(" or ")
        ));
        for structure in &lacking {
            if let Some(other) = near(structure, names.names.iter().map(|(_, name)| name)) {
                let label = names.names.value(other).unwrap_or(0);
                text.comment(&format!(
                    "Is {other} meant? Then write the line \"{label},{structure}\" into the label names."
                ));
            }
        }
    }
}

/// Content of a cycle's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dosimetry {
    Series,
    Integrated,
    Dose,
}

fn kind_of(found: &Survey) -> Dosimetry {
    match (found.of(&[Role::Moment]).len(), found.of(&[Role::Activity]).len(), found.of(&[Role::Integrated]).len()) {
        (0, 0, 1..) => Dosimetry::Integrated,
        (0, 0, 0) => Dosimetry::Dose,
        _ => Dosimetry::Series,
    }
}

fn cycle_text(
    text: &mut Text,
    (folder, home): (&Place, &Place),
    (number, series): (usize, &str),
    cycle: &Cycle,
    common: &Survey,
    drafts: &mut Vec<Draft>,
) -> Result<(), UserError> {
    match cycle.injection {
        None => {
            text.comment(&format!("Cycle {number}: {}.", relative(home, &cycle.folder)?));
            text.line("[[cycles]]");
            text.blank("date", "day of the injection, as in 2025-01-31.");
        }
        Some(injection) => {
            let scans = scans(&cycle.found).len();
            let plural = if scans == 1 { "" } else { "s" };
            text.comment(&format!("Cycle {number}: the images of one injection, {scans} scan{plural}."));
            text.line("[[cycles]]");
            text.comment("Day of the injection, as the headers of the images state it.");
            text.line(&format!("date = {}", injection.day()));
        }
    }
    let stated: Vec<f64> =
        cycle.found.images.iter().filter_map(|image| image.scan.as_ref()?.administered_mbq).collect();
    match stated.first() {
        Some(&mbq) if stated.iter().all(|other| (other / mbq - 1.0).abs() < 1e-3) => {
            text.comment("Administered activity, MBq, as the DICOM images state it: check it against the protocol of the injection.");
            text.line(&format!("administered_mbq = {mbq:.1}"));
        }
        _ => {
            text.blank("administered_mbq", ADMINISTERED);
        }
    }
    let own = cycle.folder != *folder;
    let (found, base) = (&cycle.found, home);
    match kind_of(found) {
        Dosimetry::Series => {
            let drafted = series_text(home, number, found, common)?;
            text.comment(match scans(found).len() {
                1 => "One image; this file says how it is integrated over time.",
                _ => "Images at several times; this file says how they are integrated.",
            });
            text.text("series", series);
            drafts.push(Draft { path: home.path().join(series), text: drafted.0 });
        }
        Dosimetry::Integrated => {
            choose(text, base, "tia", "time-integrated activity", &found.of(&[Role::Integrated]), "")?;
            unit_of_map(text, "tia_unit", &found.of(&[Role::Integrated]));
        }
        Dosimetry::Dose => {
            choose(text, base, "dose", "dose map, Gy", &found.of(&[Role::Dose]), "")?;
        }
    }
    if own && !found.of(&[Role::Ct]).is_empty() {
        choose(text, base, "ct", "CT of this cycle", &found.of(&[Role::Ct]), "")?;
    }
    if own && !found.of(&[Role::Labels]).is_empty() {
        choose(text, base, "labels", "labels of this cycle", &found.of(&[Role::Labels]), "")?;
    }
    if own && (!found.of(&[Role::Ct]).is_empty() || !found.of(&[Role::Labels]).is_empty()) && number > 1 {
        cycle_registration(text);
    }
    text.gap();
    Ok(())
}

/// How a cycle with its own anatomy comes into the course's frame.
fn cycle_registration(text: &mut Text) {
    text.comment(
        "Region sums need no registration. Voxel sums do, of this cycle's CT to the course's ct: rigid (computed), given (a \
         file, with transform = \"motion/transform.json\") or none (it lies there). Or a matrix: transform = [[..], [..], \
         [..]], 3 x 4, from this cycle's world (RAS, mm) to the course's.",
    );
    text.line("# registration = { method = \"rigid\" }");
}

/// How an image of a series comes into the frame of the first: computed where their frames of reference differ, else left
/// for a person to switch on.
fn image_registration(text: &mut Text, first: &Candidate, image: &Candidate) {
    const RIGID: &str = "registration = { method = \"rigid\" }";
    const BY_REGION: &str = "# registration = { method = \"rigid\", by_region = [\"kidney_left\", \"kidney_right\"] }";
    match (&first.frame, &image.frame) {
        (Some(one), Some(other)) if one != other => {
            text.comment(
                "Another frame of reference (DICOM) than the first image: it is registered to it. Look at what lutra register \
                 of the two says, or give a transform: method = \"given\", transform = \"FILE\".",
            );
            text.line(RIGID);
        }
        (one, other) => {
            let why = match (one, other) {
                (Some(_), Some(_)) => {
                    "One frame of reference (DICOM) with the first image, which says how the bed lay, not the patient."
                }
                _ => "Whether the patient lies as in the first image, no header says.",
            };
            text.comment(&format!("{why} Where he has moved: rigid (computed), given (transform = \"FILE\") or none."));
            text.line(&format!("# {RIGID}"));
        }
    }
    text.comment("Kidneys move by themselves, by 5 to 20 mm: name the regions that do.");
    text.line(BY_REGION);
}

/// `SERIES.toml` of one cycle.
fn series_text(base: &Place, number: usize, found: &Survey, common: &Survey) -> Result<Text, UserError> {
    let mut images = found.of(&[Role::Moment, Role::Activity]);
    images.sort_by(|a, b| hours(a).total_cmp(&hours(b)));
    let all_dicom = images.iter().all(|image| image.is_dicom);
    let mut text = Text::default();
    text.comment(&format!(
        "Images of cycle {number} for `lutra tia` and `lutra course`, drafted by `lutra init course`."
    ));
    text.comment(
        "Each guess says why it was made, each \"?\" is for a person to fill in. Paths are those beside this file.",
    );
    text.line("schema = 1").gap();
    text.comment("Administered activity, MBq; optional here, it refuses images whose unit cannot be right.");
    text.line("# administered_mbq = 7400").gap();
    if all_dicom {
        text.comment("DICOM images are read as Bq/mL at the middle of the scan; their own correction is undone.");
        text.text("unit", "bq_ml").text("decay_correction", "none");
    } else {
        described(
            &mut text,
            "unit",
            &images,
            |image| image.described.unit.map(ImageUnit::name),
            "what a value of the images means; their headers do not say: bq_ml, kbq_ml, bq_voxel or mbq_voxel.",
        );
        described(
            &mut text,
            "decay_correction",
            &images,
            |image| image.described.correction.map(DecayCorrection::name),
            "the moment that the values were corrected to: none (activity at mid-scan), to_scan_start or to_injection. \
             Look it up in the protocol of the reconstruction; for 177Lu at 168 h a mistake here is a factor of 2.",
        );
    }
    text.gap();
    let source = if found.of(&[Role::Labels]).is_empty() { common } else { found };
    let mut own = Text::default();
    labels(&mut own, base, &Survey { names: names_for(found, common), ..source.clone() }, "")?;
    if source.of(&[Role::Labels]).is_empty() {
        text.blank("labels", "no label map was found; a series needs one.");
    } else {
        text.comment("The label map may lie on the grid of the images or on a finer one, as that of the CT.");
        text.0.push_str(&own.0);
    }
    text.gap();
    text.comment(
        "Random relative uncertainty of a region's activity in one image, and what all images share; optional.",
    );
    text.line("# relative_error = 0.05").line("# systematic_error = 0.10").gap();
    let mut before: Option<f64> = None;
    let first = images.first().copied();
    for (n, image) in images.into_iter().enumerate() {
        let time_h = image.scan.as_ref().and_then(|scan| scan.timing.hours_after_injection);
        if before.zip(time_h).is_some_and(|(a, b)| (a - b).abs() <= dicom::SAME_SCAN_H) {
            text.comment(&format!(
                "{}: another image of the scan above. One image of a scan is enough: name the one to use.",
                relative(base, &image.path)?
            ));
            text.gap();
            continue;
        }
        before = time_h;
        text.line("[[images]]");
        text.comment(&format!("{}.", image.why));
        for doubt in &image.doubts {
            text.comment(&format!("DOUBT: {doubt}"));
        }
        text.text("file", &relative(base, &image.path)?);
        match image.scan.as_ref().and_then(|scan| scan.timing.hours_after_injection) {
            Some(hours) => {
                text.comment(&format!(
                    "Middle of the scan {} h after injection, as the DICOM headers date both; time_h would decide in \
                     their place.",
                    rounded(hours, 4)
                ));
            }
            None => time_of(&mut text, image),
        }
        if let Some(first) = first.filter(|_| n > 0) {
            image_registration(&mut text, first, image);
        }
        text.gap();
    }
    for map in found.of(&[Role::Integrated]) {
        let path = relative(base, &map.path)?;
        text.comment(&format!(
            "Not used, since it is integrated over time already: {path}. In COURSE.toml write tia = and tia_unit = in place of series =."
        ));
    }
    text.line("[fit]");
    if scans(found).len() == 1 {
        text.comment("One image says nothing of how the activity leaves: it needs an effective half-life.");
        text.text("method", "population-half-life");
        text.blank(
            "half_life_h",
            "effective half-life, h, stated with its source. Kidneys and tumours differ: give each region its own in \
             [[regions]], with region, method and half_life_h. Or method = \"population\" with a prior of organs in place of \
             one number: `lutra kinetics list`.",
        );
        return Ok(text);
    }
    text.comment("One exponential for each region; with 3 or 4 points no test can choose. Others: docs/methods/time_integration.md.");
    text.text("method", "mono");
    Ok(text)
}

fn names_for(found: &Survey, common: &Survey) -> Vec<super::survey::Names> {
    if found.names.is_empty() { common.names.clone() } else { found.names.clone() }
}

/// Times of the scans, h: images of one scan count once.
fn scans(found: &Survey) -> Vec<f64> {
    let mut times: Vec<f64> = found.of(&[Role::Moment, Role::Activity]).into_iter().map(hours).collect();
    times.sort_by(f64::total_cmp);
    times.dedup_by(|a, b| (*a - *b).abs() <= dicom::SAME_SCAN_H);
    times
}

/// Position of an image in its series; images without a time come last.
fn hours(image: &Candidate) -> f64 {
    let stated = image.scan.as_ref().and_then(|scan| scan.timing.hours_after_injection);
    stated.or(image.described.hours).or(image.hours_by_name).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::described::Described;

    fn image(frame: Option<&str>) -> Candidate {
        Candidate {
            path: "t072".into(),
            role: Role::Moment,
            why: String::new(),
            doubts: Vec::new(),
            grid: None,
            hours_by_name: None,
            described: Described::default(),
            scan: None,
            is_dicom: frame.is_some(),
            frame: frame.map(str::to_owned),
        }
    }

    /// Another frame of reference is registered, the same and an unknown one are left to a person; by_region never stands on.
    #[test]
    fn cli_init_drafts_a_registration_where_frames_differ() {
        for (first, second, on) in
            [(Some("1.2"), Some("1.3"), true), (Some("1.2"), Some("1.2"), false), (None, None, false)]
        {
            let mut text = Text::default();
            image_registration(&mut text, &image(first), &image(second));
            let table: toml::Table = text.0.parse().expect("TOML");
            assert_eq!(table.contains_key("registration"), on, "{}", text.0);
            // every line that can be switched on is sound
            for line in text.0.lines().filter_map(|line| line.strip_prefix("# registration")) {
                let switched: toml::Table = format!("registration{line}").parse().expect("TOML");
                assert_eq!(switched["registration"]["method"].as_str(), Some("rigid"));
            }
            assert!(text.0.contains("by_region") && !text.0.contains("1.3"), "{}", text.0);
        }
    }
}
