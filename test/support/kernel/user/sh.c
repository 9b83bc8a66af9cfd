// A shell: COMMAND [< FILE] [> FILE] [| COMMAND…] [&]
#include "user.h"

#define WORDS 32

static char line[512];
static char *words[WORDS];

static int split(void) {
  int count = 0;
  for (char *c = line; *c;) {
    while (*c == ' ') *c++ = 0;
    if (!*c) break;
    if (count == WORDS - 1) return -1;
    words[count++] = c;
    while (*c && *c != ' ') c++;
  }
  words[count] = 0;
  return count;
}

static void put_at(int place, const char *name, int flags) {
  close(place);
  if (open(name, flags) != place) complain("sh: cannot open %s", name);
}

// In a child: run the words before `end`, with what they say of files and pipes. What follows a `|` is run by a child that goes on here.
static void run(int end) {
  char *arguments[ARGUMENTS + 1];
  int count = 0;
  for (int i = 0; i < end; i++) {
    if (strings_equal(words[i], "|")) {
      int files[2];
      if (pipe(files) < 0) complain("sh: no pipe");
      if (fork() == 0) {
        close(0);
        dup(files[0]);
        close(files[0]), close(files[1]);
        count = 0;
        continue;
      }
      close(1);
      dup(files[1]);
      close(files[0]), close(files[1]);
      break;
    }
    if (strings_equal(words[i], "<") && i + 1 < end) put_at(0, words[++i], OPEN_READ);
    else if (strings_equal(words[i], ">") && i + 1 < end) put_at(1, words[++i], OPEN_WRITE | OPEN_CREATE | OPEN_EMPTY);
    else if (count < ARGUMENTS) arguments[count++] = words[i];
  }
  if (count == 0) exit(0);
  arguments[count] = 0;
  // With its own children, so that who waits for it waits for all of the pipe.
  int child = fork();
  if (child == 0) {
    exec(arguments[0], arguments);
    complain("sh: no %s", arguments[0]);
  }
  close(0), close(1);
  int code, result = 1;
  for (int ended; (ended = wait(&code)) >= 0;) {
    if (ended == child) result = code;
  }
  exit(result);
}

int main(void) {
  for (;;) {
    say("$ ");
    if (read_line(line, sizeof line) < 0) return 0;
    int count = split();
    if (count < 0) say("sh: too many words\n");
    if (count <= 0) continue;
    int behind = strings_equal(words[count - 1], "&");
    int child = fork();
    if (child < 0) {
      say("sh: no more processes\n");
      continue;
    }
    if (child == 0) run(count - behind);
    if (behind) continue;
    int code, ended;
    do ended = wait(&code);
    while (ended >= 0 && ended != child);
    if (code) say("sh: code %d\n", code);
  }
}
