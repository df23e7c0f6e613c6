//! Reader of the pickles that `torch.save` writes: an allow-listed opcode machine.
//!
//! A pickle is a program. This machine knows the opcodes and the handful of globals that a
//! dictionary of tensors needs, builds plain data from them, and executes nothing; whatever else
//! it meets is an error that names it and its byte offset, as `python -m pickletools` counts it.
//!
//! Containers live in one arena and refer to each other by number, because a pickle may share a
//! value in many places or put a list inside itself: no value is ever copied, none is dropped
//! recursively, and memory is proportional to the length of the pickle. Whoever walks the result
//! must expect sharing and cycles.
//!
//! What this module does not do: text opcodes of protocols 0 and 1, classes, sets, big integers
//! (they come as [`Value::Big`]), or anything that torch needs only for training.

mod machine;

use crate::num::DType;

pub use machine::parse;
pub(super) use machine::parse_unless;

/// A value, small and copied freely; containers are [`Node`]s behind a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// An integer of more than 64 bits: the value is not kept.
    Big,
    /// A floating-point number.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// One of the allowed globals.
    Global(Global),
    /// A container, a storage or a tensor, see [`Pickle::node`].
    Node(u32),
}

/// The globals that a checkpoint may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch.HalfStorage` and its like.
    Storage(DType),
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", storage) => Self::Storage(match storage {
                "FloatStorage" => DType::F32,
                "HalfStorage" => DType::F16,
                "BFloat16Storage" => DType::BF16,
                "DoubleStorage" => DType::F64,
                "LongStorage" => DType::I64,
                "IntStorage" => DType::I32,
                "ShortStorage" => DType::I16,
                "CharStorage" => DType::I8,
                "ByteStorage" => DType::U8,
                "BoolStorage" => DType::Bool,
                _ => return None,
            }),
            _ => return None,
        })
    }
}

/// What a [`Value::Node`] stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// A tuple.
    Tuple(Box<[Value<'a>]>),
    /// A list.
    List(Vec<Value<'a>>),
    /// A dictionary or an `OrderedDict`, in the order of insertion; a key may come twice.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// A storage, by its persistent id.
    Storage(Box<Storage<'a>>),
    /// A tensor over a storage.
    Tensor(Box<TensorRecord<'a>>),
}

/// A storage as the pickle describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage<'a> {
    /// Element type.
    pub dtype: DType,
    /// Name of its file below `data/`.
    pub key: &'a str,
    /// Number of elements.
    pub elements: u64,
}

/// A tensor as the pickle describes it; nothing of it is checked against the data yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorRecord<'a> {
    /// The storage.
    pub storage: Storage<'a>,
    /// Elements before the first one.
    pub offset: u64,
    /// The tuple of dimensions.
    pub shape: Value<'a>,
    /// The tuple of strides, in elements.
    pub strides: Value<'a>,
    /// Where in the pickle the tensor is made.
    pub at: usize,
}

/// A pickle that was read.
#[derive(Debug, Clone)]
pub struct Pickle<'a> {
    root: Value<'a>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Pickle<'a> {
    /// The value that the pickle is.
    pub fn root(&self) -> Value<'a> {
        self.root
    }

    /// The container behind a value, unless it is none or of another pickle.
    pub fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(i) => self.nodes.get(i as usize),
            _ => None,
        }
    }

    /// Number of containers, storages and tensors.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The value as a dictionary.
    pub fn dict(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value) {
            Some(Node::Dict(items)) => Some(items),
            _ => None,
        }
    }

    /// The value as a tuple of numbers that are not negative.
    pub fn sizes(&self, value: Value<'a>) -> Option<impl ExactSizeIterator<Item = Option<u64>>> {
        match self.node(value) {
            Some(Node::Tuple(items)) => Some(items.iter().map(|v| match v {
                Value::Int(n) => u64::try_from(*n).ok(),
                _ => None,
            })),
            _ => None,
        }
    }
}
