#include "text.h"

void *memset(void *to, int value, u64 length) {
  u8 *bytes = to;
  u64 word = (u8)value * 0x0101010101010101UL;
  while (length && ((u64)bytes & 7)) *bytes++ = value, length--;
  for (; length >= 8; length -= 8, bytes += 8) *(u64 *)bytes = word;
  while (length--) *bytes++ = value;
  return to;
}

void *memcpy(void *to, const void *from, u64 length) {
  u8 *a = to;
  const u8 *b = from;
  if ((((u64)a | (u64)b) & 7) == 0) {
    for (; length >= 8; length -= 8, a += 8, b += 8) *(u64 *)a = *(const u64 *)b;
  }
  while (length--) *a++ = *b++;
  return to;
}

int memcmp(const void *a, const void *b, u64 length) {
  const u8 *x = a, *y = b;
  for (; length; length--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

u64 string_length(const char *text) {
  u64 length = 0;
  while (text[length]) length++;
  return length;
}

int strings_equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static void put_number(put_character *put, void *to, u64 value, u64 base) {
  char digits[24];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[value % base];
  while (value /= base);
  while (count) put(to, digits[--count]);
}

// %d and %u are of 64 bits when they say %ld and %lu; %x always is.
void format(put_character *put, void *to, const char *text, va_list arguments) {
  for (; *text; text++) {
    if (*text != '%') {
      put(to, *text);
      continue;
    }
    int is_long = *++text == 'l';
    if (is_long) text++;
    if (*text == 'd') {
      long value = is_long ? va_arg(arguments, long) : va_arg(arguments, int);
      if (value < 0) put(to, '-');
      put_number(put, to, value < 0 ? -(u64)value : (u64)value, 10);
    } else if (*text == 'u') {
      put_number(put, to, is_long ? va_arg(arguments, u64) : va_arg(arguments, u32), 10);
    } else if (*text == 'x') {
      put_number(put, to, va_arg(arguments, u64), 16);
    } else if (*text == 's') {
      for (const char *s = va_arg(arguments, const char *); *s; s++) put(to, *s);
    } else if (*text == 'c') {
      put(to, va_arg(arguments, int));
    } else {
      put(to, *text);
    }
  }
}
