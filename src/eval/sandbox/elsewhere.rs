//! Systems without a sandbox.
#![forbid(unsafe_code)]

use std::io::{Empty, Sink};
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

    pub(super) fn counts_kernel_memory(&self) -> bool {
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
    pub(super) fn stdin(&mut self) -> &mut Sink {
        match *self {}
    }

    pub(super) fn close_stdin(&mut self) {
        match *self {}
    }

    pub(super) fn stdout(&mut self) -> &mut Empty {
        match *self {}
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
