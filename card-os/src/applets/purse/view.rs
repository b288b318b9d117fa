//! The purse as a reader of older cards sees it: the files of a Geldkarte or of a Quick card.
//!
//! Every answer is made from the purse itself when it is asked for. Nothing is kept twice and
//! nothing can be written; while a view is current, no command of the purse is served.

use apdu_spec::aid::Aid;
use apdu_spec::element::{Bcd, Kind};
use apdu_spec::legacy::geldkarte::{
    AccountFile, AmountsFile, CardFile, LoadRecord, PaymentRecord, SequenceFile,
};
use apdu_spec::legacy::quick::QuickRecord;
use apdu_spec::legacy::{BinaryPlace, CONTENT_MAX, FileCommand, FileId, RecordPlace};
use apdu_spec::personalisation::LegacyView;
use apdu_spec::protections::Protections;
use apdu_spec::{Element, StatusWord, Writer};

use super::Purse;
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

/// Records that the logs of a Geldkarte show.
const LOADS: usize = 3;
const PAYMENTS: usize = 15;
/// Place of the currency in its file of a Quick card.
const CURRENCY: usize = 0x15;
/// Identifier of the directory of a Geldkarte's purse.
const DIRECTORY: [u8; 2] = [0xA2, 0x00];

/// What a view has been asked for last.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    scheme: Scheme,
    file: Option<File>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Geldkarte,
    Quick,
}

#[derive(Clone, Copy, Debug)]
enum File {
    Card,
    Amounts,
    Account,
    LoadNumber,
    PaymentNumber,
    Loads,
    Payments,
    QuickCurrency,
    QuickBalance,
    QuickLog,
}

/// Names of the views that are personalised.
pub(super) fn names(views: u8) -> impl Iterator<Item = &'static [u8]> {
    let geldkarte = [Aid::GELDKARTE, Aid::MONEO].into_iter().filter(move |_| has(views, Scheme::Geldkarte));
    geldkarte.chain([Aid::QUICK].into_iter().filter(move |_| has(views, Scheme::Quick)))
}

/// Names of all views that there are.
pub(crate) fn all() -> impl Iterator<Item = &'static [u8]> {
    names(LegacyView::GELDKARTE | LegacyView::QUICK)
}

const fn has(views: u8, scheme: Scheme) -> bool {
    let bit = match scheme {
        Scheme::Geldkarte => LegacyView::GELDKARTE,
        Scheme::Quick => LegacyView::QUICK,
    };
    views & bit != 0
}

impl View {
    /// The view of this name; none of the purse's own.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let scheme = match name {
            Aid::QUICK => Scheme::Quick,
            Aid::GELDKARTE | Aid::MONEO => Scheme::Geldkarte,
            _ => return None,
        };
        Some(Self { scheme, file: None })
    }

    /// A file by its identifier.
    const fn file(self, id: u16) -> Option<File> {
        match (self.scheme, id) {
            (Scheme::Geldkarte, 0x0003) => Some(File::Card),
            (Scheme::Geldkarte, 0x0104) => Some(File::Amounts),
            (Scheme::Geldkarte, 0x0105) => Some(File::Account),
            (Scheme::Geldkarte, 0x0106) => Some(File::LoadNumber),
            (Scheme::Geldkarte, 0x0107) => Some(File::PaymentNumber),
            (Scheme::Geldkarte, 0x0108) => Some(File::Loads),
            (Scheme::Geldkarte, 0x0109) => Some(File::Payments),
            (Scheme::Quick, 0x0101) => Some(File::QuickCurrency),
            (Scheme::Quick, 0x0102) => Some(File::QuickBalance),
            (Scheme::Quick, 0x0104) => Some(File::QuickLog),
            _ => None,
        }
    }

    /// A file by its short identifier; 0 is the current file.
    fn short(self, identifier: u8) -> Option<File> {
        match (self.scheme, identifier) {
            (_, 0) => self.file,
            (Scheme::Geldkarte, 0x17) => self.file(0x0003),
            (Scheme::Geldkarte, 0x18..=0x1D) => self.file(0x0104 + u16::from(identifier - 0x18)),
            (Scheme::Quick, short) => self.file(0x0100 | u16::from(short)),
            _ => None,
        }
    }
}

impl<X: Protections> Purse<X> {
    /// Serves a command while a view is current.
    pub fn read_view(
        &mut self,
        command: &FileCommand,
        le: u32,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let view = self.view.as_mut().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        match command {
            FileCommand::SelectMaster(master) if matches!(master.id.as_slice(), [] | [0x3F, 0x00]) => {
                view.file = None;
                Ok(())
            }
            FileCommand::SelectMaster(_) => Err(StatusWord::APPLICATION_NOT_FOUND),
            FileCommand::SelectDirectory(FileId { id: DIRECTORY }) if view.scheme == Scheme::Geldkarte => {
                view.file = None;
                Ok(())
            }
            FileCommand::SelectDirectory(_) => Err(StatusWord::APPLICATION_NOT_FOUND),
            FileCommand::SelectFile(FileId { id }) => {
                let id = u16::from_be_bytes(*id);
                view.file = Some(view.file(id).ok_or(StatusWord::APPLICATION_NOT_FOUND)?);
                Ok(())
            }
            FileCommand::ReadBinary(place) => self.read_binary(*place, le, response),
            FileCommand::ReadFileRecord(place) => self.read_record(*place, area, response),
        }
    }

    /// READ RECORD; record 1 is the newest.
    fn read_record(
        &self,
        place: RecordPlace,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        // Records by number (ISO/IEC 7816-4 table 49).
        if place.file & 0x07 != 4 {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let view = self.view.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let file = view.short(place.file >> 3).ok_or(StatusWord::APPLICATION_NOT_FOUND)?;
        let skip = usize::from(place.record).checked_sub(1).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let entry = |kinds: [Kind; 2], shown: usize| {
            let of_kind = self.log(area).filter(|entry| kinds.contains(&entry.kind));
            of_kind.take(shown).nth(skip).ok_or(StatusWord::RECORD_NOT_FOUND)
        };
        match file {
            File::Loads => made(response, LoadRecord::new(&entry([Kind::Load, Kind::Unload], LOADS)?)),
            File::Payments => {
                made(response, PaymentRecord::new(&entry([Kind::Purchase, Kind::Cancellation], PAYMENTS)?))
            }
            File::QuickLog => {
                let entry = self.log(area).nth(skip).ok_or(StatusWord::RECORD_NOT_FOUND)?;
                made(response, QuickRecord::new(&entry, &self.parameters()?.identity))
            }
            _ if skip > 0 => Err(StatusWord::RECORD_NOT_FOUND),
            _ => self.only_record(file, response),
        }
    }

    /// The record of a file that has one.
    fn only_record(&self, file: File, response: &mut Response) -> Result<(), StatusWord> {
        let parameters = self.parameters()?;
        let view = self.legacy.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let identity = &parameters.identity;
        match file {
            File::Card => answer(response, &CardFile::new(identity, &view)),
            File::Amounts => {
                let payment = parameters.purchase_limit.signed();
                answer(response, &AmountsFile::new(self.state.balance.0, identity.maximum.0, payment))
            }
            File::Account => answer(response, &AccountFile::new(&view)),
            File::LoadNumber => answer(response, &SequenceFile::new(self.state.nv_load.get())),
            File::PaymentNumber => answer(response, &SequenceFile::new(self.state.nv.get())),
            _ => Err(StatusWord::RECORD_NOT_FOUND),
        }
    }

    /// READ BINARY of the files of a Quick card.
    fn read_binary(&self, place: BinaryPlace, le: u32, response: &mut Response) -> Result<(), StatusWord> {
        let view = self.view.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let (short, high) = if place.file & 0x80 == 0 { (0, place.file) } else { (place.file & 0x1F, 0) };
        let offset = usize::from(u16::from_be_bytes([high, place.offset]));
        let identity = self.parameters()?.identity;
        let mut content = [0; CONTENT_MAX];
        let mut writer = Writer::new(&mut content);
        match view.short(short).ok_or(StatusWord::APPLICATION_NOT_FOUND)? {
            File::QuickBalance => self.state.balance.encode(&mut writer),
            File::QuickCurrency => {
                writer.put(&[0; CURRENCY]);
                Bcd::<2>::saturating(identity.currency.code.into()).encode(&mut writer);
            }
            _ => return Err(StatusWord::APPLICATION_NOT_FOUND),
        }
        let content = writer.finish().map_err(|_| StatusWord::INTERNAL_ERROR)?;
        let rest = content.get(offset..).filter(|rest| !rest.is_empty()).ok_or(StatusWord::WRONG_OFFSET)?;
        let wanted = rest.len().min(usize::try_from(le).unwrap_or(usize::MAX));
        let _ = response.extend_from_slice(rest.get(..wanted).unwrap_or_default());
        Ok(())
    }
}

/// Answers a record that was made of an entry of the log.
fn made<E: Element>(response: &mut Response, record: Option<E>) -> Result<(), StatusWord> {
    answer(response, &record.ok_or(StatusWord::INTERNAL_ERROR)?)
}
