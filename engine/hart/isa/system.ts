import { bits, extension, type Context, type Instruction } from './instruction';

/** Zicsr (unprivileged ISA §6): CSR numbers and access rights are the helpers' affair (helpers/csr.ts). */
const csr = extension('zicsr');

/** Set in a record's immediate when rs1 is x0 or the constant is 0: csrrs and csrrc then do not write. */
export const CSR_NO_WRITE = 1 << 12;
/** Set for csr_now where the region has floating point. */
export const CSR_HAS_FLOAT = 1 << 13;

// The operation is a number to csr_access: 0 writes, 1 sets, 2 clears.
['csrrw', 'csrrs', 'csrrc'].forEach((name, operation) => {
  const access = (c: Context, constant: boolean): void => {
    const value = constant ? c.constant() : c.rs1();
    c.rd(c.csr(value, operation));
    c.settle();
  };
  csr.def(name, 'csr', bits(0x73, operation + 1), (c) => access(c, false));
  csr.def(`${name}i`, 'csri', bits(0x73, operation + 5), (c) => access(c, true));
});

const zifencei = extension('zifencei', { flow: 'jump' });
zifencei.def('fence.i', 'i', bits(0x0f, 1), (c) => {
  // What this hart has seen of other harts' stores it is to see of their code too.
  if (c.host.reorders === 'anything') c.fence();
  c.transfer('fence_i');
});

/** Privileged instructions (privileged ISA §3.3, §10.2, §12.2) and the environment calls of RV64I §2.8. */
const privileged = extension('i', { flow: 'jump' });
const exact = (funct12: number): number => ((funct12 << 20) | 0x73) >>> 0;
privileged.def('ecall', 'none', exact(0x000), (c) => c.transfer('ecall'));
privileged.def('ebreak', 'none', exact(0x001), (c) => c.transfer('ebreak'));
privileged.def('sret', 'none', exact(0x102), (c) => c.transfer('sret'));
privileged.def('mret', 'none', exact(0x302), (c) => c.transfer('mret'));
privileged.def('wfi', 'none', exact(0x105), (c) => c.transfer('wfi'));
function invalidate(c: Context): void {
  // Page walks are reads that come after all before.
  c.fence();
  c.transfer('sfence_vma', c.rs1(), c.rs1IsZero(), c.rs2(), c.rs2IsZero());
}
privileged.def('sfence.vma', 'fence', bits(0x73, 0, 0x09), invalidate);

/** Svinval (privileged ISA §12.6) splits that up; here sinval.vma does all by itself. */
const svinval = extension('svinval', { flow: 'jump' });
svinval.def('sinval.vma', 'fence', bits(0x73, 0, 0x0b), invalidate);
svinval.def('sfence.w.inval', 'none', exact(0x180), (c) => c.transfer('sfence_inval'));
svinval.def('sfence.inval.ir', 'none', exact(0x181), (c) => c.transfer('sfence_inval'));

/** Zawrs (unprivileged ISA §14): wait until the reservation is lost. */
const zawrs = extension('zawrs', { flow: 'jump' });
zawrs.def('wrs.nto', 'none', exact(0x00d), (c) => c.transfer('wrs_nto'));
zawrs.def('wrs.sto', 'none', exact(0x01d), (c) => c.transfer('wrs_sto'));

export const zicsr: Instruction[] = csr.list;
export const system: Instruction[] = [...zifencei.list, ...privileged.list, ...svinval.list, ...zawrs.list];
