//! `lutra tia` and `lutra course` with input that is wrong, doubtful or incomplete: an error by name, or a result that says
//! what is doubtful; nothing is lost and nothing half-written stays.

use crate::patient::{again, lutra, number, patient, rows, series, stated, stderr, stdout, write};
use lutra::grid::Volume;
use lutra::io::nifti;
use std::path::Path;

/// Runs `lutra course` on the text.
fn course(folder: &Path, text: &str) -> std::process::Output {
    write(folder, "COURSE.toml", text);
    lutra(folder, &["course", "COURSE.toml", "--out", "out", "--force", "--engine", "cpu", "--histories", "4000"])
}

/// Asserts that a run is refused with these words, names its file and leaves nothing.
fn refused(folder: &Path, line: &[&str], words: &[&str]) {
    let output = lutra(folder, line);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(said.contains("hint: "), "the next step: {said}");
    assert!(!folder.join("bad").exists(), "nothing is left of a refused run");
    let partial = std::fs::read_dir(folder).expect("the folder").filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".lutra-partial"))
    });
    assert_eq!(partial.count(), 0);
}

#[test]
fn cli_series_that_cannot_be_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let good = series(&[4.0, 24.0, 96.0, 168.0]);
    let fit = |method: &str| good.replacen("[[images]]", &format!("[fit]\n{method}\n[[images]]"), 1);
    for (text, words) in [
        (series(&[4.0, 96.0, 24.0]), vec!["images[2]", "images in order of time"]),
        (good.replace("decay_correction = \"none\"\n", ""), vec!["decay_correction", "to_injection"]),
        (
            good.replacen("time_h = 24\n", "time_h = 24\nunit = \"mbq_voxel\"\n", 1),
            vec!["\"mbq_voxel\" beside \"bq_ml\""],
        ),
        (good.replace("\"bq_ml\"", "\"mbq_voxel\""), vec!["bad.toml", "t4.nii", "1.2 times what is then left"]),
        // four points cannot choose between models, nor bear more parameters than they are
        (
            fit("method = \"aicc\"\ncandidates = [\"mono\", \"two-phase\"]"),
            vec!["bad.toml", "AICc is not defined", "4 points"],
        ),
        (
            series(&[4.0, 24.0, 96.0]).replacen("[[images]]", "[fit]\nmethod = \"two-phase\"\n[[images]]", 1),
            vec!["two-phase", "at least 4 time points, found 3"],
        ),
        (fit("method = \"biexp\""), vec!["fit.method", "uptake-clearance"]),
        (good.clone() + "[[regions]]\nregion = \"kidney_left\"\nmethod = \"mono\"\nhalflife = 3\n", vec!["halflife"]),
        (
            good.clone() + "[[regions]]\nregion = \"kidney_lfet\"\nmethod = \"mono\"\n",
            vec!["kidney_lfet", "kidney_left"],
        ),
        (
            good.clone() + "[[regions]]\nregion = \"kidney_left\"\n",
            vec!["regions[0] (kidney_left).method", "none stated"],
        ),
        (
            series(&[24.0]) + "[[planar]]\ntime_h = 24\ncounts = { kidney_lfet = 3 }\n",
            vec!["planar counts: found \"kidney_lfet\""],
        ),
        (series(&[24.0]) + "[fit]\nmethod = \"previous-half-life\"\n", vec!["half_life_h", "earlier cycle"]),
    ] {
        write(folder, "bad.toml", &text);
        refused(folder, &["tia", "bad.toml", "--out", "bad"], &words);
    }
}

/// A rising and a negative last point: the fit is refused by name, an upper bound stands in its place.
#[test]
fn cli_rising_and_negative_points_are_flagged_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let last = nifti::read(folder.join("t168.nii")).expect("the image");
    let data = labels.data.iter().zip(&last.data).map(|(l, a)| match l {
        2 => 5e5,
        3 => -1.0,
        _ => *a,
    });
    nifti::write(folder.join("t168.nii"), &Volume { grid: last.grid.clone(), data: data.collect() }, "a")
        .expect("written");
    write(folder, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("out/regions.csv"));
    for (name, words) in [("kidney_right", "the activity rises from"), ("kidney_left", "non-positive activity refused")]
    {
        let row = table.iter().find(|row| row["name"] == name).expect("the region");
        assert!(row["flags"].contains(words) && row["flags"].contains("upper bound"), "{}", row["flags"]);
        assert_eq!(row["method"], "physical-bound");
        assert!(number(row, "tia_mbq_h") > 0.0 && row["rel_sigma"].is_empty());
        assert!(stderr(&output).contains(&format!("region {name}: {words}")), "{}", stderr(&output));
    }
    let body = table.iter().find(|row| row["name"] == "body").expect("the region");
    assert_eq!(body["method"], "mono", "the other regions keep their fits");
}

/// Noise that leaves a kidney no faster than physical decay, and one whose images are empty: on the terminal and in the
/// record, not in a column alone; the region that once ended at nothing has its decays.
#[test]
fn cli_fits_that_end_at_a_limit_are_told() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let write_images = |body: [f64; 3], right: [f64; 3], left: [f64; 3]| {
        for (n, time_h) in ["24", "96", "168"].iter().enumerate() {
            let image = labels.map(|l| [body[n], right[n], left[n]][usize::from(l) - 1]);
            nifti::write(folder.join(format!("t{time_h}.nii")), &image, "a").expect("written");
        }
    };
    let text = series(&[24.0, 96.0, 168.0]).replace("relative_error = 0.05\n", "");
    write(folder, "SERIES.toml", &text);
    let noisy = [33.76, 14.57, 11.87].map(|a| 1e3 * a);
    write_images(noisy, [5e5, 4.95e5, 4.9e5], [0.0; 3]);
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("out/tia.json")).expect("a record")).expect("JSON");
    for words in [
        "region kidney_right: the fit ends at physical decay",
        "region kidney_left: no image shows activity above 0: the map has no decays there",
    ] {
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
        assert!(record["warnings"].to_string().contains(words), "{words}: {}", record["warnings"]);
    }
    assert!(!stderr(&output).contains("body"), "{}", stderr(&output));
    let table = rows(&folder.join("out/regions.csv"));
    let body = table.iter().find(|row| row["name"] == "body").expect("the region");
    assert!(number(body, "map_decays") > 0.0 && number(body, "effective_half_life_h") > 80.0, "{body:?}");
    // what the physical half-life cannot allow is refused
    write(folder, "long.toml", &(text + "[fit]\nmethod = \"population-half-life\"\nhalf_life_h = 300\n"));
    refused(folder, &["tia", "long.toml", "--out", "bad"], &["half_life_h: found 300 h", "physical half-life"]);
}

#[test]
fn cli_courses_that_cannot_be_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let good = stated(&[Some((4.5, 4.4)), Some((4.6, 4.5))]);
    let ledger = |structure: &str| {
        format!(
            "{good}[[ledger]]\nwhat = \"PRRT 2019\"\nstructure = \"{structure}\"\namount = {{ dose = {{ dose_gy = 18, sum_g_dose2_gy2 = 4.14 }} }}\n"
        )
    };
    let decided = |rule: &str, reason: &str| {
        format!("{good}[[overrides]]\nrule = \"{rule}\"\nreason = \"{reason}\"\nby = \"Dr A\"\n")
    };
    for (text, words) in [
        (good.replace("2024-03-15", "2023-03-15"), vec!["cycles[2].date", "cycles in order of time"]),
        (good.replace("administered_mbq = 7400", "administered_mbq = 7.4"), vec!["Write 7.4 GBq as 7400"]),
        (good.replace("mass_g = 150", "mass_g = -150"), vec!["mass_g", "above 0 g"]),
        (good.replace("kidney_left = 52", "kidney_left = 520"), vec!["effective_half_life_h.kidney_left", "physical"]),
        (good.replace("\"iluminet\"", "\"iluminett\""), vec!["protocol: found \"iluminett\"", "uppsala-23gy"]),
        (good.replace("schema = 1\n", "schema = 1\nstep = 3\n"), vec!["bad.toml: step: found 3", "1 to 2"]),
        (decided("aeg", "well"), vec!["bad.toml: overrides (aeg): rule", "gfr-fall"]),
        (decided("age", " "), vec!["bad.toml: overrides (age): reason: found nothing"]),
        (ledger("kidney_lfet"), vec!["bad.toml: ledger (PRRT 2019): structure: found \"kidney_lfet\"", "kidney_left"]),
        (
            good.replace("kidney_left = {", "liver = {").replace("kidney_right = {", "spleen = {"),
            vec!["bad.toml", "kidney_left, kidney_right"],
        ),
    ] {
        write(folder, "bad.toml", &text);
        refused(folder, &["course", "bad.toml", "--out", "bad"], &words);
    }
    // an earlier result stays when a later run is refused
    assert!(course(folder, &good).status.success());
    let before = std::fs::read(folder.join("out/verdict.json")).expect("the record");
    assert_eq!(course(folder, &decided("aeg", "well")).status.code(), Some(2));
    assert_eq!(before, std::fs::read(folder.join("out/verdict.json")).expect("the record"));
}

#[test]
fn cli_doubtful_courses_say_what_is_doubtful() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let good = stated(&[Some((4.5, 4.4)), Some((4.6, 4.5))]);
    let says = |text: &str, words: &str| {
        let output = course(folder, text);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains(words), "{words}: {}", stdout(&output));
    };
    says(
        &good.replace("2024-03-15", "2024-06-15"),
        "cycle 2 came 152 d after the one before; protocol `iluminet` allows 56 to 84 d",
    );
    says(&good.replace("2024-03-15", "2024-02-01"), "below 42 d the cross term");
    // high, and not impossible
    says(&good.replace("dose_gy = 4.5,", "dose_gy = 90,"), "times the population's 0.54 Gy/GBq: check units");
    // mGy taken for Gy
    let output = course(folder, &good.replace("dose_gy = 4.5,", "dose_gy = 4500,"));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("Gy, not mGy"), "{}", stderr(&output));
    // one kidney, or a label that is missing
    let alone = good.replace(", kidney_right = { dose_gy = 4.4, mass_g = 150 }", "");
    let alone = alone.replace(", kidney_right = { dose_gy = 4.5, mass_g = 150 }", "");
    says(&alone, "no cycle has a region called kidney_right");
    says(
        &(good.clone() + "[[radiobiology]]\nregion = \"tumor\"\nset = \"tumour-generic\"\n"),
        "no cycle has a region called tumor",
    );
    says(&good.replacen("mass_g = 150", "mass_g = 170", 1), "a new segmentation mimics a trend of dose");
    // a treatment before, declared for the organ as a whole, counts for each kidney
    let before = "[[ledger]]\nwhat = \"PRRT 2019\"\nstructure = \"kidneys\"\namount = { bed = { bed_gy = 12, alpha_beta_gy = 2.6 } }\n";
    says(&(good.clone() + before), "(of it 12 Gy before this course)");
    assert_eq!(
        stdout(&course(folder, &(good + before))).matches("(of it 12 Gy before").count(),
        3,
        "left, right, and both as one"
    );
}

#[test]
fn cli_overrides_are_recorded_with_their_reason() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let facts = "age_years = 71\nworst_toxicity_grade = 2\ndiabetes = false\nuncontrolled_hypertension = false\n\
                 prior_liver_embolisation = false\nprior_chemotherapy = false\n";
    let text = stated(&[Some((5.0, 4.9)); 5]).replace("age_years = 70\n", facts);
    let record = |text: &str| {
        assert!(course(folder, text).status.success());
        let record = std::fs::read_to_string(folder.join("out/verdict.json")).expect("the record");
        serde_json::from_str::<serde_json::Value>(&record).expect("JSON")["verdict"].clone()
    };
    assert_eq!(record(&text)["eligibility"], "not_eligible");
    let decided = text + "[[overrides]]\nrule = \"age\"\nreason = \"biologically younger\"\nby = \"Dr A\"\n";
    let verdict = record(&decided);
    assert_eq!(verdict["eligibility"], "eligible");
    let rules = verdict["rules"].as_array().expect("rules");
    let age = rules.iter().find(|rule| rule["rule"] == "age").expect("the rule");
    assert_eq!(age["answer"], "fail", "the answer stays what the facts say");
    assert_eq!(age["overridden"]["reason"], "biologically younger");
    assert_eq!(age["overridden"]["by"], "Dr A");
    assert_eq!(verdict["overrides"][0]["rule"], "age");
}

/// A later cycle with one image takes the half-lives of the earlier one, of what carries no label too.
#[test]
fn cli_a_late_cycle_takes_earlier_half_lives_of_all_regions() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    nifti::write(folder.join("labels.nii"), &labels.map(|l| if l == 1 { 0 } else { l }), "labels").expect("written");
    write(folder, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    again(folder, "t24.nii", "u24.nii");
    let late = series(&[24.0]).replace("t24.nii", "u24.nii");
    let late = late.replacen("[[images]]", "[fit]\nmethod = \"previous-half-life\"\n[[images]]", 1);
    write(folder, "LATE.toml", &late);
    let text = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabel_names = \"names.csv\"\n\
                [[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\nseries = \"SERIES.toml\"\n\
                [[cycles]]\ndate = 2024-03-25\nadministered_mbq = 7400\nseries = \"LATE.toml\"\n";
    let output = course(folder, text);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("out/cycles.csv"));
    let of = |cycle: &str| {
        table.iter().find(|row| row["cycle"] == cycle && row["region"] == "kidney_left").expect("the row")
    };
    assert!((number(of("2"), "effective_half_life_h") - 60.0).abs() < 0.01);
    assert!((number(of("2"), "dose_gy") / number(of("1"), "dose_gy") - 1.0).abs() < 0.02);
    // 5 % of the image, and the half-life's own error by its lever 1 - t ln 2/T
    let sigma = number(of("2"), "curve_rel_sigma");
    assert!(sigma > 0.05 && sigma < 0.06, "{sigma}");
}

const DOSES: &str = "schema = 1\nprotocol = \"iluminet\"\nlabel_names = \"names.csv\"\n\
                     [effective_half_life_h]\nkidney_left = 52\nkidney_right = 52\n";

/// Dose maps of two days: the second day's patient lies 15 mm further right.
fn two_days(folder: &Path) {
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let dose = labels.map(|l| [0.1_f32, 4.5, 4.0][usize::from(l) - 1]);
    nifti::write(folder.join("d1.nii"), &dose, "dose").expect("written");
    let mut grid = dose.grid.clone();
    grid.affine[0][3] += 15.0;
    nifti::write(folder.join("d2.nii"), &Volume { grid: grid.clone(), data: dose.data }, "dose").expect("written");
    nifti::write(folder.join("l2.nii"), &Volume { grid, data: labels.data }, "labels").expect("written");
}

/// Which cycle comes first does not decide what the course's frame is: the course's own anatomy does.
#[test]
fn cli_the_frame_is_the_course_s_own_anatomy() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    two_days(folder);
    let cycle =
        |month: u32, rest: &str| format!("[[cycles]]\ndate = 2024-{month:02}-15\nadministered_mbq = 7400\n{rest}\n");
    let moved = "dose = \"d2.nii\"\nlabels = \"l2.nii\"";
    let transform = "transform = [[1, 0, 0, -15], [0, 1, 0, 0], [0, 0, 1, 0]]";
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let right = labels.data.iter().position(|l| *l == 2).expect("a voxel");
    let head = DOSES.replace("label_names", "labels = \"labels.nii\"\nlabel_names");
    let sum = |text: &str| {
        let output = course(folder, text);
        assert!(output.status.success(), "{}", stderr(&output));
        let map = nifti::read(folder.join("out/dose_sum_gy.nii.gz")).ok();
        (map.map(|map| (map.grid.affine[0][3], map.data[right])), stdout(&output))
    };
    let close = |found: Option<(f64, f32)>| {
        let (origin, dose) = found.expect("a voxel sum");
        assert!((origin + 32.0).abs() < 1e-4 && (dose - 9.0).abs() < 1e-5, "{origin} {dose}");
    };
    // the displaced day first, with its transform
    close(sum(&(head.clone() + &cycle(1, &format!("{moved}\n{transform}")) + &cycle(3, "dose = \"d1.nii\""))).0);
    // the displaced day first, without one: it stays out, the frame is the course's all the same
    let (found, said) = sum(&(head.clone() + &cycle(1, moved) + &cycle(3, "dose = \"d1.nii\"")));
    assert!(found.is_none() && said.contains("cycle 1 has its own CT or labels and no transform"), "{said}");
    // both with anatomies of their own: the course's labels are the frame
    again(folder, "d2.nii", "e2.nii");
    let other = moved.replace("d2.nii", "e2.nii");
    let both = cycle(1, &format!("{moved}\n{transform}")) + &cycle(3, &format!("{other}\n{transform}"));
    let (found, said) = sum(&(head + &both));
    close(found);
    assert!(said.contains("histograms weigh voxels by volume"), "{said}");
    // no anatomy of the course's: the first cycle without a transform is the frame
    let own = cycle(1, "dose = \"d1.nii\"\nlabels = \"labels.nii\"") + &cycle(3, &format!("{moved}\n{transform}"));
    close(sum(&(DOSES.to_owned() + &own)).0);
}

/// Negative voxels are statistics of a transport, unless they are many.
#[test]
fn cli_ready_dose_maps_may_scatter_below_zero() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    two_days(folder);
    let text = DOSES.replace("label_names", "labels = \"labels.nii\"\nlabel_names")
        + "[[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\ndose = \"d1.nii\"\n";
    let mut dose = nifti::read(folder.join("d1.nii")).expect("the dose");
    dose.data[0] = -0.1;
    nifti::write(folder.join("d1.nii"), &dose, "dose").expect("written");
    let output = course(folder, &text);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("voxels with a negative dose"), "{}", stdout(&output));
    nifti::write(folder.join("d1.nii"), &dose.map(|v| -v), "dose").expect("written");
    let output = course(folder, &text);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("d1.nii: voxel values: found negative doses"), "{}", stderr(&output));
}
