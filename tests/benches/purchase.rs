use aes::cipher::{BlockCipherEncrypt, KeyInit};
use std::hint::black_box as bb;
fn time(name: &str, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..50 { let t = std::time::Instant::now(); for _ in 0..2000 { f(); } best = best.min(t.elapsed().as_nanos() as f64 / 2000.0); }
    println!("{name}: {best:.1}");
}
fn main() {
    use apdu_spec::crypto::{Key, mac::MacKey};
    let key = Key::new([7; 16]);
    let mac = MacKey::new(&key, apdu_spec::element::Algorithm::AesCmac);
    let bare = aes::Aes128Enc::new(&[7; 16].into());
    let mut block = aes::Block::default();
    time("bare 7 blocks", || { for _ in 0..7 { bare.encrypt_block(bb(&mut block)); } });
    let m = [5u8; 103];
    time("mac 7 blocks", || { bb(mac.mac(bb(&m))); });
    time("bare 1 blocks", || { for _ in 0..1 { bare.encrypt_block(bb(&mut block)); } });
    time("mac 1 blocks", || { bb(mac.mac(bb(&m[..8]))); });
    time("bare setup", || { let c = aes::Aes128Enc::new(bb(&block)); bb(&c); });
    time("bare setup + block", || { let c = aes::Aes128Enc::new(bb(&block)); c.encrypt_block(bb(&mut block)); });
    time("MacKey::new", || { bb(MacKey::new(bb(&key), apdu_spec::element::Algorithm::AesCmac)); });
    time("DerivationKey::new", || { bb(apdu_spec::crypto::session_key::DerivationKey::new(bb(&key).clone(), apdu_spec::element::Algorithm::AesCmac)); });
    {
        use system_tests::till::*;
        let mut till = Till::new(9, 2);
        let mut best = [u128::MAX; 8];
        for _ in 0..100 {
            let mut t = [0u128; 8];
            let n = till.round();
            for i in 0..n {
                let sams = till.sams.len(); let purses = till.purses.len();
                let sam = &mut till.sams[i % sams]; let id = sam.id();
                let purse = &mut till.purses[i % purses].reader;
                let clock = std::time::Instant::now;
                let c = get_challenge(); let a = clock();
                let ch: [u8; 8] = sam.reader.send(&c).try_into().unwrap(); t[0] += a.elapsed().as_nanos();
                let c = select(apdu_spec::aid::Aid::PURSE); let a = clock();
                purse.send(&c); t[1] += a.elapsed().as_nanos();
                let c = initialize_iep(&id, &ch); let a = clock();
                let init = purse.send(&c); t[2] += a.elapsed().as_nanos();
                let c = initialize_psam(init, system_tests::scheme::amount(5)); let a = clock();
                let opened = sam.reader.send(&c); t[3] += a.elapsed().as_nanos();
                let c = debit_iep(opened); let a = clock();
                let ex = purse.send(&c); t[4] += a.elapsed().as_nanos();
                let c = credit_psam(opened, ex); let a = clock();
                sam.reader.send(&c); t[5] += a.elapsed().as_nanos();
                let a = clock(); t[6] += a.elapsed().as_nanos();
            }
            till.settle();
            for j in 0..8 { best[j] = best[j].min(t[j] / n as u128); }
        }
        println!("chal sel init open debit credit clock {best:?}");
    }
    let s6 = system_tests::records::s6();
    time("sign s6", || { bb(mac.sign(bb(&s6))); });
    let mut buf = [0; 256];
    time("encode s6", || { use apdu_spec::Element; bb(bb(&s6).to_slice(&mut buf).map(|s| s.len())); });
}
