/*
 * Shows a pattern by Linux's own graphics driver, without a library: finds the first connector, makes a dumb buffer of its preferred mode, draws,
 * and shows it. Then it does what each line of its input says: "part" draws a rectangle and flushes that alone, "pointer" shows a pointer,
 * "wait" waits until the connector's preferred mode is another one. After each it prints a line.
 */
#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int card;

static void request(unsigned long number, void *argument, const char *what)
{
	while (ioctl(card, number, argument) != 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		printf("failed %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

#define POINTER(p) ((uint64_t)(uintptr_t)(p))

static struct drm_mode_modeinfo preferred(uint32_t connector)
{
	struct drm_mode_modeinfo modes[64];
	struct drm_mode_get_connector get = { .connector_id = connector };
	request(DRM_IOCTL_MODE_GETCONNECTOR, &get, "connector");
	uint32_t count = get.count_modes < 64 ? get.count_modes : 64;
	get = (struct drm_mode_get_connector){ .connector_id = connector, .count_modes = count, .modes_ptr = POINTER(modes) };
	request(DRM_IOCTL_MODE_GETCONNECTOR, &get, "modes");
	for (uint32_t i = 0; i < count; i++)
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED)
			return modes[i];
	return modes[0];
}

static uint32_t *dumb(uint32_t width, uint32_t height, uint32_t *handle, uint32_t *stride)
{
	struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };
	request(DRM_IOCTL_MODE_CREATE_DUMB, &create, "dumb buffer");
	struct drm_mode_map_dumb map = { .handle = create.handle };
	request(DRM_IOCTL_MODE_MAP_DUMB, &map, "map");
	void *pixels = mmap(0, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, map.offset);
	if (pixels == MAP_FAILED) {
		perror("failed mmap");
		exit(1);
	}
	*handle = create.handle;
	*stride = create.pitch / 4;
	return pixels;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	card = open("/dev/dri/card0", O_RDWR);
	if (card < 0) {
		perror("failed /dev/dri/card0");
		return 1;
	}
	uint32_t crtcs[8], connectors[8];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = POINTER(crtcs), .count_crtcs = 8,
		.connector_id_ptr = POINTER(connectors), .count_connectors = 8,
	};
	request(DRM_IOCTL_MODE_GETRESOURCES, &resources, "resources");
	struct drm_mode_modeinfo mode = preferred(connectors[0]);

	uint32_t handle, stride;
	uint32_t *pixels = dumb(mode.hdisplay, mode.vdisplay, &handle, &stride);
	for (uint32_t y = 0; y < mode.vdisplay; y++)
		for (uint32_t x = 0; x < mode.hdisplay; x++)
			pixels[y * stride + x] = (x * 0x010305 + y * 0x071113) & 0xffffff;
	struct drm_mode_fb_cmd2 fb = {
		.width = mode.hdisplay, .height = mode.vdisplay, .pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle }, .pitches = { stride * 4 },
	};
	request(DRM_IOCTL_MODE_ADDFB2, &fb, "framebuffer");
	struct drm_mode_crtc set = {
		.set_connectors_ptr = POINTER(connectors), .count_connectors = 1,
		.crtc_id = crtcs[0], .fb_id = fb.fb_id, .mode_valid = 1, .mode = mode,
	};
	request(DRM_IOCTL_MODE_SETCRTC, &set, "mode");
	printf("shown %ux%u of %u screens\n", mode.hdisplay, mode.vdisplay, resources.count_connectors);

	char line[64];
	while (fgets(line, sizeof line, stdin)) {
		if (!strncmp(line, "part", 4)) {
			for (uint32_t y = 40; y < 60; y++)
				for (uint32_t x = 100; x < 130; x++)
					pixels[y * stride + x] = 0xff8000;
			struct drm_clip_rect clip = { .x1 = 100, .y1 = 40, .x2 = 130, .y2 = 60 };
			struct drm_mode_fb_dirty_cmd dirty = { .fb_id = fb.fb_id, .num_clips = 1, .clips_ptr = POINTER(&clip) };
			request(DRM_IOCTL_MODE_DIRTYFB, &dirty, "flush");
			printf("drawn\n");
		} else if (!strncmp(line, "pointer", 7)) {
			uint32_t cursor, row;
			uint32_t *image = dumb(64, 64, &cursor, &row);
			for (uint32_t i = 0; i < 64 * row; i++)
				image[i] = i % row < 32 ? 0xff0000ff : 0;
			struct drm_mode_cursor2 show = {
				.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE, .crtc_id = crtcs[0], .x = 200, .y = 150,
				.width = 64, .height = 64, .handle = cursor, .hot_x = 5, .hot_y = 6,
			};
			request(DRM_IOCTL_MODE_CURSOR2, &show, "pointer");
			printf("pointed\n");
		} else if (!strncmp(line, "wait", 4)) {
			struct drm_mode_modeinfo now;
			do {
				nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
				now = preferred(connectors[0]);
			} while (now.hdisplay == mode.hdisplay && now.vdisplay == mode.vdisplay);
			printf("now %ux%u\n", now.hdisplay, now.vdisplay);
		}
	}
	return 0;
}
