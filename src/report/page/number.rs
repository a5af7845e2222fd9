//! Numbers formatted for reading.

/// Numbers below this are written with a power of ten.
const LEAST_PLAIN: f64 = 1e-4;

/// A number with this many significant digits, in plain notation, below 0.0001 with a power of ten; `0` for 0.
pub fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    if value.abs() < LEAST_PLAIN {
        return scientific(value, digits.max(1) as usize);
    }
    let decimals = (digits - 1 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    minus(format!("{value:.decimals$}"))
}

/// Value and standard error, the error to two digits and the value as far as the error, at least 3 and at most 4 digits
/// of the value: more says nothing of a patient. An error below the last digit shown is rounded up to it.
pub fn with_error(value: f64, error: f64) -> String {
    let place = |x: f64| if x > 0.0 { x.log10().floor() as i32 } else { 0 };
    if value.is_finite() && value != 0.0 && value.abs() < LEAST_PLAIN {
        // both with the power of ten of the value
        let leading = place(value.abs());
        let unit = 10_f64.powi(leading);
        return format!("({}) × 10{}", with_error(value / unit, error / unit), raised(&leading.to_string()));
    }
    let leading = place(value.abs());
    let wanted = if error > 0.0 { 1 - place(error) } else { 3 - leading };
    let decimals = wanted.clamp(2 - leading, 3 - leading).clamp(0, 9) as usize;
    let last = 10_f64.powi(-(decimals as i32));
    let error = if error > 0.0 { error.max(last) } else { error };
    minus(format!("{value:.decimals$} ± {error:.decimals$}"))
}

/// A share, 0 to 1, as percent with at most this many decimals.
pub fn percent(share: f64, decimals: usize) -> String {
    minus(format!("{:.decimals$}", 100.0 * share))
}

/// A whole number in groups of three, thin spaces between.
pub fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number times a power of ten, as text: 1.23 × 10^12 with raised digits.
pub fn scientific(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return significant(value, 3);
    }
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    if exponent == "0" {
        return minus(mantissa.to_owned());
    }
    minus(format!("{mantissa} × 10")) + &raised(exponent)
}

/// An exponent in raised digits.
fn raised(exponent: &str) -> String {
    exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32('⁴' as u32 + (other as u32 - '4' as u32)).unwrap_or(other),
        })
        .collect()
}

/// A label's name for a person: spaces for underscores.
pub fn name(label: &str) -> String {
    if label == "ct" { "CT".to_owned() } else { label.replace('_', " ") }
}

fn minus(text: String) -> String {
    text.replace('-', "−")
}

/// A round step for an axis that ends at `top` with at most `most` steps.
pub fn step(top: f64, most: usize) -> f64 {
    if top <= 0.0 || !top.is_finite() {
        return 1.0;
    }
    let rough = top / most as f64;
    let decade = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|s| s * decade).find(|s| *s >= rough * 0.999_999).unwrap_or(10.0 * decade)
}

/// A number of an axis, without trailing zeros.
pub fn tick(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    minus(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_numbers_read_well() {
        assert_eq!(with_error(4.987_654, 0.001_2), "4.988 ± 0.001");
        assert_eq!(with_error(33.1, 0.25), "33.10 ± 0.25");
        assert_eq!(with_error(0.301_642, 0.000_077), "0.3016 ± 0.0001", "never an error of nothing");
        assert_eq!(significant(-0.012_345, 3), "−0.0123");
        assert_eq!(significant(8.123e-9, 3), "8.12 × 10⁻⁹", "no digit is lost");
        assert_eq!(with_error(8.123e-9, 1.2e-11), "(8.123 ± 0.012) × 10⁻⁹");
        assert_eq!(with_error(-8.1e-9, 1.2e-8), "(−8.10 ± 12.00) × 10⁻⁹");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(scientific(1.234e12, 3), "1.23 × 10¹²");
        assert_eq!(scientific(5.6e-7, 2), "5.6 × 10⁻⁷");
        assert_eq!((step(33.0, 6), step(0.9, 5)), (10.0, 0.2));
        assert_eq!((tick(2.5), tick(10.0), tick(-0.0)), ("2.5".into(), "10".into(), "0".into()));
    }
}
