//! Output that appears whole or not at all, label names, and hashes of inputs.

use std::fs;

use lutra::io::atomic::{AtomicOutputDir, OutputFiles, write_file};
use lutra::io::inputs::Inputs;
use lutra::io::labels::LabelNames;
use lutra::io::sha256_hex;

use crate::io_nifti::folder;

fn names(path: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn io_a_new_output_folder_appears_at_the_commit() {
    let home = folder();
    let target = home.path().join("deep/er/out");
    let out = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap();
    fs::write(out.file("a.txt"), "a").unwrap();
    assert!(!target.exists());
    assert_eq!(out.commit().unwrap(), target);
    assert_eq!(names(&target), ["a.txt"]);
    assert_eq!(names(&home.path().join("deep/er")), ["out"]);
}

#[test]
fn io_a_dropped_output_leaves_nothing() {
    let home = folder();
    for target in ["out", "new/er/out"] {
        let out = AtomicOutputDir::create(home.path().join(target), false, &Inputs::none()).unwrap();
        fs::write(out.file("a.txt"), "a").unwrap();
        drop(out);
        assert!(names(home.path()).is_empty(), "{target}");
    }
    let target = home.path().join("old");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("a.txt"), "before").unwrap();
    let out = AtomicOutputDir::create(&target, true, &Inputs::none()).unwrap();
    fs::write(out.file("a.txt"), "after").unwrap();
    drop(out);
    assert_eq!(names(&target), ["a.txt"]);
    assert_eq!(fs::read_to_string(target.join("a.txt")).unwrap(), "before");
}

#[test]
fn io_existing_output_needs_force_and_foreign_files_stay() {
    let home = folder();
    let target = home.path().join("out");
    fs::create_dir(&target).unwrap();
    // Empty: fine without force.
    AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap().commit().unwrap();
    for (name, text) in [("dose.nii", "old"), ("stale.nii", "old"), ("notes.txt", "mine")] {
        fs::write(target.join(name), text).unwrap();
    }
    let error = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap_err().to_string();
    assert!(error.contains("3 entries") && error.contains("--force"), "{error}");
    let out = AtomicOutputDir::create(&target, true, &Inputs::none()).unwrap().replaces(&["dose.nii", "stale.nii"]);
    fs::write(out.file("dose.nii"), "new").unwrap();
    fs::create_dir(out.file("slices")).unwrap();
    out.commit().unwrap();
    assert_eq!(names(&target), ["dose.nii", "notes.txt", "slices"]);
    assert_eq!(fs::read_to_string(target.join("dose.nii")).unwrap(), "new");
    assert_eq!(fs::read_to_string(target.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn io_output_to_a_file_or_below_one_is_refused() {
    let home = folder();
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    for force in [false, true] {
        let error = AtomicOutputDir::create(&file, force, &Inputs::none()).unwrap_err().to_string();
        assert!(error.contains("a file"), "{error}");
    }
    let error = AtomicOutputDir::create(file.join("out"), false, &Inputs::none()).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
    assert!(AtomicOutputDir::create("/", false, &Inputs::none()).is_err());
    let error = AtomicOutputDir::create("/proc/nothing/here", false, &Inputs::none()).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
}

#[test]
fn io_output_made_meanwhile_is_not_overwritten() {
    let home = folder();
    let target = home.path().join("out");
    let out = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("theirs"), "x").unwrap();
    assert!(out.commit().unwrap_err().to_string().contains("meanwhile"));
    assert_eq!(names(&target), ["theirs"]);
    assert_eq!(names(home.path()), ["out"]);
}

#[test]
fn io_a_failed_file_leaves_the_old_one() {
    let home = folder();
    let path = home.path().join("f");
    fs::write(&path, "old").unwrap();
    let failed = write_file(&path, |out| {
        out.write_all(b"half")?;
        Err(std::io::Error::other("planted"))
    });
    assert!(failed.unwrap_err().to_string().contains("planted"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(home.path()), ["f"]);
    write_file(&path, |out| out.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::write(home.path().join("plain"), "").unwrap();
        let mode = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("f"), mode("plain"), "permissions of an ordinary file");
    }
}

#[test]
fn io_sha256_of_known_bytes() {
    let home = folder();
    let path = home.path().join("abc");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-2, appendix B.1.
    let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256_hex(&path).unwrap(), want);
    assert!(sha256_hex(home.path().join("none")).is_err());
}

#[test]
fn io_label_names_in_every_format() {
    let home = folder();
    let path = home.path().join("names");
    let good = [
        "2,kidney_right\n3,kidney_left\n",
        "value,name\n2, kidney_right\n3, kidney_left\n",
        "label\tname\tcolour\n2\tkidney_right\tred\n3\tkidney_left\tblue\n",
        "# organs\n\n2,kidney_right\n3,\"kidney_left\"\n",
        "\u{feff}2,kidney_right\r\n3,kidney_left\r\n",
        "{\"2\": \"kidney_right\", \"3\": \"kidney_left\"}",
        "{\"kidney_right\": 2, \"kidney_left\": 3}",
        "{\"name\": \"case\", \"labels\": {\"2\": \"kidney_right\", \"3\": \"kidney_left\"}, \"organs\": []}",
        "################\n# ITK-SnAP Label Description File\n    2   255    0    0        1  1  1    \"kidney_right\"\n    3     0  255    0      0.5  1  1    \"kidney_left\"\n",
    ];
    for text in good {
        fs::write(&path, text).unwrap();
        let names = LabelNames::read(&path).unwrap();
        let all: Vec<_> = names.iter().collect();
        assert_eq!(all, [(2, "kidney_right"), (3, "kidney_left")], "{text}");
        assert_eq!((names.name(3).as_str(), names.name(9).as_str()), ("kidney_left", "label_9"));
        assert_eq!((names.value("kidney_left"), names.value("spleen")), (Some(3), None));
    }
    let bad = [
        ("2,kidney\n\nx,liver\n", "line 3: found value \"x\""),
        ("2,kidney\n2,liver\n", "line 2: found value 2 again"),
        ("2,kidney\n3,kidney\n", "line 2: found name \"kidney\" again"),
        ("2,kidney\n3,\n", "line 2: found no name for value 3"),
        ("2,kidney\n70000,liver\n", "\"70000\""),
        ("2,kidney\n-1,liver\n", "\"-1\""),
        ("2;kidney\n", "line 1"),
        ("", "no label"),
        ("value,name\n", "no label"),
        ("{\"2\": \"a\",\n \"3\" \"b\"}", "line 2"),
        ("{\"2\": [1]}", "key \"2\": found [1]"),
        ("{\"2.5\": \"a\"}", "\"2.5\""),
        ("{\"labels\": 3}", "no JSON object"),
        ("0 0 0 0 0 0 0 \"Clear\"\n1 255 0 0 \"kidney\"\n", "line 2"),
    ];
    for (text, expected) in bad {
        fs::write(&path, text).unwrap();
        let error = LabelNames::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("names"), "{text}: {error}");
    }
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(LabelNames::read(&path).unwrap_err().to_string().contains("UTF-8"));
    assert!(LabelNames::read(home.path().join("none")).is_err());
}

/// What a killed run left is removed by the next one at the same place; what a living run writes is not.
#[test]
fn io_leftovers_of_killed_runs_are_swept() {
    let place = tempfile::tempdir().expect("temporary folder");
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(place.path()).expect("the folder");
        let mut names: Vec<_> = entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    // a folder as a killed run leaves it: its lock file is there and nobody holds it
    let dead = place.path().join(".lutra-partial-dead");
    std::fs::create_dir(&dead).expect("made");
    std::fs::write(dead.join(".lutra-lock"), "").expect("written");
    std::fs::write(dead.join("dose_gy.nii.gz"), "half").expect("written");
    // one of which nothing is known stays
    let strange = place.path().join(".lutra-partial-strange");
    std::fs::create_dir(&strange).expect("made");
    // an old temporary file, and one of this moment
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for (name, old) in [(".lutra-partial-a.tmp", true), (".lutra-partial-b.tmp", false)] {
        let file = std::fs::File::create(place.path().join(name)).expect("made");
        if old {
            file.set_modified(long_ago).expect("set");
        }
    }
    let living = AtomicOutputDir::create(place.path().join("one"), false, &Inputs::none()).expect("made");
    std::fs::write(living.file("kept"), "whole").expect("written");
    assert_eq!(living.names().expect("names"), ["kept"], "the lock is no output");
    let second = AtomicOutputDir::create(place.path().join("two"), false, &Inputs::none()).expect("made");
    let found = names();
    assert!(!found.contains(&".lutra-partial-dead".to_owned()), "{found:?}");
    assert!(!found.contains(&".lutra-partial-a.tmp".to_owned()), "{found:?}");
    assert!(found.contains(&".lutra-partial-strange".to_owned()), "{found:?}");
    assert!(found.contains(&".lutra-partial-b.tmp".to_owned()), "{found:?}");
    assert!(living.file("kept").is_file() && second.path().is_dir(), "runs at work keep what they write");
    let one = living.commit().expect("in place");
    let entries: Vec<_> = std::fs::read_dir(one).expect("the output").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(entries, ["kept"], "no lock file is left in the output");
    // the same inside an output folder that exists
    let inside = place.path().join("one/.lutra-partial-dead");
    std::fs::create_dir(&inside).expect("made");
    std::fs::write(inside.join(".lutra-lock"), "").expect("written");
    drop(AtomicOutputDir::create(place.path().join("one"), true, &Inputs::none()).expect("made"));
    assert!(!inside.exists());
}
