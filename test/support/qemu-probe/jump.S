# The least firmware: goes on at 0x80200000 in S-mode, which may reach all memory.
.section .text.init
.globl _start
_start:
        csrr    t0, mhartid
1:      bnez    t0, 1b
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 0x1000
        csrc    mstatus, t0
        li      t0, 0x800
        csrs    mstatus, t0
        li      t0, 0x80200000
        csrw    mepc, t0
        csrr    a0, mhartid
        mret
