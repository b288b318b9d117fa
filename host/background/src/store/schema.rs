//! The tables. Identities, counters and codes are integers (see `code`); money is
//! integer minor units; records are kept byte for byte as they came in.

/// Marks a SQLite file as ours ("PURS").
pub(super) const APPLICATION_ID: i64 = 0x5055_5253;

/// Version of these tables.
pub(super) const VERSION: i64 = 3;

/// Set on every connection. FULL: what has been answered survives a power failure.
pub(super) const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -65536;
";

/// Makes all tables.
pub(super) const TABLES: &str = "
-- Management: who takes part, and what has been issued.
CREATE TABLE key_version (
    function INTEGER NOT NULL, key_group INTEGER NOT NULL, version INTEGER NOT NULL,
    check_value BLOB NOT NULL,
    PRIMARY KEY (function, key_group, version)
) WITHOUT ROWID;
-- list_min: oldest list of blocked purses under which PSAMs may open purchases. collection: days after
-- the last day of a purse in which its payments still come in.
CREATE TABLE issuer (
    provider INTEGER PRIMARY KEY, name TEXT NOT NULL,
    list_min INTEGER NOT NULL DEFAULT 0, collection INTEGER NOT NULL DEFAULT 180
);
-- What an issuer guarantees to merchants with terminals of a kind, where it is not the default: seconds
-- from hotlisting, seconds from the last word to the PSAM, minor units of a purse in a batch.
CREATE TABLE guarantee (
    provider INTEGER NOT NULL REFERENCES issuer, connection INTEGER NOT NULL,
    delay INTEGER NOT NULL, age INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (provider, connection)
) WITHOUT ROWID;
CREATE TABLE acquirer (acquirer INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE merchant (
    merchant INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    acquirer INTEGER NOT NULL REFERENCES acquirer
);
-- PSAMs, load terminals and transfer cards. nt: last number given out, of a load terminal. connection:
-- how often its terminal speaks to us. lost: since when a PSAM is known to be lost for ever, and why.
CREATE TABLE module (
    sam INTEGER PRIMARY KEY, role INTEGER NOT NULL, name TEXT NOT NULL,
    acquirer INTEGER NOT NULL REFERENCES acquirer, merchant INTEGER REFERENCES merchant,
    record_key BLOB, nt INTEGER NOT NULL DEFAULT 0, issued INTEGER NOT NULL,
    connection INTEGER NOT NULL DEFAULT 2, lost INTEGER, lost_reason TEXT
);
-- What a load terminal may do. fundings: a bit each. operator_limit: what it may give away of the
-- operator's money in a day (UTC) on one person's word; given: what it has, on that day.
CREATE TABLE load_terminal (
    sam INTEGER PRIMARY KEY REFERENCES module, fundings INTEGER NOT NULL,
    operator_limit INTEGER NOT NULL, day INTEGER NOT NULL DEFAULT 0, given INTEGER NOT NULL DEFAULT 0
);
-- People who approve, and what they have approved. nt: the purse's session that it was used in.
CREATE TABLE operator (
    operator INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key BLOB NOT NULL UNIQUE,
    since INTEGER NOT NULL
);
CREATE TABLE approval (
    approval INTEGER PRIMARY KEY, sam INTEGER NOT NULL REFERENCES load_terminal,
    purse INTEGER NOT NULL REFERENCES purse, currency INTEGER NOT NULL, amount INTEGER NOT NULL,
    asked INTEGER NOT NULL, nt INTEGER
);
CREATE TABLE approval_signature (
    approval INTEGER NOT NULL REFERENCES approval, operator INTEGER NOT NULL REFERENCES operator,
    signature BLOB NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (approval, operator)
) WITHOUT ROWID;
-- shadow: what the purse holds as far as is known here. complete: all value commits up to
-- this NV are known. highest: the highest that is known. stated_nv, stated_cancellation: NV, and NV of the
-- last cancellation, in the statement with the highest NV that is known.
CREATE TABLE purse (
    purse INTEGER PRIMARY KEY, provider INTEGER NOT NULL REFERENCES issuer,
    currency INTEGER NOT NULL, expiry INTEGER NOT NULL,
    maximum INTEGER NOT NULL, overdraft INTEGER NOT NULL, purchase_limit INTEGER NOT NULL,
    shadow INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0,
    highest INTEGER NOT NULL DEFAULT 0, stated_nv INTEGER NOT NULL DEFAULT 0,
    stated_cancellation INTEGER NOT NULL DEFAULT 0, hotlisted INTEGER, issued INTEGER NOT NULL
);

-- Clearing: value that moved. One row a value commit of a purse whose S6 is good. batch: in which its own
-- PSAM has credited or claimed it.
CREATE TABLE value_commit (
    purse INTEGER NOT NULL REFERENCES purse, nv INTEGER NOT NULL,
    kind INTEGER NOT NULL, state INTEGER NOT NULL, source INTEGER NOT NULL,
    sam INTEGER NOT NULL REFERENCES module, nt_sam INTEGER NOT NULL,
    amount INTEGER NOT NULL, settlement INTEGER REFERENCES settlement,
    evidence BLOB NOT NULL, batch INTEGER,
    PRIMARY KEY (purse, nv)
) WITHOUT ROWID;
CREATE UNIQUE INDEX purchase_number ON value_commit (sam, nt_sam) WHERE kind = 1;
CREATE INDEX unsettled ON value_commit (sam) WHERE state = 1;
CREATE INDEX held ON value_commit (sam) WHERE state = 7;
CREATE INDEX voided ON value_commit (purse) WHERE state = 3;
-- Purchases that their purse has taken back, as it has stated, and that have not come in.
CREATE TABLE taken_back (
    purse INTEGER NOT NULL, nv INTEGER NOT NULL, PRIMARY KEY (purse, nv)
) WITHOUT ROWID;
-- What PSAMs say without the purse's word: claims, never debited, voided. told: of what was in doubt and
-- is not, the batch with whose acknowledgement the PSAM has heard it; 0 before.
CREATE TABLE claim (
    sam INTEGER NOT NULL, nt_sam INTEGER NOT NULL, purse INTEGER NOT NULL,
    nt INTEGER NOT NULL, nv INTEGER NOT NULL, amount INTEGER NOT NULL, state INTEGER NOT NULL,
    evidence BLOB NOT NULL, told INTEGER,
    PRIMARY KEY (sam, nt_sam)
) WITHOUT ROWID;
CREATE INDEX claim_untold ON claim (sam) WHERE told = 0;
CREATE INDEX claim_in_doubt ON claim (purse) WHERE state IN (1, 4);
-- Cancellations whose purchase has not come in. sam: the module that handed them in.
CREATE TABLE waiting (
    purse INTEGER NOT NULL, nv INTEGER NOT NULL, sam INTEGER NOT NULL, evidence BLOB NOT NULL,
    PRIMARY KEY (purse, nv, sam, evidence)
) WITHOUT ROWID;
-- Loads and unloads, by the purse's session. Written before S2 leaves.
CREATE TABLE transfer (
    purse INTEGER NOT NULL, nt INTEGER NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL,
    funding INTEGER NOT NULL, sam INTEGER NOT NULL REFERENCES module, currency INTEGER NOT NULL,
    nv INTEGER NOT NULL, amount INTEGER NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL,
    PRIMARY KEY (purse, nt)
) WITHOUT ROWID;
CREATE INDEX transfer_in_doubt ON transfer (purse) WHERE state = 1;
-- before: the sums of the PSAM before this batch. told: the time in its acknowledgement.
CREATE TABLE batch (
    sam INTEGER NOT NULL REFERENCES module, batch INTEGER NOT NULL, s4 BLOB NOT NULL,
    trailer BLOB NOT NULL, received INTEGER NOT NULL, before BLOB NOT NULL,
    acknowledgement BLOB NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (sam, batch)
) WITHOUT ROWID;
CREATE INDEX told_time ON batch (sam, told);
CREATE TABLE exception (
    exception INTEGER PRIMARY KEY, reason TEXT NOT NULL, open INTEGER NOT NULL DEFAULT 1,
    time INTEGER NOT NULL, sam INTEGER, batch INTEGER, purse INTEGER, nv INTEGER,
    detail TEXT NOT NULL, evidence BLOB NOT NULL
);
CREATE INDEX exception_subject ON exception (sam, batch, purse, nv);

-- Ledger. balance = credits - debits, always the sum of the postings.
CREATE TABLE account (
    account INTEGER PRIMARY KEY, role INTEGER NOT NULL, owner INTEGER NOT NULL,
    currency INTEGER NOT NULL, balance INTEGER NOT NULL DEFAULT 0,
    UNIQUE (role, owner, currency)
);
CREATE TABLE posting (
    event INTEGER NOT NULL, subject INTEGER NOT NULL, number INTEGER NOT NULL,
    debit INTEGER NOT NULL REFERENCES account, credit INTEGER NOT NULL REFERENCES account,
    amount INTEGER NOT NULL CHECK (amount > 0), time INTEGER NOT NULL,
    PRIMARY KEY (event, subject, number), CHECK (debit <> credit)
) WITHOUT ROWID;
CREATE TRIGGER posting_is_final BEFORE UPDATE ON posting
    BEGIN SELECT RAISE(ABORT, 'postings are immutable'); END;
CREATE TRIGGER posting_stays BEFORE DELETE ON posting
    BEGIN SELECT RAISE(ABORT, 'postings are immutable'); END;

-- Settlement: what was paid out, and who owes whom.
CREATE TABLE settlement (settlement INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE settlement_line (
    settlement INTEGER NOT NULL REFERENCES settlement, merchant INTEGER NOT NULL REFERENCES merchant,
    currency INTEGER NOT NULL, count INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (settlement, merchant, currency)
) WITHOUT ROWID;
CREATE TABLE settlement_position (
    settlement INTEGER NOT NULL REFERENCES settlement, acquirer INTEGER NOT NULL,
    provider INTEGER NOT NULL, currency INTEGER NOT NULL, count INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (settlement, acquirer, provider, currency)
) WITHOUT ROWID;

-- Audit: an entry for each transaction that changed something, each under a MAC of the vault
-- over itself and all before it (see `audit`); and the backups that were taken up.
CREATE TABLE chain (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, changes BLOB NOT NULL, link BLOB NOT NULL
);
CREATE TABLE restoration (
    restoration INTEGER PRIMARY KEY, kept INTEGER NOT NULL, time INTEGER NOT NULL, reason TEXT NOT NULL
);
";
