//! What `lutra course` keeps between runs: reused where nothing has changed, computed anew where anything has.

use crate::patient::{lutra, patient, series, stderr, write};
use lutra::io::nifti;
use std::path::{Path, PathBuf};

const COURSE: &str = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\n\
                      label_names = \"names.csv\"\n[[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\n\
                      series = \"SERIES.toml\"\n";

/// Runs the course and says how many cycles were reused, and what was said.
fn run(folder: &Path, further: &[&str]) -> (usize, String) {
    let mut line = vec!["course", "COURSE.toml", "--out", "out", "--force", "--engine", "cpu"];
    if !further.contains(&"--histories") {
        line.extend(["--histories", "4000"]);
    }
    line.extend(further);
    let output = lutra(folder, &line);
    assert!(output.status.success(), "{}", stderr(&output));
    (stderr(&output).matches("unchanged").count(), stderr(&output))
}

fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    write(folder.path(), "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    write(folder.path(), "COURSE.toml", COURSE);
    folder
}

fn results(folder: &Path) -> Vec<u8> {
    ["cycles.csv", "cumulative.csv", "dvh.csv", "bed_gy.nii.gz", "cycle_1_dose_gy.nii.gz"]
        .iter()
        .flat_map(|name| std::fs::read(folder.join("out").join(name)).expect("a result"))
        .collect()
}

#[test]
fn cli_course_computes_anew_whatever_input_is_touched() {
    let folder = prepared();
    let folder = folder.path();
    assert_eq!(run(folder, &[]).0, 0);
    let first = results(folder);
    assert_eq!(run(folder, &[]).0, 1, "nothing has changed");
    assert_eq!(first, results(folder), "what is reused is what was computed");
    let scale = |name: &str, factor: f32| {
        let image = nifti::read(folder.join(name)).expect("the image");
        nifti::write(folder.join(name), &image.map(|v| factor * v), "scaled").expect("written");
    };
    let replace = |name: &str, find: &str, by: &str| {
        let text = std::fs::read_to_string(folder.join(name)).expect("the file");
        assert!(text.contains(find), "{find}");
        write(folder, name, &text.replacen(find, by, 1));
    };
    let touched: [(&str, &str, &dyn Fn()); 6] = [
        ("an image", "t24.nii", &|| scale("t24.nii", 1.02)),
        ("the CT", "ct.nii", &|| scale("ct.nii", 2.0)),
        ("a time", "SERIES.toml", &|| replace("SERIES.toml", "time_h = 24\n", "time_h = 25\n")),
        ("the fit", "SERIES.toml", &|| {
            replace("SERIES.toml", "[[images]]", "[fit]\nmethod = \"trapezoid\"\n[[images]]")
        }),
        ("the grid", "COURSE.toml", &|| replace("COURSE.toml", "[[cycles]]", "grid = \"4\"\n[[cycles]]")),
        ("a name", "names.csv", &|| replace("names.csv", "1,body", "1,trunk")),
    ];
    for (what, file, touch) in touched {
        let as_it_was = std::fs::read(folder.join(file)).expect("the file");
        touch();
        assert_eq!(run(folder, &[]).0, 0, "{what} has changed");
        assert_ne!(first, results(folder), "{what} shows in the results");
        std::fs::write(folder.join(file), as_it_was).expect("written");
        let (reused, said) = run(folder, &[]);
        assert_eq!(reused, 1, "{what} is as before: {said}");
        assert_eq!(first, results(folder), "{what} restored");
    }
    assert_eq!(run(folder, &["--seed", "2"]).0, 0);
    assert_eq!(run(folder, &["--histories", "5000"]).0, 0);
    // other limits change the verdict, not the dose
    replace("COURSE.toml", "\"iluminet\"", "\"uppsala-23gy\"");
    assert_eq!(run(folder, &[]).0, 1, "a dose does not depend on the protocol");
}

/// Files of the cache whose name holds `part`.
fn kept(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.join("out.cache")];
    while let Some(place) = left.pop() {
        for entry in std::fs::read_dir(place).expect("the cache") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(part)) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn cli_course_computes_a_damaged_entry_again() {
    let folder = prepared();
    let folder = folder.path();
    run(folder, &[]);
    let first = results(folder);
    for part in ["dose_gy.nii.gz", "density", "labels", "sigma_rel", "cycle.json"] {
        let files = kept(folder, part);
        assert_eq!(files.len(), 1, "{part}");
        // a planted fault: the file as it would be after a crash of the disk, or of another content
        let bytes = std::fs::read(&files[0]).expect("the file");
        std::fs::write(&files[0], &bytes[..bytes.len() / 2]).expect("written");
        let (reused, said) = run(folder, &[]);
        assert_eq!(reused, 0, "{part}: {said}");
        assert!(said.contains("damaged and computed again"), "{part}: {said}");
        assert_eq!(first, results(folder), "{part}");
    }
    // a dose map of another patient in the entry's place is not believed
    let file = &kept(folder, "dose_gy.nii.gz")[0];
    let dose = nifti::read(file).expect("the dose");
    nifti::write(file, &dose.map(|v| 1.1 * v), "planted").expect("written");
    assert_eq!(run(folder, &[]).0, 0);
    assert_eq!(first, results(folder));
}

/// A damaged entry is computed again and replaced, unless the course reads a file of it.
#[test]
fn cli_course_replaces_no_entry_that_it_reads() {
    let folder = prepared();
    let folder = folder.path();
    run(folder, &[]);
    let entries = std::fs::read_dir(folder.join("out.cache")).expect("the cache");
    let entry = entries.map(|e| e.expect("entry").path()).find(|path| path.is_dir()).expect("an entry");
    std::fs::write(entry.join("density_g_cm3.nii.gz"), "damaged").expect("written");
    let named = format!("out.cache/{}/dose_gy.nii.gz", entry.file_name().expect("a name").to_string_lossy());
    write(
        folder,
        "COURSE.toml",
        &COURSE.replacen("[[cycles]]", &format!("[patient]\nid = \"{named}\"\n[[cycles]]"), 1),
    );
    let before = std::fs::read(folder.join(&named)).expect("read");
    let output =
        lutra(folder, &["course", "COURSE.toml", "--out", "out", "--force", "--engine", "cpu", "--histories", "4000"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("an input of this run"), "{}", stderr(&output));
    assert_eq!(std::fs::read(folder.join(&named)).expect("read"), before);
    assert_eq!(std::fs::read(entry.join("density_g_cm3.nii.gz")).expect("read"), b"damaged");
    // alarm: the same damage without that name is mended
    write(folder, "COURSE.toml", COURSE);
    assert!(run(folder, &[]).1.contains("damaged"));
    assert_ne!(std::fs::read(entry.join("density_g_cm3.nii.gz")).expect("read"), b"damaged");
}
