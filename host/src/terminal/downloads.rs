//! The way back: acknowledgements to PSAMs, over a line or on a transfer card.
//!
//! Anybody can put a download on board. A terminal shows its PSAM those alone that name a batch
//! of it with the S4 that it has itself, batch after batch, the first on board first: each is
//! shown once, and none hides the right one behind it. The PSAM waits after a wrong MAC; whoever
//! has read S4 on the card can cost it that as often as there is room on board, and no more.

use std::collections::{BTreeMap, BTreeSet};

use apdu_spec::batch::Acknowledgement;
use apdu_spec::download::{CONTENT_MAX, Download, Release};
use apdu_spec::element::{BatchNumber, Mac, SamId};
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
        let contents = addressed(&mut card, self.information.sam)?;
        let (mut oldest, own) = self.own_batches()?;
        let mut downloads = Downloads::default();
        let (mut words, mut shown) = (Vec::new(), BTreeSet::new());
        for content in contents {
            match Acknowledgement::from_bytes(content.as_slice()) {
                // The card keeps acknowledgements long after they have been taken.
                Ok(word) if word.batch < oldest => {}
                Ok(word) if word.sam == self.information.sam && own.get(&word.batch) == Some(&word.s4) => {
                    // By all their bytes: a garbled copy in front of a good one may have its MAC.
                    words.extend(Some(word).filter(|_| shown.insert(content.as_slice().to_vec())));
                }
                _ => downloads.refused += 1,
            }
        }
        words.sort_by_key(|word| word.batch);
        for word in words {
            if word.batch < oldest {
                continue;
            }
            match self.acknowledge(&word) {
                // The right one may lie behind it.
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

    /// The oldest batch that the PSAM keeps, and S4 of each that is closed.
    fn own_batches(&mut self) -> Result<(BatchNumber, BTreeMap<BatchNumber, Mac>), Error> {
        let information = self.sam.information()?;
        let closed = (information.oldest.get()..information.batch.get()).filter_map(BatchNumber::new);
        let own = closed.map(|batch| Ok((batch, self.sam.trailer(batch)?.s4)));
        Ok((information.oldest, own.collect::<Result<_, Error>>()?))
    }
}

/// The contents of all downloads to this PSAM. A card that goes backwards or has no end is none.
fn addressed(card: &mut TransferCard<'_>, sam: SamId) -> Result<Vec<Octets<CONTENT_MAX>>, Error> {
    let mut contents = Vec::new();
    let mut from = 1;
    while let Some(found) = card.download(sam, from)? {
        if found.number < from || contents.len() >= TransferCard::RECORDS_MAX {
            return Err(Error::Parcel("it gives more downloads than any card holds".into()));
        }
        contents.push(found.download.content);
        let Some(next) = found.number.checked_add(1) else { break };
        from = next;
    }
    Ok(contents)
}

/// What was on a transfer card for a PSAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Downloads {
    /// Taken.
    pub taken: usize,
    /// Damaged, about no batch of the PSAM, or refused by it.
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

#[cfg(test)]
pub(super) mod tests {
    use apdu_spec::transfer::{NumberedDownload, TransferInformation};

    use super::*;

    /// A reader whose transfer card states what it likes, and gives downloads without end.
    pub(in crate::terminal) struct Liar {
        next: u32,
        pub(in crate::terminal) asked: usize,
    }

    fn sam() -> SamId {
        SamId::from_bytes(&[1; SamId::MIN]).expect("a name")
    }

    impl Liar {
        pub(in crate::terminal) const fn stating(next: u32) -> Self {
            Self { next, asked: 0 }
        }

        fn answer<E: Element>(value: &E) -> Vec<u8> {
            let mut buffer = [0; 256];
            let mut answer = value.to_slice(&mut buffer).expect("fits").to_vec();
            answer.extend(StatusWord::OK.to_bytes());
            answer
        }
    }

    impl Reader for Liar {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
            self.asked += 1;
            let (next_parcel, card) = (self.next, sam());
            let information = TransferInformation {
                card,
                first_parcel: 1,
                next_parcel,
                first_download: 1,
                next_download: next_parcel,
            };
            let content = Octets::new(&[]).expect("short");
            let download = NumberedDownload { number: self.next, download: Download { sam: card, content } };
            Ok(match command[1] {
                0xCA => Self::answer(&information),
                0xB2 => Self::answer(&download),
                _ => StatusWord::OK.to_bytes().to_vec(),
            })
        }

        fn reset(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn downloads_that_go_backwards_or_have_no_end_are_refused() {
        for (number, enough) in [(0, 3), (1, 4)] {
            let mut liar = Liar::stating(number);
            let mut card = TransferCard::select(&mut liar).expect("selected");
            addressed(&mut card, sam()).expect_err("no card");
            assert!(liar.asked <= enough, "{} questions", liar.asked);
        }
        let mut liar = Liar::stating(u32::MAX);
        let mut card = TransferCard::select(&mut liar).expect("selected");
        assert_eq!(addressed(&mut card, sam()).expect("one").len(), 1);
    }
}
