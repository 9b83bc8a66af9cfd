/*
 * What the bench does with models of the host: ai speech|linear|picture, over two connections, each with a model of its own. Then on standard input: "alone COUNT",
 * runs of one model, of which the median of the milliseconds is printed, or "together COUNT", so many runs of each at the same time, of which
 * so many a second are. Anything else ends it.
 */
#include "../../../resources/guest/ai/hartbox_ai.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS = 2, INPUTS_MAX = 3, RESULTS_MAX = 2, RUNS_MAX = 10000, WARM_UP = 400 };
/* Of the linear model 256 KiB of input, of that for pictures 588 KiB. */
enum { ROWS = 256, COLUMNS = 256, SIDE = 224 };

static float values[3 * SIDE * SIDE];
static const int64_t rate = 16000;
static hbai_tensor inputs[INPUTS_MAX];
static unsigned input_count;

typedef struct {
  hbai *ai;
  hbai_model model;
  int count;
  double milliseconds[RUNS_MAX];
} connection;
static connection connections[CONNECTIONS];

static void give_up(const char *what) {
  printf("ai: FAILED: %s\n", what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * time.tv_sec + time.tv_nsec / 1e6;
}

static void *run(void *argument) {
  connection *one = argument;
  hbai_tensor results[RESULTS_MAX];
  for (int i = 0; i < one->count; i++) {
    double begun = now();
    if (hbai_run(one->ai, &one->model, inputs, input_count, results, RESULTS_MAX, NULL) < 1) give_up(hbai_error(one->ai));
    one->milliseconds[i] = now() - begun;
  }
  return NULL;
}

static void run_all(int used, int count) {
  pthread_t threads[CONNECTIONS];
  for (int i = 0; i < used; i++) {
    connections[i].count = count;
    if (pthread_create(&threads[i], NULL, run, &connections[i])) give_up("no thread");
  }
  for (int i = 0; i < used; i++) pthread_join(threads[i], NULL);
}

static int by_size(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

int main(int words_count, char **words) {
  static const uint32_t sound[] = {1, 512}, state[] = {2, 1, 128}, table[] = {ROWS, COLUMNS}, picture[] = {1, 3, SIDE, SIDE};
  char line[64], file[64], why[256];
  int count;
  if (words_count != 2) return 2;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) values[i] = (float)(i % 7) / 8;
  if (strcmp(words[1], "speech") == 0) {
    inputs[input_count++] = hbai_make("input", HBAI_FLOAT, values, 2, sound);
    inputs[input_count++] = hbai_make("state", HBAI_FLOAT, values, 3, state);
    inputs[input_count++] = hbai_make("sr", HBAI_INT64, &rate, 0, NULL);
  } else if (strcmp(words[1], "picture") == 0) {
    inputs[input_count++] = hbai_make("x", HBAI_FLOAT, values, 4, picture);
  } else {
    inputs[input_count++] = hbai_make("x", HBAI_FLOAT, values, 2, table);
  }
  snprintf(file, sizeof file, "%s.onnx", words[1]);
  for (int i = 0; i < CONNECTIONS; i++) {
    connection *one = &connections[i];
    one->ai = hbai_open(NULL, why, sizeof why);
    if (!one->ai) give_up(why);
    if (hbai_open_model(one->ai, file, &one->model) < 0) give_up(hbai_error(one->ai));
  }
  /* One after the other would leave the host half as warm. */
  run_all(CONNECTIONS, WARM_UP);
  puts("ai: ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "alone %d", &count) == 1 && count > 0 && count <= RUNS_MAX) {
      run_all(1, count);
      qsort(connections[0].milliseconds, (size_t)count, sizeof *connections[0].milliseconds, by_size);
      printf("ai: median %.6f\n", connections[0].milliseconds[count / 2]);
    } else if (sscanf(line, "together %d", &count) == 1 && count > 0 && count <= RUNS_MAX) {
      double begun = now();
      run_all(CONNECTIONS, count);
      printf("ai: rate %.3f\n", CONNECTIONS * count / (now() - begun) * 1e3);
    } else {
      break;
    }
    fflush(stdout);
  }
  for (int i = 0; i < CONNECTIONS; i++) {
    hbai_free(connections[i].ai, &connections[i].model);
    hbai_close(connections[i].ai);
  }
  return 0;
}
