//! How sure a dose is, from a series to a dose and a course, as a user sees it.

use crate::patient::{lutra, number, patient, rows, series, stderr, stdout, write};
use lutra::io::nifti;
use std::collections::BTreeMap;
use std::path::Path;

/// A series that states how sure its calibration is.
fn stated() -> String {
    series(&[24.0, 96.0, 168.0]).replace("relative_error = 0.05\n", "relative_error = 0.05\nsystematic_error = 0.05\n")
}

/// `lutra dose` of the map of decays in a folder: what it printed and said.
fn dose(folder: &Path, tia: &str, out: &str) -> (String, String) {
    dose_with(folder, tia, out, &[])
}

/// The same with more options.
fn dose_with(folder: &Path, tia: &str, out: &str, more: &[&str]) -> (String, String) {
    let map = format!("{tia}/decays.nii.gz");
    let words = [
        "dose",
        "--ct",
        "ct.nii",
        "--activity",
        &map,
        "--activity-unit",
        "decays",
        "--labels",
        "labels.nii",
        "--label-names",
        "names.csv",
        "--engine",
        "cpu",
        "--histories",
        "4000",
        "--out",
        out,
    ];
    let words: Vec<&str> = words.iter().chain(more).copied().collect();
    let output = lutra(folder, &words);
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

/// The patient with the result of `lutra tia` of a stated series in `s`.
fn integrated(folder: &Path) {
    patient(folder);
    write(folder, "SERIES.toml", &stated());
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "s"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

fn row(folder: &Path, file: &str, name: &str) -> BTreeMap<String, String> {
    rows(&folder.join(file)).into_iter().find(|row| row["name"] == name).expect("the region")
}

fn json(folder: &Path, file: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(file)).expect("the record")).expect("JSON")
}

#[test]
fn cli_the_budget_of_a_series_is_carried_to_the_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    integrated(folder);
    let (printed, _) = dose(folder, "s", "d");
    assert!(printed.contains("total %") && printed.contains("transport only"), "{printed}");
    assert!(printed.contains("not assessed of any region: partial volume, outline, extrapolation"), "{printed}");
    let of_dose = row(folder, "d/organs.csv", "kidney_left");
    let fit = number(&row(folder, "s/regions.csv", "kidney_left"), "rel_sigma");
    let transport = number(&of_dose, "dose_se_gy") / number(&of_dose, "dose_gy");
    let squares = [0.05, fit, 0.01, 0.005, transport].map(|u: f64| u * u);
    let wanted = squares.iter().sum::<f64>().sqrt();
    let total = number(&of_dose, "total_rel_sigma");
    assert!((total / wanted - 1.0).abs() < 1e-6, "{total} {wanted}");
    // alarm: without its fit it would be seen
    assert!(((wanted * wanted - fit * fit).sqrt() / wanted - 1.0).abs() > 1e-3);
    assert!(number(&of_dose, "low95_gy") < number(&of_dose, "dose_gy"));
    let record = json(folder, "d/run.json");
    let parts = record["budget"]["kidney_left"]["parts"].as_array().expect("parts").clone();
    let sources: Vec<&str> = parts.iter().filter_map(|part| part["source"].as_str()).collect();
    assert_eq!(sources, ["calibration", "fit", "mass", "decay", "transport"]);
    let origins: Vec<&str> = parts.iter().filter_map(|part| part["origin"].as_str()).collect();
    assert_eq!(origins, ["stated", "stated", "default", "default", "run"]);
    let page = std::fs::read_to_string(folder.join("d/report.html")).expect("the report");
    let first = "First assess partial volume, outline";
    for words in ["What to improve next", first, "≤ ", "Not assessed", "stated by the user", "Transport only"] {
        assert!(page.contains(words), "{words}");
    }
    // another map in its place: its uncertainty is not known, and that is told
    let map = nifti::read(folder.join("s/decays.nii.gz")).expect("the map");
    nifti::write(folder.join("s/decays.nii.gz"), &map.map(|decays| 0.9 * decays), "decays").expect("written");
    let (printed, said) = dose(folder, "s", "e");
    assert!(said.contains("not the record of this map"), "{said}");
    assert!(printed.contains("no total is known") && !printed.contains("total %"), "{printed}");
    assert_eq!(row(folder, "e/organs.csv", "kidney_left")["total_rel_sigma"], "");
}

#[test]
fn cli_a_course_states_the_fit_of_its_series_and_who_says_how_sure() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    write(folder, "SERIES.toml", &stated());
    let course = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n\
                  [fit]\nmethod = \"population\"\nprior = \"dotatate-2017\"\n\
                  [[cycles]]\ndate = \"2024-01-10\"\nadministered_mbq = 7400\nseries = \"SERIES.toml\"\n";
    write(folder, "COURSE.toml", course);
    let run =
        |out: &str| lutra(folder, &["course", "COURSE.toml", "--out", out, "--engine", "cpu", "--histories", "4000"]);
    let output = run("out");
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("out/cycles.csv"));
    let kidney = table.iter().find(|row| row["region"] == "kidney_left").expect("the region");
    assert_eq!(kidney["method"], "population");
    assert!(number(kidney, "dose_total_rel_sigma") > 0.05, "{kidney:?}");
    let sums = rows(&folder.join("out/cumulative.csv"));
    let sum = sums.iter().find(|row| row["region"] == "kidney_left").expect("the region");
    assert!((number(sum, "dose_total_rel_sigma") / number(kidney, "dose_total_rel_sigma") - 1.0).abs() < 1e-9);
    assert!(number(sum, "bed_high95_gy") > number(sum, "bed_gy"));
    let record = json(folder, "out/verdict.json");
    let used = &record["cycles"][0]["uncertainty"]["kidney_left"]["in_verdict"];
    assert_eq!((&used["random_from"], &used["common_from"]), (&"budget".into(), &"protocol".into()), "{used}");
    assert!(record["cycles"][0]["uncertainty"]["body"]["in_verdict"].is_null());
    assert!(record["uncertainty_cumulative"]["kidney_left"]["by_source"].as_array().is_some_and(|all| all.len() > 3));
    // its own [fit] goes before the course's, and a course's that is none is refused by name
    let (head, images) = stated().split_once("[[images]]").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("images");
    write(folder, "SERIES.toml", &format!("{head}[fit]\nmethod = \"mono\"\n[[images]]{images}"));
    assert!(run("own").status.success());
    assert!(rows(&folder.join("own/cycles.csv")).iter().all(|row| row["method"] == "mono"));
    write(folder, "COURSE.toml", &course.replace("\"population\"", "\"of-my-own\""));
    let output = run("none");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("COURSE.toml") && stderr(&output).contains("of-my-own"), "{}", stderr(&output));
}

/// Bands of everything known move a region's whole curve by the ends of its mean dose's interval, and only where they are asked for.
#[test]
fn cli_histograms_have_the_band_of_everything_known_where_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    integrated(folder);
    dose(folder, "s", "plain");
    assert!(!std::fs::read_to_string(folder.join("plain/dvh.csv")).expect("a table").contains("total_low"));
    let (_, said) = dose_with(folder, "s", "d", &["--dvh-bands", "total"]);
    assert!(!said.contains("has no band"), "{said}");
    let kidney = row(folder, "d/organs.csv", "kidney_left");
    let mean = number(&kidney, "dose_gy");
    let factors = ["low95_gy", "high95_gy"].map(|head| number(&kidney, head) / mean);
    let table: Vec<_> = rows(&folder.join("d/dvh.csv")).into_iter().filter(|r| r["region"] == "kidney_left").collect();
    let curve: Vec<[f64; 2]> = table.iter().map(|r| [number(r, "value_gy"), number(r, "mass_percent")]).collect();
    let at = |dose: f64| {
        let next = curve.iter().position(|point| point[0] >= dose).unwrap_or(curve.len() - 1).max(1);
        let ([x0, y0], [x1, y1]) = (curve[next - 1], curve[next]);
        if dose >= x1 { y1 } else { y0 + (y1 - y0) * ((dose - x0) / (x1 - x0)).clamp(0.0, 1.0) }
    };
    let mut widest = 0.0_f64;
    for r in &table {
        for (head, factor) in [("total_low_percent", factors[0]), ("total_high_percent", factors[1])] {
            let wanted = at(number(r, "value_gy") / factor);
            // read off straight lines between the points
            assert!((number(r, head) - wanted).abs() < 2.0, "{head}: {r:?} {wanted}");
        }
        widest = widest.max(number(r, "total_high_percent") - number(r, "total_low_percent"));
    }
    // alarm: the band of the transport alone would be seen
    assert!(widest > 30.0, "{widest}");
    let record = json(folder, "d/dvh.json");
    assert!(record["band_total"].as_str().is_some_and(|text| text.contains("without the noise of single voxels")));
    let page = std::fs::read_to_string(folder.join("d/report.html")).expect("the report");
    assert!(
        page.contains("95 % band of everything known") && page.contains("does not hold the noise of single voxels")
    );
    // of a map without a record nothing is known: no band, and that is told
    std::fs::remove_file(folder.join("s/tia.json")).expect("removed");
    let (_, said) = dose_with(folder, "s", "e", &["--dvh-bands", "total"]);
    assert!(said.contains("no band of the whole uncertainty") && said.contains("kidney_left"), "{said}");
    assert!(rows(&folder.join("e/dvh.csv")).iter().all(|r| r["total_low_percent"].is_empty()));
    let output = lutra(
        folder,
        &[
            "dose",
            "--ct",
            "ct.nii",
            "--activity",
            "s/decays.nii.gz",
            "--activity-unit",
            "decays",
            "--dvh-bands",
            "all",
            "--out",
            "x",
        ],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--dvh-bands") && stderr(&output).contains("transport or total"),
        "{}",
        stderr(&output)
    );
}

/// What a further scan is said to leave is what it leaves when it is made.
#[test]
fn cli_a_further_scan_leaves_what_was_said() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let of = |images: &[f64], fit: &str| {
        let text =
            series(images).replace("relative_error = 0.05\n", "relative_error = 0.05\nsystematic_error = 0.05\n");
        let (head, images) = text.split_once("[[images]]").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("images");
        format!("{head}{fit}[[images]]{images}")
    };
    let population = "[fit]\nmethod = \"population\"\nprior = \"dotatate-2017\"\n";
    for (name, before, after, at_h, fit) in [
        ("prior", &[24.0][..], &[24.0, 168.0][..], 168.0, population),
        ("squares", &[24.0, 96.0], &[24.0, 96.0, 168.0], 168.0, "[fit]\nmethod = \"mono\"\n"),
    ] {
        let run = |images: &[f64], out: &str| {
            write(folder, "SERIES.toml", &of(images, fit));
            let output = lutra(folder, &["tia", "SERIES.toml", "--out", out]);
            assert!(output.status.success(), "{}", stderr(&output));
            (stdout(&output), json(folder, &format!("{out}/tia.json"))["budget"]["kidney_left"].clone())
        };
        let (printed, now) = run(before, &format!("{name}-before"));
        let (_, then) = run(after, &format!("{name}-after"));
        let gain =
            now["improve"].as_array().expect("a list").iter().find(|one| one["scan_at_h"] == at_h).expect("a scan");
        let [stated, was] = ["with_scan", "now"].map(|field| gain[field].as_f64().expect("a number"));
        let is = then["rel_sigma"].as_f64().expect("a number");
        assert!((stated / is - 1.0).abs() < 0.05, "{name}: {stated} {is}");
        assert!((was / now["rel_sigma"].as_f64().expect("a number") - 1.0).abs() < 1e-9);
        assert!((was / is - 1.0).abs() > 0.05, "{name}: alarm: a scan that brings nothing would be seen");
        assert!(printed.contains("a further scan at") && printed.contains("would bring kidney_left from"), "{printed}");
    }
    let (_, said) = dose(folder, "prior-before", "d");
    assert!(!said.contains("not the record of this map"), "{said}");
    let page = std::fs::read_to_string(folder.join("d/report.html")).expect("the report");
    assert!(page.contains("A further scan at"), "the page says it too");
}
