//! INITIALIZE IEP: the purse states where it stands, under S1. And what every value
//! commit has in common: S2 verified, S6 and S3 made, one commit.

use apdu_spec::StatusWord;
use apdu_spec::crypto::mac::OneTimeKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext, StatementKey};
use apdu_spec::element::{Amount, Counter, KeyReference, Kind, Mac, Random};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::purse::{Execute, Executed, InitializePurchase, InitializeTransfer, Initialized};
use apdu_spec::record::{Counterpart, LogEntry, Order, Position, Statement};
use apdu_spec::signature::{Heading, Name, S1, S2, S3, S6};

use super::Purse;
use super::layout::{LOG, LOG_MAX, SESSIONS, State, Stored};
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::memory::Committed;
use crate::kernel::{dispatch, keys::KeyDirectory};

/// A session between INITIALIZE IEP and its order. Lost with power, SELECT, and any
/// other command that ends it.
#[derive(Debug)]
pub(super) struct Session {
    stated: Stated,
    s1: Mac,
    k1: StatementKey,
}

/// What S1 of a session says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated {
    pub(super) kind: Kind,
    pub(super) key: KeyReference,
    pub(super) statement: Statement,
    pub(super) counterpart: Counterpart,
    /// Amount of a load or unload.
    pub(super) amount: Amount,
}

/// What a type of transaction demands of an order besides S2.
type Allow<X> = fn(&Purse<X>, &Stated, Order) -> Result<(), StatusWord>;

impl<X: Protections> Purse<X> {
    pub(super) fn initialize_purchase(
        &mut self,
        request: &InitializePurchase,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        if request.group == 0 {
            return Err(StatusWord::REFERENCE_NOT_FOUND); // group 0 is for loads
        }
        let key = self.choose(Function::Purchase, request.group, request.version)?;
        let (counterpart, amount) = (request.counterpart, Amount::default());
        self.initialize(Kind::Purchase, Function::Purchase, key, counterpart, amount, area, response)
    }

    pub(super) fn initialize_transfer(
        &mut self,
        kind: Kind,
        request: &InitializeTransfer,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        if request.amount == Amount::default() {
            return Err(StatusWord::WRONG_DATA);
        }
        if kind == Kind::Load {
            self.holder.allow_load(request.amount)?;
        }
        let key = self.choose(Function::Load, 0, request.version)?;
        self.initialize(kind, Function::Load, key, request.counterpart, request.amount, area, response)
    }

    /// The highest key version that both sides have.
    pub(super) fn choose(
        &self,
        function: Function,
        group: u8,
        offered: u8,
    ) -> Result<KeyReference, StatusWord> {
        self.keys.choose(function, group, self.parameters()?.key_floor, offered)
    }

    #[allow(clippy::too_many_arguments)]
    fn initialize(
        &mut self,
        kind: Kind,
        function: Function,
        key: KeyReference,
        counterpart: Counterpart,
        amount: Amount,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.session = None;
        let identity = self.parameters()?.identity;
        let card_key = self.keys.key(area, function, key)?;
        let nt = self.nt.next().ok_or(StatusWord::COUNTER_AT_MAXIMUM)?;
        let random = Random(area.random());
        let statement = Statement { identity, position: self.state.position(nt, random) };

        let covered = X::covered(statement);
        let heading = Heading::new(Name::S1, kind, key);
        let context = SessionContext { kind, nt: covered.position.nt, random, counterpart };
        let k1 = DerivationKey::new(card_key, key.algorithm).statement_key(&context);
        let s1 = k1.mac_key().sign(&S1 { heading, statement: covered, counterpart, amount });

        // NT is used up before S1 leaves.
        if X::SESSION_COUNTED {
            let _: Committed = self.use_up(nt, area)?;
        }
        self.nt = nt;
        let stated = Stated { kind, key, statement, counterpart, amount };
        self.session = Some(Session { stated, s1, k1 });
        dispatch::answer(response, &Initialized { key, statement, s1 })
    }

    /// Commits the number of a session: the first one is set, all others count up.
    fn use_up(&self, nt: Counter, area: &mut Area<'_>) -> Result<Committed, StatusWord> {
        if self.nt == Counter::default() {
            area.change().set(SESSIONS, &nt).commit()
        } else {
            area.count_up()
        }
    }

    /// Carries out the order that ends the session: one commit of balance, NV, log and receipt.
    pub(super) fn carry_out(
        &mut self,
        kind: Kind,
        request: &Execute,
        allow: Allow<X>,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let entry = self.ordered(kind, request, allow, area);
        self.session = None;
        self.commit(&entry?, area, response)
    }

    /// The log entry of an order whose S2 is right, with S6 and S3. KS stays in here.
    fn ordered(
        &self,
        kind: Kind,
        request: &Execute,
        allow: Allow<X>,
        area: &Area<'_>,
    ) -> Result<LogEntry, StatusWord> {
        let session = self.session.as_ref().filter(|session| session.stated.kind == kind);
        let session = session.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let Stated { key, statement, counterpart, .. } = session.stated;
        let Execute { order, s2 } = *request;
        // Beside KS, which does not wait for it: a processor makes both at the same time.
        let certificate = certificate_key(&self.keys, area, statement.position, counterpart, kind, key)?;
        let ks = session.k1.order_key(order.nt);
        let heading = |name| Heading::new(name, kind, key);
        let expected =
            ks.sign(&S2 { heading: heading(Name::S2), s1: session.s1, sam: counterpart.sam, order });
        if expected != s2 && X::ORDER_VERIFIED {
            return Err(StatusWord::WRONG_MAC);
        }
        self.check_receipts(order)?;
        allow(self, &session.stated, order)?;

        let (position, s3, s6) = (statement.position, Mac::default(), Mac::default());
        let mut entry = LogEntry { kind, key, position, counterpart, order, s3, s6 };
        entry.s6 = certificate.sign(&certified(&statement, &entry, s2)?);
        entry.s3 = ks.sign(&S3 { heading: heading(Name::S3), s2, s6: entry.s6 });
        Ok(entry)
    }

    /// What was taken over only rises, and the log has room for one entry more.
    pub(super) fn check_receipts(&self, order: Order) -> Result<(), StatusWord> {
        let State { nv, freed, .. } = self.state;
        if order.taken_over < freed || order.taken_over > nv {
            return Err(StatusWord::WRONG_DATA);
        }
        match nv.since(order.taken_over) {
            Some(held) if held < LOG_MAX => Ok(()),
            _ => Err(StatusWord::RECEIPTS_FULL),
        }
    }

    /// The one place where value moves.
    pub(super) fn commit(
        &mut self,
        entry: &LogEntry,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let after = State::after(entry).ok_or(StatusWord::COUNTER_AT_MAXIMUM)?;
        let committed = area.change().append(LOG, &Stored::from(entry)).commit()?;
        self.state = after;
        area.keep_from(LOG, after.nv.get().saturating_sub(LOG_MAX - 1));
        dispatch::answer(response, &executed(entry, &committed))
    }
}

/// The answer that carries value exists only once the commit does.
const fn executed(entry: &LogEntry, _: &Committed) -> Executed {
    Executed { s3: entry.s3, s6: entry.s6 }
}

/// The key of S6 for a session. `kind` is the type of the session that the key comes from; a
/// cancellation uses the session of its purchase.
pub(super) fn certificate_key(
    keys: &KeyDirectory,
    area: &Area<'_>,
    position: Position,
    counterpart: Counterpart,
    kind: Kind,
    key: KeyReference,
) -> Result<OneTimeKey, StatusWord> {
    let card_key = keys.key(area, Function::Certificate, KeyReference { group: 0, ..key })?;
    let context = SessionContext { kind, nt: position.nt, random: position.random, counterpart };
    Ok(DerivationKey::new(card_key, key.algorithm).certificate_key(&context))
}

/// S6: the purse's word to its issuer.
pub(super) fn certified(statement: &Statement, entry: &LogEntry, s2: Mac) -> Result<S6, StatusWord> {
    Ok(S6 {
        heading: Heading::new(Name::S6, entry.kind, entry.key),
        statement: *statement,
        counterpart: entry.counterpart,
        order: entry.order,
        s2,
        balance: entry.balance_after().ok_or(StatusWord::MAXIMUM_EXCEEDED)?,
        nv: entry.nv().ok_or(StatusWord::COUNTER_AT_MAXIMUM)?,
    })
}
