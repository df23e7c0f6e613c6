//! Small `.pt` and safetensors files, made byte by byte so that they can be made wrong.

/// An entry of a zip file.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    /// Compression method in both headers.
    pub method: u16,
    /// Flags in both headers.
    pub flags: u16,
}

impl Entry {
    pub fn new(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            data: data.to_vec(),
            method: 0,
            flags: 0,
        }
    }
}

/// A zip file of stored entries.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for e in entries {
        let at = out.len() as u32;
        let size = e.data.len() as u32;
        let common = |out: &mut Vec<u8>| {
            out.extend(e.flags.to_le_bytes());
            out.extend(e.method.to_le_bytes());
            // Time, date, checksum: none is looked at.
            out.extend([0; 8]);
            out.extend(size.to_le_bytes());
            out.extend(size.to_le_bytes());
            out.extend((e.name.len() as u16).to_le_bytes());
            out.extend(0u16.to_le_bytes());
        };
        out.extend(b"PK\x03\x04\0\0");
        common(&mut out);
        out.extend(&e.name);
        out.extend(&e.data);
        directory.extend(b"PK\x01\x02\0\0\0\0");
        common(&mut directory);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(&e.name);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    let n = (entries.len() as u16).to_le_bytes();
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(n);
    out.extend(n);
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out
}

/// Where a zip file made by [`zip`] has its directory and its end record.
pub fn zip_places(zip: &[u8]) -> (usize, usize) {
    let end = zip.len() - 22;
    let mut start = [0; 4];
    start.copy_from_slice(&zip[end + 16..end + 20]);
    (u32::from_le_bytes(start) as usize, end)
}

/// Writes pickles.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.op(b"X")
            .op(&(text.len() as u32).to_le_bytes())
            .op(text.as_bytes())
    }

    pub fn int(self, n: i64) -> Self {
        self.op(&[0x8a, 8]).op(&n.to_le_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op(b"("), |p, &n| p.int(n)).op(b"t")
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())`
    pub fn tensor(self, t: &PickledTensor) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", t.storage)
            .text(t.key)
            .text("cpu")
            .int(t.elements)
            .op(b"tQ")
            .int(t.offset)
            .ints(t.shape)
            .ints(t.strides)
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    /// A dictionary of one tensor named `w`, all there is.
    pub fn of(t: &PickledTensor) -> Vec<u8> {
        Self::new().op(b"}").text("w").tensor(t).op(b"s.").0
    }
}

/// What a pickle says of a tensor.
#[derive(Clone, Copy)]
pub struct PickledTensor {
    pub storage: &'static str,
    pub key: &'static str,
    pub elements: i64,
    pub offset: i64,
    pub shape: &'static [i64],
    pub strides: &'static [i64],
}

/// A 2 × 3 matrix of halves that fills storage `0`.
pub const MATRIX: PickledTensor = PickledTensor {
    storage: "HalfStorage",
    key: "0",
    elements: 6,
    offset: 0,
    shape: &[2, 3],
    strides: &[3, 1],
};

/// A checkpoint of that pickle and a storage `0` of six halves.
pub fn pt(pickle: &[u8]) -> Vec<u8> {
    zip(&[
        Entry::new("m/data.pkl", pickle),
        Entry::new("m/byteorder", b"little"),
        Entry::new("m/data/0", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ])
}

/// A safetensors file of that header and that many bytes of data.
pub fn safetensors(json: &str, data: usize) -> Vec<u8> {
    let mut out = (json.len() as u64).to_le_bytes().to_vec();
    out.extend(json.as_bytes());
    out.extend(std::iter::repeat_n(7, data));
    out
}
