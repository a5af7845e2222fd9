//! Output that appears whole or not at all, label names, and hashes of inputs.

use std::fs;
use std::path::Path;

use lutra::io::atomic::{AtomicOutputDir, OutputFiles, write_file};
use lutra::io::dicom::{self, DoseDepth, DoseOptions, DoseType};
use lutra::io::inputs::Inputs;
use lutra::io::labels::LabelNames;
use lutra::io::nifti;
use lutra::io::outputs::RECORD;
use lutra::io::sha256_hex;
use lutra::{Volume, VoxelGrid};

use crate::io_nifti::folder;
use crate::small;

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
    out.file("a.txt").write("a").unwrap();
    assert!(!target.exists());
    assert_eq!(out.commit().unwrap(), target);
    assert_eq!(names(&target), ["a.txt", RECORD]);
    assert_eq!(names(&home.path().join("deep/er")), ["out"]);
}

#[test]
fn io_a_dropped_output_leaves_nothing() {
    let home = folder();
    for target in ["out", "new/er/out"] {
        let out = AtomicOutputDir::create(home.path().join(target), false, &Inputs::none()).unwrap();
        out.file("a.txt").write("a").unwrap();
        drop(out);
        assert!(names(home.path()).is_empty(), "{target}");
    }
    let target = home.path().join("old");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("a.txt"), "before").unwrap();
    let out = AtomicOutputDir::create(&target, true, &Inputs::none()).unwrap();
    out.file("a.txt").write("after").unwrap();
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
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    let first = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap();
    for name in ["dose.nii", "stale.nii", "edited.csv"] {
        first.file(name).write("old").unwrap();
    }
    first.commit().unwrap();
    fs::write(target.join("notes.txt"), "mine").unwrap();
    fs::write(target.join("edited.csv"), "mine").unwrap();
    let error = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap_err().to_string();
    assert!(error.contains("5 entries") && error.contains("give force"), "{error}");
    let out = AtomicOutputDir::create(&target, true, &Inputs::none()).unwrap();
    let out = out.expecting(&["dose.nii", "slices", "new_*.nii"]).unwrap();
    out.file("dose.nii").write("new").unwrap();
    fs::create_dir(out.path().join("slices")).unwrap();
    out.commit().unwrap();
    assert_eq!(names(&target), ["dose.nii", "edited.csv", RECORD, "notes.txt", "slices"]);
    assert_eq!([read("dose.nii"), read("notes.txt"), read("edited.csv")], ["new", "mine", "mine"]);
}

/// Alarm: each of these would be lost if the record did not tell whose it is.
#[test]
fn alarm_a_file_that_is_not_lutras_is_not_replaced() {
    let home = folder();
    let target = home.path().join("out");
    let first = AtomicOutputDir::create(&target, false, &Inputs::none()).unwrap();
    first.file("a.csv").write("old").unwrap();
    first.commit().unwrap();
    fs::write(target.join("b.csv"), "mine").unwrap();
    fs::create_dir(target.join("c.csv")).unwrap();
    let open = || AtomicOutputDir::create(&target, true, &Inputs::none()).unwrap();
    assert!(open().expecting(&["a.csv"]).is_ok(), "what Lutra wrote may go");
    fs::write(target.join("a.csv"), "edited").unwrap();
    for (name, stated) in [("a.csv", "a.csv"), ("b.csv", "b*"), ("c.csv", "c.csv")] {
        let early = open().expecting(&[stated]).unwrap_err().to_string();
        let late = open();
        late.file(name).write("new").unwrap();
        for error in [early, late.commit().unwrap_err().to_string()] {
            assert!(error.contains(&format!("{name}: output file")) && error.contains("another output"), "{error}");
        }
    }
    assert_eq!(names(&target), ["a.csv", "b.csv", "c.csv", RECORD]);
    // a record that is none makes nothing Lutra's
    fs::write(target.join(RECORD), "notes of mine\n").unwrap();
    assert!(open().expecting::<&str>(&[]).unwrap_err().to_string().contains(RECORD));
    // a folder whose own name says whose it is
    let own = || open().owning(&["a.csv"]);
    let out = own().expecting(&["a.csv"]).unwrap();
    out.file("a.csv").write("new").unwrap();
    out.commit().unwrap();
    assert_eq!(fs::read_to_string(target.join("a.csv")).unwrap(), "new");
    assert!(own().expecting(&["b.csv"]).is_err());
}

#[test]
fn io_no_output_lands_on_an_input() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    for name in ["p", "q", "h"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("p/ct.nii"), "image").unwrap();
    fs::hard_link(at("p/ct.nii"), at("h/dose.nii")).unwrap();
    let inputs = Inputs::from_iter([at("p/ct.nii")]);
    for folder in ["p", "h", "./q/../p"] {
        for force in [false, true] {
            let error = AtomicOutputDir::create(at(folder), force, &inputs).unwrap_err().to_string();
            assert!(error.contains("ct.nii, an input of this run") && error.contains("another output"), "{error}");
        }
    }
    AtomicOutputDir::create(at("q"), false, &inputs).unwrap();
    for file in ["p/ct.nii", "h/dose.nii"] {
        let error = OutputFiles::claim(&[at("q/new"), at(file)], true, &inputs).unwrap_err().to_string();
        assert!(error.contains("an input of this run"), "{error}");
    }
    // one that comes to lie there meanwhile
    let out = AtomicOutputDir::create(at("q"), true, &inputs).unwrap();
    out.file("dose.nii").write("new").unwrap();
    let claimed = OutputFiles::claim(&[at("new.csv")], true, &inputs).unwrap();
    fs::hard_link(at("p/ct.nii"), at("q/dose.nii")).unwrap();
    fs::hard_link(at("p/ct.nii"), at("new.csv")).unwrap();
    assert!(out.commit().unwrap_err().to_string().contains("an input of this run"));
    let error = claimed.write(&at("new.csv"), |to| to.write_all(b"new")).unwrap_err().to_string();
    assert!(error.contains("an input of this run"), "{error}");
    assert_eq!(fs::read_to_string(at("p/ct.nii")).unwrap(), "image");
    assert_eq!(names(&at("q")), ["dose.nii"]);
}

#[test]
fn io_single_files_are_claimed() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::write(at("k.csv"), "old").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let claim = |name: &str, force: bool| OutputFiles::claim(&[at("new.csv"), at(name)], force, &Inputs::none());
    let told = |name: &str, force: bool| claim(name, force).unwrap_err().to_string();
    assert!(told("k.csv", false).contains("give force"), "{}", told("k.csv", false));
    for force in [false, true] {
        assert!(told("folder", force).contains("found a folder"), "{}", told("folder", force));
        #[cfg(unix)]
        {
            let error = OutputFiles::claim(&["/dev/null"], force, &Inputs::none()).unwrap_err().to_string();
            assert!(error.contains("found a device"), "{error}");
        }
    }
    claim("k.csv", true).unwrap().write(&at("k.csv"), |to| to.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(at("k.csv")).unwrap(), "new");
    // one that another program makes meanwhile
    let claimed = claim("late.csv", false).unwrap();
    fs::write(at("late.csv"), "theirs").unwrap();
    assert!(claimed.write(&at("late.csv"), |to| to.write_all(b"new")).is_err() && claimed.check().is_err());
    assert_eq!(fs::read_to_string(at("late.csv")).unwrap(), "theirs");
}

/// What a killed run left is swept, but not where a person took an input from it.
#[test]
fn io_leftovers_with_an_input_stay() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    for name in [".lutra-partial-used", ".lutra-partial-dead"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join(".lutra-lock"), "").unwrap();
        fs::write(at(name).join("ct.nii"), "image").unwrap();
    }
    let inputs = Inputs::from_iter([at(".lutra-partial-used/ct.nii")]);
    AtomicOutputDir::create(at("out"), false, &inputs).unwrap();
    assert_eq!(names(home.path()), [".lutra-partial-used"], "the other one goes");
    assert_eq!(names(&at(".lutra-partial-used")), [".lutra-lock", "ct.nii"]);
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
    // an error about a file that is being written names the place that was asked for
    let out = AtomicOutputDir::create(home.path().join("out"), false, &Inputs::none()).unwrap();
    fs::create_dir(out.path().join("maps")).unwrap();
    let error = write_file(out.file("maps"), |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("out/maps: cannot write") && !error.contains(".lutra-partial"), "{error}");
    drop(out);
    assert!(AtomicOutputDir::create("/", false, &Inputs::none()).is_err());
    let error = AtomicOutputDir::create("/proc/nothing/here", false, &Inputs::none()).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
}

#[cfg(unix)]
#[test]
fn io_output_to_a_link_that_leads_nowhere_is_refused_at_once() {
    let home = folder();
    std::os::unix::fs::symlink("nowhere", home.path().join("out")).unwrap();
    for force in [false, true] {
        let error = AtomicOutputDir::create(home.path().join("out"), force, &Inputs::none()).unwrap_err().to_string();
        assert!(error.contains("a link that leads nowhere") && error.contains("another output"), "{error}");
    }
    // alarm: once it leads to a folder it is one
    fs::create_dir(home.path().join("nowhere")).unwrap();
    AtomicOutputDir::create(home.path().join("out"), false, &Inputs::none()).unwrap();
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

/// A file that is swapped after it was read: the record has the hash of what was decoded, not of what lies there now.
#[test]
fn io_the_record_hashes_what_was_read() {
    use lutra::io::open::{digest_of, digest_read};
    let home = folder();
    let at = |name: &str| home.path().join(name);
    small::write_files(home.path(), "a.nii", ("a.nii.gz", [1e8, 2e10]), "labels.nii");
    fs::write(at("names.csv"), "1,liver\n").unwrap();
    // bytes behind the values are part of the file
    for name in ["a.nii", "labels.nii"] {
        let mut bytes = fs::read(at(name)).unwrap();
        bytes.extend([0; 40]);
        fs::write(at(name), bytes).unwrap();
    }
    let dicom = crate::io_dicom_made::pt_pair(("20260303", "003000"), "START", "BQML");
    let read = |name: &str| match name {
        "names.csv" => drop(LabelNames::read(at(name)).unwrap()),
        "labels.nii" => drop(lutra::io::nifti::read_labels(at(name)).unwrap()),
        name => drop(lutra::io::nifti::read(at(name)).unwrap()),
    };
    for name in ["a.nii", "a.nii.gz", "labels.nii", "names.csv"] {
        let files = [at(name).into()];
        let before = digest_of(&files).unwrap();
        read(name);
        let old = fs::read(at(name)).unwrap();
        fs::write(at(name), "another file").unwrap();
        assert_eq!(digest_read(&files).unwrap(), before, "{name}: as it was read");
        // alarm: a record by another look at the disk is of another file
        assert_ne!(digest_of(&files).unwrap(), before, "{name}");
        assert_eq!(digest_read(&files).unwrap(), digest_of(&files).unwrap(), "{name}: nothing was read since");
        // read twice, and changed in between
        fs::write(at(name), &old).unwrap();
        read(name);
        let changed = if name == "names.csv" { b"1,spleen\n".to_vec() } else { [&old[..], b"\0"].concat() };
        fs::write(at(name), changed).unwrap();
        if name != "a.nii.gz" {
            read(name);
            let error = digest_read(&files).unwrap_err().to_string();
            assert!(error.contains("changed while it was read"), "{error}");
        }
    }
    let files = lutra::io::open::files_of(dicom.path()).unwrap();
    let before = digest_of(&files).unwrap();
    let opened = lutra::io::open_activity(dicom.path(), &Default::default()).unwrap().image;
    opened.files.iter().for_each(|file| fs::write(file.path(), "another file").unwrap());
    assert_eq!(digest_read(&opened.files).unwrap(), before, "every file of a series");
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
        ("{\"2\": \"a\", \"2\": \"b\"}", "key \"2\" stands twice"),
        ("{\"labels\": {\"2\": \"a\"},\n \"labels\": {\"3\": \"b\"}}", "line 2: key \"labels\" stands twice"),
        ("{\"kidney\": 2, \"kidney\": 3}", "key \"kidney\" stands twice"),
        ("{\"1\": \"a\", \"01\": \"b\"}", "value 1 again"),
        ("{\"1\": \"a\", \"+1\": \"b\"}", "value 1 again"),
        ("{\"1\": \"a\", \" 1\": \"b\"}", "value 1 again"),
        ("1,a\n01,b\n", "value 1 again"),
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
    living.file("kept").write("whole").expect("written");
    assert_eq!(living.names().expect("names"), ["kept"], "the lock is no output");
    let second = AtomicOutputDir::create(place.path().join("two"), false, &Inputs::none()).expect("made");
    let found = names();
    assert!(!found.contains(&".lutra-partial-dead".to_owned()), "{found:?}");
    assert!(!found.contains(&".lutra-partial-a.tmp".to_owned()), "{found:?}");
    assert!(found.contains(&".lutra-partial-strange".to_owned()), "{found:?}");
    assert!(found.contains(&".lutra-partial-b.tmp".to_owned()), "{found:?}");
    assert!(living.file("kept").is_file() && second.path().is_dir(), "runs at work keep what they write");
    let one = living.commit().expect("in place");
    let mut entries: Vec<_> =
        std::fs::read_dir(one).expect("the output").map(|e| e.expect("entry").file_name()).collect();
    entries.sort();
    assert_eq!(entries, ["kept", RECORD], "no lock file is left in the output");
    // the same inside an output folder that exists
    let inside = place.path().join("one/.lutra-partial-dead");
    std::fs::create_dir(&inside).expect("made");
    std::fs::write(inside.join(".lutra-lock"), "").expect("written");
    drop(AtomicOutputDir::create(place.path().join("one"), true, &Inputs::none()).expect("made"));
    assert!(!inside.exists());
}

/// Shards begin in one folder at the same moment: none takes another's unfinished folder for one left behind.
#[test]
fn io_runs_begun_side_by_side_spare_each_other() {
    let place = tempfile::tempdir().expect("temporary folder");
    let begin_and_end = |run: usize| {
        for turn in 0..60 {
            let target = place.path().join(format!("shard-{run}-{turn}"));
            let out = AtomicOutputDir::create(&target, false, &Inputs::none()).expect("made");
            out.file("kept").write("whole").unwrap_or_else(|e| panic!("run {run}, turn {turn}: {e}"));
            out.commit().unwrap_or_else(|e| panic!("run {run}, turn {turn}: {e}"));
        }
    };
    std::thread::scope(|scope| {
        (0..8).for_each(|run| {
            scope.spawn(move || begin_and_end(run));
        });
    });
    assert_eq!(names(place.path()).len(), 8 * 60, "nothing but the outputs is left");
}

/// A folder in memory takes the same files as one on the disk, byte for byte, and touches no disk.
#[test]
fn io_a_folder_in_memory_holds_the_files_of_one_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let grid = VoxelGrid::axis_aligned([4, 3, 2], [2.0, 3.0, 4.0], [0.0; 3]);
    let dose = Volume { grid: grid.clone(), data: (0..grid.len()).map(|n| n as f64).collect() };
    let fill = |folder: &AtomicOutputDir| {
        nifti::write(folder.file("dose.nii.gz"), &dose, "dose").unwrap();
        nifti::write(folder.file("dose.nii"), &dose.map(|gy| gy as f32), "dose").unwrap();
        let options = DoseOptions {
            dose_type: DoseType::Physical,
            depth: DoseDepth::Bits32,
            description: "dose".into(),
            comment: String::new(),
            deidentify: false,
            created: None,
        };
        dicom::write_rtdose(folder.file("dose.dcm"), &dose, None, &options).unwrap();
        folder.file("table.csv").write("a,b\n").unwrap();
        folder.make_folder("below").unwrap();
        folder.file("below/more.txt").write("more").unwrap();
    };
    let disk = AtomicOutputDir::create(home.path().join("out"), false, &Inputs::none()).unwrap().without_record();
    let (memory, kept) = AtomicOutputDir::in_memory("out");
    fill(&disk);
    fill(&memory);
    assert_eq!(memory.file("table.csv").path(), Path::new("out/table.csv"), "named by its place, for messages");
    assert_eq!(memory.kept("table.csv"), Some(b"a,b\n".to_vec()));
    assert_eq!((disk.kept("table.csv"), memory.kept("none")), (None, None));
    assert_eq!(memory.names().unwrap(), ["below/more.txt", "dose.dcm", "dose.nii", "dose.nii.gz", "table.csv"]);
    let place = disk.commit().unwrap();
    assert_eq!(memory.commit().unwrap(), Path::new("out"));
    let files = kept.take();
    for (name, bytes) in &files {
        assert!(std::fs::read(place.join(name)).unwrap() == *bytes, "{name}");
    }
    assert!(files.len() == 5 && kept.take().is_empty() && !Path::new("out").exists());
}
