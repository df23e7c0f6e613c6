//! The machine: opcodes in, values out.

use std::fmt;

use crate::bytes::Cursor;
use crate::cancel::CancelToken;
use crate::error::{Result, bail};

use super::{Global, Node, Pickle, Storage, TensorRecord, Value};

/// Values of a pickle. A 13B checkpoint has some sixteen thousand. At about a hundred bytes each
/// in the worst case, this also bounds what a pickle of any length makes this machine hold.
const MAX_VALUES: usize = 1 << 18;
/// Values that wait on the stack. Picklers put a thousand at a time there.
const MAX_STACK: usize = 1 << 16;
/// Nesting of marks. Python gives up near a thousand as well.
const MAX_MARKS: usize = 1000;

/// Reads a pickle.
///
/// # Errors
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) when it is broken or too deep, and
/// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for an opcode or a global that a
/// checkpoint has no need of; both with the byte offset.
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
            b'1' => drop(self.pop_mark()?),
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
            0x8e => {
                let len = self.input.u64()?;
                self.bytes(len)?;
            }
            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_mark()?;
                self.make(Node::Tuple(items.into()))?;
            }
            b']' => self.make(Node::List(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.list()?.extend(items);
            }
            b'}' => self.make(Node::Dict(Vec::new()))?,
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.top_dict()?.push((key, value));
            }
            b'u' => self.set_items()?,
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
            b'b' => {
                // `OrderedDict._metadata` of a module's state: versions, of no use here.
                self.pop()?;
                self.top_dict()?;
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
                "at byte {} of the pickle: opcode {} is none that a checkpoint of tensors needs; \
                 it is not read, let alone run. Save the state dictionary alone with torch.save",
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
        self.stack.push(value);
        Ok(())
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
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<Vec<Value<'a>>> {
        match self.marks.pop() {
            Some(from) if from <= self.stack.len() => Ok(self.stack.split_off(from)),
            _ => Err(self.broken("an opcode that needs a mark, and there is none")),
        }
    }

    fn make(&mut self, node: Node<'a>) -> Result<()> {
        // At most MAX_VALUES nodes: the number fits.
        let value = Value::Node(self.nodes.len() as u32);
        self.push(value)?;
        self.nodes.push(node);
        Ok(())
    }

    fn tuple(&mut self, n: usize) -> Result<()> {
        let mut items = vec![Value::None; n];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.make(Node::Tuple(items.into()))
    }

    /// The container on top of the stack, above the last mark.
    fn top(&mut self) -> Option<&mut Node<'a>> {
        match self.stack.get(self.floor()..)?.last() {
            Some(&Value::Node(i)) => self.nodes.get_mut(i as usize),
            _ => None,
        }
    }

    fn list(&mut self) -> Result<&mut Vec<Value<'a>>> {
        let at = self.at;
        match self.top() {
            Some(Node::List(items)) => Ok(items),
            _ => bail!(
                MalformedFile,
                "at byte {at} of the pickle: an item is added to what is no list"
            ),
        }
    }

    fn top_dict(&mut self) -> Result<&mut Vec<(Value<'a>, Value<'a>)>> {
        let at = self.at;
        match self.top() {
            Some(Node::Dict(items)) => Ok(items),
            _ => bail!(
                MalformedFile,
                "at byte {at} of the pickle: an item is set in what is no dictionary"
            ),
        }
    }

    fn set_items(&mut self) -> Result<()> {
        let items = self.pop_mark()?;
        if !items.len().is_multiple_of(2) {
            return Err(self.broken("a key without a value"));
        }
        let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        self.top_dict()?.extend(pairs);
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
        match std::str::from_utf8(self.take(len)?) {
            Ok(text) => self.push(Value::Str(text)),
            Err(_) => Err(self.broken("text that is not UTF-8")),
        }
    }

    fn bytes(&mut self, len: u64) -> Result<()> {
        let bytes = self.take(len)?;
        self.push(Value::Bytes(bytes))
    }

    fn line(&mut self) -> Result<&'a str> {
        // No global that is allowed has a longer name; what is refused is named all the same.
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

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match Global::find(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => bail!(
                UnsupportedFile,
                "at byte {} of the pickle: global `{:.200}.{:.200}` is none that tensors need, and \
                 reading a checkpoint never runs what it names. Save the state dictionary alone, \
                 without configuration or optimizer objects, with torch.save",
                self.at,
                module.escape_debug().to_string(),
                name.escape_debug().to_string()
            ),
        }
    }

    /// `('storage', torch.HalfStorage, '17', 'cpu', 65536)`
    fn persistent_id(&mut self) -> Result<()> {
        let id = self.pop()?;
        let fields = match id {
            Value::Node(i) => match &self.nodes[i as usize] {
                Node::Tuple(fields) => Some(fields),
                _ => None,
            },
            _ => None,
        };
        let storage = match fields.map(|fields| &fields[..]) {
            Some(
                &[
                    Value::Str("storage"),
                    Value::Global(Global::Storage(dtype)),
                    Value::Str(key),
                    Value::Str(_location),
                    Value::Int(elements),
                ],
            ) => u64::try_from(elements).ok().map(|elements| Storage {
                dtype,
                key,
                elements,
            }),
            _ => None,
        };
        match storage {
            Some(storage) => self.make(Node::Storage(Box::new(storage))),
            None => Err(self.broken(
                "a persistent id that is not ('storage', type, key, location, number of elements)",
            )),
        }
    }

    fn reduce(&mut self) -> Result<()> {
        let (args, function) = (self.pop()?, self.pop()?);
        let args = match args {
            Value::Node(i) => match &self.nodes[i as usize] {
                Node::Tuple(args) => Some(&args[..]),
                _ => None,
            },
            _ => None,
        };
        let made = match (function, args) {
            (Value::Global(Global::OrderedDict), Some([])) => Some(Ok(Node::Dict(Vec::new()))),
            // Hooks and requires_grad serve training; metadata is a sixth or seventh.
            (
                Value::Global(Global::RebuildTensor),
                Some(&[storage, Value::Int(offset), shape, strides, _, _])
                | Some(&[storage, Value::Int(offset), shape, strides, _, _, _]),
            ) => match (storage, u64::try_from(offset)) {
                (Value::Node(i), Ok(offset)) => match &self.nodes[i as usize] {
                    Node::Storage(storage) => Some(Ok(Node::Tensor(Box::new(TensorRecord {
                        storage: **storage,
                        offset,
                        shape,
                        strides,
                        at: self.at,
                    })))),
                    _ => None,
                },
                _ => None,
            },
            (Value::Global(Global::RebuildParameter), Some(&[Value::Node(i), _, _])) => {
                matches!(self.nodes[i as usize], Node::Tensor(_)).then_some(Err(Value::Node(i)))
            }
            _ => None,
        };
        match made {
            Some(Ok(node)) => self.make(node),
            Some(Err(existing)) => self.push(existing),
            None => Err(self.broken(
                "a call whose arguments are not those of a tensor, a parameter or an OrderedDict",
            )),
        }
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
            std::cmp::Ordering::Equal => self.memo.push(value),
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
