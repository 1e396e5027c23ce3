//! Curves as SVG.

use std::fmt::Write as _;

use crate::results::{Curve, Series};

/// Pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;
/// Marks on an axis that is not logarithmic.
const MARKS: u32 = 5;
/// Readable on light and on dark pages.
const COLOURS: [&str; 3] = ["#2f81f7", "#db6d28", "#3fb950"];
const INK: &str = "#888";

/// Maps values to pixels.
struct Axis {
    logarithmic: bool,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, logarithmic: bool, from: f64, to: f64) -> Self {
        let most = values.clone().fold(0.0, f64::max);
        if logarithmic {
            let least = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min).min(most.max(1.0));
            let power = |value: f64| 10_f64.powf(value);
            let most = power(most.max(least * 10.0).log10().ceil());
            Self { logarithmic, least: power(least.log10().floor()), most, from, to }
        } else {
            Self { logarithmic, least: 0.0, most: round_up(most), from, to }
        }
    }

    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| if self.logarithmic { value.max(self.least).log10() } else { value };
        let part = (of(value) - of(self.least)) / (of(self.most) - of(self.least));
        self.from + part * (self.to - self.from)
    }

    fn marks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return (0..=MARKS).map(|mark| self.most * f64::from(mark) / f64::from(MARKS)).collect();
        }
        let tenfold = |mark: &f64| Some(mark * 10.0);
        std::iter::successors(Some(self.least), tenfold).take_while(|mark| *mark <= self.most * 1.01).collect()
    }
}

/// The next of 1, 2, 2.5 and 5 by a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(power * 10.0)
}

/// The picture of `curve`.
pub fn svg(curve: &Curve) -> String {
    let points = || curve.series.iter().flat_map(|series| &series.points);
    let x = Axis::new(points().map(|point| point.0), curve.x.1, LEFT, WIDTH - RIGHT);
    let y = Axis::new(points().map(|point| point.1), curve.y.1, HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\" fill=\"{INK}\">\n"
    );
    let text = |x: f64, y: f64, anchor: &str, text: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
    };
    let line = |x1: f64, y1: f64, x2: f64, y2: f64| {
        format!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{INK}\" stroke-opacity=\"0.3\"/>\n")
    };
    svg += &text(WIDTH / 2.0, 16.0, "middle", curve.title);
    svg += &text(WIDTH / 2.0, HEIGHT - 8.0, "middle", curve.x.0);
    svg += &text(4.0, TOP - 10.0, "start", curve.y.0);
    for mark in x.marks() {
        svg += &line(x.place(mark), TOP, x.place(mark), HEIGHT - BOTTOM);
        svg += &text(x.place(mark), HEIGHT - BOTTOM + 14.0, "middle", &shown(mark));
    }
    for mark in y.marks() {
        svg += &line(LEFT, y.place(mark), WIDTH - RIGHT, y.place(mark));
        svg += &text(LEFT - 6.0, y.place(mark) + 4.0, "end", &shown(mark));
    }
    for (number, (series, colour)) in curve.series.iter().zip(COLOURS).enumerate() {
        let path = path(series, &x, &y);
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let at = TOP + 14.0 * (number as f64 + 1.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{at:.1}\" fill=\"{colour}\">{}</text>", LEFT + 8.0, series.name);
    }
    svg + "</svg>\n"
}

fn path(series: &Series, x: &Axis, y: &Axis) -> String {
    let mut path = String::new();
    for (number, point) in series.points.iter().enumerate() {
        let step = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{step}{:.1} {:.1}", x.place(point.0), y.place(point.1));
    }
    path
}

/// A mark without the noise of binary fractions.
fn shown(mark: f64) -> String {
    let text = format!("{mark:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_curve_lie_at_the_ends_of_the_axes() {
        let axis = Axis::new([1.0, 1000.0].into_iter(), true, 0.0, 300.0);
        assert_eq!([1.0, 10.0, 1000.0].map(|value| axis.place(value).round()), [0.0, 100.0, 300.0]);
        let axis = Axis::new([3.0, 17.0].into_iter(), false, 100.0, 0.0);
        assert_eq!([0.0, 10.0, 20.0].map(|value| axis.place(value).round()), [100.0, 50.0, 0.0]);
    }

    #[test]
    fn an_axis_has_few_round_marks() {
        assert_eq!(Axis::new([2.0, 300.0].into_iter(), true, 0.0, 1.0).marks(), [1.0, 10.0, 100.0, 1000.0]);
        let marks: Vec<_> = Axis::new([0.3].into_iter(), false, 0.0, 1.0).marks().into_iter().map(shown).collect();
        assert_eq!(marks, ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
    }
}
