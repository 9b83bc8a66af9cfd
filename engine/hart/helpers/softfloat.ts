/**
 * IEEE 754 arithmetic exactly as the RISC-V F and D extensions define it (unprivileged spec, chapters "F" and
 * "D"): every rounding mode, every exception flag, canonical NaNs, tininess detected after rounding.
 *
 * AssemblyScript. Values are raw bits: u32 for binary32 (the caller unboxes and boxes), u64 for binary64. `rm` is a
 * resolved rounding mode, 0 to 4. Flags are OR-ed into the u32 at `flagsAddress`.
 *
 * Where wasm's own arithmetic gives the same result and the same flags it is used: wasm rounds to nearest even and
 * reports nothing, so it serves when that is the mode, NX (which nearly every operation raises) is up already,
 * and the result shows that no other flag was due. Programs that compute with integers in floating point may never raise NX: an
 * exact result, where that is cheap to see, is taken too.
 *
 * Inside, an operation is written once for both formats, as a generic over `f32` or `f64` that is only asked for its
 * size. A finite value under way is sign (0 or 1), biased exponent and a significand in a u64 with its leading one
 * at bit 62; what was shifted out at the bottom is kept as a sticky bit 0.
 */

const RNE: u32 = 0;
const RTZ: u32 = 1;
const RDN: u32 = 2;
const RUP: u32 = 3;
const RMM: u32 = 4;

const NX: u32 = 1;
const UF: u32 = 2;
const OF: u32 = 4;
const DZ: u32 = 8;
const NV: u32 = 16;

const F32_NAN: u32 = 0x7fc00000;
const F64_NAN: u64 = 0x7ff8000000000000;

/** Address of the u32 whose low five bits are the accrued exceptions (fflags). */
export let flagsAddress: u32 = 0;

export function setFlagsAddress(address: u32): void {
  flagsAddress = address;
}

function raise(flags: u32): void {
  store<u32>(flagsAddress, load<u32>(flagsAddress) | flags);
}

/** Whether wasm's arithmetic may be tried: it rounds to nearest even and would raise nothing but NX. */
function nativeApplies(rm: u32): bool {
  return rm == RNE && inexactRaised();
}

function inexactRaised(): bool {
  return (load<u32>(flagsAddress) & NX) != 0;
}

// ---- Formats --------------------------------------------------------------------------------------------------

function fractionBits<F>(): i32 {
  return sizeof<F>() == 8 ? 52 : 23;
}

function exponentMax<F>(): i32 {
  return sizeof<F>() == 8 ? 0x7ff : 0xff;
}

function bias<F>(): i32 {
  return sizeof<F>() == 8 ? 1023 : 127;
}

function signShift<F>(): u64 {
  return sizeof<F>() == 8 ? 63 : 31;
}

function canonicalNaN<F>(): u64 {
  return sizeof<F>() == 8 ? F64_NAN : <u64>F32_NAN;
}

function signOf<F>(a: u64): u64 {
  return a >> signShift<F>();
}

function exponentOf<F>(a: u64): i32 {
  return <i32>(a >> fractionBits<F>()) & exponentMax<F>();
}

function fractionOf<F>(a: u64): u64 {
  return a & (((<u64>1) << fractionBits<F>()) - 1);
}

function withoutSign<F>(a: u64): u64 {
  return a & (((<u64>1) << signShift<F>()) - 1);
}

function infinity<F>(sign: u64): u64 {
  return (sign << signShift<F>()) | ((<u64>exponentMax<F>()) << fractionBits<F>());
}

function zero<F>(sign: u64): u64 {
  return sign << signShift<F>();
}

function isNaNBits<F>(a: u64): bool {
  return withoutSign<F>(a) > infinity<F>(0);
}

function isSignalling<F>(a: u64): bool {
  return isNaNBits<F>(a) && ((a >> (fractionBits<F>() - 1)) & 1) == 0;
}

/** The canonical NaN, having raised NV if an operand was signalling. */
function propagateNaN<F>(a: u64, b: u64): u64 {
  if (isSignalling<F>(a) || isSignalling<F>(b)) raise(NV);
  return canonicalNaN<F>();
}

function invalid<F>(): u64 {
  raise(NV);
  return canonicalNaN<F>();
}

/** Significand of a finite non-zero value with its leading one at bit 62; goes with `normalExponent`. */
function normalSignificand<F>(a: u64): u64 {
  const fraction = fractionOf<F>(a);
  if (exponentOf<F>(a) == 0) return fraction << (clz(fraction) - 1);
  return (fraction | ((<u64>1) << fractionBits<F>())) << (62 - fractionBits<F>());
}

/** Biased exponent of a finite non-zero value, going below 1 for subnormals. */
function normalExponent<F>(a: u64): i32 {
  const exponent = exponentOf<F>(a);
  if (exponent == 0) return 64 - fractionBits<F>() - <i32>clz(fractionOf<F>(a));
  return exponent;
}

function shiftRightSticky(value: u64, count: i32): u64 {
  if (count >= 64) return <u64>(value != 0);
  if (count == 0) return value;
  return (value >> count) | <u64>(value << (64 - count) != 0);
}

// ---- Rounding ---------------------------------------------------------------------------------------------------

/** What is added below the last place so that cutting off rounds; a tie to even needs one more look. */
function roundIncrement(sign: u64, rm: u32, mask: u64): u64 {
  if (rm == RNE || rm == RMM) return (mask + 1) >> 1;
  if (rm == RTZ) return 0;
  return (rm == RDN) == (sign != 0) ? mask : 0;
}

/** Rounds significand (leading one at bit 62) × 2^(exponent − bias) into the format and raises OF, UF and NX. */
function roundPack<F>(sign: u64, exponent: i32, significand: u64, rm: u32): u64 {
  const shift = 62 - fractionBits<F>();
  const mask: u64 = ((<u64>1) << shift) - 1;
  const increment = roundIncrement(sign, rm, mask);
  const carry = (<u64>1) << 63;
  let tiny = false;
  if (exponent < 1) {
    tiny = exponent < 0 || significand + increment < carry;
    significand = shiftRightSticky(significand, 1 - exponent);
    exponent = 1;
  } else if (exponent >= exponentMax<F>() || (exponent == exponentMax<F>() - 1 && significand + increment >= carry)) {
    raise(OF | NX);
    return infinity<F>(sign) - <u64>(increment == 0);
  }
  const rest = significand & mask;
  if (rest != 0) raise(tiny ? UF | NX : NX);
  let rounded = (significand + increment) >> shift;
  if (rm == RNE && rest == (mask + 1) >> 1) rounded &= ~(<u64>1);
  // The leading one, where there is one, adds itself to the exponent field.
  return (sign << signShift<F>()) + ((<u64>(exponent - 1)) << fractionBits<F>()) + rounded;
}

/** By how much a significand is shifted left so that its leading one is at bit 62, where roundPack expects it. */
function leadingZeros(significand: u64): i32 {
  return <i32>clz(significand) - 1;
}

// ---- Arithmetic ---------------------------------------------------------------------------------------------------

function add<F>(a: u64, b: u64, rm: u32): u64 {
  let exponentA = exponentOf<F>(a);
  let exponentB = exponentOf<F>(b);
  const signA = signOf<F>(a);
  const signB = signOf<F>(b);
  if (exponentA == exponentMax<F>() || exponentB == exponentMax<F>()) {
    if (isNaNBits<F>(a) || isNaNBits<F>(b)) return propagateNaN<F>(a, b);
    if (exponentA != exponentB) return exponentA > exponentB ? a : b;
    return signA == signB ? a : invalid<F>();
  }
  // Leading one at bit 61, so that a sum stays below bit 63.
  let significandA = fractionOf<F>(a);
  let significandB = fractionOf<F>(b);
  if (exponentA == 0) exponentA = 1;
  else significandA |= (<u64>1) << fractionBits<F>();
  if (exponentB == 0) exponentB = 1;
  else significandB |= (<u64>1) << fractionBits<F>();
  significandA <<= 61 - fractionBits<F>();
  significandB <<= 61 - fractionBits<F>();
  let exponent = exponentA;
  if (exponentA >= exponentB) {
    significandB = shiftRightSticky(significandB, exponentA - exponentB);
  } else {
    significandA = shiftRightSticky(significandA, exponentB - exponentA);
    exponent = exponentB;
  }
  let sign = signA;
  let significand = significandA + significandB;
  if (signA != signB) {
    if (significandA == significandB) return zero<F>(<u64>(rm == RDN));
    if (significandA < significandB) sign = signB;
    significand = significandA > significandB ? significandA - significandB : significandB - significandA;
  }
  if (significand == 0) return zero<F>(sign);
  const shift = leadingZeros(significand);
  return roundPack<F>(sign, exponent + 1 - shift, significand << shift, rm);
}

/** Upper half of the 128-bit product. */
function multiplyHigh(a: u64, b: u64): u64 {
  const lowA = a & 0xffffffff;
  const lowB = b & 0xffffffff;
  const highA = a >> 32;
  const highB = b >> 32;
  const middle = highA * lowB + ((lowA * lowB) >> 32);
  const middle2 = lowA * highB + (middle & 0xffffffff);
  return highA * highB + (middle >> 32) + (middle2 >> 32);
}

function multiply<F>(a: u64, b: u64, rm: u32): u64 {
  const sign = signOf<F>(a) ^ signOf<F>(b);
  if (exponentOf<F>(a) == exponentMax<F>() || exponentOf<F>(b) == exponentMax<F>()) {
    if (isNaNBits<F>(a) || isNaNBits<F>(b)) return propagateNaN<F>(a, b);
    if (withoutSign<F>(a) == 0 || withoutSign<F>(b) == 0) return invalid<F>();
    return infinity<F>(sign);
  }
  if (withoutSign<F>(a) == 0 || withoutSign<F>(b) == 0) return zero<F>(sign);
  const significandA = normalSignificand<F>(a);
  const significandB = normalSignificand<F>(b) << 1;
  const product = multiplyHigh(significandA, significandB) | <u64>(significandA * significandB != 0);
  const shift = leadingZeros(product);
  return roundPack<F>(sign, normalExponent<F>(a) + normalExponent<F>(b) - bias<F>() + 1 - shift, product << shift, rm);
}

function divide<F>(a: u64, b: u64, rm: u32): u64 {
  const sign = signOf<F>(a) ^ signOf<F>(b);
  if (exponentOf<F>(a) == exponentMax<F>() || exponentOf<F>(b) == exponentMax<F>()) {
    if (isNaNBits<F>(a) || isNaNBits<F>(b)) return propagateNaN<F>(a, b);
    if (exponentOf<F>(a) != exponentMax<F>()) return zero<F>(sign);
    return exponentOf<F>(b) == exponentMax<F>() ? invalid<F>() : infinity<F>(sign);
  }
  if (withoutSign<F>(b) == 0) {
    if (withoutSign<F>(a) == 0) return invalid<F>();
    raise(DZ);
    return infinity<F>(sign);
  }
  if (withoutSign<F>(a) == 0) return zero<F>(sign);
  let exponent = normalExponent<F>(a) - normalExponent<F>(b) + bias<F>();
  let dividend = normalSignificand<F>(a) >> 10;
  const divisor = normalSignificand<F>(b) >> 10;
  if (dividend < divisor) {
    dividend <<= 1;
    exponent--;
  }
  // wasm's quotient of the two integers is at most half a last place off; the exact remainder says which way.
  let quotient = <u64>((<f64>dividend / <f64>divisor) * 4503599627370496.0);
  let remainder = <i64>((dividend << 52) - quotient * divisor);
  if (remainder < 0) {
    quotient--;
    remainder += divisor;
  }
  const twice = (<u64>remainder) << 1;
  let significand = quotient << 10;
  if (twice >= divisor) significand |= 0x200 | <u64>(twice != divisor);
  else significand |= <u64>(twice != 0);
  return roundPack<F>(sign, exponent, significand, rm);
}

function squareRoot<F>(a: u64, rm: u32): u64 {
  if (isNaNBits<F>(a)) return propagateNaN<F>(a, a);
  if (withoutSign<F>(a) == 0) return a;
  if (signOf<F>(a) != 0) return invalid<F>();
  if (exponentOf<F>(a) == exponentMax<F>()) return a;
  const power = normalExponent<F>(a) - bias<F>();
  const radicand = (normalSignificand<F>(a) >> 10) << (power & 1);
  // As in `divide`: wasm's root of radicand × 2^-52, which lies in [1, 4), is at most half a last place off.
  let root = <u64>(sqrt<f64>(<f64>radicand * 2.220446049250313e-16) * 4503599627370496.0);
  let remainder = <i64>((radicand << 52) - root * root);
  if (remainder < 0) {
    root--;
    remainder += (root << 1) + 1;
  }
  let significand = root << 10;
  if (<u64>remainder > root) significand |= 0x201;
  else significand |= <u64>(remainder != 0);
  return roundPack<F>(0, (power >> 1) + bias<F>(), significand, rm);
}

/** a × b + c, rounded once. */
function multiplyAdd<F>(a: u64, b: u64, c: u64, rm: u32): u64 {
  const sign = signOf<F>(a) ^ signOf<F>(b);
  const signC = signOf<F>(c);
  const product0 = withoutSign<F>(a) == 0 || withoutSign<F>(b) == 0;
  if (exponentOf<F>(a) == exponentMax<F>() || exponentOf<F>(b) == exponentMax<F>()) {
    if (isNaNBits<F>(a) || isNaNBits<F>(b)) {
      if (isSignalling<F>(c)) raise(NV);
      return propagateNaN<F>(a, b);
    }
    // Infinity times zero is invalid even when a quiet NaN is added to it.
    if (product0) return invalid<F>();
    if (isNaNBits<F>(c)) return propagateNaN<F>(c, c);
    if (exponentOf<F>(c) == exponentMax<F>() && signC != sign) return invalid<F>();
    return infinity<F>(sign);
  }
  if (exponentOf<F>(c) == exponentMax<F>()) return isNaNBits<F>(c) ? propagateNaN<F>(c, c) : c;
  const c0 = withoutSign<F>(c) == 0;
  if (product0) {
    if (!c0) return c;
    return zero<F>(sign == signC ? sign : <u64>(rm == RDN));
  }

  // 128 bits: the product's leading one is at bit 124 or 125, the addend's at 124.
  const significandA = normalSignificand<F>(a);
  const significandB = normalSignificand<F>(b);
  let high = multiplyHigh(significandA, significandB);
  let low = significandA * significandB;
  let exponent = normalExponent<F>(a) + normalExponent<F>(b) - bias<F>();
  let resultSign = sign;
  if (!c0) {
    let highC = normalSignificand<F>(c) >> 2;
    let lowC: u64 = 0;
    const distance = exponent - normalExponent<F>(c);
    if (distance > 0) {
      lowC = shiftRightLow(highC, lowC, distance);
      highC = distance < 64 ? highC >> distance : 0;
    } else if (distance < 0) {
      low = shiftRightLow(high, low, -distance);
      high = distance > -64 ? high >> -distance : 0;
      exponent = normalExponent<F>(c);
    }
    if (sign == signC) {
      const sum = low + lowC;
      high += highC + <u64>(sum < low);
      low = sum;
    } else if (high > highC || (high == highC && low >= lowC)) {
      high -= highC + <u64>(low < lowC);
      low -= lowC;
      if ((high | low) == 0) return zero<F>(<u64>(rm == RDN));
    } else {
      high = highC - high - <u64>(lowC < low);
      low = lowC - low;
      resultSign = signC;
    }
  }
  exponent += 2;
  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
    if (<i64>high < 0) {
      high = shiftRightSticky(high, 1);
      exponent++;
    }
  }
  const shift = <i32>clz(high) - 1;
  if (shift > 0) {
    high = (high << shift) | (low >> (64 - shift));
    low <<= shift;
  }
  return roundPack<F>(resultSign, exponent - shift, high | <u64>(low != 0), rm);
}

/** Lower half of the 128-bit value shifted right by 1 or more, with what falls out kept as a sticky bit. */
function shiftRightLow(high: u64, low: u64, count: i32): u64 {
  if (count >= 64) return shiftRightSticky(high, count - 64) | <u64>(low != 0);
  return (high << (64 - count)) | shiftRightSticky(low, count);
}

// ---- Conversions ---------------------------------------------------------------------------------------------------

/** To an integer of `width` 32 or 64 bits; out of range saturates with NV; 32-bit results are sign-extended. */
function toInteger<F>(a: u64, rm: u32, width: u64, signed: bool): i64 {
  const sign = signOf<F>(a);
  const power = exponentOf<F>(a) - bias<F>();
  let magnitude: u64 = 0;
  let fraction: u64 = 0; // in units of 2^-64
  const inRange = power < 64;
  if (inRange && withoutSign<F>(a) != 0) {
    if (power < -1) {
      fraction = 1;
    } else {
      const significand = normalSignificand<F>(a) << 1;
      if (power < 0) {
        fraction = significand;
      } else {
        magnitude = significand >> (63 - power);
        if (power < 63) fraction = significand << (power + 1);
      }
    }
    const half = (<u64>1) << 63;
    let up: bool;
    if (rm == RNE) up = fraction > half || (fraction == half && (magnitude & 1) != 0);
    else if (rm == RMM) up = fraction >= half;
    else if (rm == RTZ) up = false;
    else up = fraction != 0 && (rm == RDN) == (sign != 0);
    magnitude += <u64>up;
  }
  const negative = sign != 0 && !isNaNBits<F>(a);
  let limit: u64 = ~(<u64>0) >> (64 - width);
  if (signed) limit = (limit >> 1) + <u64>negative;
  else if (negative) limit = 0;
  if (!inRange || magnitude > limit) {
    raise(NV);
    magnitude = limit;
  } else if (fraction != 0) {
    raise(NX);
  }
  const result = <i64>(negative ? 0 - magnitude : magnitude);
  return width == 32 ? <i64>(<i32>result) : result;
}

function fromMagnitude<F>(sign: u64, magnitude: u64, rm: u32): u64 {
  if (<i64>magnitude < 0) return roundPack<F>(sign, bias<F>() + 63, shiftRightSticky(magnitude, 1), rm);
  if (magnitude == 0) return zero<F>(sign);
  const shift = leadingZeros(magnitude);
  return roundPack<F>(sign, bias<F>() + 62 - shift, magnitude << shift, rm);
}

function fromSigned<F>(value: i64, rm: u32): u64 {
  return fromMagnitude<F>(<u64>(value < 0), value < 0 ? 0 - <u64>value : <u64>value, rm);
}

// ---- Which native results can be taken ---------------------------------------------------------------------------

/** Finite: an overflow, NaN or division by zero would not be. */
function finite32(bits: u32): bool {
  return (bits & 0x7f800000) != 0x7f800000;
}

function finite64(bits: u64): bool {
  return (bits & 0x7ff0000000000000) != 0x7ff0000000000000;
}

/** Finite and beyond the smallest normal binade, where tininess cannot be in question. */
function clearlyNormal32(bits: u32): bool {
  return ((bits >> 23) & 0xff) - 2 < 0xff - 2;
}

function clearlyNormal64(bits: u64): bool {
  return (<u32>(bits >> 52) & 0x7ff) - 2 < 0x7ff - 2;
}

// ---- Which native results are exact, or how inexact -----------------------------------------------------------------

/**
 * Rounds a + b to nearest, `sum`, having raised NX if that is not exact: Knuth's TwoSum gives the error, itself exact unless something
 * overflows on the way. False where it does, or the sum is not finite.
 */
function summed<F>(a: F, b: F, sum: F): bool {
  const right = sum - a;
  const error = a - (sum - right) + (b - right);
  if (error == 0) return true;
  if (error - error != 0) return false;
  raise(NX);
  return true;
}

/** Whether the native product `bits` is exact: its operands are short enough, or one is zero. */
function exactProduct64(a: u64, b: u64, bits: u64): bool {
  if (clearlyNormal64(bits)) {
    if ((exponentOf<f64>(a) == 0) | (exponentOf<f64>(b) == 0)) return false;
    const one = (<u64>1) << 52;
    return ctz(a | one) + ctz(b | one) >= 53;
  }
  return (a << 1 == 0 || b << 1 == 0) && finite64(bits);
}

// ---- Binary32 -------------------------------------------------------------------------------------------------------

function asF32(a: u32): f32 {
  return reinterpret<f32>(a);
}

function bits32(a: f32): u32 {
  return reinterpret<u32>(a);
}

export function f32_add(a: u32, b: u32, rm: u32): u32 {
  if (rm == RNE) {
    const result = bits32(asF32(a) + asF32(b));
    if (finite32(result) && (inexactRaised() || summed(asF32(a), asF32(b), asF32(result)))) return result; // a subnormal sum is exact: no UF
  }
  return <u32>add<f32>(a, b, rm);
}

export function f32_sub(a: u32, b: u32, rm: u32): u32 {
  if (rm == RNE) {
    const result = bits32(asF32(a) - asF32(b));
    if (finite32(result) && (inexactRaised() || summed(asF32(a), -asF32(b), asF32(result)))) return result;
  }
  // Negating a NaN changes neither its kind nor the result.
  return <u32>add<f32>(a, b ^ 0x80000000, rm);
}

export function f32_mul(a: u32, b: u32, rm: u32): u32 {
  if (nativeApplies(rm)) {
    const result = bits32(asF32(a) * asF32(b));
    if (clearlyNormal32(result) || (finite32(result) && (a << 1 == 0 || b << 1 == 0))) return result;
  }
  // The product of singles is an exact double.
  const product = <f64>asF32(a) * <f64>asF32(b);
  if (<f64>(<f32>product) == product) return bits32(<f32>product);
  return <u32>multiply<f32>(a, b, rm);
}

export function f32_div(a: u32, b: u32, rm: u32): u32 {
  if (nativeApplies(rm)) {
    const result = bits32(asF32(a) / asF32(b));
    if (clearlyNormal32(result)) return result;
  }
  return <u32>divide<f32>(a, b, rm);
}

export function f32_sqrt(a: u32, rm: u32): u32 {
  if (nativeApplies(rm)) {
    const result = bits32(sqrt<f32>(asF32(a)));
    if (finite32(result)) return result;
  }
  return <u32>squareRoot<f32>(a, rm);
}

/** a × b + c rounded once; fmsub, fnmadd and fnmsub are this with operands negated. */
export function f32_fma(a: u32, b: u32, c: u32, rm: u32): u32 {
  if (nativeApplies(rm)) {
    // The product is exact in binary64. Rounding the sum twice goes wrong only where the first rounding lands
    // on the middle between two binary32 values.
    const sum = <f64>asF32(a) * <f64>asF32(b) + <f64>asF32(c);
    const result = bits32(<f32>sum);
    if (clearlyNormal32(result) && (reinterpret<u64>(sum) & 0x1fffffff) != 0x10000000) return result;
  }
  const product = <f64>asF32(a) * <f64>asF32(b);
  if (<f64>(<f32>product) == product) return f32_add(bits32(<f32>product), c, rm);
  return <u32>multiplyAdd<f32>(a, b, c, rm);
}

export function f32_to_f64(a: u32): u64 {
  if (isNaNBits<f32>(a)) {
    if (isSignalling<f32>(a)) raise(NV);
    return F64_NAN;
  }
  return reinterpret<u64>(<f64>asF32(a));
}

export function f32_to_i32(a: u32, rm: u32): i64 {
  return toInteger<f32>(a, rm, 32, true);
}

export function f32_to_u32(a: u32, rm: u32): i64 {
  return toInteger<f32>(a, rm, 32, false);
}

export function f32_to_i64(a: u32, rm: u32): i64 {
  return toInteger<f32>(a, rm, 64, true);
}

export function f32_to_u64(a: u32, rm: u32): i64 {
  return toInteger<f32>(a, rm, 64, false);
}

export function i32_to_f32(a: i32, rm: u32): u32 {
  if (nativeApplies(rm)) return bits32(<f32>a);
  return <u32>fromSigned<f32>(a, rm);
}

export function u32_to_f32(a: u32, rm: u32): u32 {
  if (nativeApplies(rm)) return bits32(<f32>a);
  return <u32>fromMagnitude<f32>(0, a, rm);
}

export function i64_to_f32(a: i64, rm: u32): u32 {
  if (nativeApplies(rm)) return bits32(<f32>a);
  return <u32>fromSigned<f32>(a, rm);
}

export function u64_to_f32(a: u64, rm: u32): u32 {
  if (nativeApplies(rm)) return bits32(<f32>a);
  return <u32>fromMagnitude<f32>(0, a, rm);
}

/** 1 or 0; a quiet NaN compares unequal without a flag. */
export function f32_eq(a: u32, b: u32): i32 {
  if (isSignalling<f32>(a) || isSignalling<f32>(b)) raise(NV);
  return <i32>(asF32(a) == asF32(b));
}

export function f32_lt(a: u32, b: u32): i32 {
  if (isNaNBits<f32>(a) || isNaNBits<f32>(b)) raise(NV);
  return <i32>(asF32(a) < asF32(b));
}

export function f32_le(a: u32, b: u32): i32 {
  if (isNaNBits<f32>(a) || isNaNBits<f32>(b)) raise(NV);
  return <i32>(asF32(a) <= asF32(b));
}

/** IEEE 754-2019 minimumNumber: of a number and a NaN the number, −0 below +0. */
export function f32_min(a: u32, b: u32): u32 {
  if (isNaNBits<f32>(a) || isNaNBits<f32>(b)) return <u32>numberOf<f32>(a, b);
  return bits32(min<f32>(asF32(a), asF32(b)));
}

export function f32_max(a: u32, b: u32): u32 {
  if (isNaNBits<f32>(a) || isNaNBits<f32>(b)) return <u32>numberOf<f32>(a, b);
  return bits32(max<f32>(asF32(a), asF32(b)));
}

/** The one bit of FCLASS.S that describes the value. */
export function f32_class(a: u32): i32 {
  return classOf<f32>(a);
}

// ---- Binary64 -------------------------------------------------------------------------------------------------------

function asF64(a: u64): f64 {
  return reinterpret<f64>(a);
}

function bits64(a: f64): u64 {
  return reinterpret<u64>(a);
}

export function f64_add(a: u64, b: u64, rm: u32): u64 {
  if (rm == RNE) {
    const result = bits64(asF64(a) + asF64(b));
    if (finite64(result) && (inexactRaised() || summed(asF64(a), asF64(b), asF64(result)))) return result;
  }
  return add<f64>(a, b, rm);
}

export function f64_sub(a: u64, b: u64, rm: u32): u64 {
  if (rm == RNE) {
    const result = bits64(asF64(a) - asF64(b));
    if (finite64(result) && (inexactRaised() || summed(asF64(a), -asF64(b), asF64(result)))) return result;
  }
  return add<f64>(a, b ^ 0x8000000000000000, rm);
}

export function f64_mul(a: u64, b: u64, rm: u32): u64 {
  const result = bits64(asF64(a) * asF64(b));
  if ((nativeApplies(rm) && clearlyNormal64(result)) || exactProduct64(a, b, result)) return result;
  return multiply<f64>(a, b, rm);
}

export function f64_div(a: u64, b: u64, rm: u32): u64 {
  if (nativeApplies(rm)) {
    const result = bits64(asF64(a) / asF64(b));
    if (clearlyNormal64(result)) return result;
  } else if (rm == RNE) {
    const result = bits64(asF64(a) / asF64(b));
    const product = bits64(asF64(result) * asF64(b));
    if (product == a && clearlyNormal64(result) && exactProduct64(result, b, product)) return result;
  }
  return divide<f64>(a, b, rm);
}

export function f64_sqrt(a: u64, rm: u32): u64 {
  if (nativeApplies(rm)) {
    const result = bits64(sqrt<f64>(asF64(a)));
    if (finite64(result)) return result;
  }
  return squareRoot<f64>(a, rm);
}

export function f64_fma(a: u64, b: u64, c: u64, rm: u32): u64 {
  const product = bits64(asF64(a) * asF64(b));
  if (exactProduct64(a, b, product)) return f64_add(product, c, rm);
  return multiplyAdd<f64>(a, b, c, rm);
}

export function f64_to_f32(a: u64, rm: u32): u32 {
  if (nativeApplies(rm)) {
    const result = bits32(<f32>asF64(a));
    if (clearlyNormal32(result)) return result;
  }
  if (isNaNBits<f64>(a)) {
    if (isSignalling<f64>(a)) raise(NV);
    return F32_NAN;
  }
  const sign = signOf<f64>(a);
  if (exponentOf<f64>(a) == exponentMax<f64>()) return <u32>infinity<f32>(sign);
  if (withoutSign<f64>(a) == 0) return <u32>zero<f32>(sign);
  const exponent = normalExponent<f64>(a) - bias<f64>() + bias<f32>();
  return <u32>roundPack<f32>(sign, exponent, normalSignificand<f64>(a), rm);
}

export function f64_to_i32(a: u64, rm: u32): i64 {
  return toInteger<f64>(a, rm, 32, true);
}

export function f64_to_u32(a: u64, rm: u32): i64 {
  return toInteger<f64>(a, rm, 32, false);
}

export function f64_to_i64(a: u64, rm: u32): i64 {
  return toInteger<f64>(a, rm, 64, true);
}

export function f64_to_u64(a: u64, rm: u32): i64 {
  return toInteger<f64>(a, rm, 64, false);
}

export function i64_to_f64(a: i64, rm: u32): u64 {
  if (nativeApplies(rm) || <u64>(a + ((<i64>1) << 53)) <= (<u64>1) << 54) return bits64(<f64>a);
  return fromSigned<f64>(a, rm);
}

export function u64_to_f64(a: u64, rm: u32): u64 {
  if (nativeApplies(rm) || a <= (<u64>1) << 53) return bits64(<f64>a);
  return fromMagnitude<f64>(0, a, rm);
}

export function f64_eq(a: u64, b: u64): i32 {
  if (isSignalling<f64>(a) || isSignalling<f64>(b)) raise(NV);
  return <i32>(asF64(a) == asF64(b));
}

export function f64_lt(a: u64, b: u64): i32 {
  if (isNaNBits<f64>(a) || isNaNBits<f64>(b)) raise(NV);
  return <i32>(asF64(a) < asF64(b));
}

export function f64_le(a: u64, b: u64): i32 {
  if (isNaNBits<f64>(a) || isNaNBits<f64>(b)) raise(NV);
  return <i32>(asF64(a) <= asF64(b));
}

export function f64_min(a: u64, b: u64): u64 {
  if (isNaNBits<f64>(a) || isNaNBits<f64>(b)) return numberOf<f64>(a, b);
  return bits64(min<f64>(asF64(a), asF64(b)));
}

export function f64_max(a: u64, b: u64): u64 {
  if (isNaNBits<f64>(a) || isNaNBits<f64>(b)) return numberOf<f64>(a, b);
  return bits64(max<f64>(asF64(a), asF64(b)));
}

export function f64_class(a: u64): i32 {
  return classOf<f64>(a);
}

// ---- Shared by both formats ------------------------------------------------------------------------------------------

/** Of two values of which one or both are NaN: the number if there is one. */
function numberOf<F>(a: u64, b: u64): u64 {
  if (isSignalling<F>(a) || isSignalling<F>(b)) raise(NV);
  if (!isNaNBits<F>(a)) return a;
  return isNaNBits<F>(b) ? canonicalNaN<F>() : b;
}

function classOf<F>(a: u64): i32 {
  const negative = signOf<F>(a) != 0;
  if (isNaNBits<F>(a)) return isSignalling<F>(a) ? 1 << 8 : 1 << 9;
  if (exponentOf<F>(a) == exponentMax<F>()) return negative ? 1 << 0 : 1 << 7;
  if (exponentOf<F>(a) != 0) return negative ? 1 << 1 : 1 << 6;
  if (fractionOf<F>(a) != 0) return negative ? 1 << 2 : 1 << 5;
  return negative ? 1 << 3 : 1 << 4;
}
