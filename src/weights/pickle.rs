//! Reader of the pickles that `torch.save` writes: an opcode machine that runs nothing.
//!
//! A pickle is a program. This machine knows the handful of globals that a dictionary of tensors
//! needs, and builds plain data from them. Any other global, and whatever the pickle makes with it
//! (an `argparse.Namespace`, a NumPy array, a random state), is one inert value, [`Value::Inert`],
//! that remembers the global's name and nothing else. A broken pickle is an error with its byte
//! offset, as `python -m pickletools` counts it.
//!
//! Containers live in one arena and refer to each other by number, because a pickle may share a
//! value in many places or put a list inside itself: no value is ever copied, none is dropped
//! recursively, and memory is proportional to the length of the pickle. A reader of the result
//! must expect sharing and cycles.
//!
//! What this module does not do: text opcodes of protocols 0 and 1, extension codes, out-of-band
//! buffers, or big integers (they come as [`Value::Big`]).

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
    /// Bytes, or text that has no UTF-8 form.
    Bytes(&'a [u8]),
    /// One of the known globals.
    Global(Global),
    /// Any other global, or an object made with it, see [`Pickle::origin`].
    Inert(u32),
    /// A container, a storage or a tensor, see [`Pickle::node`].
    Node(u32),
}

/// The globals that a dictionary of tensors needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// `torch._utils._rebuild_tensor_v2`, for typed storages.
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v3`, for untyped storages.
    RebuildTensorOfType,
    /// `torch._utils._rebuild_parameter` and `_rebuild_parameter_with_state`.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`, for tensors with attributes.
    RebuildWithAttributes,
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch.Size`
    Size,
    /// `torch.HalfStorage` and its like.
    Storage(DType),
    /// `torch.storage.UntypedStorage`
    UntypedStorage,
    /// `torch.float16` and its like.
    DType(DType),
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTensorOfType,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildWithAttributes,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => {
                Self::UntypedStorage
            }
            ("torch", "Size") => Self::Size,
            ("torch", name) => match name {
                "FloatStorage" => Self::Storage(DType::F32),
                "HalfStorage" => Self::Storage(DType::F16),
                "BFloat16Storage" => Self::Storage(DType::BF16),
                "DoubleStorage" => Self::Storage(DType::F64),
                "LongStorage" => Self::Storage(DType::I64),
                "IntStorage" => Self::Storage(DType::I32),
                "ShortStorage" => Self::Storage(DType::I16),
                "CharStorage" => Self::Storage(DType::I8),
                "ByteStorage" => Self::Storage(DType::U8),
                "BoolStorage" => Self::Storage(DType::Bool),
                "float32" => Self::DType(DType::F32),
                "float16" => Self::DType(DType::F16),
                "bfloat16" => Self::DType(DType::BF16),
                "float64" => Self::DType(DType::F64),
                "int64" => Self::DType(DType::I64),
                "int32" => Self::DType(DType::I32),
                "int16" => Self::DType(DType::I16),
                "int8" => Self::DType(DType::I8),
                "uint8" => Self::DType(DType::U8),
                "bool" => Self::DType(DType::Bool),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// A global that the machine does not know, with what the pickle makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Its module.
    pub module: &'a str,
    /// Its name in the module.
    pub name: &'a str,
    /// Where in the pickle it is named.
    pub at: usize,
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
    /// A storage, by its persistent id, see [`Pickle::storage`].
    Storage(u32),
    /// A tensor over a storage, see [`Pickle::tensor`].
    Tensor(u32),
}

/// A storage as the pickle describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage<'a> {
    /// Element type; none of an untyped storage, whose elements are bytes.
    pub dtype: Option<DType>,
    /// Name of its file below `data/`.
    pub key: &'a str,
    /// Number of elements.
    pub elements: u64,
}

/// A tensor as the pickle describes it; nothing of it is checked against the data yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorRecord<'a> {
    /// Element type.
    pub dtype: DType,
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
#[derive(Debug)]
pub struct Pickle<'a> {
    root: Value<'a>,
    nodes: Vec<Node<'a>>,
    storages: Vec<Storage<'a>>,
    tensors: Vec<TensorRecord<'a>>,
    origins: Vec<Origin<'a>>,
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

    /// The global that an inert value comes from.
    pub fn origin(&self, value: Value<'a>) -> Option<&Origin<'a>> {
        match value {
            Value::Inert(i) => self.origins.get(i as usize),
            _ => None,
        }
    }

    /// Number of containers, storages and tensors.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Every tensor, in the order in which the pickle makes them.
    pub fn tensors(&self) -> &[TensorRecord<'a>] {
        &self.tensors
    }

    /// The value as a dictionary.
    pub fn dict(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value) {
            Some(Node::Dict(items)) => Some(items),
            _ => None,
        }
    }

    /// The value as a storage.
    pub fn storage(&self, value: Value<'a>) -> Option<&Storage<'a>> {
        match self.node(value) {
            Some(Node::Storage(i)) => self.storages.get(*i as usize),
            _ => None,
        }
    }

    /// The value as a tensor.
    pub fn tensor(&self, value: Value<'a>) -> Option<&TensorRecord<'a>> {
        match self.node(value) {
            Some(Node::Tensor(i)) => self.tensors.get(*i as usize),
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
