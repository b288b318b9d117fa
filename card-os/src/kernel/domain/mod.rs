//! The issuer security domain: who holds its keys manages the card.
//!
//! `channel` opens secure channels and counts attempts, `keys` keeps the key sets and takes
//! new ones (PUT KEY), `content` installs, deletes and blocks applications, `data` personalises
//! them (STORE DATA) and tells what the card is (GET DATA).

mod channel;
mod content;
mod data;
mod keys;

use apdu_spec::crypto::secure_channel::{CardChannel, KeySet};
use apdu_spec::declare::{Command as _, Row, refusal};
use apdu_spec::interindustry::InterindustryCommand;
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::protections::Protections;
use apdu_spec::security_domain::{GetData, SecurityDomainCommand};
use apdu_spec::{Apdu, StatusWord};

use super::Response;
use super::area::{Area, AreaChange, Cell, Storage};
use super::registry::Registry;

// Cells of the kernel; the registry has the first four.
/// State of the card (`CardState`).
const CARD_STATE: Cell = Cell(4);
/// How secure channels are opened (`DomainParameters`).
const PARAMETERS: Cell = Cell(5);
/// What is known of those who want in ([`channel::Authentication`]).
const AUTHENTICATION: Cell = Cell(6);
/// What the keys are diversified with (10).
const DIVERSIFICATION: Cell = Cell(7);
/// The first key set; the others follow.
const KEY_SETS: u8 = 8;

/// The security domain of a card that is powered.
#[derive(Debug)]
pub(super) struct SecurityDomain {
    channel: CardChannel,
    /// Version of the keys that the channel is being opened with.
    opening: Option<u8>,
    state: CardState,
    /// Whether wrong authentications have blocked the card.
    blocked: bool,
    /// The application that INSTALL [for personalization] has named.
    target: Option<usize>,
}

/// The card, as the security domain manages it.
pub(super) struct Managed<'c, X> {
    pub(super) storage: &'c mut dyn Storage,
    pub(super) registry: &'c mut Registry<X>,
}

/// The cells that a new card gets, in the commit that makes it one.
pub(super) fn initialize(change: &mut AreaChange<'_, '_>, keys: &KeySet, diversification: [u8; 10]) {
    change.set(DIVERSIFICATION, &diversification);
    keys::initialize(change, keys);
}

impl SecurityDomain {
    /// Reads the security domain after power-up.
    pub(super) fn attach(storage: &mut dyn Storage) -> Self {
        let area = Area::kernel(storage);
        let state = area.get(CARD_STATE).unwrap_or(CardState::OpReady);
        let blocked = channel::attempts(&area).block();
        Self { channel: CardChannel::new(), opening: None, state, blocked, target: None }
    }

    /// State of the card.
    pub(super) const fn state(&self) -> CardState {
        self.state
    }

    /// Whether wrong authentications have blocked the card.
    pub(super) const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The gate of a blocked card, before any applet: of the commands that an applet has, those
    /// pass that a blocked application serves. Evidence stays readable, no value moves.
    pub(super) fn admit(&self, rows: &[Row], apdu: &Apdu<'_>) -> Result<(), StatusWord> {
        let stopped = |row: &Row| row.matches(apdu) && !row.states.contains(&LifeCycle::Blocked);
        if self.blocked && rows.iter().any(stopped) { Err(StatusWord::CARD_BLOCKED) } else { Ok(()) }
    }

    /// Serves a command of its set, which came through the channel where there is one. Beside
    /// what the APDU is made of it takes the APDU as a whole, which the MAC of one covers.
    pub(super) fn process<X: Protections>(
        &mut self,
        apdu: &Apdu<'_>,
        whole: &[u8],
        card: &mut Managed<'_, X>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        use SecurityDomainCommand as C;
        // Tools send what the standard has under class 80 under 00 as well.
        let interindustry = apdu.cla == 0x00 && C::ROWS.iter().any(|row| row.ins == apdu.ins);
        let apdu = Apdu { cla: if interindustry { GetData::ROW.cla } else { apdu.cla }, ..*apdu };
        self.admit(C::ROWS, &apdu)?;
        let refused = || Err(refusal(&[InterindustryCommand::ROWS, C::ROWS], &apdu));
        match &C::decode(&apdu, self.state.of_domain()).unwrap_or_else(refused)? {
            C::InitializeUpdate(request) => self.initialize_update(request, card.storage, response),
            C::ExternalAuthenticate(request) => {
                self.external_authenticate(request.level, whole, card.storage)
            }
            C::GetData(request) => data::get(*request, interindustry, card.storage, response),
            C::GetStatus(request) => {
                self.level().ok_or(StatusWord::SECURITY_NOT_SATISFIED)?;
                content::status(request, self.state, card.registry, response)
            }
            C::SetStatus(request) => self.manage()?.set_status(request, card),
            C::Install(request) => self.manage()?.install(request, card, response),
            C::Delete(request) => self.manage()?.delete(request, card, response),
            C::PutKey(request) => self.manage()?.put_key(request, card.storage, response),
            C::StoreData(block) => self.manage()?.store_data(block, card),
        }
    }

    /// Itself, where the issuer is on the line and nobody can put in a word.
    fn manage(&mut self) -> Result<&mut Self, StatusWord> {
        match self.level() {
            Some(level) if level.c_mac() => Ok(self),
            _ => Err(StatusWord::SECURITY_NOT_SATISFIED),
        }
    }
}
