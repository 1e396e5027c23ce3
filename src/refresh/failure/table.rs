//! What is known of each class: the one source of the status, the documentation and the tests.

use super::{
    FailureClass,
    entry::{
        Entry,
        Words::{Code, Grpc, Reason},
    },
};

const RUN_AGAIN: &str = "Set a new `spec.trigger` to run it again.";

impl FailureClass {
    /// All that is known of the class.
    pub(crate) fn entry(self) -> &'static Entry {
        match self {
            Self::CollectionNotFound => &Entry {
                name: "CollectionNotFound",
                retryable: true,
                remedy: "Create the external collection in Milvus and set a new spec.trigger, or create a refresh with the \
                         right spec.collectionName. More: docs/failures.md#collectionnotfound",
                meaning: "The collection does not exist.",
                happened: "Milvus has no collection or alias of that name in that database, or it was dropped while its \
                           job ran.",
                words: &[
                    Code(100, "collection not found[database=default][collection=products]"),
                    Code(1600, "alias not found[database=default][alias=products]"),
                    Reason("failed to explore external files: collection not found[collection=461234567890123456]"),
                ],
                steps: &[
                    "Compare `spec.databaseName` and `spec.collectionName` with what Milvus lists.",
                    "If it is missing, create it: the next retry finds it. After the last retry, set a new `spec.trigger`.",
                    "If the name is wrong, delete the refresh and create one with the right name: it is immutable.",
                ],
            },
            Self::DatabaseNotFound => &Entry {
                name: "DatabaseNotFound",
                retryable: true,
                remedy: "Create the database in Milvus and set a new spec.trigger, or create a refresh with the right \
                         spec.databaseName. More: docs/failures.md#databasenotfound",
                meaning: "The database does not exist.",
                happened: "Milvus has no database called `spec.databaseName`, or refuses the name as invalid.",
                words: &[
                    Code(800, "database not found[database=sales]"),
                    Code(802, "invalid database name[database=1st]"),
                ],
                steps: &[
                    "List the databases in Milvus and compare.",
                    "If it is missing, create it: the next retry finds it. After the last retry, set a new `spec.trigger`.",
                    "If the name is wrong, delete the refresh and create one with the right name: it is immutable.",
                ],
            },
            Self::NotExternalCollection => &Entry {
                name: "NotExternalCollection",
                retryable: false,
                remedy: "Only external collections can be refreshed; create a refresh for one of those. \
                         More: docs/failures.md#notexternalcollection",
                meaning: "The collection is not external: it holds its own data, so there is nothing to refresh.",
                happened: "None of its fields is mapped to a column of external files.",
                words: &[Code(1100, "collection products is not an external collection: invalid parameter")],
                steps: &[
                    "Describe the collection in Milvus: an external one has fields with `external_field`.",
                    "If the name is wrong, delete the refresh and create one for the right collection.",
                    "If the collection has been recreated as an external one, set a new `spec.trigger`.",
                ],
            },
            Self::PermissionDenied => &Entry {
                name: "PermissionDenied",
                retryable: false,
                remedy: "Grant the connection's Milvus account RefreshExternalCollection and DescribeCollection on the \
                         collection, then set a new spec.trigger. More: docs/failures.md#permissiondenied",
                meaning: "The operator's account lacks a privilege in Milvus.",
                happened: "Milvus accepted the login and refused the call. If Milvus itself lacks access to the storage, \
                           the class is SourceAccessDenied.",
                words: &[
                    Grpc(7, "PrivilegeRefreshExternalCollection: permission deny to refresh in the `default` database"),
                    Code(1401, "not permitted[privilege=RefreshExternalCollection]"),
                ],
                steps: &[
                    "Find the account: the user in the Secret of the MilvusConnection's `spec.auth.secretRef`.",
                    "Grant its role `RefreshExternalCollection` and `DescribeCollection` on the collection. If the refresh \
                     uses an alias, some versions of Milvus also need the grant for the alias.",
                    RUN_AGAIN,
                ],
            },
            Self::InvalidSpec => &Entry {
                name: "InvalidSpec",
                retryable: false,
                remedy: "Correct the external source or spec as the message says, then set a new spec.trigger. \
                         More: docs/failures.md#invalidspec",
                meaning: "The request or the spec is invalid.",
                happened: "Milvus checks source and spec when a refresh starts, and again when the job begins, by the \
                           rules of its current version.",
                words: &[
                    Code(1100, "collection products has no persisted external_source/external_spec: invalid parameter"),
                    Code(65535, "invalid external spec JSON: unexpected end of JSON input"),
                    Code(3000, "operation not supported"),
                    Reason("external source/spec failed revalidation: extfs region is required for scheme s3"),
                    Reason("failed to explore external files: failed to parse external spec: invalid parameter"),
                ],
                steps: &[
                    "Read the message: it names the key or the rule.",
                    "If the refresh has an `externalSource`, correct it and its spec: the edit starts a new run.",
                    "Otherwise source and spec are those that Milvus stores for the collection, and they cannot be \
                     edited. Refresh once with a correct `externalSource` and spec, which Milvus stores when the run \
                     completes, or recreate the collection.",
                    "If credentials were in a spec in Git or in an object, rotate them.",
                ],
            },
            Self::SourceNotAllowed => &Entry {
                name: "SourceNotAllowed",
                retryable: false,
                remedy: "Ask the connection's owner to add the source to spec.allowedSources and set a new spec.trigger, \
                         or use a source that it allows. More: docs/failures.md#sourcenotallowed",
                meaning: "The connection does not allow the source of the refresh.",
                happened: "The operator sent nothing to Milvus. A connection without `allowedSources` allows no \
                           `externalSource` at all.",
                words: &[],
                steps: &[
                    "Compare `spec.externalSource` with `kubectl get milvusconn NAME -o jsonpath='{.spec.allowedSources}'`: \
                     it must begin with one of these, in whole path segments.",
                    "If the message names a key of the spec, correct that key: the spec must not lead to another place.",
                    "Change the source, which starts a new run. Or have the connection changed and set a new `spec.trigger`.",
                ],
            },
            Self::SourceNotFound => &Entry {
                name: "SourceNotFound",
                retryable: true,
                remedy: "Check that the bucket and the path of the external source exist, then set a new spec.trigger. \
                         More: docs/failures.md#sourcenotfound",
                meaning: "The source or its bucket does not exist.",
                happened: "The storage answered that it has no such bucket or object.",
                words: &[
                    Reason(
                        "explore external files failed: loon FFI transient error: AWS Error NO_SUCH_BUCKET during \
                            ListObjectsV2 operation: The specified bucket does not exist",
                    ),
                    Reason("query task failed: key not found[key=products/a.parquet]"),
                ],
                steps: &[
                    "Check `status.externalSource`, and the region and endpoint in the collection's spec: the same name \
                     may exist elsewhere.",
                    "List it with the storage's own tool.",
                    "Once it exists, the next retry finds it. After the last retry, set a new `spec.trigger`.",
                    "If files vanish while a job reads them, let the producer write new names and delete old files only \
                     after a refresh.",
                ],
            },
            Self::SourceAccessDenied => &Entry {
                name: "SourceAccessDenied",
                retryable: false,
                remedy: "Give Milvus read access to the source (credentials, role, bucket policy), then set a new \
                         spec.trigger. More: docs/failures.md#sourceaccessdenied",
                meaning: "Milvus is not allowed to read the source.",
                happened: "The storage refused Milvus' credentials, or they lack a permission. The operator itself never \
                           reads the source.",
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
                    "Find the credentials in use: those in the refresh's own spec if it has one, otherwise those that the \
                     collection was created with.",
                    "Check that they are valid (not expired, not rotated) and may list the bucket and read its objects.",
                    "If Milvus assumes a role, check its trust policy and the external id.",
                    "After you change permissions, set a new `spec.trigger`. To give Milvus new keys, refresh once with an \
                     `externalSource` and a spec in a Secret; Milvus stores them when the run completes.",
                ],
            },
            Self::SourceEmpty => &Entry {
                name: "SourceEmpty",
                retryable: false,
                remedy: "Put files under the source path, then set a new spec.trigger; Milvus refuses to refresh a \
                         collection to zero rows. More: docs/failures.md#sourceempty",
                meaning: "The source has no files or no rows, or would leave the collection empty.",
                happened: "Milvus treats this as a mistake and keeps the data that it had.",
                words: &[
                    Reason("no files found in external source: s3://bucket/products/"),
                    Reason("external source has 3 fragments but zero total rows: invalid parameter"),
                    Reason("safety check failed: refusing to drop all segments without replacement"),
                ],
                steps: &[
                    "List the path in `status.externalSource`. Common causes: the prefix lacks its last slash, or the file \
                     extension does not match the format.",
                    "If the producer is late or has failed, resolve that first.",
                    RUN_AGAIN,
                    "If the collection should really be empty, drop it in Milvus.",
                ],
            },
            Self::SchemaMismatch => &Entry {
                name: "SchemaMismatch",
                retryable: false,
                remedy: "Make the files' columns and types match the collection's schema, then set a new spec.trigger. \
                         More: docs/failures.md#schemamismatch",
                meaning: "The files do not match the collection's schema.",
                happened: "A column is missing (names are case-sensitive) or has another type. Older versions of Milvus do \
                           not name the column; the log of the data node does.",
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
                    "Let the producer write matching files under new names: Milvus does not reread a file that is \
                     overwritten in place.",
                    RUN_AGAIN,
                ],
            },
            Self::ServerInternal => &Entry {
                name: "ServerInternal",
                retryable: true,
                remedy: "Search Milvus' logs for the job; set a new spec.trigger to run again. \
                         More: docs/failures.md#serverinternal",
                meaning: "Milvus reported an internal error.",
                happened: "Often one of its nodes was restarted during the job.",
                words: &[
                    Reason("query task failed: rpc error: code = Unavailable desc = node offline"),
                    Reason("worker requested retry"),
                    Reason("task result not found"),
                ],
                steps: &[
                    "If the next retry succeeds, you need to do nothing.",
                    "Otherwise check Milvus' pods, data nodes first, for restarts and lack of memory, and search their logs \
                     for `status.jobID`.",
                    RUN_AGAIN,
                ],
            },
            Self::JobTimeout => &Entry {
                name: "JobTimeout",
                retryable: false,
                remedy: "Raise dataCoord.externalCollectionJobTimeout in Milvus or refresh fewer files at a time, then \
                         set a new spec.trigger. More: docs/failures.md#jobtimeout",
                meaning: "The job exceeded Milvus' own time limit.",
                happened: "The limit is `dataCoord.externalCollectionJobTimeout`, one hour by default.",
                words: &[
                    Reason("timeout"),
                    Reason("timeout, last failure: failed to explore external files: AWS Error NETWORK_CONNECTION"),
                ],
                steps: &[
                    "If the reason names a last failure, resolve that first.",
                    "Check in the logs of Milvus' data nodes whether the job made progress. If not, check the network to \
                     the storage, and whether a snapshot's metadata is complete.",
                    "If the job only needs more time, raise the limit in Milvus, and `spec.activeDeadlineSeconds` above it.",
                    RUN_AGAIN,
                ],
            },
            Self::IndexWaitTimeout => &Entry {
                name: "IndexWaitTimeout",
                retryable: false,
                remedy: "The new data is live. Check the index build in Milvus; another refresh only waits again. \
                         More: docs/failures.md#indexwaittimeout",
                meaning: "The new data is live, but Milvus' wait for its indexes timed out.",
                happened: "Milvus is configured to wait for indexes (`refreshWaitForIndex`) and continues to build them. For a \
                           watch the change counts as refreshed.",
                words: &[Reason(
                    "timeout waiting for indexes: the refreshed data is applied and serving, but its indexes did not \
                     finish within dataCoord.externalCollectionJobTimeout",
                )],
                steps: &[
                    "Searches may be slow for a while; no data is missing.",
                    "Describe the index in Milvus: the number of pending rows should fall.",
                    "If it does not, check the logs of the nodes that build indexes.",
                ],
            },
            Self::DeadlineExceeded => &Entry {
                name: "DeadlineExceeded",
                retryable: false,
                remedy: "The job may still finish in Milvus: check there, then raise spec.activeDeadlineSeconds and set a \
                         new spec.trigger. More: docs/failures.md#deadlineexceeded",
                meaning: "The attempt ran longer than the refresh allows.",
                happened: "The operator stopped tracking the job after `spec.activeDeadlineSeconds`. Milvus cannot cancel \
                           a job, so it may still run and make new data live when it ends.",
                words: &[],
                steps: &[
                    "Ask Milvus for the progress of the job in `status.jobID`.",
                    "While it is active, other refreshes of the collection wait until it has ended.",
                    "If the job only needs more time, raise `spec.activeDeadlineSeconds`; that alone starts nothing.",
                    RUN_AGAIN,
                ],
            },
            Self::StartingDeadlineExceeded => &Entry {
                name: "StartingDeadlineExceeded",
                retryable: false,
                remedy: "Resolve what delayed the start, or raise spec.startingDeadlineSeconds; then set a new \
                         spec.trigger. More: docs/failures.md#startingdeadlineexceeded",
                meaning: "The run did not start within the time that the refresh allows.",
                happened: "`spec.startingDeadlineSeconds` passed before Milvus accepted a start. This run started nothing.",
                words: &[],
                steps: &[
                    "The message says what the run waited for last: another refresh of the collection, an active job in \
                     Milvus, its Secret, or its connection.",
                    "Resolve that, or raise `spec.startingDeadlineSeconds`.",
                    RUN_AGAIN,
                ],
            },
            Self::JobLost => &Entry {
                name: "JobLost",
                retryable: false,
                remedy: "Check in Milvus whether the collection has the data; set a new spec.trigger to run again. \
                         More: docs/failures.md#joblost",
                meaning: "The job vanished, or its collection was replaced.",
                happened: "The result of the job cannot be known: the operator was down for 24 hours after the job's end, \
                           when Milvus forgets it, or Milvus was restored from a backup, or the collection was recreated.",
                words: &[],
                steps: &[
                    "The message says which of these happened.",
                    "Check the collection: the number of rows, or a record that only the newest files have.",
                    "If the data is old, set a new `spec.trigger`.",
                ],
            },
            Self::OutcomeUnknown => &Entry {
                name: "OutcomeUnknown",
                retryable: false,
                remedy: "Check Milvus' job list for the collection; if no job ran, set a new spec.trigger. \
                         More: docs/failures.md#outcomeunknown",
                meaning: "It is unknown whether Milvus accepted the start.",
                happened: "The reply to a start was lost, and the operator found no job of it or looked too late. It does \
                           not guess, because another start could refresh twice.",
                words: &[],
                steps: &[
                    "List the refresh jobs of the collection in Milvus and compare their start times with \
                     `status.run.submitTime`.",
                    "If one of them matches, wait for its end: the data is then refreshed.",
                    "Otherwise set a new `spec.trigger`.",
                    "If this happens again, check what is between the operator and Milvus: proxies, network, restarts.",
                ],
            },
            Self::VerificationFailed => &Entry {
                name: "VerificationFailed",
                retryable: false,
                remedy: "Resolve what status.verification.checks says, then set a new spec.trigger. \
                         More: docs/failures.md#verificationfailed",
                meaning: "Milvus completed the job, but a check of spec.verify failed or could not be made in time.",
                happened: "The new data is mapped in Milvus, and with `policy: Require` the run counts only once the checks have \
                           passed. The operator does not retry: another refresh of the same files would change nothing.",
                words: &[],
                steps: &[
                    "`status.verification.checks` says which check failed, with what was found and expected.",
                    "`served` or `count`: Milvus does not serve all rows. Follow \
                     [the runbook](runbooks/CollectionNotServed.md).",
                    "`rows`: if the smaller number is right, raise `spec.verify.rows.maxDropPercent` or lower `min`; otherwise \
                     look for the missing files.",
                    "`index`: an index that failed does not heal by waiting; drop it and create it again.",
                    "`query/NAME`: check the filter, and whether the rows are in the files.",
                    "An outcome `Error`: the message says what kept the operator from checking, for example a missing privilege.",
                    RUN_AGAIN,
                ],
            },
            Self::Unknown => &Entry {
                name: "Unknown",
                retryable: true,
                remedy: "Read Milvus' reason; set a new spec.trigger to run again. More: docs/failures.md#unknown",
                meaning: "The job failed for a reason that this version does not know.",
                happened: "The status quotes Milvus' message. Network and storage problems can be here too, since their \
                           messages vary.",
                words: &[
                    Reason(
                        "explore external files failed: AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: \
                            curlCode: 28, Timeout was reached",
                    ),
                    Reason("explore external files failed: AWS Error SLOW_DOWN during GetObject operation"),
                ],
                steps: &[
                    "Read `status.reason`. If it is truncated, search Milvus' logs for `status.jobID`.",
                    "If the next retry succeeds, you need to do nothing.",
                    "Once the cause is resolved, set a new `spec.trigger`.",
                ],
            },
        }
    }
}
