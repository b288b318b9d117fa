//! The way back: acknowledgements to PSAMs, over a line or on a transfer card.

use apdu_spec::batch::Acknowledgement;
use apdu_spec::download::{Download, Release};
use apdu_spec::element::SamId;
use apdu_spec::wire::Octets;
use apdu_spec::{Element, StatusWord};

use super::PaymentTerminal;
use crate::Error;
use crate::card::transfer::TransferCard;
use crate::reader::Reader;

impl PaymentTerminal {
    /// Takes the background system's word that a batch is stored.
    pub fn acknowledge(&mut self, acknowledgement: &Acknowledgement) -> Result<(), Error> {
        self.sam.acknowledge(acknowledgement)
    }

    /// Takes from a transfer card everything that is for this PSAM and new to it.
    pub fn take_downloads(&mut self, transfer: &mut dyn Reader) -> Result<Downloads, Error> {
        let mut card = TransferCard::select(transfer)?;
        let (mut from, mut oldest) = (1, self.sam.information()?.oldest);
        let mut downloads = Downloads::default();
        while let Some(found) = card.download(self.information.sam, from)? {
            from = found.number + 1;
            let Ok(acknowledgement) = Acknowledgement::from_bytes(found.download.content.as_slice()) else {
                downloads.refused += 1;
                continue;
            };
            // The card keeps acknowledgements long after they have been taken.
            if acknowledgement.batch < oldest {
                continue;
            }
            match self.acknowledge(&acknowledgement) {
                // Anybody can put a download on board: the right one may lie behind it.
                Err(error) if error.status().is_some_and(is_refusal) => downloads.refused += 1,
                Err(error) => return Err(error),
                Ok(()) => {
                    oldest = self.sam.information()?.oldest;
                    downloads.taken += 1;
                }
            }
        }
        Ok(downloads)
    }
}

/// What was on a transfer card for a PSAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Downloads {
    /// Taken.
    pub taken: usize,
    /// Damaged, or refused by the PSAM.
    pub refused: usize,
}

/// Whether the PSAM has said that the acknowledgement is none of its own.
const fn is_refusal(status: StatusWord) -> bool {
    matches!(
        status,
        StatusWord::WRONG_MAC | StatusWord::CONDITIONS_NOT_SATISFIED | StatusWord::RECORD_NOT_FOUND
    )
}

/// Which card it is: what a release is made for.
pub fn identity(transfer: &mut dyn Reader) -> Result<SamId, Error> {
    Ok(TransferCard::select(transfer)?.information()?.card)
}

/// At the background system: lets the card forget what has arrived, and puts the
/// acknowledgements on board.
pub fn send_back(
    transfer: &mut dyn Reader,
    release: &Release,
    acknowledgements: &[Acknowledgement],
) -> Result<(), Error> {
    let mut card = TransferCard::select(transfer)?;
    card.release(release)?;
    let mut buffer = [0; Acknowledgement::MAX];
    for acknowledgement in acknowledgements {
        let bytes = acknowledgement.to_slice(&mut buffer);
        let content = bytes.and_then(Octets::new).map_err(|_| Error::Parcel("too long".into()))?;
        card.append_download(&Download { sam: acknowledgement.sam, content })?;
    }
    Ok(())
}

/// Number that the next download gets: what a release of all earlier ones names.
pub fn next_download(transfer: &mut dyn Reader) -> Result<u32, Error> {
    Ok(TransferCard::select(transfer)?.information()?.next_download)
}
