//! Names that people and programs give to organs: one table, `assets/names.toml`, for every command.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The table as it lies in the program.
const TABLE: &str = include_str!("../../assets/names.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[allow(dead_code, reason = "the layout of the file, held by a test")]
    schema: u32,
    names: BTreeMap<String, Vec<String>>,
}

/// Plain forms and the name that each stands for.
static KNOWN: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    // the file is compiled in and a test reads it: a table that cannot be read would know no name
    let table = toml::from_str::<Table>(TABLE).map(|table| table.names).unwrap_or_default();
    let mut known = BTreeMap::new();
    for (name, others) in table {
        for other in others.iter().chain([&name]) {
            known.insert(plain(other), name.clone());
        }
    }
    known
});

/// A name without what does not count: lower-case letters and digits alone.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The name that protocols use for an organ called so; none for a name that the table does not hold.
///
/// ```
/// use lutra::course::names::standard;
///
/// let found = ["Kidney_R", "Niere rechts", "RK", "kidney_right", "tumour_1"].map(standard);
/// assert_eq!(found, [Some("kidney_right"), Some("kidney_right"), Some("kidney_right"), Some("kidney_right"), None]);
/// ```
pub fn standard(name: &str) -> Option<&'static str> {
    KNOWN.get(&plain(name)).map(String::as_str)
}

/// The name of `names` that is closest to `wanted`, where one is close enough to be a slip of the pen. A name of another organ
/// or of the other side is none.
pub fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names = names.into_iter().filter(|name| standard(name).is_none_or(|known| standard(wanted) == Some(known)));
    let distance = |name: &str| strsim::osa_distance(&plain(name), &plain(wanted));
    let (least, name) = names.map(|name| (distance(name), name)).min()?;
    (least <= 1 + wanted.len() / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_the_table_is_read_and_no_name_stands_for_two_organs() {
        let table: Table = toml::from_str(TABLE).expect("the table");
        assert_eq!(table.schema, 1);
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (name, others) in &table.names {
            for other in others.iter().chain([name]) {
                let before = seen.insert(plain(other), name);
                assert!(before.is_none_or(|before| before == name), "{other}: {before:?} and {name}");
            }
        }
    }

    #[test]
    fn law_names_of_tg_263_totalsegmentator_and_of_people_are_known() {
        for (wanted, names) in [
            (
                "kidney_left",
                &["Kidney_L", "L_Kidney", "kidney_left", "Niere links", "LK", "KIDNEY LEFT", "Left-Kidney"][..],
            ),
            ("kidney_right", &["Kidney_R", "R_Kidney", "kidney_right", "Niere rechts", "RK", "rein droit"]),
            ("liver", &["Liver", "Leber"]),
            ("spleen", &["Spleen", "Milz"]),
        ] {
            for name in names {
                assert_eq!(standard(name), Some(wanted), "{name}");
            }
        }
        for other in ["kidny_left", "kidney", "tumour_1_liver", "renal pelvis", ""] {
            assert_eq!(standard(other), None, "{other}");
        }
        assert_eq!(near("kidney_left", ["liver", "kidny_left"]), Some("kidny_left"));
        assert_eq!(near("kidney_left", ["liver", "bladder"]), None);
        // alarm: the other kidney is no slip of the pen
        assert_eq!(near("kidney_right", ["kidney_left", "LK", "tumour_1"]), None);
    }
}
