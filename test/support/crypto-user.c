// Encrypts by the kernel's crypto interface: crypto-user DRIVER KEY IV TEXT COUNT, all but the names in hexadecimal digits. Prints the result of the
// text, repeated COUNT times, as hexadecimal digits, and then that of decrypting it again: "same" where it is the text.
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char text[1 << 16], result[1 << 16], back[1 << 16];

static int unhex(const char *digits, unsigned char *bytes) {
  int length = strlen(digits) / 2;
  for (int i = 0; i < length; i++) sscanf(digits + 2 * i, "%2hhx", &bytes[i]);
  return length;
}

static void run(int operation, int op, const unsigned char *iv, const unsigned char *from, unsigned char *to, int length) {
  char control[CMSG_SPACE(4) + CMSG_SPACE(4 + 16)] = {0};
  struct iovec data = {(void *)from, length};
  struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control, .msg_iov = &data, .msg_iovlen = 1};
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_ALG;
  part->cmsg_type = ALG_SET_OP;
  part->cmsg_len = CMSG_LEN(4);
  memcpy(CMSG_DATA(part), &op, 4);
  part = CMSG_NXTHDR(&message, part);
  part->cmsg_level = SOL_ALG;
  part->cmsg_type = ALG_SET_IV;
  part->cmsg_len = CMSG_LEN(4 + 16);
  struct af_alg_iv *vector = (void *)CMSG_DATA(part);
  vector->ivlen = 16;
  memcpy(vector->iv, iv, 16);
  if (sendmsg(operation, &message, 0) != length || read(operation, to, length) != length) {
    perror("run");
    exit(1);
  }
}

int main(int count, char **arguments) {
  if (count != 6) return 2;
  unsigned char key[64], iv[16];
  int keyBytes = unhex(arguments[2], key);
  unhex(arguments[3], iv);
  int piece = unhex(arguments[4], text), length = piece * atoi(arguments[5]);
  for (int at = piece; at < length; at++) text[at] = text[at - piece];
  struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "skcipher"};
  strcpy((char *)address.salg_name, arguments[1]);
  int socket_ = socket(AF_ALG, SOCK_SEQPACKET, 0);
  if (socket_ < 0 || bind(socket_, (struct sockaddr *)&address, sizeof address) != 0 ||
      setsockopt(socket_, SOL_ALG, ALG_SET_KEY, key, keyBytes) != 0) {
    perror("bind");
    return 1;
  }
  int operation = accept(socket_, NULL, 0);
  run(operation, ALG_OP_ENCRYPT, iv, text, result, length);
  run(operation, ALG_OP_DECRYPT, iv, result, back, length);
  for (int i = 0; i < length; i++) printf("%02x", result[i]);
  printf("\n%s\n", memcmp(text, back, length) == 0 ? "same" : "another");
  return 0;
}
