//! The report of an experiment: pass@k of each task with its interval, averages, and budgets that
//! are spent over languages; as a table, JSON and CSV. Charts are those of
//! [`chart`](super::chart).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::dataset::EvalLanguage;
use super::merge::{EvalTask, Tally};
use super::passk::{Bootstrap, Count, Estimate, pass_at_budget, pass_at_k, split_budget};
use super::samples::Run;
use super::verdict::Verdict;
use crate::error::{Result, bail};

/// What a report has in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReportOptions {
    /// The k; none stands for those of 1, 10 and 100 that there are samples for.
    pub k: Vec<u32>,
    /// Budgets to spend over languages, in samples a problem.
    pub budgets: Vec<u32>,
    /// Languages that share a budget, and what each weighs. The default has the shares of the
    /// paper's training corpus, in percent.
    pub weights: Vec<(EvalLanguage, f64)>,
    /// The intervals.
    pub bootstrap: Bootstrap,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            k: Vec::new(),
            budgets: Vec::new(),
            weights: vec![
                (EvalLanguage::Cpp, 33.0),
                (EvalLanguage::Python, 32.0),
                (EvalLanguage::Java, 20.0),
                (EvalLanguage::JavaScript, 9.0),
                (EvalLanguage::Go, 6.0),
            ],
            bootstrap: Bootstrap::default(),
        }
    }
}

/// pass@k as a share of one, with the interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PassAtK {
    /// Samples of each problem that the budget takes.
    pub k: u32,
    /// The mean over problems.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl PassAtK {
    fn new(k: u32, estimate: Estimate) -> Self {
        let Estimate { mean, low, high } = estimate;
        Self { k, mean, low, high }
    }
}

/// A task in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskReport {
    /// The language of the answers.
    pub language: EvalLanguage,
    /// In a translation, the language of the solutions.
    pub source: Option<EvalLanguage>,
    /// Problems.
    pub problems: usize,
    /// Samples of each problem; of the one that has the fewest, where they differ.
    pub samples: u32,
    /// Samples in all.
    pub samples_in_all: u64,
    /// Those that passed.
    pub passed: u64,
    /// One for each k.
    pub pass_at_k: Vec<PassAtK>,
    /// How often each verdict was given.
    pub verdicts: BTreeMap<String, u64>,
    /// What the samples were made with, where that is known.
    pub run: Option<Run>,
}

impl TaskReport {
    /// The task.
    pub fn task(&self) -> EvalTask {
        EvalTask::new(self.language, self.source)
    }
}

/// The mean over all languages or all pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Average {
    /// `generation` or `translation`.
    pub task: &'static str,
    /// How many languages or pairs.
    pub of: usize,
    /// One for each k.
    pub pass_at_k: Vec<PassAtK>,
}

/// A way to spend a budget: `best_single`, `uniform` or `weighted`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Allocation {
    /// Its name.
    pub strategy: &'static str,
    /// Samples of each language.
    pub parts: Vec<(EvalLanguage, u32)>,
    /// How many problems it solves; its k is the budget.
    pub solved: PassAtK,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Share of the resampled means that an interval holds.
    pub confidence: f64,
    /// Bootstrap resamples.
    pub resamples: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Generations, then translations.
    pub tasks: Vec<TaskReport>,
    /// Of the generations and of the translations, where there is more than one over the same
    /// problems.
    pub averages: Vec<Average>,
    /// Budgets spent over languages, in the order of the options.
    pub allocations: Vec<Allocation>,
}

impl Report {
    /// Computes a report.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a k or a part of a budget for
    /// which there are too few samples, and for budgets over fewer than two languages or over
    /// languages that do not have the same problems.
    pub fn new(tallies: &[Tally], options: &ReportOptions) -> Result<Self> {
        let Bootstrap {
            resamples,
            confidence,
            seed,
        } = options.bootstrap;
        let ks = ks(tallies, &options.k)?;
        let mut report = Self {
            confidence,
            resamples,
            seed,
            tasks: Vec::new(),
            averages: Vec::new(),
            allocations: Vec::new(),
        };
        let is_generation = |t: &&Tally| t.task.source().is_none();
        let (generations, translations): (Vec<&Tally>, _) = tallies.iter().partition(is_generation);
        for (task, tallies) in [("generation", &generations), ("translation", &translations)] {
            report.add(task, tallies, &ks, &options.bootstrap)?;
        }
        for &budget in &options.budgets {
            report.spend(budget, &generations, options)?;
        }
        Ok(report)
    }

    /// Adds tasks of a kind and their average.
    fn add(
        &mut self,
        task: &'static str,
        tallies: &[&Tally],
        ks: &[u32],
        bootstrap: &Bootstrap,
    ) -> Result<()> {
        let alike = are_alike(tallies);
        let mut sums: Vec<Vec<f64>> = Vec::new();
        for tally in tallies {
            let lists = (ks.iter())
                .map(|&k| each(tally, |c| pass_at_k(c.samples, c.passed, k)))
                .collect::<Result<Vec<_>>>()?;
            let estimates = bootstrap.estimate(&lists)?;
            let counts = || tally.counts.values();
            self.tasks.push(TaskReport {
                language: tally.task.language(),
                source: tally.task.source(),
                problems: tally.counts.len(),
                samples: counts().map(|c| c.samples).min().unwrap_or(0),
                samples_in_all: counts().map(|c| u64::from(c.samples)).sum(),
                passed: counts().map(|c| u64::from(c.passed)).sum(),
                pass_at_k: with_k(ks, estimates),
                verdicts: tally.verdicts.clone(),
                run: tally.run.clone(),
            });
            if sums.is_empty() {
                sums = lists;
            } else if alike {
                for (sum, list) in sums.iter_mut().zip(lists) {
                    sum.iter_mut().zip(list).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        if tallies.len() > 1 && alike {
            let of = tallies.len();
            for x in sums.iter_mut().flatten() {
                *x /= of as f64;
            }
            let pass_at_k = with_k(ks, bootstrap.estimate(&sums)?);
            self.averages.push(Average {
                task,
                of,
                pass_at_k,
            });
        }
        Ok(())
    }

    /// Adds the three ways of spending a budget (paper, section 4.3).
    fn spend(
        &mut self,
        budget: u32,
        generations: &[&Tally],
        options: &ReportOptions,
    ) -> Result<()> {
        let shares: Vec<(&Tally, f64)> = (generations.iter())
            .filter_map(|tally| {
                let mut weights = options.weights.iter();
                let weight = weights.find(|(l, _)| *l == tally.task.language())?;
                Some((*tally, weight.1))
            })
            .collect();
        let tallies: Vec<&Tally> = shares.iter().map(|s| s.0).collect();
        if tallies.len() < 2 || !are_alike(&tallies) {
            bail!(
                InvalidArgument,
                "a budget over {} languages, expected results of generation in two languages or \
                 more that have a weight, over the same problems",
                tallies.len()
            );
        }
        let weights: Vec<f64> = shares.iter().map(|s| s.1).collect();
        let singles = (0..tallies.len()).map(|i| {
            let mut parts = vec![0; tallies.len()];
            parts[i] = budget;
            parts
        });
        let uniform = split_budget(budget, &vec![1.0; tallies.len()])?;
        let weighted = split_budget(budget, &weights)?;
        let all: Vec<Vec<u32>> = singles.chain([uniform, weighted]).collect();
        let lists = (all.iter())
            .map(|parts| solved(&tallies, parts))
            .collect::<Result<Vec<_>>>()?;
        let estimates = options.bootstrap.estimate(&lists)?;
        let n = tallies.len();
        let best = (0..n).max_by(|&a, &b| {
            // The first of equals.
            (estimates[a].mean.total_cmp(&estimates[b].mean)).then(b.cmp(&a))
        });
        let chosen = [
            ("best_single", best.unwrap_or(0)),
            ("uniform", n),
            ("weighted", n + 1),
        ];
        for (strategy, i) in chosen {
            let languages = tallies.iter().map(|t| t.task.language());
            self.allocations.push(Allocation {
                strategy,
                parts: languages.zip(all[i].iter().copied()).collect(),
                solved: PassAtK::new(budget, estimates[i]),
            });
        }
        Ok(())
    }

    /// As JSON, on several lines.
    pub fn to_json(&self) -> String {
        // Numbers are finite and keys are text, so that there is nothing to fail at.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// As CSV: a line for each task, average and allocation with each k, after a line of names.
    pub fn to_csv(&self) -> String {
        let mut out = "task,source,language,strategy,problems,samples,k,mean,low,high\n".to_owned();
        let mut line = |head: String, p: &PassAtK| {
            let PassAtK { k, mean, low, high } = p;
            let _ = writeln!(out, "{head},{k},{mean},{low},{high}");
        };
        for t in &self.tasks {
            let task = kind(t.source);
            let source = t.source.map_or("", EvalLanguage::name);
            let head = format!(
                "{task},{source},{},,{},{}",
                t.language, t.problems, t.samples
            );
            t.pass_at_k.iter().for_each(|p| line(head.clone(), p));
        }
        for a in &self.averages {
            let head = format!("{},,average,,,", a.task);
            a.pass_at_k.iter().for_each(|p| line(head.clone(), p));
        }
        for a in &self.allocations {
            line(format!("budget,,all,{},,", a.strategy), &a.solved);
        }
        out
    }

    /// As text for a terminal, in percent.
    pub fn to_table(&self) -> String {
        let mut out = String::new();
        for task in ["generation", "translation"] {
            self.pass_table(task, &mut out);
        }
        self.verdict_table(&mut out);
        self.style_lines(&mut out);
        if !self.allocations.is_empty() {
            let head = ["budget", "strategy", "solved", "samples"];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            for a in &self.allocations {
                let parts: Vec<String> = (a.parts.iter())
                    .filter(|(_, part)| *part > 0)
                    .map(|(language, part)| format!("{language} {part}"))
                    .collect();
                rows.push(vec![
                    a.solved.k.to_string(),
                    a.strategy.replace('_', " "),
                    percent(&a.solved),
                    parts.join(", "),
                ]);
            }
            lay_out(&rows, &[1, 3], &mut out);
        }
        let _ = writeln!(
            out,
            "pass@k in percent, with the {} % interval of {} resamples of the problems",
            self.confidence * 100.0,
            self.resamples
        );
        out
    }

    /// What of the samples' making is the model family's: one line for each kind.
    fn style_lines(&self, out: &mut String) {
        let runs = self.tasks.iter().filter_map(|t| Some((t, t.run.as_ref()?)));
        let styles = runs.map(|(task, run)| {
            let family = match &*run.family {
                "" => "unknown",
                family => family,
            };
            let prompt = match (task.source, run.tag) {
                (Some(_), _) => "solution and declaration",
                (None, true) => "language tag",
                (None, false) => "plain",
            };
            format!("model family {family}, prompt: {prompt}, cut: {}", run.cut)
        });
        for style in BTreeSet::from_iter(styles) {
            let _ = writeln!(out, "{style}");
        }
    }

    fn pass_table(&self, task: &str, out: &mut String) {
        let tasks: Vec<&TaskReport> = (self.tasks.iter())
            .filter(|t| kind(t.source) == task)
            .collect();
        let Some(first) = tasks.first() else {
            return;
        };
        let mut head = vec![task.to_owned(), "problems".to_owned(), "samples".to_owned()];
        head.extend(first.pass_at_k.iter().map(|p| format!("pass@{}", p.k)));
        let mut rows = vec![head];
        for t in tasks {
            let name = match t.source {
                Some(source) => format!("{source} to {}", t.language),
                None => t.language.to_string(),
            };
            let mut row = vec![name, t.problems.to_string(), t.samples.to_string()];
            row.extend(t.pass_at_k.iter().map(percent));
            rows.push(row);
        }
        for a in self.averages.iter().filter(|a| a.task == task) {
            let mut row = vec![format!("average of {}", a.of), String::new(), String::new()];
            row.extend(a.pass_at_k.iter().map(percent));
            rows.push(row);
        }
        lay_out(&rows, &[0], out);
    }

    fn verdict_table(&self, out: &mut String) {
        let mut names: Vec<&String> = self.tasks.iter().flat_map(|t| t.verdicts.keys()).collect();
        // In their own order, those of other programs after them.
        let place = |name: &str| Verdict::ALL.iter().position(|v| v.name() == name);
        names.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), *name));
        names.dedup();
        let mut head = vec!["verdicts".to_owned()];
        head.extend(names.iter().map(|n| n.replace('_', " ")));
        let mut rows = vec![head];
        for t in &self.tasks {
            let mut row = vec![match t.source {
                Some(source) => format!("{source} to {}", t.language),
                None => t.language.to_string(),
            }];
            let number = |name: &&String| t.verdicts.get(*name).copied().unwrap_or(0).to_string();
            row.extend(names.iter().map(number));
            rows.push(row);
        }
        lay_out(&rows, &[0], out);
    }
}

/// Writes rows in columns, these to the left and the others to the right, and a blank line.
fn lay_out(rows: &[Vec<String>], to_the_left: &[usize], out: &mut String) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|row| row.get(c));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = match to_the_left.contains(&c) {
                true => write!(line, "{cell:width$}  "),
                false => write!(line, "{cell:>width$}  "),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
}

fn percent(p: &PassAtK) -> String {
    let [mean, low, high] = [p.mean, p.low, p.high].map(|x| x * 100.0);
    format!("{mean:.2} [{low:.2}, {high:.2}]")
}

fn kind(source: Option<EvalLanguage>) -> &'static str {
    match source {
        Some(_) => "translation",
        None => "generation",
    }
}

fn with_k(ks: &[u32], estimates: Vec<Estimate>) -> Vec<PassAtK> {
    let pairs = ks.iter().zip(estimates);
    pairs.map(|(&k, e)| PassAtK::new(k, e)).collect()
}

/// The k for which every problem has samples.
fn ks(tallies: &[Tally], asked: &[u32]) -> Result<Vec<u32>> {
    let counts = tallies.iter().flat_map(|t| t.counts.values());
    let fewest = counts.map(|c| c.samples).min().unwrap_or(0);
    if let Some(k) = asked.iter().find(|&&k| k > fewest || k == 0) {
        bail!(
            InvalidArgument,
            "pass@{k} where a problem has {fewest} samples, expected a k from 1 to {fewest}"
        );
    }
    let mut ks = match asked {
        [] => vec![1, 10, 100],
        asked => asked.to_vec(),
    };
    ks.retain(|&k| k <= fewest);
    ks.sort_unstable();
    ks.dedup();
    Ok(ks)
}

/// Whether all have the same problems.
fn are_alike(tallies: &[&Tally]) -> bool {
    let numbers = |t: &Tally| t.counts.keys().copied().collect::<Vec<_>>();
    tallies.windows(2).all(|w| numbers(w[0]) == numbers(w[1]))
}

fn each(tally: &Tally, value: impl Fn(&Count) -> Result<f64>) -> Result<Vec<f64>> {
    tally.counts.values().map(value).collect()
}

/// The chance that parts of a budget solve each problem.
fn solved(tallies: &[&Tally], parts: &[u32]) -> Result<Vec<f64>> {
    let numbers = tallies
        .first()
        .map(|t| t.counts.keys())
        .into_iter()
        .flatten();
    numbers
        .map(|number| {
            let counts: Vec<Count> = (tallies.iter())
                .filter_map(|t| t.counts.get(number).copied())
                .collect();
            pass_at_budget(&counts, parts)
        })
        .collect()
}

#[cfg(test)]
mod tests;
