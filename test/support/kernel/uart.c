// A 16550 with its FIFOs on: received characters go to the console, characters to be sent wait in a ring.
#include "kernel.h"

#define RECEIVED reg8(UART + 0)
#define SEND reg8(UART + 0)
#define INTERRUPTS reg8(UART + 1)
#define FIFO reg8(UART + 2)
#define LINE reg8(UART + 3)
#define STATUS reg8(UART + 5)
#define HAS_RECEIVED 1
#define MAY_SEND 32
#define FIFO_DEPTH 16
#define RING 256

static struct lock lock = {.name = "uart"};
static char ring[RING];
static u64 put, sent;

void uart_start(void) {
  *INTERRUPTS = 0;
  // Divisor 3: 38400 baud of a UART of 1.8432 MHz.
  *LINE = 0x80;
  *reg8(UART + 0) = 3;
  *reg8(UART + 1) = 0;
  *LINE = 3;
  *FIFO = 7;
  *INTERRUPTS = 3;
}

static void fill(void) {
  if (sent == put || !(*STATUS & MAY_SEND)) return;
  for (int i = 0; i < FIFO_DEPTH && sent != put; i++) *SEND = ring[sent++ % RING];
  wake(&sent);
}

void uart_put(char c) {
  acquire(&lock);
  while (put - sent == RING) sleep(&sent, &lock);
  ring[put++ % RING] = c;
  fill();
  release(&lock);
}

// Past the ring, for what cannot sleep.
void uart_put_now(char c) {
  while (!(*STATUS & MAY_SEND)) {}
  *SEND = c;
}

// Empties the FIFO, as drivers do; more may come in meanwhile.
void uart_interrupt(void) {
  while (*STATUS & HAS_RECEIVED) console_receive(*RECEIVED);
  acquire(&lock);
  fill();
  release(&lock);
}
