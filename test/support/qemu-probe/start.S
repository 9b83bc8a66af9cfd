# Enters probe() on hart 0, or on whichever firmware starts; others count themselves and wait. a0: hart, a1: device tree.
.section .text.init
.globl _start
_start:
#ifdef MACHINE
        csrr    a0, mhartid
        lla     t0, trap
        csrw    mtvec, t0
        bnez    a0, other
#endif
        lla     sp, stack_end
        call    probe
1:      wfi
        j       1b
other:  lla     t0, alive
        li      t1, 1
        amoadd.w zero, t1, (t0)
2:      wfi
        j       2b

# An instruction that there is not is skipped, and noted.
.balign 4
trap:
#ifdef MACHINE
        csrr    t0, mepc
        lhu     t1, 0(t0)
        andi    t1, t1, 3
        addi    t0, t0, 2
        xori    t1, t1, 3
        bnez    t1, 3f
        addi    t0, t0, 2
3:      csrw    mepc, t0
        lla     t0, trapped
        csrr    t1, mcause
        addi    t1, t1, 1
        sw      t1, 0(t0)
        mret
#endif

.bss
.balign 16
        .space  16384
stack_end:
