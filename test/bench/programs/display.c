/*
 * What the bench draws in the guest, by Linux's own graphics driver and without a library. display WHAT [PERCENT SECONDS]:
 *   video: PERCENT of the picture changes at most 100 times a second; prints RESULT frames.
 *   load:  the same 30 times a second, and counts what it gets done meanwhile; prints RESULT rounds.
 *   still: a picture that does not change.
 *   keys:  a square changes its colour with each key that is pressed, until one second after the last of PERCENT keys.
 * The last pixel of what changes is the number of the frame.
 */
#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 16, SQUARE = 64, NOISE = 1 << 22 };

static int card;
static uint32_t width, height, stride, framebuffer;
static uint32_t *pixels;
static uint32_t noise[NOISE / 4 + 4096];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void sleep_until(double time) {
  struct timespec until = {.tv_sec = (time_t)time, .tv_nsec = (long)((time - (time_t)time) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
  }
}

static void check(int is_good, const char *what) {
  if (is_good) return;
  perror(what);
  exit(1);
}

static void request(unsigned long number, void *argument, const char *what) {
  int answer;
  while ((answer = ioctl(card, number, argument)) != 0 && (errno == EINTR || errno == EAGAIN)) {
  }
  check(answer == 0, what);
}

#define POINTER(p) ((uint64_t)(uintptr_t)(p))

/* A picture of our own in the mode that the screen prefers. */
static void show(void) {
  uint32_t crtcs[8], connectors[8];
  struct drm_mode_modeinfo modes[64];
  struct drm_mode_card_res resources = {
      .crtc_id_ptr = POINTER(crtcs), .count_crtcs = 8, .connector_id_ptr = POINTER(connectors), .count_connectors = 8};
  card = open("/dev/dri/card0", O_RDWR);
  check(card >= 0, "/dev/dri/card0");
  request(DRM_IOCTL_MODE_GETRESOURCES, &resources, "resources");
  struct drm_mode_get_connector get = {.connector_id = connectors[0]};
  request(DRM_IOCTL_MODE_GETCONNECTOR, &get, "connector");
  uint32_t count = get.count_modes < 64 ? get.count_modes : 64, best = 0;
  get = (struct drm_mode_get_connector){.connector_id = connectors[0], .count_modes = count, .modes_ptr = POINTER(modes)};
  request(DRM_IOCTL_MODE_GETCONNECTOR, &get, "modes");
  for (uint32_t i = count; i-- > 0;)
    if (modes[i].hdisplay == 1280 && modes[i].vdisplay == 800) best = i;
  width = modes[best].hdisplay;
  height = modes[best].vdisplay;
  struct drm_mode_create_dumb create = {.width = width, .height = height, .bpp = 32};
  request(DRM_IOCTL_MODE_CREATE_DUMB, &create, "dumb buffer");
  struct drm_mode_map_dumb map = {.handle = create.handle};
  request(DRM_IOCTL_MODE_MAP_DUMB, &map, "map");
  pixels = mmap(0, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, map.offset);
  check(pixels != MAP_FAILED, "mmap");
  stride = create.pitch / 4;
  struct drm_mode_fb_cmd2 fb = {
      .width = width, .height = height, .pixel_format = DRM_FORMAT_XRGB8888, .handles = {create.handle}, .pitches = {create.pitch}};
  request(DRM_IOCTL_MODE_ADDFB2, &fb, "framebuffer");
  framebuffer = fb.fb_id;
  struct drm_mode_crtc set = {.set_connectors_ptr = POINTER(connectors),
                              .count_connectors = 1,
                              .crtc_id = crtcs[0],
                              .fb_id = framebuffer,
                              .mode_valid = 1,
                              .mode = modes[best]};
  request(DRM_IOCTL_MODE_SETCRTC, &set, "mode");
}

static void flush(uint32_t right, uint32_t bottom) {
  struct drm_clip_rect clip = {.x2 = right, .y2 = bottom};
  struct drm_mode_fb_dirty_cmd dirty = {.fb_id = framebuffer, .num_clips = 1, .clips_ptr = POINTER(&clip)};
  request(DRM_IOCTL_MODE_DIRTYFB, &dirty, "flush");
}

/* From the top left corner on. */
static void draw(uint32_t frame, uint32_t right, uint32_t bottom) {
  for (uint32_t y = 0; y < bottom; y++) memcpy(pixels + y * stride, noise + (frame * 37 + y * right) % (NOISE / 4), 4 * right);
  pixels[(bottom - 1) * stride + right - 1] = frame & 0xffffff;
  flush(right, bottom);
}

static void keys(int count) {
  struct pollfd devices[DEVICES];
  int opened = 0;
  for (int i = 0; i < DEVICES; i++) {
    char name[32];
    snprintf(name, sizeof name, "/dev/input/event%d", i);
    int fd = open(name, O_RDONLY | O_NONBLOCK);
    if (fd >= 0) devices[opened++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  for (int pressed = 0; pressed < count;) {
    check(poll(devices, opened, 30000) > 0, "no key came");
    for (int i = 0; i < opened; i++) {
      struct input_event event;
      while (read(devices[i].fd, &event, sizeof event) == sizeof event) {
        if (event.type != EV_KEY || event.value != 1) continue;
        pressed++;
        for (int at = 0; at < SQUARE * SQUARE; at++) pixels[at / SQUARE * stride + at % SQUARE] = pressed;
        flush(SQUARE, SQUARE);
      }
    }
  }
  sleep(1);
}

int main(int argc, char **argv) {
  check(argc == 4, "display WHAT PERCENT SECONDS");
  int percent = atoi(argv[2]), seconds = atoi(argv[3]);
  uint32_t seed = 1;
  for (size_t i = 0; i < sizeof noise / 4; i++) noise[i] = (seed = seed * 1664525 + 1013904223) >> 8;
  show();
  memset(pixels, 0x20, 4 * stride * height);
  flush(width, height);
  printf("READY %u %u\n", width, height);
  fflush(stdout);
  if (!strcmp(argv[1], "still")) {
    sleep(seconds);
    return 0;
  }
  if (!strcmp(argv[1], "keys")) {
    keys(percent);
    return 0;
  }
  /* A tenth is a strip in the upper left, as a window is. */
  uint32_t right = percent == 100 ? width : width / 2, bottom = percent == 100 ? height : height * percent * 2 / 100;
  int is_load = !strcmp(argv[1], "load");
  double start = now(), pause = is_load ? 1 / 30.0 : 0.01;
  volatile unsigned long rounds = 0;
  uint32_t frame = 0;
  for (double next = start; now() < start + seconds;) {
    draw(++frame, right, bottom);
    next = next + pause > now() ? next + pause : now();
    if (!is_load) sleep_until(next);
    else
      while (now() < next)
        for (int i = 0; i < 1000; i++) rounds++;
  }
  printf("RESULT %lu\n", is_load ? rounds / 1000 : (unsigned long)frame);
  return 0;
}
