//! Small damage to recorded bytes.

pub struct Random(pub u64);

impl Random {
    /// SplitMix64, https://prng.di.unimi.it/splitmix64.c.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

pub fn damage(data: &mut Vec<u8>, random: &mut Random) {
    const TELLING: &[u8] = b"\"\\{}[]:,0123456789.-+eEuntfD8 \t\n\r\0\x1f\x7f\x80\xff\xc3\xed\xa0$";
    let at = random.below(data.len() + 1);
    let byte = match random.below(3) {
        0 => random.next() as u8,
        _ => TELLING[random.below(TELLING.len())],
    };
    match random.below(6) {
        0 => data.truncate(at),
        1 => data.insert(at, byte),
        2 if at < data.len() => drop(data.remove(at)),
        3 if at < data.len() => data[at] ^= 1 << random.below(8),
        4 => {
            let piece: Vec<u8> = data[at..].iter().copied().take(random.below(40)).collect();
            let to = random.below(data.len() + 1);
            data.splice(to..to, piece);
        }
        _ if at < data.len() => data[at] = byte,
        _ => {}
    }
}
