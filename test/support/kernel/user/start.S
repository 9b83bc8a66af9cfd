#include "../system.h"
        .text
        .globl  _start
_start:
        call    main
        j       exit

#define SYSTEM(name) .globl name; name: li a7, SYS_##name; ecall; ret
SYSTEM(exit)
SYSTEM(fork)
SYSTEM(wait)
SYSTEM(exec)
SYSTEM(open)
SYSTEM(close)
SYSTEM(read)
SYSTEM(write)
SYSTEM(unlink)
SYSTEM(sbrk)
SYSTEM(sleep)
SYSTEM(getpid)
SYSTEM(kill)
SYSTEM(uptime)
SYSTEM(pipe)
SYSTEM(dup)
SYSTEM(halt)
SYSTEM(hart)
SYSTEM(free_pages)
SYSTEM(lost)
SYSTEM(harts)
