fn main() {
    let mut till = system_tests::till::Till::new(std::env::var("P").map_or(9, |p| p.parse().unwrap()), std::env::var("S").map_or(2, |p| p.parse().unwrap()));
    for _ in 0..till.round() { till.pay(); }
    till.settle();
    let mut floor = floor::Floor::new();
    let mut best = (u128::MAX, u128::MAX);
    for _ in 0..400 {
        let t = std::time::Instant::now();
        for _ in 0..till.round() { till.pay(); }
        let a = t.elapsed().as_nanos() / till.round() as u128;
        till.settle();
        let t = std::time::Instant::now();
        for _ in 0..till.round() { floor.play(floor::PURSE); floor.play(floor::PSAM); }
        let b = t.elapsed().as_nanos() / till.round() as u128;
        best = (best.0.min(a), best.1.min(b));
    }
    println!("{best:?} {:?} {:?}", floor::totals(floor::PURSE), floor::totals(floor::PSAM));
    println!("{} {}", information::bytes(information::PURSE), information::bytes(information::PSAM));
    let before = till.programmed();
    let mut n = 0;
    let (mut a, mut b) = (0, 0);
    while n < 1000 {
        let s = till.programmed();
        for _ in 0..till.round() { till.pay(); n += 1; }
        let e = till.programmed();
        a += e.0 - s.0; b += e.1 - s.1;
        till.settle();
    }
    println!("{} {} {:?}", a as f64 / n as f64, b as f64 / n as f64, before);
}
mod floor;
mod information;
