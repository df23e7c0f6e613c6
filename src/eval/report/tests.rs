// Outside of the crate the options can be made no other way.
#![allow(clippy::field_reassign_with_default)]

use super::*;
use crate::eval::passk::pass_at_k;

fn tally(task: EvalTask, samples: u32, passed: &[u32]) -> Tally {
    let count = |&passed| Count { samples, passed };
    let all: u32 = passed.iter().sum();
    let failed = samples * passed.len() as u32 - all;
    Tally {
        task,
        counts: (0..).zip(passed.iter().map(count)).collect(),
        verdicts: BTreeMap::from([
            ("passed".to_owned(), u64::from(all)),
            ("wrong_answer".to_owned(), u64::from(failed)),
        ]),
        run: None,
    }
}

fn three() -> Vec<Tally> {
    vec![
        tally(
            EvalTask::Generation(EvalLanguage::Python),
            20,
            &[20, 5, 0, 1],
        ),
        tally(EvalTask::Generation(EvalLanguage::Go), 20, &[0, 0, 3, 10]),
        tally(
            EvalTask::new(EvalLanguage::Go, Some(EvalLanguage::Java)),
            20,
            &[4, 4, 4, 4],
        ),
    ]
}

#[test]
fn means_averages_and_the_k_that_there_are_samples_for() {
    let report = Report::new(&three(), &ReportOptions::default()).unwrap();
    let p = |n, c, k| pass_at_k(n, c, k).unwrap();
    let ks: Vec<u32> = report.tasks[0].pass_at_k.iter().map(|p| p.k).collect();
    assert_eq!(ks, [1, 10]);
    let python = (p(20, 20, 10) + p(20, 5, 10) + 0.0 + p(20, 1, 10)) / 4.0;
    assert_eq!(report.tasks[0].pass_at_k[1].mean, python);
    let go = (p(20, 3, 10) + p(20, 10, 10)) / 4.0;
    assert_eq!(report.tasks[1].pass_at_k[1].mean, go);
    assert_eq!((report.tasks[1].passed, report.tasks[1].samples), (13, 20));
    // One translation has no average.
    assert_eq!(report.averages.len(), 1);
    let average = &report.averages[0];
    assert_eq!((average.task, average.of), ("generation", 2));
    let found = average.pass_at_k[1];
    assert!((found.mean - (python + go) / 2.0).abs() < 1e-15);
    assert!(found.low < found.mean && found.mean < found.high);
    // All problems are alike there.
    let translation = report.tasks[2].pass_at_k[0];
    assert!((translation.low - 0.2).abs() < 1e-15 && (translation.high - 0.2).abs() < 1e-15);
}

#[test]
fn languages_with_other_problems_have_no_average() {
    let mut tallies = three();
    tallies[1].counts.remove(&3);
    let report = Report::new(&tallies, &ReportOptions::default()).unwrap();
    assert!(report.averages.is_empty());
    let mut options = ReportOptions::default();
    options.budgets = vec![10];
    assert!(Report::new(&tallies, &options).is_err());
}

#[test]
fn budgets_are_spent_in_three_ways() {
    let mut options = ReportOptions::default();
    options.budgets = vec![10];
    options.weights = vec![(EvalLanguage::Python, 3.0), (EvalLanguage::Go, 1.0)];
    let report = Report::new(&three(), &options).unwrap();
    let p = |c, k| pass_at_k(20, c, k).unwrap();
    let both = |a: [u32; 4], i, b: [u32; 4], j| {
        let solved = |n: usize| 1.0 - (1.0 - p(a[n], i)) * (1.0 - p(b[n], j));
        (0..4).map(solved).sum::<f64>() / 4.0
    };
    let (python, go) = ([20, 5, 0, 1], [0, 0, 3, 10]);
    let expected = [
        ("best_single", [10, 0], both(python, 10, go, 0)),
        ("uniform", [5, 5], both(python, 5, go, 5)),
        ("weighted", [8, 2], both(python, 8, go, 2)),
    ];
    assert_eq!(report.allocations.len(), 3);
    for (found, (strategy, parts, mean)) in report.allocations.iter().zip(expected) {
        assert_eq!(found.strategy, strategy);
        let languages = [EvalLanguage::Python, EvalLanguage::Go];
        assert_eq!(
            found.parts,
            languages.into_iter().zip(parts).collect::<Vec<_>>()
        );
        assert!((found.solved.mean - mean).abs() < 1e-14, "{found:?}");
    }
    options.budgets = vec![21];
    let error = Report::new(&three(), &options).unwrap_err().to_string();
    assert!(error.contains("pass@21 of 20 samples"), "{error}");
    options.weights.truncate(1);
    assert!(Report::new(&three(), &options).is_err());
}

#[test]
fn a_k_without_samples_is_refused_where_it_was_asked_for() {
    let mut options = ReportOptions::default();
    for k in [0, 21] {
        options.k = vec![1, k];
        let error = Report::new(&three(), &options).unwrap_err().to_string();
        assert!(error.contains("expected a k from 1 to 20"), "{error}");
    }
    options.k = vec![20, 2, 2];
    let report = Report::new(&three(), &options).unwrap();
    let ks: Vec<u32> = report.tasks[0].pass_at_k.iter().map(|p| p.k).collect();
    assert_eq!(ks, [2, 20]);
}

#[test]
fn the_three_forms_say_the_same() {
    let mut options = ReportOptions::default();
    options.budgets = vec![4];
    let report = Report::new(&three(), &options).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    let python = &json["tasks"][0];
    assert_eq!(python["language"], "python");
    assert_eq!(python["source"], serde_json::Value::Null);
    assert_eq!(json["tasks"][2]["source"], "java");
    assert_eq!(python["verdicts"]["wrong_answer"], 54);
    assert_eq!(
        json["allocations"][1]["parts"][0],
        serde_json::json!(["python", 2])
    );

    let csv = report.to_csv();
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    // Names, three tasks and an average at two k, three allocations.
    assert_eq!(rows.len(), 1 + 6 + 2 + 3);
    assert!(rows.iter().all(|r| r.len() == rows[0].len()), "{csv}");
    let mean = python["pass_at_k"][1]["mean"].as_f64().unwrap();
    assert_eq!(
        rows[2][..7],
        ["generation", "", "python", "", "4", "20", "10"]
    );
    assert_eq!(rows[2][7].parse::<f64>().unwrap(), mean);

    let table = report.to_table();
    assert!(table.contains(&format!("{:.2} [", mean * 100.0)), "{table}");
    for part in [
        "java to go",
        "average of 2",
        "wrong answer",
        "best single",
        "python 4",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    assert!(table.lines().all(|l| l.len() < 100 && l == l.trim_end()));
}
