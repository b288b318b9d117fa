//! The way back: acknowledgements to PSAMs, over a line or on a transfer card.

use apdu_spec::Element;
use apdu_spec::batch::Acknowledgement;
use apdu_spec::download::{Download, Release};
use apdu_spec::element::SamId;
use apdu_spec::wire::Octets;

use super::PaymentTerminal;
use crate::Error;
use crate::card::transfer::TransferCard;
use crate::reader::Reader;

impl PaymentTerminal {
    /// Takes the background system's word that a batch is stored.
    pub fn acknowledge(&mut self, acknowledgement: &Acknowledgement) -> Result<(), Error> {
        self.sam.acknowledge(acknowledgement)
    }

    /// Takes from a transfer card everything that is for this PSAM and new to it; how much
    /// there was.
    pub fn take_downloads(&mut self, transfer: &mut dyn Reader) -> Result<usize, Error> {
        let mut card = TransferCard::select(transfer)?;
        let (mut from, mut taken, mut oldest) = (1, 0, self.sam.information()?.oldest);
        while let Some(found) = card.download(self.information.sam, from)? {
            from = found.number + 1;
            let content = found.download.content.as_slice();
            let acknowledgement = Acknowledgement::from_bytes(content)
                .map_err(|_| Error::Parcel(format!("download {} is damaged", found.number)))?;
            // The card keeps acknowledgements long after they have been taken.
            if acknowledgement.batch >= oldest {
                self.acknowledge(&acknowledgement)?;
                oldest = self.sam.information()?.oldest;
                taken += 1;
            }
        }
        Ok(taken)
    }
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
