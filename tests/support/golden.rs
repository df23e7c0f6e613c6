//! Reference data in safetensors, and models run over it.

use codegeex::cancel::Control;
use codegeex::model::{Input, Model, Wanted};
use safetensors::SafeTensors;

/// A safetensors file of reference data.
pub struct Golden(Vec<u8>);

impl Golden {
    /// Nothing where the large reference data is not at hand.
    pub fn open(path: &str) -> Option<Self> {
        Some(Self(std::fs::read(super::shared(path)?).unwrap()))
    }

    /// Any safetensors file.
    pub fn read(path: &std::path::Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    pub fn get<T: bytemuck::Pod>(&self, name: &str) -> Option<Vec<T>> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let data = tensors.tensor(name).ok()?;
        Some(bytemuck::allocation::pod_collect_to_vec(data.data()))
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.get(name).unwrap()
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).unwrap()
    }

    pub fn cases(&self) -> usize {
        let has = |i: &usize| self.get::<u32>(&format!("case{i}.ids")).is_some();
        (0..).take_while(has).count()
    }
}

/// Rows of 257 ids of code that the default model was not trained on, 64 of them.
pub fn held_out() -> Vec<u32> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/perplexity_ids.safetensors"
    );
    Golden::read(path.as_ref()).ids("ids")
}

/// The largest difference; NaN where there is one.
pub fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |a: f32, b| if b > a || b.is_nan() { b } else { a })
}

#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    let worst = worst(found, expected);
    eprintln!("{what}: differs by {worst}");
    assert!(worst <= tolerance, "{what}: differs by {worst}");
}

pub fn argmax(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// Logits of a sequence fed in pieces of the given lengths, the last repeated.
pub fn logits(model: &dyn Model, ids: &[u32], pieces: &[usize]) -> Vec<Vec<f32>> {
    let mut state = model.new_state();
    let mut rows = Vec::new();
    let mut pieces = pieces
        .iter()
        .copied()
        .chain(std::iter::repeat(pieces[pieces.len() - 1]));
    let mut rest = ids;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(pieces.next().unwrap().min(rest.len()));
        rest = after;
        let mut batch = [Input::new(&mut *state, piece, Wanted::All)];
        let logits = model.forward(&mut batch, &Control::new()).unwrap();
        rows.extend(logits.rows(0).map(<[f32]>::to_vec));
    }
    rows
}

/// Perplexity of rows of ids, each from its second on.
pub fn perplexity(model: &dyn Model, ids: &[u32], row: usize) -> f64 {
    let (mut sum, mut tokens) = (0.0, 0);
    for row in ids.chunks(row) {
        let rows = logits(model, &row[..row.len() - 1], &[row.len()]);
        for (logits, &id) in rows.iter().zip(&row[1..]) {
            sum += f64::from(codegeex::generate::log_probability(logits, id));
            tokens += 1;
        }
    }
    (-sum / f64::from(tokens)).exp()
}

/// The prompt and the most likely ids that follow it, up to a length.
pub fn greedy(model: &dyn Model, prompt: &[u32], length: usize) -> Vec<u32> {
    let mut state = model.new_state();
    let mut ids = prompt.to_vec();
    let mut fed = 0;
    while ids.len() < length {
        let input = Input::new(&mut *state, &ids[fed..], Wanted::Last);
        let found = model.forward(&mut [input], &Control::new()).unwrap();
        fed = ids.len();
        ids.push(argmax(found.last(0).unwrap()) as u32);
    }
    ids
}

/// The root of the mean square of the difference, in relation to that of the expected values.
pub fn relative(found: &[f32], expected: &[f32]) -> f32 {
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>();
    let difference = squares(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (difference / squares(&mut expected.iter().copied())).sqrt()
}

/// The folders in a folder, with their names, in order.
pub fn folders(root: &std::path::Path) -> Vec<(String, std::path::PathBuf)> {
    let entries = std::fs::read_dir(root).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    found
}
