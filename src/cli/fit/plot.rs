//! The reliability plot: what was stated against what was so.

use std::fmt::Write as _;

use super::compare::Measured;
use crate::cli::replay::metrics::Rate;

/// Width and height of the plot's square, and the room around it, in pixels.
const SIDE: f64 = 420.0;
const ROOM: f64 = 56.0;
/// Colours that are told apart by people who are colour-blind, too (Okabe and Ito 2008).
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];

/// The plot as an SVG document.
pub(super) fn reliability(measured: &[Measured], version: &str) -> String {
    let whole = SIDE + 2.0 * ROOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{whole}\" height=\"{whole}\" fill=\"white\"/>\n\
         <text x=\"{ROOM}\" y=\"24\" font-size=\"14\">How often the best candidate was right \
         (weights {version})</text>\n"
    );
    axes(&mut svg);
    for (at, (one, colour)) in measured.iter().zip(COLOURS).enumerate() {
        series(&mut svg, one, colour, at as f64 * 4.0 - 4.0);
        let y = ROOM + 20.0 + 18.0 * at as f64;
        let (x, calibration) = (ROOM + 14.0, &one.scores.calibration);
        let error = calibration.expected_error().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{y}\">feedback {}: ECE {error:.3}, {} starts</text>",
            y - 4.0,
            x + 10.0,
            one.feedback,
            calibration.count()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String) {
    let (low, high) = (ROOM, ROOM + SIDE);
    let _ = writeln!(
        svg,
        "<rect x=\"{low}\" y=\"{low}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" \
         stroke=\"#888\"/>\n<line x1=\"{low}\" y1=\"{high}\" x2=\"{high}\" y2=\"{low}\" \
         stroke=\"#888\" stroke-dasharray=\"4 4\"/>"
    );
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (x, y) = (across(share), up(share));
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{share:.1}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{share:.1}</text>",
            high + 18.0,
            low - 8.0,
            y + 4.0
        );
    }
    let middle = ROOM + SIDE / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">stated: match_probability</text>\n\
         <text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" \
         transform=\"rotate(-90 16 {middle})\">share that was right</text>",
        high + 38.0
    );
}

/// One point a bin with its 95 % interval, moved a little so that none hides another.
fn series(svg: &mut String, measured: &Measured, colour: &str, moved: f64) {
    for bin in measured.scores.calibration.bins().iter().filter(|bin| bin.count > 0) {
        let rate = Rate { hits: bin.right, of: bin.count };
        let (Some(share), Some((low, high))) = (rate.share(), rate.interval()) else { continue };
        let x = across(bin.stated / bin.count as f64) + moved;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\">\
             <title>{} of {}</title></circle>",
            up(low),
            up(high),
            up(share),
            bin.right,
            bin.count
        );
    }
}

fn across(share: f64) -> f64 {
    ROOM + SIDE * share
}

fn up(share: f64) -> f64 {
    ROOM + SIDE * (1.0 - share)
}
