//! What is known of each class: the one source of the status, the documentation and the tests.

use super::FailureClass;

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

use Words::{Code, Grpc, Reason};

const RUN_AGAIN: &str = "Run it again: set a new `spec.trigger`.";

impl FailureClass {
    /// All that is known of the class.
    pub(crate) fn entry(self) -> &'static Entry {
        match self {
            Self::CollectionNotFound => &Entry {
                name: "CollectionNotFound",
                retryable: true,
                remedy: "Create the external collection in Milvus; with another spec.collectionName it takes a new \
                         refresh. More: docs/failures.md#collectionnotfound",
                meaning: "The collection does not exist.",
                happened: "Milvus knows no collection or alias of that name in that database, or it was dropped while \
                           its job ran.",
                words: &[
                    Code(100, "collection not found[database=default][collection=products]"),
                    Code(1600, "alias not found[database=default][alias=products]"),
                    Reason("failed to explore external files: collection not found[collection=461234567890123456]"),
                ],
                steps: &[
                    "Compare `spec.databaseName` and `spec.collectionName` with what Milvus lists.",
                    "If it is to come yet, create it: the next try finds it. When all tries are used up, set a new \
                     `spec.trigger`.",
                    "If the name is wrong, delete the refresh and create one with the right name: it cannot be edited.",
                ],
            },
            Self::DatabaseNotFound => &Entry {
                name: "DatabaseNotFound",
                retryable: true,
                remedy: "Create the database in Milvus; with another spec.databaseName it takes a new refresh. \
                         More: docs/failures.md#databasenotfound",
                meaning: "The database does not exist.",
                happened: "Milvus has no database of the name `spec.databaseName`, or refuses the name as invalid.",
                words: &[
                    Code(800, "database not found[database=sales]"),
                    Code(802, "invalid database name[database=1st]"),
                ],
                steps: &[
                    "List the databases in Milvus and compare.",
                    "If it is to come yet, create it: the next try finds it. When all tries are used up, set a new \
                     `spec.trigger`.",
                    "If the name is wrong, delete the refresh and create one with the right name: it cannot be edited.",
                ],
            },
            Self::NotExternalCollection => &Entry {
                name: "NotExternalCollection",
                retryable: false,
                remedy: "Only collections over external files can be refreshed; create a refresh for one of those. \
                         More: docs/failures.md#notexternalcollection",
                meaning: "The collection holds its own data, so there is nothing to refresh.",
                happened: "None of its fields is mapped to a column of external files.",
                words: &[Code(1100, "collection products is not an external collection: invalid parameter")],
                steps: &[
                    "Describe the collection in Milvus: an external one has fields with `external_field`.",
                    "If the name is wrong, delete the refresh and create one for the right collection.",
                    "If the collection was re-created as an external one meanwhile, set a new `spec.trigger`.",
                ],
            },
            Self::PermissionDenied => &Entry {
                name: "PermissionDenied",
                retryable: false,
                remedy: "Grant the connection's Milvus account RefreshExternalCollection and DescribeCollection on the \
                         collection, then set a new spec.trigger. More: docs/failures.md#permissiondenied",
                meaning: "The operator's account lacks a privilege in Milvus.",
                happened: "The login was accepted, the call was not. What Milvus may do in the storage is another \
                           matter: that is SourceAccessDenied.",
                words: &[
                    Grpc(7, "PrivilegeRefreshExternalCollection: permission deny to refresh in the `default` database"),
                    Code(1401, "not permitted[privilege=RefreshExternalCollection]"),
                ],
                steps: &[
                    "Find the account: the user in the Secret that the MilvusConnection's `spec.auth.secretRef` names.",
                    "Grant its role `RefreshExternalCollection` and `DescribeCollection` on the collection. Where the \
                     refresh names an alias, some versions of Milvus want the grant for the alias as well.",
                    RUN_AGAIN,
                ],
            },
            Self::InvalidSpec => &Entry {
                name: "InvalidSpec",
                retryable: false,
                remedy: "Correct what Milvus' reason names in the external source or spec, then set a new spec.trigger. \
                         More: docs/failures.md#invalidspec",
                meaning: "Milvus refused the request or the spec as wrong.",
                happened: "It checks source and spec when a refresh is started, and once more when the job begins, with \
                           the rules of its present version.",
                words: &[
                    Code(1100, "collection products has no persisted external_source/external_spec: invalid parameter"),
                    Code(65535, "invalid external spec JSON: unexpected end of JSON input"),
                    Code(3000, "operation not supported"),
                    Reason("external source/spec failed revalidation: extfs region is required for scheme s3"),
                    Reason("failed to explore external files: failed to parse external spec: invalid parameter"),
                ],
                steps: &[
                    "Read the reason: it names the key or the rule.",
                    "If the refresh has an `externalSource`, correct it and its spec: the edit runs it again.",
                    "Else source and spec are the collection's own, which Milvus lets nobody alter: refresh it once with \
                     a correct `externalSource` and spec, which it keeps when that succeeds, or create it anew.",
                    "Credentials in a spec that was in Git or in an object are known by now: replace them.",
                ],
            },
            Self::SourceNotAllowed => &Entry {
                name: "SourceNotAllowed",
                retryable: false,
                remedy: "Have the connection's owner add the source to its spec.allowedSources and set a new \
                         spec.trigger, or use a source that it allows. More: docs/failures.md#sourcenotallowed",
                meaning: "The connection does not allow the source that the refresh asks for.",
                happened: "The operator found this before it sent anything. A connection without `allowedSources` \
                           allows no `externalSource` at all.",
                words: &[],
                steps: &[
                    "Compare `spec.externalSource` with `kubectl get milvusconn NAME -o jsonpath='{.spec.allowedSources}'`: \
                     it must begin with one of these, whole path segments.",
                    "If the message names a key of the spec, correct that: the spec must not lead elsewhere.",
                    "Change the source, which runs it again; or have the connection changed and set a new `spec.trigger`.",
                ],
            },
            Self::SourceNotFound => &Entry {
                name: "SourceNotFound",
                retryable: true,
                remedy: "Check that the bucket and the path of the external source exist. \
                         More: docs/failures.md#sourcenotfound",
                meaning: "The source or its bucket does not exist.",
                happened: "The storage answered, and knows no such bucket or object.",
                words: &[
                    Reason(
                        "explore external files failed: loon FFI transient error: AWS Error NO_SUCH_BUCKET during \
                            ListObjectsV2 operation: The specified bucket does not exist",
                    ),
                    Reason("query task failed: key not found[key=products/a.parquet]"),
                ],
                steps: &[
                    "Look at `status.externalSource`, and at the region and endpoint in the collection's spec: the same \
                     name may exist elsewhere.",
                    "List it with the storage's own tool.",
                    "Once it is there, the next try finds it. When all tries are used up, set a new `spec.trigger`.",
                    "If files vanish while a job reads them, have the producer write new names and delete old ones \
                     only after a refresh.",
                ],
            },
            Self::SourceAccessDenied => &Entry {
                name: "SourceAccessDenied",
                retryable: false,
                remedy: "Give Milvus read access to the source (credentials, role, bucket policy), then set a new \
                         spec.trigger. More: docs/failures.md#sourceaccessdenied",
                meaning: "Milvus may not read the source.",
                happened: "The storage refused the credentials that Milvus used, or what they may do. The operator itself \
                           never reads the source.",
                words: &[
                    Reason(
                        "explore external files failed: loon FFI transient error: AWS Error ACCESS_DENIED during \
                            ListObjectsV2 operation: Access Denied",
                    ),
                    Reason(
                        "explore external files failed: InvalidAccessKeyId: The AWS Access Key Id you provided does \
                            not exist in our records",
                    ),
                    Reason(
                        "timeout, last failure: failed to explore external files: AWS Error SIGNATURE_DOES_NOT_MATCH",
                    ),
                ],
                steps: &[
                    "Find the credentials in use: those of the refresh's own spec if it has one, else those that the \
                     collection was created with.",
                    "Check that they are valid (not expired, not rotated) and may list the bucket and read its objects.",
                    "Where a role is assumed, check its trust policy and the external id.",
                    "After a change of permissions set a new `spec.trigger`. New keys have to reach Milvus: refresh once \
                     with an `externalSource` and a spec in a Secret, which the collection keeps when that succeeds.",
                ],
            },
            Self::SourceEmpty => &Entry {
                name: "SourceEmpty",
                retryable: false,
                remedy: "Put files under the source path, then set a new spec.trigger; Milvus refuses to refresh a \
                         collection to zero rows. More: docs/failures.md#sourceempty",
                meaning: "The source holds no files or no rows, or would leave the collection empty.",
                happened: "Milvus takes this for a mistake and keeps the data that it had.",
                words: &[
                    Reason("no files found in external source: s3://bucket/products/"),
                    Reason("external source has 3 fragments but zero total rows: invalid parameter"),
                    Reason("safety check failed: refusing to drop all segments without replacement"),
                ],
                steps: &[
                    "List the path in `status.externalSource`; a prefix that lacks its last slash or a file ending that \
                     does not fit the format are usual.",
                    "If the producer is late or has failed, see to it first.",
                    RUN_AGAIN,
                    "If the collection is really to be empty, drop it in Milvus.",
                ],
            },
            Self::SchemaMismatch => &Entry {
                name: "SchemaMismatch",
                retryable: false,
                remedy: "Make the files' columns and types fit the collection's schema, then set a new spec.trigger. \
                         More: docs/failures.md#schemamismatch",
                meaning: "The files do not fit the collection's schema.",
                happened: "A column is missing (upper and lower case count) or has another type. Older \
                           versions of Milvus do not name it; the log of the data node does.",
                words: &[
                    Reason(
                        "external field size sampling failed for all 1 segment(s): Invalid: Column 'price' not found \
                            in schema. [path=products/a.parquet]",
                    ),
                    Reason(
                        "external field size sampling failed for all 1 segment(s); refusing to emit segments with \
                            MemorySize=0 (would risk QueryNode OOM on load)",
                    ),
                    Reason("field type mismatch, expected Arrow int64, actual Arrow double"),
                    Reason("array element type mismatch, expected VARCHAR, actual INT64"),
                ],
                steps: &[
                    "Compare the schema of the newest files with the `external_field` names and types of the collection.",
                    "Have the producer write files that fit, under new names: a file that is overwritten in place is \
                     not read again.",
                    RUN_AGAIN,
                ],
            },
            Self::ServerInternal => &Entry {
                name: "ServerInternal",
                retryable: true,
                remedy: "Look into Milvus' own logs for the job; set a new spec.trigger to run again. \
                         More: docs/failures.md#serverinternal",
                meaning: "Milvus failed inside.",
                happened: "Often one of its nodes was restarted while it worked on the job.",
                words: &[
                    Reason("query task failed: rpc error: code = Unavailable desc = node offline"),
                    Reason("worker requested retry"),
                    Reason("task result not found"),
                ],
                steps: &[
                    "If the next try succeeds, nothing is to be done.",
                    "Else look for restarts and for lack of memory among Milvus' pods, data nodes first, and search their \
                     logs for `status.jobID`.",
                    RUN_AGAIN,
                ],
            },
            Self::JobTimeout => &Entry {
                name: "JobTimeout",
                retryable: false,
                remedy: "Raise dataCoord.externalCollectionJobTimeout in Milvus or refresh fewer files at a time, then \
                         set a new spec.trigger. More: docs/failures.md#jobtimeout",
                meaning: "The job ran into Milvus' own time limit.",
                happened: "The limit is `dataCoord.externalCollectionJobTimeout`, one hour unless set.",
                words: &[
                    Reason("timeout"),
                    Reason("timeout, last failure: failed to explore external files: AWS Error NETWORK_CONNECTION"),
                ],
                steps: &[
                    "If the reason names a last failure, put that right first.",
                    "See in the logs of Milvus' data nodes whether the job got on at all; if not, look at the network \
                     to the storage, and whether a snapshot's metadata is complete.",
                    "If it only needs longer, raise the limit in Milvus, and `spec.activeDeadlineSeconds` above it.",
                    RUN_AGAIN,
                ],
            },
            Self::IndexWaitTimeout => &Entry {
                name: "IndexWaitTimeout",
                retryable: false,
                remedy: "The new data is live. Check the index build in Milvus; another refresh only waits again. \
                         More: docs/failures.md#indexwaittimeout",
                meaning: "The data is live, only the wait for its indexes ran out.",
                happened: "Milvus is set to wait for indexes (`refreshWaitForIndex`) and goes on to build them.",
                words: &[Reason(
                    "timeout waiting for indexes: the refreshed data is applied and serving, but its indexes did not \
                     finish within dataCoord.externalCollectionJobTimeout",
                )],
                steps: &[
                    "Searches may be slow for a while; no data is missing.",
                    "Describe the index in Milvus: the number of pending rows should fall.",
                    "If it does not, look at the logs of the nodes that build indexes.",
                ],
            },
            Self::DeadlineExceeded => &Entry {
                name: "DeadlineExceeded",
                retryable: false,
                remedy: "The job may still finish in Milvus: look there, then raise spec.activeDeadlineSeconds and set a \
                         new spec.trigger. More: docs/failures.md#deadlineexceeded",
                meaning: "The attempt ran longer than the refresh allows.",
                happened: "The operator stopped following the job after `spec.activeDeadlineSeconds`. Milvus cannot \
                           cancel a job, so it may still run, and put new data in place when it ends.",
                words: &[],
                steps: &[
                    "Ask Milvus for the progress of the job in `status.jobID`.",
                    "While it is active, another refresh of the collection waits for its end.",
                    "If it only needs longer, raise `spec.activeDeadlineSeconds`; that alone starts nothing.",
                    RUN_AGAIN,
                ],
            },
            Self::StartingDeadlineExceeded => &Entry {
                name: "StartingDeadlineExceeded",
                retryable: false,
                remedy: "Find out what held the start back, or raise spec.startingDeadlineSeconds; then set a new \
                         spec.trigger. More: docs/failures.md#startingdeadlineexceeded",
                meaning: "The run was not started in the time that the refresh allows.",
                happened: "`spec.startingDeadlineSeconds` passed before Milvus accepted a start; nothing of this run was started.",
                words: &[],
                steps: &[
                    "The message says what it waited for last: another refresh of the collection, a job that is active in \
                     Milvus, its Secret, or its connection.",
                    "See to that, or raise `spec.startingDeadlineSeconds`.",
                    RUN_AGAIN,
                ],
            },
            Self::JobLost => &Entry {
                name: "JobLost",
                retryable: false,
                remedy: "Check in Milvus whether the collection has the data; set a new spec.trigger to run again. \
                         More: docs/failures.md#joblost",
                meaning: "The job vanished, or the collection it belonged to is another one now.",
                happened: "Milvus forgets a job 24 hours after its end; if the operator was away for so long, or Milvus \
                           was restored from a backup, or the collection was re-created, the job's end cannot be known.",
                words: &[],
                steps: &[
                    "The message says which of these it was.",
                    "Look at the collection: the number of rows, or a record that only the newest files hold.",
                    "If the data is old, set a new `spec.trigger`.",
                ],
            },
            Self::OutcomeUnknown => &Entry {
                name: "OutcomeUnknown",
                retryable: false,
                remedy: "Check Milvus' job list for the collection; if it did not run, set a new spec.trigger. \
                         More: docs/failures.md#outcomeunknown",
                meaning: "Whether a start was accepted could not be found out.",
                happened: "The reply to a start was lost and no job of it was found, or its traces are too old. The \
                           operator does not guess, because starting again could refresh twice.",
                words: &[],
                steps: &[
                    "List the refresh jobs of the collection in Milvus and compare their start with `status.run.submitTime`.",
                    "If one of them is recent and ours, wait for its end: the data is then refreshed.",
                    "Otherwise set a new `spec.trigger`.",
                    "If it happens again, look at what lies between the operator and Milvus: proxies, network, restarts.",
                ],
            },
            Self::Unknown => &Entry {
                name: "Unknown",
                retryable: true,
                remedy: "Read Milvus' reason; set a new spec.trigger to run again. More: docs/failures.md#unknown",
                meaning: "A reason that this version does not know; Milvus' words are kept.",
                happened: "Troubles of the network and the storage are here too, since they have many names.",
                words: &[
                    Reason(
                        "explore external files failed: AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: \
                            curlCode: 28, Timeout was reached",
                    ),
                    Reason("explore external files failed: AWS Error SLOW_DOWN during GetObject operation"),
                ],
                steps: &[
                    "Read `status.reason`. If it is cut off, search Milvus' logs for `status.jobID`.",
                    "If the next try succeeds, nothing is to be done.",
                    "Once the cause is gone, set a new `spec.trigger`.",
                ],
            },
        }
    }
}
