//! Slips of the pen in a line of a TOML file: a date, a number or a unit as people write them, and how the file has them.

/// What belongs in a line, and how the line is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// What is allowed.
    pub allowed: &'static str,
    /// The next step.
    pub next: String,
}

/// The value of a line, without a comment behind it.
fn value(line: &str) -> Option<&str> {
    let value = line.split_once('=')?.1;
    Some(value.split('#').next().unwrap_or(value).trim())
}

/// Digits and nothing else.
fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date as people write it, day first, as the file has it. With `/` some put the month first: both stay for the person to fill in.
fn date(value: &str) -> Option<String> {
    let sign = if value.contains('.') { '.' } else { '/' };
    let parts: Vec<&str> = value.split(sign).collect();
    let [day, month, year] = parts[..] else { return None };
    let whole = [day, month, year].into_iter().all(digits) && year.len() == 4 && day.len() <= 2 && month.len() <= 2;
    whole.then(|| if sign == '.' { format!("{year}-{month:0>2}-{day:0>2}") } else { format!("{year}-MM-DD") })
}

/// The slip in a line, if it holds one that is known. `quoted`: whether a number in quotes is one.
///
/// ```
/// use lutra::text::slips::slip;
///
/// let next = |line: &str| slip(line, true).map(|slip| slip.next);
/// assert_eq!(next("date = 09.03.2026").as_deref(), Some("Write the date as 2026-03-09."));
/// assert_eq!(next("hours = 7,4").as_deref(), Some("Write 7.4, with a decimal point."));
/// assert_eq!(next("administered_mbq = \"7400\"").as_deref(), Some("Write 7400, without quotes."));
/// assert_eq!(next("administered_mbq = 7400"), None);
/// ```
pub fn slip(line: &str, quoted: bool) -> Option<Slip> {
    let value = value(line)?;
    if let Some(date) = date(value) {
        return Some(Slip { allowed: "a date as 2026-03-09", next: format!("Write the date as {date}.") });
    }
    if let Some((whole, part)) = value.split_once(',')
        && digits(whole.trim_start_matches(['-', '+']))
        && digits(part)
    {
        return Some(Slip {
            allowed: "a number with a decimal point",
            next: format!("Write {whole}.{part}, with a decimal point."),
        });
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(number) = inner.filter(|inner| quoted && inner.replace(',', ".").parse::<f64>().is_ok()) {
        let next = format!("Write {}, without quotes.", number.replace(',', "."));
        return Some(Slip { allowed: "a number without quotes", next });
    }
    let (number, rest) = value.split_at(value.find(|c: char| c == '\'' || c.is_whitespace())?);
    let rest = rest.trim_start_matches(|c: char| c == '\'' || c.is_whitespace());
    if number.parse::<f64>().is_ok() && digits(rest) {
        let next = format!("Write {number}{rest}, without a mark between the digits.");
        return Some(Slip { allowed: "a number in one piece", next });
    }
    if number.parse::<f64>().is_ok() && rest.chars().all(char::is_alphabetic) {
        let next = format!("Write {number} alone; the field's name says the unit.");
        return Some(Slip { allowed: "a number without a unit", next });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_slips_of_the_pen_are_known() {
        for (line, words) in [
            ("date = 9.3.2026", "2026-03-09"),
            ("date = 09.03.2026 # first", "2026-03-09"),
            ("date = 09/03/2026", "2026-MM-DD"),
            ("x = -7,4", "-7.4"),
            ("x = \"7,4\"", "Write 7.4, without quotes"),
            ("x = 7 400", "Write 7400"),
            ("x = 7'400", "Write 7400"),
            ("x = 7400 MBq", "Write 7400 alone"),
        ] {
            let found = slip(line, true).unwrap_or_else(|| panic!("{line}"));
            assert!(found.next.contains(words), "{line}: {}", found.next);
        }
    }

    #[test]
    fn alarm_what_is_sound_or_unknown_is_no_slip() {
        for line in
            ["date = 2026-03-09", "x = 7.4", "x = \"a\"", "x = [1, 2]", "[table]", "x", "x = 1.2.3", "x = \"?\""]
        {
            assert_eq!(slip(line, true), None, "{line}");
        }
        assert_eq!(slip("id = \"7400\"", false), None, "text that belongs there");
    }
}
