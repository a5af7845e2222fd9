//! Charts as inline SVG. Colours and type come from the page's style sheet, so that they follow light, dark and print.

/// A comparison with a reference, as a file.
pub mod comparison;

use super::number::{step, tick};
use crate::dose::dvh::band::Curve;
use maud::{Markup, html};
use std::fmt::Write;

/// Number of colours of regions, after which they start again (with another dash).
pub const COLOURS: usize = 8;

/// The drawing area and its scales.
struct Plot {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: [f64; 2],
    y: [f64; 2],
    log_y: bool,
    /// How the numbers of the axes are written.
    label: fn(f64) -> String,
}

impl Plot {
    fn new(width: f64, height: f64, x: [f64; 2], y: [f64; 2]) -> Self {
        Self { width, height, left: 58.0, right: 16.0, top: 16.0, bottom: 48.0, x, y, log_y: false, label: tick }
    }

    fn px(&self, x: f64) -> f64 {
        let share = (x - self.x[0]) / (self.x[1] - self.x[0]);
        self.left + share * (self.width - self.left - self.right)
    }

    fn py(&self, y: f64) -> f64 {
        let share = if self.log_y {
            (y.max(self.y[0] * 1e-3) / self.y[0]).ln() / (self.y[1] / self.y[0]).ln()
        } else {
            (y - self.y[0]) / (self.y[1] - self.y[0])
        };
        self.height - self.bottom - share * (self.height - self.top - self.bottom)
    }

    fn view(&self) -> String {
        format!("0 0 {} {}", self.width, self.height)
    }

    fn axes(&self, x_title: &str, y_title: &str, x_ticks: &[f64], y_ticks: &[f64]) -> Markup {
        let (floor, end) = (self.height - self.bottom, self.width - self.right);
        html! {
            g .grid {
                @for &y in y_ticks { line x1=(px(self.left)) x2=(px(end)) y1=(px(self.py(y))) y2=(px(self.py(y))) {} }
                @for &x in x_ticks { line x1=(px(self.px(x))) x2=(px(self.px(x))) y1=(px(self.top)) y2=(px(floor)) {} }
            }
            g .axis {
                line x1=(px(self.left)) x2=(px(end)) y1=(px(floor)) y2=(px(floor)) {}
                line x1=(px(self.left)) x2=(px(self.left)) y1=(px(self.top)) y2=(px(floor)) {}
                @for &x in x_ticks {
                    text x=(px(self.px(x))) y=(px(floor + 18.0)) text-anchor="middle" { ((self.label)(x)) }
                }
                @for &y in y_ticks {
                    text x=(px(self.left - 8.0)) y=(px(self.py(y) + 4.5)) text-anchor="end" { ((self.label)(y)) }
                }
                text .title x=(px(0.5 * (self.left + end))) y=(px(self.height - 8.0)) text-anchor="middle" { (x_title) }
                text .title x="14" y=(px(0.5 * (self.top + floor))) text-anchor="middle"
                    transform=(format!("rotate(-90 14 {})", px(0.5 * (self.top + floor)))) { (y_title) }
            }
        }
    }
}

fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Multiples of a round step from `from` to `to`.
fn ticks(from: f64, to: f64, most: usize) -> Vec<f64> {
    let width = step(to - from, most);
    // a range that no number of round steps spans has none: not finite, or too small to be divided
    let spans = (from / width).is_finite() && (to / width).is_finite() && (to - from) / width <= 4.0 * most as f64;
    if !spans {
        return Vec::new();
    }
    let first = (from / width).ceil() as i64;
    let last = (to / width + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * width).collect()
}

fn path(points: impl Iterator<Item = [f64; 2]>) -> String {
    let mut text = String::new();
    for (n, [x, y]) in points.enumerate() {
        let _infallible = write!(text, "{}{} {}", if n == 0 { "M" } else { "L" }, px(x), px(y));
    }
    text
}

/// An SVG with a name and a description for those who cannot see it.
fn drawing(plot: &Plot, class: &str, title: &str, description: &str, content: &Markup) -> Markup {
    html! {
        svg class=(format!("chart {class}")) viewBox=(plot.view()) role="img" aria-label=(format!("{title}. {description}")) {
            (content)
        }
    }
}

/// One curve of a histogram.
#[derive(Clone, Debug)]
pub struct DvhSeries {
    /// Number of the region: its check box.
    pub region: usize,
    /// Number of its colour.
    pub colour: usize,
    /// Name.
    pub name: String,
    /// The curve.
    pub curve: Curve,
    /// Whether it is shown at first.
    pub on: bool,
    /// Drawn as the second of a pair: dotted.
    pub second: bool,
}

/// Histograms laid over each other; their shares are of mass or of volume (`weights`).
pub fn dvh(series: &[DvhSeries], quantity: &str, weights: &str, description: &str) -> Markup {
    let hot = series
        .iter()
        .filter(|s| s.on)
        .flat_map(|s| {
            let (share, high) = (&s.curve.share, &s.curve.high);
            (0..share.len()).filter(|&n| share[n] >= 0.002 || high[n] >= 0.02).map(|n| s.curve.dose_gy[n])
        })
        .fold(0.0, f64::max);
    let width = step(hot.max(1e-12), 10);
    let top = (hot / width).ceil().max(1.0) * width;
    let plot = Plot::new(760.0, 400.0, [0.0, top], [0.0, 100.0]);
    let content = html! {
        (plot.axes(&format!("{quantity}, Gy"), &format!("Share of the {weights}, %"), &ticks(0.0, top, 10), &ticks(0.0, 100.0, 5)))
        @for one in series {
            g class=(format!("series c{}{}{}", one.colour % COLOURS, if one.on { "" } else { " off" },
                if one.second { " second" } else if one.colour / COLOURS % 2 == 1 { " dashed" } else { "" }))
                data-region=(one.region) {
                @let inside: Vec<usize> =
                    (0..one.curve.dose_gy.len()).filter(|&n| (0.0..=top * 1.000_001).contains(&one.curve.dose_gy[n])).collect();
                @let place = |share: &[f64], n: usize| [plot.px(one.curve.dose_gy[n]), plot.py(100.0 * share[n])];
                @if one.curve.low != one.curve.share {
                    path .band d=(format!("{}Z", path(inside.iter().map(|&n| place(&one.curve.high, n))
                        .chain(inside.iter().rev().map(|&n| place(&one.curve.low, n)))))) {}
                }
                path .line d=(path(inside.iter().map(|&n| place(&one.curve.share, n)))) { title { (one.name) } }
            }
        }
    };
    drawing(&plot, "dvh", &format!("Histograms of {}", quantity.to_lowercase()), description, &content)
}

/// A shaded range of the course chart.
#[derive(Clone, Debug)]
pub struct WindowBand {
    /// Name.
    pub name: String,
    /// Lower edge, Gy; none for a limit without one.
    pub lower_gy: Option<f64>,
    /// Target, Gy.
    pub target_gy: f64,
    /// Upper edge, Gy.
    pub upper_gy: f64,
    /// Whether it is the window of the patient's step.
    pub current: bool,
}

/// A structure through the course.
#[derive(Clone, Debug)]
pub struct CourseLine {
    /// Name.
    pub name: String,
    /// Cumulative value after each cycle, Gy, from 0 before the first (and what went before the course).
    pub cumulative_gy: Vec<f64>,
    /// Standard uncertainty of each, Gy, where known.
    pub sigma_gy: Vec<Option<f64>>,
    /// Cycles (from 1) that were predicted, not measured.
    pub imputed: Vec<u32>,
    /// Whether it drives the decision.
    pub driver: bool,
}

/// The cumulative chart.
#[derive(Clone, Debug)]
pub struct CourseChart {
    /// Quantity: BED or absorbed dose.
    pub quantity: String,
    /// Windows.
    pub windows: Vec<WindowBand>,
    /// Structures.
    pub lines: Vec<CourseLine>,
    /// Predicted value after the next cycle and its standard uncertainty, Gy.
    pub next: Option<[f64; 2]>,
    /// Words for those who cannot see it.
    pub description: String,
}

/// Draws the cumulative chart.
pub fn course(chart: &CourseChart) -> Markup {
    let cycles = chart.lines.iter().map(|line| line.cumulative_gy.len().saturating_sub(1)).max().unwrap_or(0);
    let highest = chart
        .lines
        .iter()
        .flat_map(|line| line.cumulative_gy.iter().zip(&line.sigma_gy).map(|(gy, s)| gy + s.unwrap_or(0.0)))
        .chain(chart.next.iter().map(|next| next[0] + next[1]))
        .chain(chart.windows.iter().map(|window| window.upper_gy * 1.04))
        .fold(1.0, f64::max);
    let width = step(highest, 8);
    let top = (highest / width).ceil() * width;
    let last = cycles as f64 + 1.0;
    let mut plot = Plot::new(760.0, 430.0, [0.0, last + 0.35], [0.0, top]);
    plot.right = 150.0;
    let end = plot.width - plot.right;
    let x_ticks: Vec<f64> = (0..=cycles + 1).map(|n| n as f64).collect();
    let dots = |line: &CourseLine| -> Vec<(f64, f64, Option<f64>, bool)> {
        (1..line.cumulative_gy.len())
            .map(|n| {
                let predicted = line.imputed.iter().any(|&cycle| cycle as usize == n);
                (n as f64, line.cumulative_gy[n], line.sigma_gy[n], predicted)
            })
            .collect()
    };
    let content = html! {
        @for window in &chart.windows {
            g class=(if window.current { "window current" } else { "window" }) {
                @let low = window.lower_gy.unwrap_or(window.target_gy);
                rect x=(px(plot.left)) width=(px(end - plot.left)) y=(px(plot.py(window.upper_gy)))
                    height=(px((plot.py(low) - plot.py(window.upper_gy)).max(1.5))) {}
                line x1=(px(plot.left)) x2=(px(end)) y1=(px(plot.py(window.target_gy))) y2=(px(plot.py(window.target_gy))) {}
                text x=(px(end + 8.0)) y=(px(plot.py(window.target_gy) + 0.0)) { (window.name) }
                text .small x=(px(end + 8.0)) y=(px(plot.py(window.target_gy) + 15.0)) {
                    @match window.lower_gy {
                        Some(low) => { (tick(low)) " to " (tick(window.upper_gy)) " Gy" }
                        None => { "limit " (tick(window.upper_gy)) " Gy" }
                    }
                }
            }
        }
        (plot.axes("Cycle", &format!("Cumulative {}, Gy", chart.quantity), &x_ticks, &ticks(0.0, top, 8)))
        @for (n, line) in chart.lines.iter().enumerate() {
            g class=(format!("series c{}{}", n % COLOURS, if line.driver { " driver" } else { "" })) {
                path .line d=(path(line.cumulative_gy.iter().enumerate().map(|(n, &gy)| [plot.px(n as f64), plot.py(gy)]))) {}
                @for (x, gy, sigma, predicted) in dots(line) {
                    @let nudge = plot.px(x) + 7.0 * (n as f64 - 0.5 * (chart.lines.len() as f64 - 1.0));
                    @if let Some(sigma) = sigma {
                        path .error d=(format!("M{} {}V{}", px(nudge), px(plot.py(gy - sigma)), px(plot.py(gy + sigma)))) {}
                    }
                    circle class=(if predicted { "dot hollow" } else { "dot" }) cx=(px(plot.px(x))) cy=(px(plot.py(gy))) r="4" {
                        title { (line.name) ", cycle " (tick(x)) ": " (format!("{gy:.2}")) " Gy" @if predicted { ", predicted" } }
                    }
                }
            }
        }
        @if let (Some([gy, sigma]), Some(line)) = (chart.next, chart.lines.iter().position(|line| line.driver)) {
            g class=(format!("series next c{}", line % COLOURS)) {
                @let from = chart.lines[line].cumulative_gy.last().copied().unwrap_or(0.0);
                path .line d=(path([[plot.px(last - 1.0), plot.py(from)], [plot.px(last), plot.py(gy)]].into_iter())) {}
                path .error d=(format!("M{x} {}V{}M{} {y}H{}M{} {z}H{}", px(plot.py(gy - sigma)), px(plot.py(gy + sigma)),
                    px(plot.px(last) - 5.0), px(plot.px(last) + 5.0), px(plot.px(last) - 5.0), px(plot.px(last) + 5.0),
                    x = px(plot.px(last)), y = px(plot.py(gy + sigma)), z = px(plot.py(gy - sigma)))) {}
                circle .dot.hollow cx=(px(plot.px(last))) cy=(px(plot.py(gy))) r="5" {}
                // inside the plot, so that it meets neither the names of the windows nor the legend beside it
                text .label x=(px(end - 6.0)) y=(px((plot.py(gy + sigma) - 9.0).max(plot.top + 11.0))) text-anchor="end" {
                    "predicted " (format!("{gy:.1} ± {sigma:.1}")) " Gy"
                }
            }
        }
        g .legend {
            @for (n, line) in chart.lines.iter().enumerate() {
                @let y = plot.height - plot.bottom - 16.0 * (chart.lines.len() - n) as f64;
                g class=(format!("series c{}", n % COLOURS)) {
                    path .line d=(format!("M{} {y}h22", px(end + 8.0), y = px(y))) {}
                    circle .dot cx=(px(end + 19.0)) cy=(px(y)) r="4" {}
                }
                text x=(px(end + 36.0)) y=(px(y + 4.5)) { (line.name) }
            }
        }
    };
    drawing(&plot, "course", &format!("Cumulative {} after each cycle", chart.quantity), &chart.description, &content)
}

/// A time-activity fit.
#[derive(Clone, Debug)]
pub struct ActivityChart {
    /// Region, cycle.
    pub title: String,
    /// Number of the region: its colour.
    pub region: usize,
    /// Measured: time after injection h, activity MBq, relative standard uncertainty where stated.
    pub points: Vec<(f64, f64, Option<f64>)>,
    /// The curve: time h, activity MBq.
    pub curve: Vec<[f64; 2]>,
    /// (measured - curve)/curve at each point; `None` if the curve has no value there.
    pub residual: Vec<Option<f64>>,
}

/// Draws points, curve and residuals of a fit.
pub fn activity(chart: &ActivityChart) -> Markup {
    let last_h = chart.curve.iter().map(|p| p[0]).chain(chart.points.iter().map(|p| p.0)).fold(1.0, f64::max);
    let values = || chart.curve.iter().map(|p| p[1]).chain(chart.points.iter().map(|p| p.1)).filter(|v| *v > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let (low, high) = if high > 0.0 { (low, high) } else { (0.1, 1.0) };
    let mut plot = Plot::new(360.0, 300.0, [0.0, last_h], [low * 0.8, high * 1.3]);
    plot.log_y = true;
    // a single image leaves no residual, and its curve is stated and not fitted
    let single = chart.points.len() < 2;
    plot.bottom = if single { 54.0 } else { 110.0 };
    let base = 300.0 - plot.bottom;
    let middle = px(0.5 * (16.0 + base));
    let y_ticks: Vec<f64> = (-12..12)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)))
        .filter(|y| (plot.y[0]..=plot.y[1]).contains(y))
        .collect();
    let y_ticks = if y_ticks.len() > 7 {
        y_ticks.into_iter().filter(|y| (y.log10() - y.log10().round()).abs() < 1e-9).collect()
    } else {
        y_ticks
    };
    let most = chart.residual.iter().flatten().map(|r| 100.0 * r.abs()).fold(0.0, f64::max);
    let most = step(most.max(0.5) * 1.2, 1).max(1.0);
    let mut lower = Plot::new(360.0, 300.0, [0.0, last_h], [-most, most]);
    lower.top = 210.0;
    lower.bottom = 44.0;
    let x_ticks = ticks(0.0, last_h, 6);
    let clip = |x: f64| (plot.y[0]..=plot.y[1] * 1.001).contains(&x);
    let content = html! {
        g .grid {
            @for &y in &y_ticks { line x1=(px(plot.left)) x2="344" y1=(px(plot.py(y))) y2=(px(plot.py(y))) {} }
        }
        g .axis {
            @for &y in &y_ticks { text x=(px(plot.left - 8.0)) y=(px(plot.py(y) + 4.5)) text-anchor="end" { (tick(y)) } }
            line x1=(px(plot.left)) x2="344" y1=(px(base)) y2=(px(base)) {}
            line x1=(px(plot.left)) x2=(px(plot.left)) y1="16" y2=(px(base)) {}
            text .title x="14" y=(middle) text-anchor="middle" transform=(format!("rotate(-90 14 {middle})")) { "Activity, MBq (log)" }
            @if single {
                @for &x in &x_ticks { text x=(px(plot.px(x))) y=(px(base + 18.0)) text-anchor="middle" { (tick(x)) } }
                text .title x=(px(0.5 * (plot.left + 344.0))) y=(px(base + 40.0)) text-anchor="middle" { "Time after injection, h" }
            }
        }
        @if !single { (lower.axes("Time after injection, h", "residual, %", &x_ticks, &[-most, 0.0, most])) }
        g class=(format!("series c{}", chart.region % COLOURS)) {
            @let last_scan = if single { 0.0 } else { chart.points.last().map_or(0.0, |p| p.0) };
            @let place = |p: &[f64; 2]| [plot.px(p[0]), plot.py(p[1])];
            path .line d=(path(chart.curve.iter().filter(|p| clip(p[1]) && p[0] <= last_scan).map(place))) {}
            path .line.tail d=(path(chart.curve.iter().filter(|p| clip(p[1]) && p[0] >= last_scan * 0.99).map(place))) {}
            @for (n, &(time, value, sigma)) in chart.points.iter().enumerate() {
                @if let Some(sigma) = sigma {
                    path .error d=(format!("M{} {}V{}", px(plot.px(time)), px(plot.py((value * (1.0 - sigma)).max(plot.y[0]))),
                        px(plot.py((value * (1.0 + sigma)).min(plot.y[1]))))) {}
                }
                circle .dot cx=(px(plot.px(time))) cy=(px(plot.py(value))) r="4.5" { title { (tick(time)) " h: " (format!("{value:.3}")) " MBq" } }
                @if let Some(residual) = chart.residual[n].filter(|_| !single) {
                    path .error d=(format!("M{} {}V{}", px(lower.px(time)), px(lower.py(0.0)), px(lower.py(100.0 * residual)))) {}
                    circle .dot cx=(px(lower.px(time))) cy=(px(lower.py(100.0 * residual))) r="3.5" {}
                }
            }
        }
    };
    let described: Vec<String> = chart.points.iter().map(|p| format!("{:.3} MBq at {} h", p.1, tick(p.0))).collect();
    drawing(&plot, "activity", &chart.title, &format!("Measured {}", described.join(", ")), &content)
}

/// Parts of a whole as one bar a row: row name, parts in percent.
pub fn bars(rows: &[(String, Vec<(String, f64)>)], description: &str) -> Markup {
    let height = 34.0 * rows.len() as f64 + 40.0;
    let mut plot = Plot::new(760.0, height, [0.0, 100.0], [0.0, 1.0]);
    plot.left = 150.0;
    plot.right = 34.0;
    plot.top = 6.0;
    plot.bottom = 40.0;
    let floor = height - plot.bottom;
    let content = html! {
        @for (n, (name, parts)) in rows.iter().enumerate() {
            @let y = plot.top + 34.0 * n as f64;
            text x=(px(plot.left - 10.0)) y=(px(y + 18.0)) text-anchor="end" { (name) }
            @for (part, (what, percent)) in parts.iter().enumerate() {
                @let from: f64 = parts[..part].iter().map(|p| p.1).sum();
                g class=(format!("part p{part}")) {
                    rect x=(px(plot.px(from))) width=(px(plot.px(from + percent) - plot.px(from))) y=(px(y + 2.0)) height="24" {
                        title { (what) " " (format!("{percent:.3} %")) }
                    }
                    @if *percent > 12.0 {
                        text x=(px(plot.px(from + 0.5 * percent))) y=(px(y + 19.0)) text-anchor="middle" {
                            (what) " " (format!("{percent:.1} %"))
                        }
                    }
                }
            }
        }
        g .axis {
            line x1=(px(plot.left)) x2=(px(plot.width - plot.right)) y1=(px(floor)) y2=(px(floor)) {}
            @for x in [0.0, 25.0, 50.0, 75.0, 100.0] {
                text x=(px(plot.px(x))) y=(px(floor + 17.0)) text-anchor="middle" { (tick(x)) " %" }
            }
        }
    };
    drawing(&plot, "bars", "Where the energy went", description, &content)
}

/// A colour bar: stops from 0 to 1 of its length with colours, ticks with words.
pub fn colour_bar(id: &str, title: &str, stops: &[(f64, [u8; 3])], marks: &[(f64, String)], on: bool) -> Markup {
    let gradient = format!("bar-{id}");
    let place = |share: f64| px(8.0 + 404.0 * share);
    html! {
        svg class=(if on { "colour-bar" } else { "colour-bar off" }) data-layer=(id) viewBox="0 0 420 52" role="img"
            aria-label=(format!("Colour scale: {title}, from {} to {}", marks.first().map_or("", |m| &m.1), marks.last().map_or("", |m| &m.1))) {
            defs {
                linearGradient id=(gradient) {
                    @for (share, [r, g, b]) in stops {
                        stop offset=(format!("{:.3}", share)) stop-color=(format!("#{r:02x}{g:02x}{b:02x}")) {}
                    }
                }
            }
            text .title x="8" y="13" { (title) }
            rect x="8" y="19" width="404" height="13" fill=(format!("url(#{gradient})")) {}
            @for (share, words) in marks {
                line x1=(place(*share)) x2=(place(*share)) y1="32" y2="36" {}
                text x=(place(*share)) y="48"
                    text-anchor=(if *share < 0.02 { "start" } else if *share > 0.98 { "end" } else { "middle" }) { (words) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dose::dvh::Dvh;
    use crate::dose::dvh::band;

    #[test]
    fn law_a_curve_starts_at_all_of_the_mass() {
        let curve = band::curve(&Dvh::new(vec![1.0, 2.0, 4.0]));
        let series = DvhSeries { region: 0, colour: 0, name: "kidney".into(), curve, on: true, second: false };
        let text = dvh(&[series], "Absorbed dose", "volume", "words").into_string();
        assert!(text.contains("d=\"M58 16L"), "{text}");
        assert!(text.contains("role=\"img\"") && text.contains("Absorbed dose, Gy"));
        assert!(
            text.contains("Share of the volume, %") && !text.contains("mass"),
            "alarm: the axis is that of the histogram"
        );
    }

    /// Values that no axis can bear give a chart without ticks, not an end of the program.
    #[test]
    fn law_charts_bear_any_number() {
        for top in [0.0, 5e-324, 1e-300, 1e200, f64::MAX, f64::INFINITY, f64::NAN, -1.0] {
            assert!(ticks(0.0, top, 8).len() <= 40, "{top}");
            let line = CourseLine {
                name: "kidney".into(),
                cumulative_gy: vec![0.0, top],
                sigma_gy: vec![None, Some(top)],
                imputed: Vec::new(),
                driver: true,
            };
            let chart = CourseChart {
                quantity: "BED".into(),
                windows: Vec::new(),
                lines: vec![line],
                next: Some([top, top]),
                description: String::new(),
            };
            assert!(course(&chart).into_string().contains("<svg"), "{top}");
        }
        assert!(ticks(0.0, 40.0, 8).len() > 4, "alarm: sound axes keep theirs");
    }

    #[test]
    fn law_ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 40.0, 10), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
        assert_eq!(ticks(0.0, 1.0, 5).len(), 6);
    }

    #[test]
    fn law_course_chart_shows_window_and_prediction() {
        let chart = CourseChart {
            quantity: "BED".into(),
            windows: vec![WindowBand {
                name: "step 1".into(),
                lower_gy: Some(25.0),
                target_gy: 27.0,
                upper_gy: 29.0,
                current: true,
            }],
            lines: vec![CourseLine {
                name: "kidney_left".into(),
                cumulative_gy: vec![0.0, 5.0, 10.2],
                sigma_gy: vec![None, Some(0.6), Some(1.2)],
                imputed: vec![2],
                driver: true,
            }],
            next: Some([15.4, 1.9]),
            description: "words".into(),
        };
        let text = course(&chart).into_string();
        for wanted in ["25 to 29 Gy", "predicted 15.4 ± 1.9", "dot hollow", "window current"] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }
}
