#include "machine.h"
# The way between user and kernel space: this page lies at the same address in both.
        .section .text.trampoline, "ax"
        .align  12
        .globl  trampoline, user_vector, user_return
trampoline:

        .macro  each_register op
        \op     ra, 8 * 1(a0)
        \op     sp, 8 * 2(a0)
        \op     gp, 8 * 3(a0)
        \op     tp, 8 * 4(a0)
        \op     t0, 8 * 5(a0)
        \op     t1, 8 * 6(a0)
        \op     t2, 8 * 7(a0)
        \op     s0, 8 * 8(a0)
        \op     s1, 8 * 9(a0)
        .irp    i, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        \op     x\i, 8 * \i(a0)
        .endr
        .endm

# Traps from user mode: sscratch holds the frame's address.
        .align  2
user_vector:
        csrrw   a0, sscratch, a0
        each_register sd
        csrr    t0, sscratch
        sd      t0, 8 * 10(a0)
        csrr    t0, sepc
        sd      t0, 0(a0)
        ld      sp, FRAME_KERNEL_STACK(a0)
        ld      tp, FRAME_KERNEL_HART(a0)
        ld      t0, FRAME_KERNEL_TRAP(a0)
        ld      t1, FRAME_KERNEL_SPACE(a0)
        sfence.vma
        csrw    satp, t1
        sfence.vma
        jr      t0

# To user mode; a0: its satp. Interrupts are off.
user_return:
        sfence.vma
        csrw    satp, a0
        sfence.vma
        li      a0, FRAME
        csrw    sscratch, a0
        ld      t0, 0(a0)
        csrw    sepc, t0
        each_register ld
        ld      a0, 8 * 10(a0)
        sret

# Traps from the kernel itself: what C does not keep goes on the stack.
        .text
        .globl  kernel_vector
        .align  2
kernel_vector:
        addi    sp, sp, -128
        .macro  each_temporary op
        \op     ra, 0(sp)
        \op     t0, 8(sp)
        \op     t1, 16(sp)
        \op     t2, 24(sp)
        \op     a0, 32(sp)
        \op     a1, 40(sp)
        \op     a2, 48(sp)
        \op     a3, 56(sp)
        \op     a4, 64(sp)
        \op     a5, 72(sp)
        \op     a6, 80(sp)
        \op     a7, 88(sp)
        \op     t3, 96(sp)
        \op     t4, 104(sp)
        \op     t5, 112(sp)
        \op     t6, 120(sp)
        .endm
        each_temporary sd
        call    kernel_trap
        each_temporary ld
        addi    sp, sp, 128
        sret

# void switch_context(struct context *from, struct context *to)
        .globl  switch_context
switch_context:
        .macro  each_kept op, base
        \op     ra, 0(\base)
        \op     sp, 8(\base)
        .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
        \op     s\i, 16 + 8 * \i(\base)
        .endr
        .endm
        each_kept sd, a0
        each_kept ld, a1
        ret

# void floats_save(u64 *to), void floats_load(const u64 *from): 32 registers and fcsr
        .globl  floats_save, floats_load
        .option arch, +f, +d
floats_save:
        .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        fsd     f\i, 8 * \i(a0)
        .endr
        frcsr   t0
        sd      t0, 256(a0)
        ret
floats_load:
        .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        fld     f\i, 8 * \i(a0)
        .endr
        ld      t0, 256(a0)
        fscsr   t0
        ret
