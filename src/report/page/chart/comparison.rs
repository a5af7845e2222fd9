//! A comparison as a drawing of its own (a file, so with its own style): a quantity by Lutra and by its reference above,
//! their difference below.

use super::super::number::{scientific, tick};
use super::{Plot, path, px, ticks};
use maud::{Markup, PreEscaped, html};

/// A place where both are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparisonPoint {
    /// Place on the horizontal axis.
    pub x: f64,
    /// Lutra's value.
    pub value: f64,
    /// The reference's.
    pub reference: f64,
    /// Difference, share of what it is measured by.
    pub difference: f64,
    /// Standard error of the difference, measured alike.
    pub sigma: f64,
    /// Largest difference allowed, measured alike; 0 or more.
    pub allowed: f64,
}

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonChart<'a> {
    /// Title.
    pub title: &'a str,
    /// Horizontal axis.
    pub x_label: &'a str,
    /// Vertical axis of the upper part.
    pub y_label: &'a str,
    /// Whether the upper part is logarithmic.
    pub log_y: bool,
    /// The points, ascending in x.
    pub points: &'a [ComparisonPoint],
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 520.0;
const STYLE: &str = "text{font:12px sans-serif;fill:#222}.name{font-size:15px}\
.grid line{stroke:#e6e6e6}.axis line{stroke:#444}.band{fill:#dfe9df;shape-rendering:crispEdges}\
.reference{fill:none;stroke:#c8501e;stroke-width:2}.dot{fill:#005aa0}.error{fill:none;stroke:#005aa0}";

/// The drawing as the text of an SVG file.
pub fn svg(chart: &ComparisonChart) -> String {
    let content = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(px(WIDTH)) height=(px(HEIGHT)) viewBox=(format!("0 0 {WIDTH} {HEIGHT}"))
            role="img" aria-label=(chart.title) {
            style { (PreEscaped(STYLE)) }
            rect width=(px(WIDTH)) height=(px(HEIGHT)) fill="#fff" {}
            text .name x=(px(0.5 * WIDTH)) y="22" text-anchor="middle" { (chart.title) }
            @if !chart.points.is_empty() {
                (values(chart))
                (differences(chart))
            }
        }
    };
    content.into_string() + "\n"
}

/// The least and the largest of the finite values.
fn span(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let values = values.filter(|v| v.is_finite());
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
}

/// Lower and upper end of the horizontal axis: a little beyond the points.
fn x_range(chart: &ComparisonChart) -> [f64; 2] {
    let [low, high] = span(chart.points.iter().map(|p| p.x));
    let pad = if high > low { 0.02 * (high - low) } else { 0.5 };
    [low - pad, high + pad]
}

fn part(chart: &ComparisonChart, y: [f64; 2], top: f64, floor: f64) -> Plot {
    let mut plot = Plot::new(WIDTH, HEIGHT, x_range(chart), y);
    (plot.left, plot.top, plot.bottom, plot.label) = (104.0, top, HEIGHT - floor, label);
    plot
}

/// A number of an axis whose values may be very small or large.
fn label(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) { tick(value) } else { scientific(value, 2) }
}

/// Both curves: the reference as a line, Lutra as dots.
fn values(chart: &ComparisonChart) -> Markup {
    let level = |v: f64| if chart.log_y { v.max(f64::MIN_POSITIVE).log10() } else { v };
    let shown = |v: f64| !chart.log_y || v > 0.0;
    let [low, high] = span(chart.points.iter().flat_map(|p| [p.value, p.reference]).filter(|&v| shown(v)).map(level));
    let room = 0.06 * (high - low).max(1e-12);
    let plot = part(chart, [low - room, high + room], 48.0, 300.0);
    let title = if chart.log_y { format!("log10 of {}", chart.y_label) } else { chart.y_label.to_owned() };
    let at = |x: f64, y: f64| [plot.px(x), plot.py(level(y))];
    let (x_ticks, y_ticks) = (ticks(plot.x[0], plot.x[1], 10), ticks(plot.y[0], plot.y[1], 7));
    let legend = WIDTH - 164.0;
    html! {
        (plot.axes("", &title, &x_ticks, &y_ticks))
        path .reference d=(path(chart.points.iter().filter(|p| shown(p.reference)).map(|p| at(p.x, p.reference)))) {}
        @for p in chart.points.iter().filter(|p| shown(p.value)) { (dot(at(p.x, p.value))) }
        (dot([legend + 10.0, 36.0]))
        text x=(px(legend + 18.0)) y="40" { "Lutra" }
        path .reference d=(format!("M{} 36h20", px(legend + 66.0))) {}
        text x=(px(legend + 92.0)) y="40" { "reference" }
    }
}

/// The differences in percent with their standard errors, and the band of what is allowed, which may change along the
/// axis. The window shows the band, and the points unless a few stray far.
fn differences(chart: &ComparisonChart) -> Markup {
    let points = chart.points;
    let allowed = 100.0 * points.iter().map(|p| p.allowed).fold(0.0, f64::max);
    let farthest = 100.0 * points.iter().map(|p| p.difference.abs() + p.sigma).fold(0.0, f64::max);
    let reach = 1.15 * farthest.clamp(1.3 * allowed, 4.0 * allowed.max(0.05));
    let plot = part(chart, [-reach, reach], 336.0, HEIGHT - 48.0);
    let edge = |n: usize| match n {
        0 => plot.x[0],
        n if n == points.len() => plot.x[1],
        n => 0.5 * (points[n - 1].x + points[n].x),
    };
    let inside = |percent: f64| plot.py(percent.clamp(-reach, reach));
    html! {
        @for (n, p) in points.iter().enumerate() {
            @let (left, right) = (plot.px(edge(n)), plot.px(edge(n + 1)));
            @let (top, floor) = (inside(100.0 * p.allowed), inside(-100.0 * p.allowed));
            rect .band x=(px(left)) width=(px(right - left)) y=(px(top)) height=(px(floor - top)) {}
        }
        (plot.axes(chart.x_label, "difference, %", &ticks(plot.x[0], plot.x[1], 10), &ticks(-reach, reach, 6)))
        @for p in points {
            @let (middle, half) = (100.0 * p.difference, 100.0 * p.sigma);
            path .error d=(format!("M{} {}V{}", px(plot.px(p.x)), px(inside(middle - half)), px(inside(middle + half)))) {}
            @if middle.abs() <= reach { (dot([plot.px(p.x), plot.py(middle)])) }
        }
    }
}

fn dot([x, y]: [f64; 2]) -> Markup {
    html! { circle .dot cx=(px(x)) cy=(px(y)) r="2" {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64) -> ComparisonPoint {
        ComparisonPoint { x, value: 1.01 / x, reference: 1.0 / x, difference: 0.01, sigma: 0.014, allowed: 0.02 }
    }

    #[test]
    fn io_a_comparison_is_drawn_and_is_the_same_twice() {
        let points: Vec<ComparisonPoint> = (1..20).map(f64::from).map(point).collect();
        let chart = ComparisonChart { title: "a <title>", x_label: "x", y_label: "y", log_y: true, points: &points };
        let drawn = svg(&chart);
        assert!(drawn.starts_with("<svg xmlns") && drawn.contains("a &lt;title&gt;") && drawn.contains("log10 of y"));
        assert_eq!(drawn.matches("<circle").count(), 2 * 19 + 1, "{drawn}");
        assert_eq!(drawn.matches("class=\"band\"").count(), 19);
        assert_eq!(drawn, svg(&chart));
        // alarm: another difference is another drawing, and one beyond the window has no dot in it
        let mut other = points.clone();
        other[7].difference = 1.0;
        let strayed = svg(&ComparisonChart { points: &other, ..chart });
        assert_eq!(strayed.matches("<circle").count(), 2 * 19);
        // nothing to draw, one point, and values that no axis can bear
        assert!(svg(&ComparisonChart { points: &[], ..chart }).contains("</svg>"));
        for x in [1.0, f64::NAN, f64::INFINITY] {
            assert!(svg(&ComparisonChart { points: &[point(x)], log_y: false, ..chart }).contains("</svg>"), "{x}");
        }
    }

    #[test]
    fn law_small_numbers_of_an_axis_keep_their_digits() {
        assert_eq!((label(0.0), label(0.25), label(2e-5)), ("0".into(), "0.25".into(), "2.0 × 10⁻⁵".into()));
    }
}
