// Something to look at with a debugger: it counts, and makes system calls.
#include "user.h"

volatile u64 rounds;
volatile u64 watched;
double half = 0.5;

__attribute__((noinline)) u64 mix(u64 value, u64 step) {
  value ^= value << 7;
  value ^= value >> 9;
  return value + step;
}

__attribute__((noinline)) void step_once(u64 *value) {
  *value = mix(*value, rounds);
  rounds = rounds + 1;
  half = half * 3 - (int)(half * 3) + 0.25;
  if (rounds % 1000 == 0) watched = *value;
}

int main(int count, char **arguments) {
  u64 value = 88172645463325252, times = count > 1 ? number(arguments[1]) : ~0UL;
  while (rounds < times) {
    step_once(&value);
    if (rounds % 64 == 0) getpid();
  }
  say("spin: %lu %x\n", rounds, value);
  return 0;
}
