//! Turns records into a picture: one row for each workload, one dot for each server's ratio to the first.

use crate::compare::comparison::{Record, Settings};
use crate::compare::report::best;
use std::fmt::Write;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 640.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 90.0;
const ROW: f64 = 34.0;
const BOTTOM: f64 = 56.0;
/// The ratios at both ends; beyond them a dot stays at the edge.
const LEAST: f64 = 0.5;
const MOST: f64 = 64.0;
const TICKS: [f64; 8] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
/// Easy to tell apart, also for the colour-blind; ours come first.
const COLOURS: [&str; 8] = ["#d55e00", "#e69f00", "#cc79a7", "#0072b2", "#56b4e9", "#009e73", "#000000", "#999999"];
const LEGEND_COLUMNS: usize = 4;

/// The picture, as SVG.
pub fn svg(settings: &Settings, records: &[Record]) -> String {
    let Some((floor, others)) = settings.servers.split_first() else { return String::new() };
    let end = TOP + ROW * settings.workloads.len() as f64;
    let (width, height) = (LEFT + WIDTH + RIGHT, end + BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">Server CPU per message, as a ratio to {}</text>\n",
        floor.name
    );
    for (number, server) in others.iter().enumerate() {
        let x = 24.0 + (number % LEGEND_COLUMNS) as f64 * 190.0;
        let y = 46.0 + (number / LEGEND_COLUMNS) as f64 * 18.0;
        dot(&mut svg, x, y, number, server.name);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", x + 12.0, y + 4.5, server.name);
    }
    for tick in TICKS {
        let (x, thick) = (across(tick), if tick == 1.0 { 2 } else { 1 });
        let colour = if tick == 1.0 { "#555" } else { "#ddd" };
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {TOP}V{end}\" stroke=\"{colour}\" stroke-width=\"{thick}\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            end + 18.0
        );
    }
    for (number, workload) in settings.workloads.iter().enumerate() {
        let y = TOP + ROW * (number as f64 + 0.5);
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 14.0, y + 4.5, workload.name);
        let Some(base) = best(records, workload, floor.name).filter(|base| base.figure > 0.0) else { continue };
        // Ours last: they lie on top.
        for (number, server) in others.iter().enumerate().rev() {
            if let Some(found) = best(records, workload, server.name) {
                let ratio = found.figure / base.figure;
                dot(&mut svg, across(ratio), y, number, &format!("{}: {ratio:.2}", server.name));
            }
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" fill=\"#555\">less is better; {} = 1; best of {} rounds; a dot at the edge lies beyond it; idle: bytes per connection</text>\n</svg>",
        LEFT,
        end + 42.0,
        floor.name,
        settings.rounds
    );
    svg
}

fn dot(svg: &mut String, x: f64, y: f64, number: usize, meaning: &str) {
    let colour = COLOURS[number % COLOURS.len()];
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\" fill=\"{colour}\" fill-opacity=\"0.85\" stroke=\"#fff\">\
         <title>{meaning}</title></circle>"
    );
}

fn across(ratio: f64) -> f64 {
    let share = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + WIDTH * share
}
