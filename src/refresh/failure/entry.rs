//! What there is to know of a failure class.

/// A failure class for people.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The class as the status shows it.
    pub name: &'static str,
    /// Whether the same run may succeed later although nobody changes anything in the refresh.
    pub retryable: bool,
    /// One line for the status: what to do, and where more is written.
    pub remedy: &'static str,
    /// One sentence: what the class means.
    pub meaning: &'static str,
    /// What else there is to know, in sentences.
    pub happened: &'static str,
    /// How Milvus says it; none where the operator itself finds the failure.
    pub words: &'static [Words],
    /// What a person does, one step after the other.
    pub steps: &'static [&'static str],
}

/// Words of Milvus, by the way they come.
#[derive(Debug)]
pub(crate) enum Words {
    /// The reason of a failed job.
    Reason(&'static str),
    /// An error of Milvus inside an answer: its code and its text.
    Code(i32, &'static str),
    /// A gRPC status: its number and its text.
    Grpc(i32, &'static str),
}
