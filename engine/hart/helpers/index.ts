/**
 * The hart's slow paths, compiled by AssemblyScript into helpers.wasm: page walks, CSRs, traps, soft float. Each hart has
 * an instance of its own over the shared memory. `helper-table.ts` names the ones that instructions call.
 */
export { note_jump } from './jumps';
export { block_now, cache_block } from './blocks';
export { byte_swap, clmul, clmulr, mulh, mulhsu, mulhu, or_combine } from './integer';
export {
  check_enter,
  check_leave,
  check_next,
  check_rewind,
  record_atomic,
  record_block,
  record_conditional,
  record_load,
  record_outcome,
  record_reserved,
  record_store,
  replay_atomic,
  replay_block,
  replay_conditional,
  replay_load,
  replay_reserved,
  replay_store,
  replay_system,
  setCheckArea,
} from './check';
export { csr_access, csr_now } from './csr';
export { debug_csr, debug_csr_known } from './debug-csr';
export { dropAllCode, dropStaleCode } from './decoded-pages';
export { beginEpoch, unfenced } from './fences';
export {
  atomic_address,
  fetch_at_pc,
  fetch_miss,
  host_address,
  load_reserved,
  load_slow,
  peek,
  reach,
  store_conditional,
  store_slow,
} from './mmu';
export { flushAll, selectTlbs } from './tlb';
export { pmpUpdate } from './pmp';
export { setHart } from './state';
export { illegal } from './illegal';
export {
  account,
  ebreak,
  ecall,
  fence_i,
  mret,
  poll,
  setTracing,
  settle,
  sfence_inval,
  sfence_vma,
  sret,
  take_trap,
  wfi,
  wrs_nto,
  wrs_sto,
} from './trap';
export * from './softfloat';
