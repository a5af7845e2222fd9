//! What a name or a head line says of a kernel: unit, nuclide, voxel edge, medium.

/// mGy/(MBq s) per value, from a text that names the unit; `None` if it names none.
pub fn unit_in(text: &str) -> Option<f64> {
    let plain: String =
        text.to_lowercase().replace("per", "/").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
    let plain = plain.replace("mbq/s", "mbqs").replace("bq/s", "bqs");
    [("mgy/mbqs", 1.0), ("mgy/bqs", 1e6), ("gy/mbqs", 1e3), ("gy/bqs", 1e9), ("gy/decay", 1e9)]
        .into_iter()
        .find(|(unit, _)| plain.contains(unit))
        .map(|(_, factor)| factor)
}

/// A nuclide named in a text, as `Lu-177`.
pub fn nuclide_in(text: &str) -> Option<String> {
    const ELEMENTS: [&str; 24] = [
        "F", "P", "Sc", "Cu", "Ga", "Sr", "Y", "Zr", "Tc", "In", "I", "Sm", "Tb", "Ho", "Er", "Lu", "Re", "At", "Pb",
        "Bi", "Ra", "Ac", "Th", "Ir",
    ];
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .flat_map(|word| {
            // "Lu177-4" from "Lu177-4.80-mm" has a tail that is no part of the name
            let parts: Vec<&str> = word.split('-').collect();
            let mut tries: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
            tries.extend(parts.windows(2).map(|pair| pair.concat()));
            tries
        })
        .find_map(|word| {
            let digits: String = word.chars().filter(char::is_ascii_digit).collect();
            let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
            let whole = [format!("{digits}{letters}"), format!("{letters}{digits}")].contains(&word);
            let element = ELEMENTS.iter().find(|e| e.eq_ignore_ascii_case(&letters))?;
            ((2..=3).contains(&digits.len()) && whole).then(|| format!("{element}-{digits}"))
        })
}

/// A voxel edge named in a text: a number before `mm`.
pub fn edge_mm_in(text: &str) -> Option<f64> {
    let lower = text.to_lowercase();
    lower.match_indices("mm").find_map(|(place, _)| {
        let head = lower[..place].trim_end_matches([' ', '-', '_']);
        let start = head.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |n| n + 1);
        head[start..].trim_matches('.').parse::<f64>().ok().filter(|edge| *edge > 0.0)
    })
}

/// A medium named in a text, with the tissue of Lutra and the density that stand for it.
pub fn medium_in(text: &str) -> Option<(&'static str, f64)> {
    let plain: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    [
        ("soft", "soft-tissue", 1.04),
        ("bone", "bone", 1.92),
        ("lung", "lung", 0.26),
        ("adipose", "adipose", 0.95),
        ("water", "water", 1.0),
    ]
    .into_iter()
    .find(|(word, ..)| plain.contains(word))
    .map(|(_, tissue, density)| (tissue, density))
}
