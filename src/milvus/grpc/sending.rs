//! A message that can be withdrawn for as long as the transport has not taken it.
//!
//! Whether a failed start reached Milvus decides whether it may be repeated. The error cannot tell for sure, but the
//! message can: the transport asks for it only when a connection is up and the request's stream on it is open. What was
//! not asked for by then, and never will be, has not left this process, whatever the reason.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, StreamExt, stream};

/// Takes back what [`withdrawable`] made.
#[derive(Debug)]
pub(super) struct Withdrawal {
    claimed: Arc<AtomicBool>,
}

impl Withdrawal {
    /// True when the transport has not taken the message; from then on it never will.
    pub(super) fn withdraw(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }
}

/// `message` as the request stream of a unary call, and the means to take it back.
pub(super) fn withdrawable<M: Send + 'static>(message: M) -> (impl Stream<Item = M> + Send + 'static, Withdrawal) {
    let claimed = Arc::new(AtomicBool::new(false));
    let withdrawal = Withdrawal { claimed: Arc::clone(&claimed) };
    let taken = async move { (!claimed.swap(true, Ordering::AcqRel)).then_some(message) };
    (stream::once(taken).filter_map(future::ready), withdrawal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::pin::pin;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_taken_message_cannot_be_withdrawn() {
        let (message, withdrawal) = withdrawable(7);
        assert_eq!(pin!(message).next().now_or_never(), Some(Some(7)));
        assert!(!withdrawal.withdraw());
    }

    #[test]
    fn a_withdrawn_message_is_never_sent() {
        let (message, withdrawal) = withdrawable(7);
        assert!(withdrawal.withdraw());
        assert_eq!(pin!(message).next().now_or_never(), Some(None));
    }

    #[test]
    fn a_message_that_nobody_asked_for_was_not_sent() {
        let (message, withdrawal) = withdrawable(7);
        drop(message);
        assert!(withdrawal.withdraw());
    }
}
