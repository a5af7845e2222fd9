//! The files that a run reads. No output may touch any of them.
//!
//! Files are compared by the system's file identity, not by name: a link, `./`, or a different case on a
//! case-insensitive file system all lead to the same file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::IoError;
use super::dicom::walk::files_below;
use super::exchange::settle;
use crate::place::Place;
use crate::text;

/// Depth to which files that name others are followed: a course, its series, their images.
const DEEPEST: usize = 4;
/// Endings of the two files of a NIfTI pair.
const PAIR: [&str; 4] = [".hdr", ".img", ".hdr.gz", ".img.gz"];

/// The files that a run reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Size by path, bytes: files of different sizes are not the same.
    files: BTreeMap<PathBuf, u64>,
    /// Why files must not be read: an exchange among them was interrupted and cannot be completed.
    mixed: Option<String>,
}

impl Inputs {
    /// For a run that reads nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an input as a user names it: a file, with the other one of a NIfTI pair; a folder or one of its series
    /// (`FOLDER#3`), of which every DICOM file counts. A missing file is left for its reader to report. Buffers in memory
    /// are safe from any output and do not count.
    pub fn add(&mut self, path: impl Into<Place>) {
        let place = path.into();
        if place.in_memory() {
            return;
        }
        let path = place.path();
        self.settle(path);
        if !path.is_file() {
            let files = files_below(&place);
            return files.iter().for_each(|file| self.add_file(file.path()));
        }
        self.add_file(path);
        if let Some(stem) = stem_of_pair(path) {
            let beside = fs::read_dir(folder_of(path)).into_iter().flatten().flatten().map(|entry| entry.path());
            beside.filter(|other| stem_of_pair(other).as_ref() == Some(&stem)).for_each(|other| self.add_file(&other));
        }
    }

    /// Adds a text file (TOML) and every file that it names, paths beside it; those may name others.
    pub fn add_description(&mut self, path: impl Into<Place>) {
        let place = path.into();
        if !place.in_memory() {
            self.follow(place.path(), 0);
        }
    }

    fn follow(&mut self, path: &Path, depth: usize) {
        let known = self.files.contains_key(path);
        self.add(path);
        if known || depth >= DEEPEST || !path.is_file() {
            return;
        }
        let Some(table) = text::read(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else { return };
        let mut words = Vec::new();
        words_of(&toml::Value::Table(table), &mut words);
        for word in words.iter().filter(|word| !word.is_empty()) {
            self.follow(&folder_of(path).join(word), depth + 1);
        }
    }

    /// Completes an exchange that a killed run left in the folder of an input.
    fn settle(&mut self, path: &Path) {
        let folder = if path.is_dir() { path } else { folder_of(path) };
        if let Err(error) = settle(folder) {
            self.mixed.get_or_insert(error.to_string());
        }
    }

    /// Refuses inputs that mix old and new files.
    ///
    /// Errors: those of [`settle`] of a folder that holds an input.
    pub fn whole(&self) -> Result<(), IoError> {
        self.mixed.as_ref().map_or(Ok(()), |error| Err(IoError::Mixed(error.clone())))
    }

    fn add_file(&mut self, path: &Path) {
        let Ok(found) = fs::metadata(path) else { return };
        if found.is_file() {
            self.files.insert(path.to_path_buf(), found.len());
        }
    }

    /// Paths of the files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// The input that lies at `path`, under whatever name.
    pub fn at(&self, path: &Path) -> Option<&Path> {
        let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let mut alike = self.files.iter().filter(|(_, bytes)| **bytes == found.len()).map(|(input, _)| input.as_path());
        alike.find(|input| is_same(path, input))
    }

    /// Refuses `path` as an output if it is an input.
    ///
    /// Errors: [`IoError::OutputIsInput`].
    pub fn spare(&self, path: &Path) -> Result<(), IoError> {
        match self.at(path) {
            Some(input) => {
                Err(IoError::OutputIsInput { path: path.to_path_buf(), what: "output", input: input.to_path_buf() })
            }
            None => Ok(()),
        }
    }

    /// Refuses `folder` for output if it contains an input, directly or through a link.
    ///
    /// Errors: [`IoError::OutputIsInput`]; the folder cannot be read.
    pub(super) fn spare_folder(&self, folder: &Path) -> Result<(), IoError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut paths: Vec<PathBuf> = entries.map_err(|e: std::io::Error| IoError::write(folder, e))?;
        // report the first by name, whatever the system's order
        paths.sort();
        for path in paths {
            if let Some(input) = self.at(&path) {
                let (path, input) = (folder.to_path_buf(), input.to_path_buf());
                return Err(IoError::OutputIsInput { path, what: "output folder", input });
            }
        }
        Ok(())
    }

    /// Whether an input lies somewhere below `place`, or is what lies there.
    pub(super) fn any_below(&self, place: &Path) -> bool {
        let Ok(place) = place.canonicalize() else { return false };
        self.paths().any(|path| path.canonicalize().is_ok_and(|path| path.starts_with(&place)))
            || self.at(&place).is_some()
    }
}

impl<P: Into<Place>> FromIterator<P> for Inputs {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut inputs = Self::none();
        paths.into_iter().for_each(|path| inputs.add(path));
        inputs
    }
}

/// Whether two paths lead to one file; if the system cannot tell, whether the full paths are equal.
fn is_same(one: &Path, other: &Path) -> bool {
    same_file::is_same_file(one, other).unwrap_or_else(|_| match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    })
}

/// The folder that holds a path; the current one for a bare name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Name of a NIfTI pair without its ending; none for another file.
fn stem_of_pair(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    PAIR.iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned)
}

/// Every text in a value, keys included: any of them may be the name of a file.
fn words_of(value: &toml::Value, words: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => words.push(text.clone()),
        toml::Value::Array(many) => many.iter().for_each(|one| words_of(one, words)),
        toml::Value::Table(table) => {
            for (key, one) in table {
                words.push(key.clone());
                words_of(one, words);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &Inputs, base: &Path) -> Vec<String> {
        let mut names: Vec<String> = inputs
            .paths()
            .map(|path| path.canonicalize().expect("there").strip_prefix(base).expect("below").display().to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn io_inputs_are_followed_through_the_files_that_name_them() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let base = folder.path().canonicalize().expect("there");
        fs::create_dir(base.join("cycle1")).expect("made");
        for name in
            ["ct.hdr", "CT.img", "ctx.img", "names.csv", "nuclide.toml", "cycle1/a.nii", "cycle1/b.nii", "no.nii"]
        {
            fs::write(base.join(name), name).expect("written");
        }
        let series = "[[images]]\nfile = \"a.nii\"\n[\"b.nii\"]\nx = 1\n";
        fs::write(base.join("cycle1/SERIES.toml"), series).expect("written");
        let course = "ct = \"ct.hdr\"\nnuclide = \"nuclide.toml\"\nself = \"COURSE.toml\"\n\
                      cycles = [{ series = \"cycle1/SERIES.toml\" }]\nnames = [[\"names.csv\"]]\nmissing = \"m.nii\"\n";
        fs::write(base.join("COURSE.toml"), course).expect("written");
        let mut inputs = Inputs::none();
        inputs.add_description(base.join("COURSE.toml"));
        let wanted = [
            "COURSE.toml",
            "CT.img",
            "ct.hdr",
            "cycle1/SERIES.toml",
            "cycle1/a.nii",
            "cycle1/b.nii",
            "names.csv",
            "nuclide.toml",
        ];
        assert_eq!(names(&inputs, &base), wanted);
    }

    #[test]
    fn io_an_input_is_known_under_every_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).expect("made");
        fs::write(at("ct.nii"), "image").expect("written");
        // alarm: the same bytes are not the same file
        fs::write(at("copy.nii"), "image").expect("written");
        fs::hard_link(at("ct.nii"), at("hard.nii")).expect("linked");
        let inputs = Inputs::from_iter([at("ct.nii")]);
        let mut same = vec!["ct.nii", "./ct.nii", "below/../ct.nii", "hard.nii"];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("ct.nii", at("soft.nii")).expect("linked");
            same.push("soft.nii");
        }
        if at("CT.NII").exists() {
            same.push("CT.NII");
        }
        for name in same {
            assert_eq!(inputs.at(&at(name)), Some(at("ct.nii").as_path()), "{name}");
            let error = inputs.spare(&at(name)).expect_err(name).to_string();
            assert!(error.contains("ct.nii, an input of this run") && error.contains("another output"), "{error}");
        }
        for name in ["copy.nii", "below", "none.nii"] {
            assert!(inputs.at(&at(name)).is_none() && inputs.spare(&at(name)).is_ok(), "{name}");
        }
        assert!(inputs.any_below(folder.path()) && !inputs.any_below(&at("below")));
    }
}
