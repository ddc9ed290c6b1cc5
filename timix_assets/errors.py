"""The root of every error that this package raises on purpose. Each message says what happened and what to do next.

TimixAssetsError
├── TimixError                  api: a request to Timix failed
│   ├── ClientConfigError       a key, base URL, proxy or limit that cannot be used
│   ├── ReadOnly                a write through a client that may only read
│   ├── Closed                  a request after the client was closed
│   ├── ConnectionFailed        no connection, or it broke
│   ├── DeadlineExceeded        no complete response in time
│   ├── TlsFailed               no secure connection
│   ├── RedirectRefused         the server points elsewhere, where the key is not sent
│   ├── ResponseTooLarge        the response is larger than the limit
│   ├── NotJson                 a successful response that is not JSON
│   ├── NotCsv                  a successful response that is not a complete CSV
│   ├── EmptyResponse           a successful response without a body
│   ├── ContractError           JSON of an unexpected shape
│   ├── ListingUnstable         a listing that changed during every attempt to read it
│   └── StatusError             an error status
│       ├── Unauthorized        401
│       ├── Forbidden           403
│       ├── NotFound            404
│       ├── Conflict            409
│       ├── Invalid             400 or 422
│       ├── RateLimited         429
│       ├── IncompleteResponse  206 or 304
│       └── TryAgain            408 or 425
│           └── ServerError     5xx
├── LakeError                   lake: a table cannot be read or written
│   ├── WrongLocation           no lake can be at the location
│   ├── TableMissing            the table does not exist
│   ├── OutdatedRollup          an earlier version computed the rollup
│   ├── MonthsMissing           months of the table were never read
│   ├── RowsOutsideRange        rows of months that are not being written
│   ├── DuplicateKeys           two rows with the same primary key
│   ├── UnstorableColumn        a column type that Delta Lake cannot store
│   ├── SchemaChanged           a column whose type differs from the table's
│   ├── ShrinkRefused           the write would remove too many rows
│   ├── WriteConflict           another writer committed first
│   ├── WriteFailed             the storage did not accept the write
│   ├── StoreUnfit              the storage cannot hold a Delta table
│   ├── OtherOrganization       the lake belongs to another organization
│   ├── LakeLockTimeout         another process held the lake lock for too long
│   └── LeaseLost               another machine may write to the lake now
├── OverrideError               contract: an override that cannot be applied; a ValueError
├── ExpressionError             contract: SQL that cannot compute a column; a ValueError
├── SettingsError               settings: a setting that cannot be used; a ValueError
├── UnreadableFileError         settings: a file that is not YAML; a ValueError
├── ExportError              reporting: tables that cannot be exported
├── QueryError               reporting: SQL that cannot be run; a ValueError
├── BrokenCsv                   text: not a complete CSV; a ValueError
├── WrongEncoding               text: a line of a CSV is not in its encoding; a ValueError
├── OutboxError                 alerts: the outbox cannot be read or written
│   └── OutboxBusy              another process is delivering from it
├── ImportRefused               imports: an import that cannot begin
├── ImportStopped               imports: an import that ended early
├── NotDelivered                alerts: a receiver did not accept a message
├── EventRefused                webhooks: an event that is not from the sender, or too old
├── InboxError                  webhooks: the inbox cannot be read or written
└── SandboxEnded                commands: the sandbox process ended
"""


class TimixAssetsError(Exception):
    """Root of every error that `timix_assets` raises on purpose."""
