import { I32_TYPE, I64_TYPE, type I32, type I64 } from '../wasm/emitter';
import type { FunctionType } from '../wasm/module-builder';

/** The helpers that generated code calls (engine/hart/helpers), with their types as `parameters:result`. */
const SIGNATURES = {
  mulh: 'll:l',
  mulhsu: 'll:l',
  mulhu: 'll:l',
  byte_swap: 'l:l',
  or_combine: 'l:l',
  clmul: 'll:l',
  clmulr: 'll:l',

  csr_access: 'lii:l',
  csr_now: 'lii:l',
  load_slow: 'li:l',
  store_slow: 'lli:',
  atomic_address: 'li:i',
  host_address: 'li:i',
  load_reserved: 'li:l',
  store_conditional: 'lli:l',
  cache_block: 'li:',
  block_now: 'li:i',
  fetch_miss: 'l:i',

  check_enter: 'l:',
  check_leave: 'lii:',
  record_load: 'lli:',
  record_store: 'lli:',
  record_atomic: 'lii:',
  record_outcome: ':',
  record_block: 'li:i',
  record_reserved: 'li:l',
  record_conditional: 'lli:l',
  replay_load: 'li:l',
  replay_store: 'lli:',
  replay_atomic: 'li:i',
  replay_block: 'li:',
  replay_reserved: 'li:l',
  replay_conditional: 'lli:l',
  replay_system: ':',

  note_jump: 'il:',
  poll: ':i',
  settle: ':',
  take_trap: ':',
  illegal: ':',
  ecall: ':',
  ebreak: ':',
  mret: ':',
  sret: ':',
  wfi: ':',
  wrs_nto: ':',
  wrs_sto: ':',
  fence_i: ':',
  sfence_vma: 'lili:',
  sfence_inval: ':',

  f32_add: 'iii:i',
  f32_sub: 'iii:i',
  f32_mul: 'iii:i',
  f32_div: 'iii:i',
  f32_sqrt: 'ii:i',
  f32_fma: 'iiii:i',
  f32_min: 'ii:i',
  f32_max: 'ii:i',
  f32_eq: 'ii:i',
  f32_lt: 'ii:i',
  f32_le: 'ii:i',
  f32_class: 'i:i',
  f32_to_f64: 'i:l',
  f32_to_i32: 'ii:l',
  f32_to_u32: 'ii:l',
  f32_to_i64: 'ii:l',
  f32_to_u64: 'ii:l',
  i32_to_f32: 'ii:i',
  u32_to_f32: 'ii:i',
  i64_to_f32: 'li:i',
  u64_to_f32: 'li:i',

  f64_add: 'lli:l',
  f64_sub: 'lli:l',
  f64_mul: 'lli:l',
  f64_div: 'lli:l',
  f64_sqrt: 'li:l',
  f64_fma: 'llli:l',
  f64_min: 'll:l',
  f64_max: 'll:l',
  f64_eq: 'll:i',
  f64_lt: 'll:i',
  f64_le: 'll:i',
  f64_class: 'l:i',
  f64_to_f32: 'li:i',
  f64_to_i32: 'li:l',
  f64_to_u32: 'li:l',
  f64_to_i64: 'li:l',
  f64_to_u64: 'li:l',
  i64_to_f64: 'li:l',
  u64_to_f64: 'li:l',
} as const;

export type HelperName = keyof typeof SIGNATURES;
type ResultOf<S extends string> = S extends `${string}:l` ? I64 : S extends `${string}:i` ? I32 : undefined;
export type HelperResult<N extends HelperName> = ResultOf<(typeof SIGNATURES)[N]>;

export const helperNames = Object.keys(SIGNATURES) as HelperName[];

export function helperType(name: HelperName): FunctionType {
  const [parameters, results] = SIGNATURES[name].split(':');
  const types = (letters: string) => [...letters].map((letter) => (letter === 'l' ? I64_TYPE : I32_TYPE));
  return { parameters: types(parameters), results: types(results) };
}
