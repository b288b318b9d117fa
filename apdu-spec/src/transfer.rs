//! Commands of the transfer card: it carries batches from a terminal that is
//! never connected, and acknowledgements back.
//!
//! Modelled on the submission cards of Quick and Geldkarte; bytes project-defined.

use crate::download::{Download, Parcel, Release};
use crate::element::SamId;
use crate::{command_set, layout};

layout! {
    /// Number that the card gave to a parcel or download.
    #[derive(Copy)]
    pub struct Number {
        /// From 1, without gaps.
        number: u32,
    }
}

layout! {
    /// Asks for the next download to a PSAM.
    #[derive(Copy)]
    pub struct DownloadRequest {
        /// The PSAM.
        sam: SamId,
        /// Least number.
        from: u32,
    }
}

layout! {
    /// A download with its number.
    pub struct NumberedDownload {
        /// Its number.
        number: u32,
        /// The download.
        download: Download,
    }
}

layout! {
    /// Answer to GET DATA 0103: how a transfer card stands.
    #[derive(Copy)]
    pub struct TransferInformation {
        /// Identity of the card.
        card: SamId,
        /// Oldest parcel that is still here.
        first_parcel: u32,
        /// Number that the next parcel gets.
        next_parcel: u32,
        /// Oldest download that is still here.
        first_download: u32,
        /// Number that the next download gets.
        next_download: u32,
    }
}

command_set! {
    /// The transfer card.
    pub enum TransferCommand {
        /// APPEND RECORD: takes a parcel on board.
        AppendParcel = [0x90 0xE2 0x00 0x00] Parcel => Number,
            in [Personalized], status [NOT_ENOUGH_MEMORY],
            "ISO/IEC 7816-4 (INS); bytes project-defined";
        /// READ RECORD: gives a parcel out; it stays on board until a release.
        ReadParcel = [0x90 0xB2 0x00 0x00] Number => Parcel,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND],
            "ISO/IEC 7816-4 (INS); bytes project-defined";
        /// APPEND RECORD: takes a download on board.
        AppendDownload = [0x90 0xE2 0x01 0x00] Download => Number,
            in [Personalized], status [NOT_ENOUGH_MEMORY],
            "ISO/IEC 7816-4 (INS); bytes project-defined";
        /// READ RECORD: the first download to this PSAM from this number on.
        ReadDownload = [0x90 0xB2 0x01 0x00] DownloadRequest => NumberedDownload,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND],
            "ISO/IEC 7816-4 (INS); bytes project-defined";
        /// RELEASE: the background system lets the card forget what has arrived.
        ReleaseRecords = [0x90 0xE4 0x00 0x00] Release => (),
            in [Personalized, Blocked], status [WRONG_MAC, WRONG_DATA],
            "project-defined";
        /// GET DATA 0103: how this card stands.
        GetTransferData = [0x00 0xCA 0x01 0x03] () => TransferInformation,
            in [Personalized, Blocked], status [],
            "ISO/IEC 7816-4:2013, 11.5.3; tag project-defined";
    }
}
