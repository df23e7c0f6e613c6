//! Systems without a sandbox.

use std::io::{Empty, Read, Sink, Write};
use std::path::Path;
use std::time::Instant;

use super::{Command, End, Outcome, Policy};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};

/// There is none.
#[derive(Debug, Clone)]
pub(super) enum Sandbox {}

impl Sandbox {
    pub(super) fn detect(_: Policy) -> Result<Self> {
        bail!(
            BackendUnavailable,
            "there is no sandbox on this system: run programs on Linux, for example in a virtual machine"
        );
    }

    pub(super) fn name(&self) -> &'static str {
        match *self {}
    }

    pub(super) fn folder(&self, _: u64) -> Result<Folder> {
        match *self {}
    }

    pub(super) fn make_writable(&self, _: &Path) -> Result<()> {
        match *self {}
    }

    pub(super) fn run(&self, _: &Command, _: &CancelToken) -> Result<Outcome> {
        match *self {}
    }

    pub(super) fn spawn(&self, _: &Command) -> Result<Server> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug, Clone)]
pub(super) enum Folder {}

impl Folder {
    pub(super) fn path(&self) -> &Path {
        match *self {}
    }

    pub(super) fn write(&self, _: &Path, _: &[u8]) -> Result<()> {
        match *self {}
    }

    pub(super) fn read(&self, _: &Path, _: u64) -> Result<Vec<u8>> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(super) enum Server {}

impl Server {
    pub(super) fn stdin(&mut self) -> &mut (impl Write + use<>) {
        let sink: &mut Sink = match *self {};
        sink
    }

    pub(super) fn close_stdin(&mut self) {
        match *self {}
    }

    pub(super) fn stdout(&mut self) -> &mut (impl Read + use<>) {
        let empty: &mut Empty = match *self {};
        empty
    }

    pub(super) fn set_deadline(&mut self, _: Option<Instant>) {
        match *self {}
    }

    pub(super) fn end(&self) -> Option<End> {
        match *self {}
    }

    pub(super) fn stderr(&self) -> Vec<u8> {
        match *self {}
    }
}
