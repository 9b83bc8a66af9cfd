#include "machine.h"
# Every hart comes here: in M-mode by itself, or from SBI firmware in S-mode with its number in a0.
        .section .text.entry, "ax"
        .globl entry
entry:
#ifndef SBI
        csrr    a0, mhartid
#endif
        li      t0, HARTS
        bgeu    a0, t0, park
        mv      tp, a0
        la      sp, boot_stacks
        addi    t0, a0, 1
        slli    t0, t0, 12
        add     sp, sp, t0
#ifdef SBI
        call    main
#else
        call    hart_start
#endif
park:
        wfi
        j       park

#ifndef SBI
# M-mode does no more than hand interrupts of the CLINT on to S-mode as its software interrupt. mscratch: struct machine_area.
        .text
        .globl  machine_vector
        .align  2
machine_vector:
        csrrw   a0, mscratch, a0
        sd      a1, 0(a0)
        sd      a2, 8(a0)
        csrr    a1, mcause
        bgez    a1, machine_fault
        slli    a1, a1, 1
        li      a2, 2 * 3
        beq     a1, a2, 1f
        # Timer: not again before the kernel asks for it.
        ld      a1, 16(a0)
        li      a2, -1
        sd      a2, 0(a1)
        j       2f
1:      ld      a1, 24(a0)
        sw      zero, 0(a1)
2:      csrsi   mip, 2
        ld      a2, 8(a0)
        ld      a1, 0(a0)
        csrrw   a0, mscratch, a0
        mret
machine_fault:
        li      a0, FINISHER
        li      a1, 251 << 16 | 0x3333
        sw      a1, 0(a0)
        j       machine_fault
#endif

        .bss
        .align  12
boot_stacks:
        .skip   HARTS * PAGE
