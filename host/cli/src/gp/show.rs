//! `purse gp list` and `info`: what is on a card, for people and for programs.

use apdu_spec::aid::Aid;
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::security_domain::{recognised_protocols, tag};
use apdu_spec::{Element as _, StatusWord};
use host::card::domain::{
    Attempts, Entry, KeyInformation, SecurityDomain, attempts, diversification, key_information, recognition,
    select_domain,
};
use host::reader::Reader;
use serde_json::{Value, json};
use simulation::Error;

use crate::output;

/// A card's state as GlobalPlatform names it.
pub(crate) const fn card_state(state: CardState) -> &'static str {
    match state {
        CardState::OpReady => "OP_READY",
        CardState::Initialized => "INITIALIZED",
        CardState::Secured => "SECURED",
        CardState::Locked => "CARD_LOCKED",
        CardState::Terminated => "TERMINATED",
    }
}

fn state(code: u8) -> String {
    match LifeCycle::from_bytes(&[code]) {
        Ok(LifeCycle::Installed) => "INSTALLED".into(),
        Ok(LifeCycle::Selectable) => "SELECTABLE".into(),
        Ok(LifeCycle::Personalized) => "PERSONALIZED".into(),
        Ok(LifeCycle::Blocked) => "BLOCKED".into(),
        _ if code == 0x01 => "LOADED".into(),
        _ => format!("{code:02X}"),
    }
}

/// An AID in hexadecimal, with its name where it has one.
fn named(aid: &Aid) -> String {
    let hex = hex::encode_upper(aid.as_slice());
    match Aid::NAMED.iter().find(|(_, known)| *known == aid.as_slice()) {
        Some((name, _)) => format!("{hex} ({name})"),
        None => hex,
    }
}

fn keys_of(reader: &mut dyn Reader) -> Result<Vec<KeyInformation>, Error> {
    match key_information(reader) {
        Err(error) if error.status() == Some(StatusWord::REFERENCE_NOT_FOUND) => Ok(Vec::new()),
        other => Ok(other?),
    }
}

fn key_type(kind: u8) -> String {
    match kind {
        0x88 => "AES".into(),
        0x80 => "Triple DES".into(),
        other => format!("{other:02X}"),
    }
}

fn key_json(key: &KeyInformation) -> Value {
    json!({ "version": format!("{:02X}", key.version), "number": key.number, "type": key_type(key.kind), "length": key.length })
}

fn print_keys(keys: &[KeyInformation]) {
    let row = |key: &KeyInformation| {
        [format!("{:02X}", key.version), key.number.to_string(), key_type(key.kind), key.length.to_string()]
    };
    output::line(output::table(
        ["key version", "number", "type", "bytes"],
        1,
        keys.iter().map(row).collect(),
    ));
}

/// Wrong authentications in words; of a card that does not tell, that.
fn told(attempts: Option<Attempts>) -> String {
    match attempts {
        None => "not told".into(),
        Some(Attempts { wrong, limit: 0 }) => format!("{wrong} in a row, no limit"),
        Some(attempts @ Attempts { wrong, limit }) => {
            let what = if attempts.block() { "; the card is blocked" } else { "" };
            format!("{wrong} in a row, limit {limit}{what}")
        }
    }
}

fn attempts_json(attempts: Option<Attempts>) -> Value {
    attempts.map_or(Value::Null, |attempts| {
        let Attempts { wrong, limit } = attempts;
        json!({ "wrong": wrong, "limit": limit, "blocked": attempts.block() })
    })
}

/// `list`.
pub(crate) fn list(domain: &mut SecurityDomain<&mut dyn Reader>, as_json: bool) -> Result<(), Error> {
    let card = domain.card_state()?;
    let (applications, files) = (domain.applications()?, domain.load_files()?);
    let (keys, attempts) = (keys_of(domain.reader())?, attempts(domain.reader())?);
    if as_json {
        let entry = |entry: &Entry| {
            let aids =
                |aids: &[Aid]| aids.iter().map(|aid| hex::encode_upper(aid.as_slice())).collect::<Vec<_>>();
            let load_file = entry.load_file.as_ref().map(|aid| hex::encode_upper(aid.as_slice()));
            json!({
                "aid": hex::encode_upper(entry.aid.as_slice()), "state": state(entry.state),
                "load_file": load_file, "modules": aids(&entry.modules),
            })
        };
        output::json(&json!({
            "state": card_state(card), "opened_with": format!("{:02X}", domain.key_version()),
            "authentications": attempts_json(attempts),
            "applications": applications.iter().map(entry).collect::<Vec<_>>(),
            "load_files": files.iter().map(entry).collect::<Vec<_>>(),
            "keys": keys.iter().map(key_json).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    output::line(format_args!("Card: {}", card_state(card)));
    output::line(format_args!("Wrong authentications: {}", told(attempts)));
    let file = |entry: &Entry| {
        entry.load_file.as_ref().map(|aid| hex::encode_upper(aid.as_slice())).unwrap_or_default()
    };
    let application =
        |entry: &Entry| ["application".into(), named(&entry.aid), state(entry.state), file(entry)];
    let load_file =
        |entry: &Entry| ["load file".into(), named(&entry.aid), state(entry.state), String::new()];
    let rows = applications.iter().map(application).chain(files.iter().map(load_file)).collect();
    output::line(output::table(["what", "AID", "state", "load file"], 4, rows));
    print_keys(&keys);
    Ok(())
}

/// `info`: what anybody may know.
pub(crate) fn info(reader: &mut dyn Reader, as_json: bool) -> Result<(), Error> {
    select_domain(reader)?;
    let optional = |object: Result<Vec<u8>, host::Error>| match object {
        Err(error) if error.status().is_some() => Ok(None),
        other => other.map(|bytes| Some(hex::encode_upper(bytes))),
    };
    let data = [
        ("diversification data", optional(diversification(reader))?),
        ("recognition data", optional(recognition(reader))?),
        ("production data", optional(host::card::domain::data(reader, tag::PRODUCTION))?),
    ];
    let (keys, attempts) = (keys_of(reader)?, attempts(reader)?);
    let protocols = data[1].1.as_deref().map(protocols).unwrap_or_default();
    if as_json {
        let [diversification, recognition, production] = &data;
        output::json(&json!({
            "diversification": diversification.1, "recognition": recognition.1, "production": production.1,
            "protocols": protocols, "authentications": attempts_json(attempts), "keys": keys.iter().map(key_json).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    let mut rows: Vec<[String; 2]> =
        data.into_iter().map(|(name, value)| [name.into(), value.unwrap_or("not told".into())]).collect();
    rows.push(["secure channels".into(), protocols.join(", ")]);
    rows.push(["wrong authentications".into(), told(attempts)]);
    output::line(output::table(["card", ""], 2, rows));
    print_keys(&keys);
    Ok(())
}

/// Secure channel protocols in card recognition data.
fn protocols(recognition: &str) -> Vec<String> {
    let template = hex::decode(recognition).unwrap_or_default();
    recognised_protocols(&template).map(|[protocol, i]| format!("SCP{protocol:02X} i={i:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_found_in_recognition_data() {
        let data = "732E06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B040370";
        assert_eq!(protocols(data), ["SCP03 i=70"]);
        assert!(protocols("").is_empty() && protocols("640B").is_empty());
    }

    #[test]
    fn states_have_the_names_of_globalplatform() {
        assert_eq!(
            [0x07, 0x0F, 0x8F, 0x01, 0x55].map(state),
            ["SELECTABLE", "PERSONALIZED", "BLOCKED", "LOADED", "55"]
        );
    }
}
