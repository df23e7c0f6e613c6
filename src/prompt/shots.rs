//! The worked examples that explanations and docstrings imitate: one short function in each of
//! the languages that are asked for most, with what is said of each line and of the whole.
//!
//! Other languages get their prompts without an example.

use crate::language::Language;

/// A function with what there is to say of it.
pub(super) struct Shot {
    languages: &'static [&'static str],
    /// What is said of a line, which may be nothing, and the line.
    lines: &'static [(&'static str, &'static str)],
    /// The lines of its docstring.
    pub doc: &'static [&'static str],
}

const PARAMS: &[&str] = &[
    "Average of some numbers.",
    "",
    "@param values the numbers",
    "@return their average",
];

static SHOTS: &[Shot] = &[
    Shot {
        languages: &["python"],
        lines: &[
            ("takes a list of numbers", "def average(values):"),
            ("an empty list has no average", "    if not values:"),
            ("so the answer is nothing", "        return None"),
            (
                "otherwise the sum is shared out evenly",
                "    return sum(values) / len(values)",
            ),
        ],
        doc: &[
            "Average of some numbers.",
            "",
            "Args:",
            "    values: the numbers.",
            "",
            "Returns:",
            "    Their average, or None for an empty list.",
        ],
    },
    Shot {
        languages: &["c", "c++", "cuda", "objective-c", "objective-c++"],
        lines: &[
            (
                "takes numbers and how many there are",
                "double average(const double *values, int count) {",
            ),
            ("the sum begins at zero", "    double sum = 0;"),
            (
                "visits every number",
                "    for (int i = 0; i < count; i++) {",
            ),
            ("and adds it to the sum", "        sum += values[i];"),
            ("", "    }"),
            ("shares the sum out evenly", "    return sum / count;"),
            ("", "}"),
        ],
        doc: &[
            "Average of some numbers.",
            "",
            "@param values the numbers",
            "@param count how many there are",
            "@return their average",
        ],
    },
    Shot {
        languages: &["java", "groovy"],
        lines: &[
            (
                "takes an array of numbers",
                "static double average(double[] values) {",
            ),
            ("the sum begins at zero", "    double sum = 0;"),
            ("visits every number", "    for (double value : values) {"),
            ("and adds it to the sum", "        sum += value;"),
            ("", "    }"),
            (
                "shares the sum out evenly",
                "    return sum / values.length;",
            ),
            ("", "}"),
        ],
        doc: PARAMS,
    },
    Shot {
        languages: &["c#"],
        lines: &[
            (
                "takes an array of numbers",
                "static double Average(double[] values) {",
            ),
            ("the sum begins at zero", "    double sum = 0;"),
            (
                "visits every number",
                "    foreach (double value in values) {",
            ),
            ("and adds it to the sum", "        sum += value;"),
            ("", "    }"),
            (
                "shares the sum out evenly",
                "    return sum / values.Length;",
            ),
            ("", "}"),
        ],
        doc: &[
            "<summary>Average of some numbers.</summary>",
            "<param name=\"values\">the numbers</param>",
            "<returns>their average</returns>",
        ],
    },
    Shot {
        languages: &["javascript", "typescript"],
        lines: &[
            ("takes an array of numbers", "function average(values) {"),
            ("the sum begins at zero", "  let sum = 0;"),
            ("visits every number", "  for (const value of values) {"),
            ("and adds it to the sum", "    sum += value;"),
            ("", "  }"),
            ("shares the sum out evenly", "  return sum / values.length;"),
            ("", "}"),
        ],
        doc: &[
            "Average of some numbers.",
            "",
            "@param {number[]} values the numbers",
            "@returns {number} their average",
        ],
    },
    Shot {
        languages: &["php"],
        lines: &[
            ("takes an array of numbers", "function average($values) {"),
            ("adds the numbers up", "    $sum = array_sum($values);"),
            (
                "shares the sum out evenly",
                "    return $sum / count($values);",
            ),
            ("", "}"),
        ],
        doc: PARAMS,
    },
    Shot {
        languages: &["go"],
        lines: &[
            (
                "takes a slice of numbers",
                "func Average(values []float64) float64 {",
            ),
            ("the sum begins at zero", "\tsum := 0.0"),
            ("visits every number", "\tfor _, value := range values {"),
            ("and adds it to the sum", "\t\tsum += value"),
            ("", "\t}"),
            (
                "shares the sum out evenly",
                "\treturn sum / float64(len(values))",
            ),
            ("", "}"),
        ],
        doc: &["Average returns the average of some numbers."],
    },
    Shot {
        languages: &["rust"],
        lines: &[
            (
                "takes a slice of numbers",
                "fn average(values: &[f64]) -> f64 {",
            ),
            (
                "adds the numbers up",
                "    let sum: f64 = values.iter().sum();",
            ),
            ("shares the sum out evenly", "    sum / values.len() as f64"),
            ("", "}"),
        ],
        doc: &["Average of some numbers; NaN without any."],
    },
    Shot {
        languages: &["ruby"],
        lines: &[
            ("takes an array of numbers", "def average(values)"),
            (
                "shares their sum out evenly",
                "  values.sum / values.size.to_f",
            ),
            ("", "end"),
        ],
        doc: &[
            "Average of some numbers.",
            "",
            "@param values [Array<Numeric>] the numbers",
            "@return [Float] their average",
        ],
    },
    Shot {
        languages: &["shell"],
        lines: &[
            ("takes numbers as arguments", "average() {"),
            ("the sum begins at zero", "  local sum=0 value"),
            ("visits every number", "  for value in \"$@\"; do"),
            ("and adds it to the sum", "    sum=$((sum + value))"),
            ("", "  done"),
            ("prints the sum shared out evenly", "  echo $((sum / $#))"),
            ("", "}"),
        ],
        doc: &["Prints the average of its arguments, rounded down."],
    },
];

impl Shot {
    /// The example for a language, if there is one.
    pub fn of(language: Language) -> Option<&'static Self> {
        SHOTS
            .iter()
            .find(|shot| shot.languages.contains(&language.name()))
    }

    /// The function alone, each line with its line break.
    pub fn code(&self) -> String {
        self.lines
            .iter()
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    }

    /// The function with a comment before each line that has one.
    pub fn explained(&self, (open, close): (&str, &str)) -> String {
        let mut text = String::new();
        for (said, line) in self.lines {
            if !said.is_empty() {
                text += &line[..line.len() - line.trim_start().len()];
                text += &format!("{open}{said}{close}\n");
            }
            text += &format!("{line}\n");
        }
        text
    }

    /// The first line, and the others, each with its line break.
    pub fn head_and_body(&self) -> (String, String) {
        let code = self.code();
        let (head, body) = code.split_once('\n').unwrap_or((&code, ""));
        (format!("{head}\n"), body.to_owned())
    }

    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = &'static Self> {
        SHOTS.iter()
    }

    #[cfg(test)]
    pub fn languages(&self) -> &[&str] {
        self.languages
    }
}
