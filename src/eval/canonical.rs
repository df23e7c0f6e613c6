//! Canonical solutions as samples: the ground truth that an installation is checked with.

use super::dataset::Problem;
use super::samples::Sample;

/// Published problems whose own solution does not pass their own tests, and why. Every other one
/// does.
pub const BROKEN: &[(&str, &str)] = &[
    (
        "JavaScript/112",
        "the solution returns `(z, true)`, which is `true` in JavaScript, and the tests expect a list",
    ),
    (
        "JavaScript/155",
        "the solution counts no digit in 0, and the last test expects one",
    ),
    (
        "Rust/32",
        "the tests stand in a comment, so none runs; they would pass whatever compiles",
    ),
];

/// Why the canonical solution of a problem does not pass, if it is known not to.
pub fn broken(task_id: &str) -> Option<&'static str> {
    let found = BROKEN.iter().find(|(id, _)| *id == task_id);
    found.map(|(_, why)| *why)
}

/// The canonical solution of a problem as its sample number 0.
pub fn sample(problem: &Problem) -> Sample {
    let mut sample = Sample::new(
        &problem.task_id,
        &problem.prompt,
        &problem.canonical_solution,
    );
    sample.completion_id = Some(0);
    sample
}
