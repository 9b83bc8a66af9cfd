/** Integer operations that wasm has no instruction for. */

export function mulhu(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const middle2 = aLow * bHigh + (middle & 0xffffffff);
  return aHigh * bHigh + (middle >> 32) + (middle2 >> 32);
}

export function mulh(a: u64, b: u64): u64 {
  return mulhu(a, b) - ((<i64>a) >> 63 & b) - ((<i64>b) >> 63 & a);
}

export function mulhsu(a: u64, b: u64): u64 {
  return mulhu(a, b) - ((<i64>a) >> 63 & b);
}

export function byte_swap(a: u64): u64 {
  return bswap<u64>(a);
}

/** orc.b: each byte becomes 0xff unless it is 0. */
export function or_combine(a: u64): u64 {
  let bits = a | (a >> 1);
  bits |= bits >> 2;
  bits |= bits >> 4;
  return (bits & 0x0101010101010101) * 255;
}
