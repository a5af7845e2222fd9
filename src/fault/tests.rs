use super::*;

/// What a fault consists of: kind, file, place, field, found, allowed, next.
fn parts(fault: &Fault) -> [String; 7] {
    let text = |words: &Option<Words>| words.as_ref().map_or("-".to_owned(), Words::to_string);
    [
        format!("{:?}", fault.kind),
        text(&fault.file),
        text(&fault.place),
        text(&fault.field),
        text(&fault.found),
        text(&fault.allowed),
        text(&fault.next),
    ]
}

#[test]
fn fault_sentences_are_made_of_the_parts_that_there_are() {
    let whole = Fault::invalid("a.nii", "voxel size", "0 mm", "above 0", "Write it again.");
    assert_eq!(whole.message().to_string(), "a.nii: voxel size: found 0 mm; allowed: above 0");
    assert_eq!(whole.sentence().to_string(), "a.nii: voxel size: found 0 mm; allowed: above 0. Write it again.");
    assert_eq!(parts(&whole), ["Invalid", "-", "a.nii", "voxel size", "0 mm", "above 0", "Write it again."]);
    let inside = whole.clone().inside("b.toml").inside("c.toml");
    assert_eq!(inside.message().to_string(), "c.toml: b.toml: a.nii: voxel size: found 0 mm; allowed: above 0");
    let lacking = Fault::invalid("", "images", "none", "", "");
    assert_eq!(lacking.sentence().to_string(), "images: found none");
    assert_eq!(parts(&lacking), ["Missing", "-", "-", "images", "none", "-", "-"]);
    assert_eq!(lacking.clone().or_then("Give one.").next, Some("Give one.".into()));
    assert_eq!(whole.clone().or_then("Give one.").next, whole.next);
}

#[test]
fn fault_next_step_follows_its_joint() {
    let fault = |next: &str| Fault::invalid("", "x", "1", "2", next);
    assert_eq!(fault("Do it.").sentence().to_string(), "x: found 1; allowed: 2. Do it.");
    assert_eq!(fault("do it").sentence().to_string(), "x: found 1; allowed: 2; do it");
    assert_eq!(fault("do it").colon().sentence().to_string(), "x: found 1; allowed: 2: do it");
    assert_eq!(fault("Do it").semicolon().sentence().to_string(), "x: found 1; allowed: 2; Do it");
}

#[test]
fn fault_forms_take_parts_and_leave_their_text_alone() {
    let fault = Fault::invalid("a{field}b", "f", "{found}", "c: d. e; f", "").form("{place} has {found} of {field}");
    assert_eq!(fault.inside("x.toml").to_string(), "x.toml: a{field}b has {found} of f");
    let told = Fault::invalid("s", "", "1", "a. b: c; d", "Do this. Or: that; or nothing.");
    assert_eq!(told.allowed, Some("a. b: c; d".into()));
    assert_eq!(told.next, Some("Do this. Or: that; or nothing.".into()));
}

#[test]
fn fault_settings_are_named_by_the_front_end() {
    let next = words!("Choose another ", Setting::Output, ", or give ", Setting::Force, ".");
    assert_eq!(next.to_string(), "Choose another output, or give force.");
    assert_eq!(next.shown(|setting| format!("[{setting:?}]")), "Choose another [Output], or give [Force].");
    assert_eq!(next.parts().len(), 5);
    assert_eq!(words!("a", "", "b", String::from("c")).parts(), [Part::Text("abc".into())]);
    let json = serde_json::to_value(Fault::invalid(Setting::Grid, "", "x", "y", next)).expect("plain data");
    assert_eq!(json["kind"], "invalid");
    assert_eq!(json["place"], "grid");
    assert_eq!(json["next"], "Choose another output, or give force.");
    assert!(json.get("form").is_none() && json["field"].is_null());
}

#[test]
fn fault_every_setting_has_its_own_name() {
    let names: std::collections::BTreeSet<&str> = Setting::ALL.iter().map(|setting| setting.name()).collect();
    assert_eq!(names.len(), Setting::ALL.len());
    assert!(names.iter().all(|name| !name.is_empty() && !name.contains("--")), "{names:?}");
}
