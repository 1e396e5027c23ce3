//! Why a run runs.

use crate::complete::complete;

complete! {
    /// Why a run runs. Of several that hold at once the first counts, in this order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Cause {
        /// `spec.trigger` has a token that no run has captured.
        Trigger,
        /// The annotation has a request that no run has captured.
        Request,
        /// The source is another one, or how it is read.
        SourceEdited,
        /// What is at the source has changed.
        SourceChanged,
        /// A time of the schedule has come.
        Schedule,
        /// The object is new.
        Creation,
    }
}

impl Cause {
    /// The cause as statuses and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "Trigger",
            Self::Request => "Request",
            Self::SourceEdited => "SourceEdited",
            Self::SourceChanged => "SourceChanged",
            Self::Schedule => "Schedule",
            Self::Creation => "Creation",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gives; another version may know more of them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// What asks for the run, for a sentence.
    pub fn asked_by(self) -> &'static str {
        match self {
            Self::Trigger => "the new spec.trigger",
            Self::Request => "the new annotation milvus-refresh.dev/requestedAt",
            Self::SourceEdited => "the edited source",
            Self::SourceChanged => "the changed data at the source",
            Self::Schedule => "the schedule",
            Self::Creation => "the new object",
        }
    }
}
