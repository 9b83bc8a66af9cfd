/* What the bench does with the network in the guest: net HOST PORT WORKLOAD AMOUNT. Prints RESULT value amount. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 17, STREAMS = 64, SECONDS = 3, DATAGRAM = 200 };

static char block[BLOCK];
static struct sockaddr_in server;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void check(int is_good, const char *what) {
  if (is_good) return;
  perror(what);
  exit(1);
}

static int open_socket(int type) {
  int one = 1, fd = socket(AF_INET, type, 0);
  check(fd >= 0 && connect(fd, (struct sockaddr *)&server, sizeof server) == 0, "connect");
  if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

/* Bytes a second through so many streams at once; to the server until it has all of them. */
static void stream(int count, int is_up) {
  struct pollfd fds[STREAMS];
  double bytes = 0, start, end;
  check(count > 0 && count <= STREAMS, "streams");
  for (int i = 0; i < count; i++) {
    fds[i].fd = open_socket(SOCK_STREAM);
    fds[i].events = is_up ? POLLOUT : POLLIN;
    fcntl(fds[i].fd, F_SETFL, O_NONBLOCK);
  }
  start = now();
  while ((end = now()) < start + SECONDS) {
    check(poll(fds, count, 1000) >= 0, "poll");
    for (int i = 0; i < count; i++) {
      if (!fds[i].revents) continue;
      ssize_t done = is_up ? write(fds[i].fd, block, BLOCK) : read(fds[i].fd, block, BLOCK);
      check(done > 0 || errno == EAGAIN, "stream");
      if (done > 0) bytes += done;
    }
  }
  for (int i = 0; is_up && i < count; i++) {
    fcntl(fds[i].fd, F_SETFL, 0);
    shutdown(fds[i].fd, SHUT_WR);
    while (read(fds[i].fd, block, BLOCK) > 0) {}
    end = now();
  }
  printf("RESULT %.3f %.0f\n", bytes / (end - start) / 1e6, bytes);
}

/* Seconds for so many bytes there and back, one at a time. */
static void echo(int count) {
  int fd = open_socket(SOCK_STREAM);
  double start = now();
  for (int i = 0; i < count; i++) check(write(fd, block, 1) == 1 && read(fd, block, 1) == 1, "echo");
  printf("RESULT %.6f %d\n", now() - start, count);
}

/* Seconds for so many connections, each with a byte there and back. */
static void connections(int count) {
  double start = now();
  for (int i = 0; i < count; i++) {
    int fd = open_socket(SOCK_STREAM);
    check(write(fd, block, 1) == 1 && read(fd, block, 1) == 1, "echo");
    close(fd);
  }
  printf("RESULT %.6f %d\n", now() - start, count);
}

/* Datagrams there and back a second, some under way at a time; a lost one is sent anew. */
static void datagrams(int window) {
  struct pollfd one = {open_socket(SOCK_DGRAM), POLLIN, 0};
  int done = 0, out = 0;
  double start = now(), end;
  while ((end = now()) < start + SECONDS) {
    for (; out < window; out++) send(one.fd, block, DATAGRAM, 0);
    if (poll(&one, 1, 200) == 0) out = 0;
    while (out > 0 && recv(one.fd, block, BLOCK, MSG_DONTWAIT) > 0) out--, done++;
  }
  printf("RESULT %.1f %d\n", done / (end - start), done);
}

int main(int count, char **words) {
  if (count != 5) return 2;
  const char *workload = words[3];
  int amount = atoi(words[4]);
  server.sin_family = AF_INET;
  server.sin_addr.s_addr = inet_addr(words[1]);
  server.sin_port = htons(atoi(words[2]));
  if (!strcmp(workload, "up") || !strcmp(workload, "down")) stream(amount, *workload == 'u');
  else if (!strcmp(workload, "echo")) echo(amount);
  else if (!strcmp(workload, "connect")) connections(amount);
  else if (!strcmp(workload, "udp")) datagrams(amount);
  else return 2;
  return 0;
}
