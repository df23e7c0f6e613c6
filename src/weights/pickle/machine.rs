//! The machine: opcodes in, values out.

use std::fmt;

use crate::bytes::Cursor;
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory;
use crate::num::DType;

use super::{Global, Node, Origin, Pickle, Storage, TensorRecord, Value};

/// Values of a pickle. A 13B checkpoint has some sixteen thousand; a tokenizer that was saved
/// beside the weights, half a million. At about a hundred bytes each in the worst case, this also
/// bounds what a pickle of any length makes this machine hold.
const MAX_VALUES: usize = 1 << 21;
/// Values that wait on the stack. Picklers put a thousand at a time there.
const MAX_STACK: usize = 1 << 16;
/// Nesting of marks. Python gives up near a thousand as well.
const MAX_MARKS: usize = 1000;

/// Reads a pickle.
///
/// # Errors
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) when it is broken or too deep, and
/// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for an opcode that no checkpoint
/// has, both with the byte offset; [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub fn parse(bytes: &[u8]) -> Result<Pickle<'_>> {
    parse_unless(bytes, &CancelToken::new())
}

/// [`parse`], unless it is cancelled meanwhile.
pub fn parse_unless<'a>(bytes: &'a [u8], cancel: &CancelToken) -> Result<Pickle<'a>> {
    let mut machine = Machine {
        input: Cursor::new(bytes, 0),
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        nodes: Vec::new(),
        storages: Vec::new(),
        tensors: Vec::new(),
        origins: Vec::new(),
        values: 0,
    };
    while !machine.step()? {
        cancel.check()?;
    }
    let root = machine.pop()?;
    if !machine.stack.is_empty() || !machine.marks.is_empty() {
        return Err(machine.broken("the end, with values left on the stack"));
    }
    let left = bytes.len() - machine.input.pos();
    if left != 0 {
        bail!(
            MalformedFile,
            "at byte {}: {left} bytes after the end of the pickle",
            machine.input.pos()
        );
    }
    Ok(Pickle {
        root,
        nodes: machine.nodes,
        storages: machine.storages,
        tensors: machine.tensors,
        origins: machine.origins,
    })
}

struct Machine<'a> {
    input: Cursor<'a>,
    /// Offset of the current opcode, for messages.
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: Vec<Value<'a>>,
    nodes: Vec<Node<'a>>,
    storages: Vec<Storage<'a>>,
    tensors: Vec<TensorRecord<'a>>,
    origins: Vec<Origin<'a>>,
    /// Everything pushed or remembered so far: the cap that bounds time and memory.
    values: usize,
}

impl<'a> Machine<'a> {
    /// Executes one opcode; true when it was the last.
    fn step(&mut self) -> Result<bool> {
        self.at = self.input.pos();
        let opcode = self.input.u8()?;
        match opcode {
            b'.' => return Ok(true),
            0x80 => self.protocol()?,
            0x95 => self.frame()?,
            b'(' => self.mark()?,
            b'0' => drop(self.pop()?),
            b'1' => {
                let from = self.pop_mark()?;
                self.stack.truncate(from);
            }
            b'2' => {
                let value = self.pop()?;
                self.push(value)?;
                self.push(value)?;
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let n = i64::from(self.input.u32()?.cast_signed());
                self.push(Value::Int(n))?;
            }
            b'K' => {
                let n = i64::from(self.input.u8()?);
                self.push(Value::Int(n))?;
            }
            b'M' => {
                let n = i64::from(self.input.u16()?);
                self.push(Value::Int(n))?;
            }
            0x8a => {
                let len = usize::from(self.input.u8()?);
                self.long(len)?;
            }
            0x8b => {
                let len = self.input.u32()?;
                self.long(len as usize)?;
            }
            b'G' => {
                // The one big-endian number of the format.
                let bits = self.input.u64()?.swap_bytes();
                self.push(Value::Float(f64::from_bits(bits)))?;
            }
            b'X' => {
                let len = u64::from(self.input.u32()?);
                self.text(len)?;
            }
            0x8c => {
                let len = u64::from(self.input.u8()?);
                self.text(len)?;
            }
            0x8d => {
                let len = self.input.u64()?;
                self.text(len)?;
            }
            b'U' | b'C' => {
                let len = u64::from(self.input.u8()?);
                self.bytes(len)?;
            }
            b'T' | b'B' => {
                let len = u64::from(self.input.u32()?);
                self.bytes(len)?;
            }
            0x8e | 0x96 => {
                let len = self.input.u64()?;
                self.bytes(len)?;
            }
            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.take_marked()?;
                self.make(Node::Tuple(items.into_boxed_slice()))?;
            }
            b']' => self.make(Node::List(Vec::new()))?,
            b'l' => {
                let items = self.take_marked()?;
                self.make(Node::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                if let Some(items) = self.list()? {
                    memory::push(items, item)?;
                }
            }
            b'e' => {
                let items = self.take_marked()?;
                if let Some(list) = self.list()? {
                    extend(list, items.into_iter())?;
                }
            }
            b'}' => self.make(Node::Dict(Vec::new()))?,
            b'd' => {
                let items = self.take_marked()?;
                self.make(Node::Dict(Vec::new()))?;
                self.set_items(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                if let Some(items) = self.top_dict()? {
                    memory::push(items, (key, value))?;
                }
            }
            b'u' => {
                let items = self.take_marked()?;
                self.set_items(items)?;
            }
            0x8f => self.inert("builtins", "set")?,
            0x90 => {
                let from = self.pop_mark()?;
                self.stack.truncate(from);
                self.top_inert("an item is added to what is no set")?;
            }
            0x91 => {
                let from = self.pop_mark()?;
                self.stack.truncate(from);
                self.inert("builtins", "frozenset")?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Str(module), Value::Str(name)) = (module, name) else {
                    return Err(self.broken("a global whose name is not text"));
                };
                self.global(module, name)?;
            }
            b'Q' => self.persistent_id()?,
            b'R' => self.reduce()?,
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let from = self.pop_mark()?;
                self.stack.truncate(from);
                self.inert(module, name)?;
            }
            b'o' => {
                let from = self.pop_mark()?;
                let class = self.stack.get(from).copied();
                self.stack.truncate(from);
                self.object(class)?;
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                self.object(Some(class))?;
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.object(Some(class))?;
            }
            b'b' => {
                // The state of an object, or `_metadata` of an `OrderedDict`: not kept.
                self.pop()?;
                match self.top_value() {
                    Some(Value::Inert(_) | Value::Global(_)) => {}
                    Some(Value::Node(i))
                        if matches!(
                            self.nodes.get(i as usize),
                            Some(Node::Dict(_) | Node::Tensor(_))
                        ) => {}
                    _ => {
                        return Err(
                            self.broken("a state is set in what is no object or dictionary")
                        );
                    }
                }
            }
            b'h' => {
                let i = usize::from(self.input.u8()?);
                self.recall(i)?;
            }
            b'j' => {
                let i = self.input.u32()? as usize;
                self.recall(i)?;
            }
            b'q' => {
                let i = usize::from(self.input.u8()?);
                self.remember(i)?;
            }
            b'r' => {
                let i = self.input.u32()? as usize;
                self.remember(i)?;
            }
            0x94 => self.remember(self.memo.len())?,
            _ => bail!(
                UnsupportedFile,
                "at byte {} of the pickle: opcode {} is none that a checkpoint has; save the state \
                 dictionary alone with torch.save",
                self.at,
                Opcode(opcode)
            ),
        }
        Ok(false)
    }

    fn broken(&self, found: &str) -> crate::Error {
        crate::Error::new(
            crate::ErrorKind::MalformedFile,
            format!("at byte {} of the pickle: {found}", self.at),
        )
    }

    fn protocol(&mut self) -> Result<()> {
        let version = self.input.u8()?;
        if self.at != 0 || !(2..=5).contains(&version) {
            bail!(
                UnsupportedFile,
                "at byte {} of the pickle: protocol {version}, expected 2 to 5 at byte 0",
                self.at
            );
        }
        Ok(())
    }

    /// Frames only help streaming readers; what is in them is read as if they were not there.
    fn frame(&mut self) -> Result<()> {
        let len = self.input.u64()?;
        let mut rest = self.input.clone();
        match usize::try_from(len).map(|len| rest.take(len).is_ok()) {
            Ok(true) => Ok(()),
            _ => Err(self.broken(&format!(
                "a frame of {len} bytes, which is more than are left"
            ))),
        }
    }

    fn count(&mut self) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.broken(&format!("more than {MAX_VALUES} values")));
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        self.count()?;
        if self.stack.len() >= MAX_STACK {
            return Err(self.broken(&format!("a stack of more than {MAX_STACK} values")));
        }
        memory::push(&mut self.stack, value)
    }

    /// The values since the last mark may be taken by value only by what takes the mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        match self.stack.pop() {
            Some(value) if self.stack.len() >= self.floor() => Ok(value),
            _ => Err(self.broken("an opcode that needs a value, and the stack has none")),
        }
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= MAX_MARKS {
            return Err(self.broken(&format!("marks nested deeper than {MAX_MARKS}")));
        }
        memory::push(&mut self.marks, self.stack.len())
    }

    /// Takes the last mark; where on the stack it was.
    fn pop_mark(&mut self) -> Result<usize> {
        match self.marks.pop() {
            Some(from) if from <= self.stack.len() => Ok(from),
            _ => Err(self.broken("an opcode that needs a mark, and there is none")),
        }
    }

    /// Takes the last mark and the values above it.
    fn take_marked(&mut self) -> Result<Vec<Value<'a>>> {
        let from = self.pop_mark()?;
        let items = memory::try_copy(&self.stack[from..])?;
        self.stack.truncate(from);
        Ok(items)
    }

    fn make(&mut self, node: Node<'a>) -> Result<()> {
        // At most MAX_VALUES nodes: the number fits.
        let value = Value::Node(self.nodes.len() as u32);
        self.push(value)?;
        memory::push(&mut self.nodes, node)
    }

    fn tuple(&mut self, n: usize) -> Result<()> {
        let from = self.stack.len().checked_sub(n);
        let Some(from) = from.filter(|&from| from >= self.floor()) else {
            return Err(self.broken("an opcode that needs a value, and the stack has none"));
        };
        let items = memory::try_copy(&self.stack[from..])?;
        self.stack.truncate(from);
        self.make(Node::Tuple(items.into_boxed_slice()))
    }

    /// An unknown global, or what is made with it.
    fn inert(&mut self, module: &'a str, name: &'a str) -> Result<()> {
        // At most MAX_VALUES of them: the number fits.
        let value = Value::Inert(self.origins.len() as u32);
        self.push(value)?;
        let at = self.at;
        memory::push(&mut self.origins, Origin { module, name, at })
    }

    /// An object of a class, which is made and not initialised.
    fn object(&mut self, class: Option<Value<'a>>) -> Result<()> {
        match class {
            Some(Value::Inert(_)) => self.push(class.unwrap_or(Value::None)),
            Some(Value::Global(Global::OrderedDict)) => self.make(Node::Dict(Vec::new())),
            Some(Value::Global(_)) => self.inert("torch", "an object"),
            _ => Err(self.broken("an object of what is no class")),
        }
    }

    /// The value on top of the stack, above the last mark.
    fn top_value(&self) -> Option<Value<'a>> {
        self.stack.get(self.floor()..)?.last().copied()
    }

    fn top_inert(&self, otherwise: &str) -> Result<()> {
        match self.top_value() {
            Some(Value::Inert(_)) => Ok(()),
            _ => Err(self.broken(otherwise)),
        }
    }

    /// The list on top of the stack; none where an inert value stands in for one.
    fn list(&mut self) -> Result<Option<&mut Vec<Value<'a>>>> {
        let otherwise = "an item is added to what is no list";
        match self.top_value() {
            Some(Value::Node(i)) if matches!(self.nodes.get(i as usize), Some(Node::List(_))) => {
                match self.nodes.get_mut(i as usize) {
                    Some(Node::List(items)) => Ok(Some(items)),
                    _ => Ok(None),
                }
            }
            _ => self.top_inert(otherwise).map(|()| None),
        }
    }

    /// The dictionary on top of the stack; none where an inert value stands in for one.
    fn top_dict(&mut self) -> Result<Option<&mut Vec<(Value<'a>, Value<'a>)>>> {
        let otherwise = "an item is set in what is no dictionary";
        match self.top_value() {
            Some(Value::Node(i)) if matches!(self.nodes.get(i as usize), Some(Node::Dict(_))) => {
                match self.nodes.get_mut(i as usize) {
                    Some(Node::Dict(items)) => Ok(Some(items)),
                    _ => Ok(None),
                }
            }
            _ => self.top_inert(otherwise).map(|()| None),
        }
    }

    fn set_items(&mut self, items: Vec<Value<'a>>) -> Result<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.broken("a key without a value"));
        }
        if let Some(dict) = self.top_dict()? {
            extend(dict, pairs.iter().map(|&[key, value]| (key, value)))?;
        }
        Ok(())
    }

    fn long(&mut self, len: usize) -> Result<()> {
        let bytes = self.input.take(len)?;
        let value = if len > 8 {
            Value::Big
        } else {
            let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..len].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        };
        self.push(value)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        self.input.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn text(&mut self, len: u64) -> Result<()> {
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Str(text)),
            // Python writes the lone surrogates of odd file names as they are.
            Err(_) if is_utf8_with_surrogates(bytes) => self.push(Value::Bytes(bytes)),
            Err(_) => Err(self.broken("text that is not UTF-8")),
        }
    }

    fn bytes(&mut self, len: u64) -> Result<()> {
        let bytes = self.take(len)?;
        self.push(Value::Bytes(bytes))
    }

    fn line(&mut self) -> Result<&'a str> {
        // Longer than any path to a class.
        const LONGEST: usize = 256;
        let mut ahead = self.input.clone();
        for len in 0..LONGEST {
            if ahead.u8()? == b'\n' {
                let line = self.input.take(len)?;
                self.input = ahead;
                return std::str::from_utf8(line)
                    .map_err(|_| self.broken("a global whose name is not UTF-8"));
            }
        }
        Err(self.broken(&format!(
            "a global whose name is longer than {LONGEST} bytes"
        )))
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<()> {
        match Global::find(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => self.inert(module, name),
        }
    }

    /// The items of a tuple.
    fn items(&self, tuple: Value<'a>) -> Option<&[Value<'a>]> {
        match tuple {
            Value::Node(i) => match self.nodes.get(i as usize) {
                Some(Node::Tuple(items)) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// `('storage', torch.HalfStorage, '17', 'cpu', 65536)`
    fn persistent_id(&mut self) -> Result<()> {
        let id = self.pop()?;
        let (class, key, elements) = match self.items(id) {
            Some(
                &[
                    Value::Str("storage"),
                    class,
                    Value::Str(key),
                    _location,
                    Value::Int(elements),
                ],
            ) => (class, key, u64::try_from(elements).ok()),
            _ => (Value::None, "", None),
        };
        let dtype = match (class, elements) {
            (Value::Global(Global::Storage(dtype)), Some(_)) => Some(dtype),
            (Value::Global(Global::UntypedStorage), Some(_)) => None,
            // A storage of a type that no weight has.
            (Value::Inert(_), Some(_)) => return self.push(class),
            _ => {
                return Err(self.broken(
                    "a persistent id that is not ('storage', type, key, location, number of \
                     elements)",
                ));
            }
        };
        let storage = Storage {
            dtype,
            key,
            elements: elements.unwrap_or(0),
        };
        self.make(Node::Storage(self.storages.len() as u32))?;
        memory::push(&mut self.storages, storage)
    }

    fn reduce(&mut self) -> Result<()> {
        let (args, function) = (self.pop()?, self.pop()?);
        match function {
            Value::Inert(_) if self.items(args).is_some() => self.push(function),
            Value::Global(global) => self.call(global, args),
            _ => self.no_call(),
        }
    }

    fn no_call(&self) -> Result<()> {
        Err(self.broken(
            "a call whose arguments are not those of a tensor, a parameter or an OrderedDict",
        ))
    }

    /// Makes what a known global makes of its arguments.
    fn call(&mut self, mut global: Global, mut args: Value<'a>) -> Result<()> {
        // Hooks, requires_grad and attributes serve training and are not kept.
        if global == Global::RebuildWithAttributes {
            match self.items(args) {
                Some(&[Value::Global(inner), _class, inner_args, _state])
                    if inner != Global::RebuildWithAttributes =>
                {
                    (global, args) = (inner, inner_args);
                }
                Some(&[function @ Value::Inert(_), _, _, _]) => return self.push(function),
                _ => return self.no_call(),
            }
        }
        let Some(items) = self.items(args) else {
            return self.no_call();
        };
        match (global, items) {
            (Global::OrderedDict, []) => self.make(Node::Dict(Vec::new())),
            // Only Python 2 makes one of a list; torch has written no zip file with that.
            (Global::OrderedDict, _) => self.inert("collections", "OrderedDict"),
            (Global::Size, []) => self.make(Node::Tuple(Box::default())),
            (Global::Size, &[sizes]) if self.items(sizes).is_some() => self.push(sizes),
            (
                Global::RebuildTensor,
                &[storage, Value::Int(offset), shape, strides, _, _]
                | &[storage, Value::Int(offset), shape, strides, _, _, _],
            ) => self.tensor(storage, None, offset, [shape, strides]),
            (
                Global::RebuildTensorOfType,
                &[storage, Value::Int(offset), shape, strides, _, _, dtype]
                | &[storage, Value::Int(offset), shape, strides, _, _, dtype, _],
            ) => match dtype {
                Value::Global(Global::DType(dtype)) => {
                    self.tensor(storage, Some(dtype), offset, [shape, strides])
                }
                // A type that no weight has.
                Value::Inert(_) => self.push(dtype),
                _ => self.no_call(),
            },
            (Global::RebuildParameter, &[data, _, _] | &[data, _, _, _]) => match data {
                Value::Inert(_) => self.push(data),
                Value::Node(i) if matches!(self.nodes.get(i as usize), Some(Node::Tensor(_))) => {
                    self.push(data)
                }
                _ => self.no_call(),
            },
            // `torch.float16` and storages are no functions, but classes of torch are called.
            (Global::UntypedStorage | Global::Storage(_), _) => self.inert("torch", "Storage"),
            _ => self.no_call(),
        }
    }

    fn tensor(
        &mut self,
        storage: Value<'a>,
        dtype: Option<DType>,
        offset: i64,
        [shape, strides]: [Value<'a>; 2],
    ) -> Result<()> {
        let found = match storage {
            // Of a type that no weight has.
            Value::Inert(_) => return self.push(storage),
            Value::Node(i) => match self.nodes.get(i as usize) {
                Some(Node::Storage(i)) => self.storages.get(*i as usize).copied(),
                _ => None,
            },
            _ => None,
        };
        let Some(((storage, offset), dtype)) = found
            .zip(u64::try_from(offset).ok())
            .and_then(|found| Some((found, dtype.or(found.0.dtype)?)))
        else {
            return self.no_call();
        };
        let record = TensorRecord {
            dtype,
            storage,
            offset,
            shape,
            strides,
            at: self.at,
        };
        self.make(Node::Tensor(self.tensors.len() as u32))?;
        memory::push(&mut self.tensors, record)
    }

    fn recall(&mut self, i: usize) -> Result<()> {
        match self.memo.get(i) {
            Some(&value) => self.push(value),
            None => Err(self.broken(&format!(
                "value {i} is asked of a memo that has {}",
                self.memo.len()
            ))),
        }
    }

    /// Picklers number the memo without gaps, so it needs no map, whatever a file claims.
    fn remember(&mut self, i: usize) -> Result<()> {
        let floor = self.floor();
        let Some(&value) = self.stack[floor.min(self.stack.len())..].last() else {
            return Err(self.broken("a value is to be remembered, and the stack has none"));
        };
        self.count()?;
        match i.cmp(&self.memo.len()) {
            std::cmp::Ordering::Less => self.memo[i] = value,
            std::cmp::Ordering::Equal => memory::push(&mut self.memo, value)?,
            std::cmp::Ordering::Greater => {
                return Err(self.broken(&format!(
                    "value {i} is put into a memo that has {}",
                    self.memo.len()
                )));
            }
        }
        Ok(())
    }
}

/// Adds items to a list.
fn extend<T>(list: &mut Vec<T>, items: impl ExactSizeIterator<Item = T>) -> Result<()> {
    (list.try_reserve(items.len()))
        .map_err(|_| memory::refused("the items of a list or dictionary"))?;
    list.extend(items);
    Ok(())
}

/// Whether only lone surrogates keep bytes from being UTF-8.
fn is_utf8_with_surrogates(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        match bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => bytes = &bytes[error.valid_up_to() + 3..],
            _ => return false,
        }
    }
    true
}

struct Opcode(u8);

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)?;
        if self.0.is_ascii_graphic() {
            write!(f, " (`{}`)", char::from(self.0))?;
        }
        Ok(())
    }
}
