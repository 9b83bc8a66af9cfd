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
  return mulhu(a, b) - ((<i64>a >> 63) & b) - ((<i64>b >> 63) & a);
}

export function mulhsu(a: u64, b: u64): u64 {
  return mulhu(a, b) - ((<i64>a >> 63) & b);
}

export function byte_swap(a: u64): u64 {
  return bswap<u64>(a);
}

/** The low half of a carry-less product: integer products of every fourth bit, whose carries end in the gaps between. */
export function clmul(a: u64, b: u64): u64 {
  const m: u64 = 0x1111111111111111;
  const a0 = a & m;
  const a1 = a & (m << 1);
  const a2 = a & (m << 2);
  const a3 = a & (m << 3);
  const b0 = b & m;
  const b1 = b & (m << 1);
  const b2 = b & (m << 2);
  const b3 = b & (m << 3);
  return (
    (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & m) |
    (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & (m << 1)) |
    (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & (m << 2)) |
    (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & (m << 3))
  );
}

/** The product reversed is that of the operands reversed, one bit higher up. */
export function clmulr(a: u64, b: u64): u64 {
  return reverse(clmul(reverse(a), reverse(b)));
}

function reverse(a: u64): u64 {
  let bits = bswap<u64>(a);
  bits = ((bits >> 4) & 0x0f0f0f0f0f0f0f0f) | ((bits & 0x0f0f0f0f0f0f0f0f) << 4);
  bits = ((bits >> 2) & 0x3333333333333333) | ((bits & 0x3333333333333333) << 2);
  return ((bits >> 1) & 0x5555555555555555) | ((bits & 0x5555555555555555) << 1);
}

/** orc.b: each byte becomes 0xff unless it is 0. */
export function or_combine(a: u64): u64 {
  let bits = a | (a >> 1);
  bits |= bits >> 2;
  bits |= bits >> 4;
  return (bits & 0x0101010101010101) * 255;
}
