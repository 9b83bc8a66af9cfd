#include "user.h"

struct line {
  int length;
  char text[120];
};

static void flush(struct line *line) {
  write(1, line->text, line->length);
  line->length = 0;
}

static void put(void *to, char c) {
  struct line *line = to;
  line->text[line->length++] = c;
  if (line->length == sizeof line->text) flush(line);
}

void say(const char *text, ...) {
  struct line line = {0};
  va_list arguments;
  va_start(arguments, text);
  format(put, &line, text, arguments);
  va_end(arguments);
  flush(&line);
}

void complain(const char *text, ...) {
  struct line line = {0};
  va_list arguments;
  va_start(arguments, text);
  format(put, &line, text, arguments);
  va_end(arguments);
  put(&line, '\n');
  flush(&line);
  exit(1);
}

long number(const char *text) {
  long value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}

// Returns its length without the newline, −1 at the end of the input.
int read_line(char *line, u64 length) {
  u64 count = 0;
  char c;
  while (count < length - 1) {
    if (read(0, &c, 1) != 1) {
      if (count == 0) return -1;
      break;
    }
    if (c == '\n') break;
    line[count++] = c;
  }
  line[count] = 0;
  return count;
}

// FNV-1a, begun with 0x811c9dc5.
u32 add_to_sum(u32 sum, const void *data, u64 length) {
  for (const u8 *byte = data; length--; byte++) sum = (sum ^ *byte) * 0x01000193;
  return sum;
}

u64 random_word(u64 *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}
