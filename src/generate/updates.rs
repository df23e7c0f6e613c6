//! Updates on their way from the thread of a service to the holder of a ticket.
//!
//! Not a channel of the standard library: to wait, that makes a handle of the waiting thread, and ends
//! the process where there is no memory for it. Here waiting takes none, and an update for which there
//! is no memory ends the request with an error.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::scheduler::Update;
use super::{Completion, Event};
use crate::error::Result;
use crate::memory;

/// Both ends for one request.
pub(super) fn updates() -> Result<(UpdateSender, UpdateReceiver)> {
    let mut queue = Queue::default();
    queue.updates.try_reserve(1)?;
    let shared = Arc::new(Shared {
        queue: Mutex::new(queue),
        arrived: Condvar::new(),
    });
    Ok((UpdateSender(Arc::clone(&shared)), UpdateReceiver(shared)))
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// There is always room for one more, the last.
    updates: VecDeque<Update>,
    /// An event found no room: the request is to end with that.
    refused: bool,
    /// One of the two ends is gone.
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }
}

/// Where updates are sent. Dropping it closes the queue.
#[derive(Debug)]
pub(super) struct UpdateSender(Arc<Shared>);

impl UpdateSender {
    /// Sends an event. Returns whether the request is to go on: not where nobody waits for it, and
    /// not without memory.
    pub fn event(&self, event: Event) -> bool {
        let mut queue = self.0.lock();
        if queue.closed || queue.refused {
            return false;
        }
        if queue.updates.try_reserve(2).is_err() {
            queue.refused = true;
            return false;
        }
        queue.updates.push_back(Update::Event(event));
        drop(queue);
        self.0.arrived.notify_one();
        true
    }

    /// Sends the end.
    pub fn done(self, result: Result<Vec<Completion>>) {
        let mut queue = self.0.lock();
        let result = match queue.refused {
            true => result.and(Err(memory::refused("the events of a request"))),
            false => result,
        };
        if queue.updates.len() < queue.updates.capacity() {
            queue.updates.push_back(Update::Done(result));
        }
    }
}

impl Drop for UpdateSender {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where updates are waited for.
#[derive(Debug)]
pub(super) struct UpdateReceiver(Arc<Shared>);

/// What there is at the moment.
#[derive(Debug)]
pub(super) enum Arrived {
    Update(Update),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    Closed,
}

impl UpdateReceiver {
    /// What there is, without waiting for it.
    pub fn try_next(&self) -> Arrived {
        let mut queue = self.0.lock();
        match queue.updates.pop_front() {
            Some(update) => Arrived::Update(update),
            None if queue.closed => Arrived::Closed,
            None => Arrived::Nothing,
        }
    }

    /// Waits for the next update; nothing where none comes any more.
    pub fn next(&self) -> Option<Update> {
        let mut queue = self.0.lock();
        loop {
            if let Some(update) = queue.updates.pop_front() {
                return Some(update);
            }
            if queue.closed {
                return None;
            }
            queue = (self.0.arrived.wait(queue)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for UpdateReceiver {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::generate::FinishReason;

    fn event(sample: usize) -> Event {
        Event::End {
            sample,
            text: String::new(),
            reason: FinishReason::Length,
        }
    }

    #[test]
    fn updates_arrive_in_their_order_and_the_end_comes_last() {
        let (sender, receiver) = updates().unwrap();
        assert!(matches!(receiver.try_next(), Arrived::Nothing));
        let sent = std::thread::spawn(move || {
            for sample in 0..1000 {
                assert!(sender.event(event(sample)));
            }
            sender.done(Ok(Vec::new()));
        });
        for sample in 0..1000 {
            let update = receiver.next();
            assert!(matches!(&update, Some(Update::Event(e)) if *e == event(sample)));
        }
        assert!(matches!(receiver.next(), Some(Update::Done(Ok(_)))));
        assert!(receiver.next().is_none());
        assert!(matches!(receiver.try_next(), Arrived::Closed));
        sent.join().unwrap();
    }

    #[test]
    fn an_end_that_is_gone_is_noticed() {
        let (sender, receiver) = updates().unwrap();
        assert!(sender.event(event(0)));
        drop(receiver);
        assert!(!sender.event(event(1)));
        sender.done(Ok(Vec::new()));

        let (sender, receiver) = updates().unwrap();
        drop(sender);
        assert!(receiver.next().is_none());
    }

    #[test]
    fn a_refused_event_ends_the_request_with_that() {
        let (sender, receiver) = updates().unwrap();
        assert!(sender.event(event(0)));
        sender.0.lock().refused = true;
        assert!(!sender.event(event(1)));
        sender.done(Ok(Vec::new()));
        assert!(matches!(receiver.next(), Some(Update::Event(_))));
        let Some(Update::Done(Err(error))) = receiver.next() else {
            panic!("an error was expected");
        };
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
