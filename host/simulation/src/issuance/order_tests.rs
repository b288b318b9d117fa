use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;

const HEAD: &str = "number,provider,currency,maximum,overdraft,limit,algorithm,versions,expiry,pin,pin_tries,\
                    pin_load_limit,view,account,attempts\n";
const GOOD: &str =
    "7,9276,EUR,150.00,3.20,50,aes-cmac,1+2,2030-12-31,1234,5,20.00,geldkarte+quick,532013000,6\n";

fn read_text(text: &str) -> Result<Vec<OrderLine>, String> {
    read_with(text, &Columns::default())
}

fn read_with(text: &str, columns: &Columns) -> Result<Vec<OrderLine>, String> {
    let mut vault = Vault::new();
    let mut random = ChaCha12Rng::seed_from_u64(1);
    for (version, algorithm) in [(1, Algorithm::AesCmac), (2, Algorithm::AesCmac), (3, Algorithm::RetailMac)]
    {
        vault.add_version(version, algorithm, &[1], &mut random).unwrap();
    }
    let provider = ProviderId::new(9_276).unwrap();
    let terms = Terms { provider, currency: Currency::EUR, vault: &vault, group: 1, today: Date(20_000) };
    read(Path::new("orders.csv"), text.as_bytes(), columns, &terms).map_err(|error| error.to_string())
}

#[test]
fn every_field_of_a_line() {
    let lines = read_text(&format!("{HEAD}# a note\n{GOOD},9276,978,1,,1,,,,,,,,,\n")).unwrap();
    let CardOrder { maximum, overdraft, limit, versions, expiry, pin, legacy, attempts } = &lines[0].order;
    assert_eq!((lines[0].line, lines[0].number), (3, Some(7)));
    assert_eq!([maximum.get(), overdraft.get(), limit.get()], [15_000, 320, 5_000]);
    assert_eq!(
        (&versions[..], expiry.unwrap().to_string().as_str(), *attempts),
        (&[1, 2][..], "2030-12-31", Some(6))
    );
    let pin = pin.as_ref().unwrap();
    assert!(pin.pin == Pin::new("1234").ok() && (pin.tries, pin.load_limit.get()) == (5, 2_000));
    assert_eq!(legacy.unwrap().views, LegacyView::GELDKARTE | LegacyView::QUICK);
    let plain = &lines[1].order;
    assert!(lines[1].number.is_none() && plain.versions.is_empty() && plain.pin.is_none());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (line, reason) in [
        ("7,9276,EUR,1,,1,,,,,,,,,", "card number 7 is in line 2 already"),
        ("0,9276,EUR,1,,1,,,,,,,,,", "number: \"0\" is no number from 1"),
        ("1099511627776,9276,EUR,1,,1,,,,,,,,,", "no number from 1 to 1099511627775"),
        (",17,EUR,1,,1,,,,,,,,,", "provider \"17\" is not known here"),
        (",,EUR,1,,1,,,,,,,,,", "provider is empty"),
        (",9276,GBP,1,,1,,,,,,,,,", "currency \"GBP\" is not known here"),
        (",9276,EUR,1.234,,1,,,,,,,,,", "maximum: \"1.234\" is no amount"),
        (",9276,EUR,-1,,1,,,,,,,,,", "maximum: -1 is not between 0"),
        (",9276,EUR,30000000,,1,,,,,,,,,", "not between 0 and"),
        (",9276,EUR,1,x,1,,,,,,,,,", "overdraft: \"x\" is no amount"),
        (",9276,EUR,1,,,,,,,,,,,", "limit is empty"),
        (",9276,EUR,1,,1,,9,,,,,,,", "the vault has no keys of version 9"),
        (",9276,EUR,1,,1,,1+1,,,,,,,", "versions: \"1+1\" is none"),
        (",9276,EUR,1,,1,,1+2+3,,,,,,,", "versions: \"1+2+3\" is none"),
        (",9276,EUR,1,,1,,300,,,,,,,", "versions: \"300\" is none"),
        (",9276,EUR,1,,1,retail-mac,1,,,,,,,", "keys of version 1 are for another algorithm"),
        (",9276,EUR,1,,1,aes-cmac,3,,,,,,,", "keys of version 3 are for another algorithm"),
        (",9276,EUR,1,,1,des,1,,,,,,,", "algorithm: \"des\" is none"),
        (",9276,EUR,1,,1,,,2030-13-01,,,,,,", "is no date"),
        (",9276,EUR,1,,1,,,1999-01-01,,,,,,", "is over"),
        (",9276,EUR,1,,1,,,2300-01-01,,,,,,", "out of range"),
        (",9276,EUR,1,,1,,,,12a4,,,,,", "pin: neither 4 to 12 digits"),
        (",9276,EUR,1,,1,,,,random,16,,,,", "pin_tries: \"16\" is no number from 1 to 15"),
        (",9276,EUR,1,,1,,,,,,5,,,", "pin is empty"),
        (",9276,EUR,1,,1,,,,,,,moneo,,", "view: \"moneo\" is none"),
        (",9276,EUR,1,,1,,,,,,,,5,", "account is for a view"),
        (",9276,EUR,10000,,1,,,,,,,quick,,", "six digits"),
        (",9276,EUR,1,,1,,,,,,,,,256", "attempts: \"256\" is no number"),
        (",9276,EUR,1,,1", "fields"),
    ] {
        let error = read_text(&format!("{HEAD}{GOOD}{line}\n")).unwrap_err();
        assert!(error.contains("line 3") && error.contains(reason), "{line}: {error}");
        assert!(error.contains("nothing was written") && !error.contains("12a4"), "{error}");
    }
}

#[test]
fn wrong_columns() {
    for (text, reason) in [
        ("provider,currency,maximum\n9276,EUR,1\n", "column \"limit\" is missing"),
        ("provider,currency,maximum,limit,pine\n", "there is no column \"pine\""),
        ("provider;currency;maximum;limit\r\n9276;EUR;200,00;50,00\r\n", "separated by commas"),
        ("provider,currency,maximum,limit,limit\n", "column \"limit\" is there twice"),
        ("provider,currency,maximum,limit\n", "no line after the head"),
        ("", "column"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.contains("line 1") && error.contains(reason), "{text}: {error}");
    }
    let mut columns = Columns::default();
    assert!(columns.set("colour=x").is_err() && columns.set("limit").is_err());
    columns.set("limit=most").unwrap();
    assert!(read_with("provider,currency,maximum,most\n9276,EUR,1,1\n", &columns).is_ok());
    assert!(read_with("provider,currency,maximum,limit\n9276,EUR,1,1\n", &columns).is_err());
}
