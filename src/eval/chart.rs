//! A report as a chart (SVG 1.1): bars of pass@k for each language, with intervals, and a heat
//! map of the translation pairs for each k.
//!
//! Everything is placed by hand and in whole numbers of a simple grid; the text is short and of
//! known width, so that no font has to be measured.

use std::fmt::Write;

use super::dataset::EvalLanguage;
use super::report::{PassAtK, Report, TaskReport};

const MARGIN: f64 = 24.0;
const INK: &str = "#1a1a1a";
const FAINT: &str = "#d9d9d9";
/// For one k each; colours that the usual kinds of colour blindness keep apart (Okabe and Ito).
const BARS: [&str; 6] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
];

/// A report as SVG under a title. Only what the report has is shown.
pub fn svg(report: &Report, title: &str) -> String {
    let generations: Vec<&TaskReport> = of_kind(report, false);
    let translations: Vec<&TaskReport> = of_kind(report, true);
    let mut body = Canvas::default();
    let mut y = MARGIN;
    let mut width: f64 = 480.0;
    if !title.is_empty() {
        body.text(MARGIN, y + 16.0, 18, "start", "bold", title);
        width = width.max(2.0 * MARGIN + 10.0 * title.chars().count() as f64);
        y += 40.0;
    }
    if !generations.is_empty() {
        let (w, h) = bars(&mut body, report, &generations, y);
        width = width.max(w);
        y += h;
    }
    if !translations.is_empty() {
        let (w, h) = heat_maps(&mut body, &translations, y);
        width = width.max(w);
        y += h;
    }
    let note = format!(
        "Intervals hold {} % of {} resamples of the problems.",
        report.confidence * 100.0,
        report.resamples
    );
    if !generations.is_empty() {
        body.text(MARGIN, y + 12.0, 11, "start", "normal", &note);
        y += 16.0;
    }
    let (width, height) = (width.ceil(), (y + MARGIN).ceil());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
        escape(if title.is_empty() { "pass@k" } else { title }),
        body.out
    )
}

fn of_kind(report: &Report, translation: bool) -> Vec<&TaskReport> {
    let tasks = report.tasks.iter();
    tasks
        .filter(|t| t.source.is_some() == translation)
        .collect()
}

/// Elements, one a line.
#[derive(Default)]
struct Canvas {
    out: String,
}

impl Canvas {
    fn text(&mut self, x: f64, y: f64, size: u32, anchor: &str, weight: &str, text: &str) {
        self.coloured(INK, x, y, size, anchor, weight, text);
    }

    #[expect(clippy::too_many_arguments, reason = "the attributes of one element")]
    fn coloured(
        &mut self,
        colour: &str,
        x: f64,
        y: f64,
        size: u32,
        anchor: &str,
        weight: &str,
        text: &str,
    ) {
        let _ = writeln!(
            self.out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             font-weight=\"{weight}\" fill=\"{colour}\">{}</text>",
            escape(text)
        );
    }

    fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, fill: &str, hint: &str) {
        let _ = writeln!(
            self.out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             fill=\"{fill}\"><title>{}</title></rect>",
            escape(hint)
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let _ = writeln!(
            self.out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
            from.0, from.1, to.0, to.1
        );
    }
}

/// A group of bars for each language and for their average. Returns the width of the whole and
/// the height of this part.
fn bars(canvas: &mut Canvas, report: &Report, tasks: &[&TaskReport], top: f64) -> (f64, f64) {
    const HEIGHT: f64 = 260.0;
    const GAP: f64 = 28.0;
    let mut groups: Vec<(String, &[PassAtK])> = (tasks.iter())
        .map(|t| (title_of(t.language).to_owned(), &*t.pass_at_k))
        .collect();
    let averages = report.averages.iter().filter(|a| a.task == "generation");
    groups.extend(averages.map(|a| ("average".to_owned(), &*a.pass_at_k)));
    let ks = tasks.first().map_or(0, |t| t.pass_at_k.len());
    let bar = (120.0 / ks.max(1) as f64).clamp(20.0, 42.0);
    let group = (bar * ks as f64).max(64.0);
    let left = MARGIN + 40.0;
    let width = groups.len() as f64 * (group + GAP) + GAP;

    canvas.text(
        MARGIN,
        top + 14.0,
        14,
        "start",
        "bold",
        "Generation, problems solved (%)",
    );
    let mut x = left;
    for (i, p) in tasks.iter().flat_map(|t| &t.pass_at_k).take(ks).enumerate() {
        let name = format!("pass@{}", p.k);
        canvas.rect(x, top + 28.0, 12.0, 12.0, BARS[i % BARS.len()], &name);
        canvas.text(x + 18.0, top + 38.5, 12, "start", "normal", &name);
        x += 42.0 + 8.0 * name.len() as f64;
    }
    let top = top + 64.0;
    let most = groups.iter().flat_map(|g| g.1).map(|p| p.high);
    let scale = scale(most.fold(0.0, f64::max));
    let at = |share: f64| top + HEIGHT * (1.0 - share / scale);
    for tick in 0..=5 {
        let share = scale * f64::from(tick) / 5.0;
        let y = at(share);
        let colour = if tick == 0 { INK } else { FAINT };
        canvas.line((left, y), (left + width, y), colour);
        // Ends of axes are round, so that no fraction is long.
        let label = format!("{}", (share * 10_000.0).round() / 100.0);
        canvas.text(left - 8.0, y + 4.0, 11, "end", "normal", &label);
    }
    for (g, (name, values)) in groups.iter().enumerate() {
        let start = left + GAP + g as f64 * (group + GAP);
        let centre = start + group / 2.0;
        let first = centre - bar * values.len() as f64 / 2.0;
        for (i, p) in values.iter().enumerate() {
            let (x, y) = (first + i as f64 * bar, at(p.mean));
            let hint = format!(
                "{name}, pass@{}: {:.2} [{:.2}, {:.2}]",
                p.k,
                p.mean * 100.0,
                p.low * 100.0,
                p.high * 100.0
            );
            let fill = BARS[i % BARS.len()];
            canvas.rect(x + 2.0, y, bar - 4.0, at(0.0) - y, fill, &hint);
            let (middle, low, high) = (x + bar / 2.0, at(p.low), at(p.high));
            canvas.line((middle, low), (middle, high), INK);
            for end in [low, high] {
                canvas.line((middle - 4.0, end), (middle + 4.0, end), INK);
            }
            let label = short(p.mean * 100.0);
            canvas.text(middle, high - 5.0, 10, "middle", "normal", &label);
        }
        canvas.text(centre, at(0.0) + 18.0, 12, "middle", "normal", name);
    }
    (left + width + MARGIN, 64.0 + HEIGHT + 44.0)
}

/// The end of an axis that holds a share: a round number, at most 1.
fn scale(share: f64) -> f64 {
    let ends = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8];
    ends.into_iter().find(|&end| share <= end).unwrap_or(1.0)
}

/// A heat map for each k, side by side: sources down, targets across, from the lowest mean in
/// the lightest colour to the highest in the darkest. Returns the width of the
/// whole and the height of this part.
fn heat_maps(canvas: &mut Canvas, tasks: &[&TaskReport], top: f64) -> (f64, f64) {
    const CELL: (f64, f64) = (62.0, 40.0);
    const NAMES: f64 = 92.0;
    let involved = |l: &EvalLanguage| {
        let mut tasks = tasks.iter();
        tasks.any(|t| t.language == *l || t.source == Some(*l))
    };
    let languages: Vec<EvalLanguage> = EvalLanguage::ALL.into_iter().filter(involved).collect();
    let side = languages.len() as f64;
    canvas.text(
        MARGIN,
        top + 14.0,
        14,
        "start",
        "bold",
        "Translation, problems solved (%)",
    );
    let ks = tasks.first().map_or(0, |t| t.pass_at_k.len());
    let map = NAMES + side * CELL.0 + 24.0;
    for i in 0..ks {
        let left = MARGIN + i as f64 * map + NAMES;
        let values = tasks.iter().filter_map(|t| Some((t, t.pass_at_k.get(i)?)));
        let means = values.clone().map(|(_, p)| p.mean);
        let (least, most) = (means.clone().fold(1.0, f64::min), means.fold(0.0, f64::max));
        let k = tasks.first().map_or(0, |t| t.pass_at_k[i].k);
        let name = format!("pass@{k}");
        let middle = left + side * CELL.0 / 2.0;
        canvas.text(middle, top + 40.0, 13, "middle", "bold", &name);
        let top = top + 74.0;
        for (n, language) in languages.iter().enumerate() {
            let (x, y) = (n as f64 * CELL.0, n as f64 * CELL.1);
            let name = title_of(*language);
            let (across, down) = (left + x + CELL.0 / 2.0, top + y + CELL.1 / 2.0 + 4.0);
            canvas.text(across, top - 8.0, 11, "middle", "normal", name);
            canvas.text(left - 8.0, down, 11, "end", "normal", &format!("{name} →"));
            canvas.rect(left + x, top + y, CELL.0, CELL.1, "#f4f4f4", name);
        }
        for (task, p) in values {
            let column = languages.iter().position(|l| *l == task.language);
            let row = languages.iter().position(|l| Some(*l) == task.source);
            let (Some(column), Some(row)) = (column, row) else {
                continue;
            };
            let (x, y) = (left + column as f64 * CELL.0, top + row as f64 * CELL.1);
            let (fill, ink) = shade(match most > least {
                true => (p.mean - least) / (most - least),
                false => 0.0,
            });
            let hint = format!(
                "{}, pass@{}: {:.2} [{:.2}, {:.2}]",
                task.task(),
                p.k,
                p.mean * 100.0,
                p.low * 100.0,
                p.high * 100.0
            );
            canvas.rect(x, y, CELL.0, CELL.1, &fill, &hint);
            let (x, y) = (x + CELL.0 / 2.0, y + CELL.1 / 2.0 + 4.0);
            let label = format!("{:.1}", p.mean * 100.0);
            canvas.coloured(ink, x, y, 12, "middle", "normal", &label);
        }
    }
    let width = MARGIN + ks as f64 * map;
    (width, 74.0 + side * CELL.1 + 28.0)
}

/// A colour between a light and a dark blue, and one that can be read on it.
fn shade(share: f64) -> (String, &'static str) {
    let mix = |light: f64, dark: f64| (light + (dark - light) * share).round() as u8;
    let fill = format!(
        "#{:02x}{:02x}{:02x}",
        mix(232.0, 8.0),
        mix(241.0, 64.0),
        mix(250.0, 129.0)
    );
    (fill, if share > 0.5 { "#ffffff" } else { INK })
}

/// With as many digits after the point as tell numbers of this size apart.
fn short(percent: f64) -> String {
    match percent {
        p if p >= 99.95 => format!("{p:.0}"),
        0.0 => "0".to_owned(),
        p if p < 1.0 => format!("{p:.2}"),
        p => format!("{p:.1}"),
    }
}

fn title_of(language: EvalLanguage) -> &'static str {
    match language {
        EvalLanguage::Cpp => "C++",
        other => other.task_prefix(),
    }
}

/// Text as XML has it. Characters that XML 1.0 cannot hold become a question mark.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::merge::{EvalTask, Tally};
    use crate::eval::passk::Count;
    use crate::eval::report::ReportOptions;

    fn tallies(translations: bool) -> Vec<Tally> {
        let mut found = Vec::new();
        for (i, language) in EvalLanguage::PAPER.into_iter().enumerate() {
            let sources = EvalLanguage::PAPER.map(Some);
            let sources = match translations {
                true => [&[None], &sources[..]].concat(),
                false => vec![None],
            };
            for (j, source) in sources.into_iter().enumerate() {
                if source == Some(language) {
                    continue;
                }
                let passed = |n: u32| (n * 7 + 5 * i as u32 + 3 * j as u32) % 29;
                found.push(Tally {
                    task: EvalTask::new(language, source),
                    counts: (0..12)
                        .map(|n| {
                            let passed = passed(n);
                            (
                                n,
                                Count {
                                    samples: 100,
                                    passed,
                                },
                            )
                        })
                        .collect(),
                    verdicts: BTreeMap::new(),
                    run: None,
                });
            }
        }
        found
    }

    fn chart(tallies: &[Tally], title: &str) -> String {
        svg(
            &Report::new(tallies, &ReportOptions::default()).unwrap(),
            title,
        )
    }

    /// Every element within the picture, no two labels of a line on top of each other.
    #[track_caller]
    fn check(text: &str) -> usize {
        let document = roxmltree::Document::parse(text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        assert_eq!(
            root.tag_name().namespace(),
            Some("http://www.w3.org/2000/svg")
        );
        let number = |node: &roxmltree::Node<'_, '_>, name: &str| {
            node.attribute(name)
                .map_or(0.0, |v| v.parse::<f64>().unwrap())
        };
        let (width, height) = (number(&root, "width"), number(&root, "height"));
        assert!((100.0..4000.0).contains(&width) && (100.0..4000.0).contains(&height));
        let mut labels: Vec<(i64, f64, f64)> = Vec::new();
        for node in root.children().filter(|n| n.is_element()) {
            let [x, y, w, h] = ["x", "y", "width", "height"].map(|name| number(&node, name));
            let [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map(|name| number(&node, name));
            for (x, y) in [(x, y), (x + w, y + h), (x1, y1), (x2, y2)] {
                assert!((0.0..=width).contains(&x), "{node:?}");
                assert!((0.0..=height).contains(&y), "{node:?}");
            }
            assert!(w >= 0.0 && h >= 0.0, "{node:?}");
            if node.tag_name().name() == "text" {
                // No letter is wider than 0.65 of the size on average.
                let letters = node.text().unwrap().chars().count() as f64;
                let length = letters * 0.65 * number(&node, "font-size");
                let start = match node.attribute("text-anchor").unwrap() {
                    "start" => x,
                    "middle" => x - length / 2.0,
                    _ => x - length,
                };
                assert!(start >= 0.0 && start + length <= width + 1.0, "{node:?}");
                labels.push(((y * 10.0) as i64, start, start + length));
            }
        }
        labels.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for pair in labels.windows(2) {
            let apart = pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1 + 4.0;
            assert!(apart, "{pair:?}");
        }
        root.children()
            .filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "rect")))
            .count()
    }

    #[test]
    fn charts_are_well_formed_and_within_their_frame() {
        let text = chart(&tallies(true), "A <model> & \"co\"");
        // The background, 3 keys, 6 groups of 3 bars, 3 maps of 5 diagonals and 20 pairs.
        assert_eq!(check(&text), 1 + 3 + 18 + 3 * 25);
        assert!(text.contains("A &lt;model&gt; &amp; &quot;co&quot;"));
        assert!(text.contains("translation from java to go, pass@10: "));
        check(&chart(&tallies(false), ""));
        check(&chart(&tallies(true)[1..2], "One pair\u{1}"));
        check(&chart(&tallies(false)[..1], "One language"));
    }

    #[test]
    fn nothing_solved_and_everything_solved_can_be_drawn() {
        for passed in [0, 100] {
            let mut all = tallies(true);
            for count in all.iter_mut().flat_map(|t| t.counts.values_mut()) {
                count.passed = passed;
            }
            check(&chart(&all, "extreme"));
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (share, end) in [
            (0.0, 0.01),
            (0.03, 0.05),
            (0.41, 0.5),
            (0.81, 1.0),
            (1.0, 1.0),
        ] {
            assert_eq!(scale(share), end);
        }
    }
}
