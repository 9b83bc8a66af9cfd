/*
 * An example of hartbox_ai.h: where in a WAV file does somebody speak? With the model Silero VAD (silero_vad_v5.onnx, MIT), which hears windows of
 * 512 samples at 16 kHz and keeps a state from one to the next. SPDX-License-Identifier: Apache-2.0
 *
 *   speech silero_vad_v5.onnx recording.wav       of 16 kHz, one channel, 16 bits
 */
#include "hartbox_ai.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 512, STATE = 2 * 1 * 128, RATE = 16000 };

static void give_up(const char *what)
{
	fprintf(stderr, "speech: %s\n", what);
	exit(1);
}

/* Goes to the samples: RIFF chunks, of which "data" has them. */
static void find_samples(FILE *file)
{
	unsigned char head[12], chunk[8], format[16];
	if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
		give_up("this is no WAV file");
	while (fread(chunk, 1, 8, file) == 8) {
		long length = chunk[4] | chunk[5] << 8 | chunk[6] << 16 | (long)chunk[7] << 24;
		if (!memcmp(chunk, "data", 4))
			return;
		if (!memcmp(chunk, "fmt ", 4) && length >= 16 && fread(format, 1, 16, file) == 16) {
			if (format[2] != 1 || format[14] != 16 || (format[4] | format[5] << 8) != RATE)
				give_up("the file has to have 16 kHz, one channel and 16 bits");
			length -= 16;
		}
		fseek(file, length + (length & 1), SEEK_CUR);
	}
	give_up("the file has no samples");
}

int main(int argc, char **argv)
{
	char why[256];
	hbai_model model;
	float sound[WINDOW], state[STATE] = {0};
	int64_t rate = RATE;
	if (argc != 3)
		give_up("speech MODEL FILE.wav");
	hbai *ai = hbai_open(NULL, why, sizeof why);
	if (!ai)
		give_up(why);
	if ((strchr(argv[1], '/') ? hbai_load_file(ai, argv[1], &model) : hbai_open_model(ai, argv[1], &model)) < 0)
		give_up(hbai_error(ai));
	FILE *file = fopen(argv[2], "rb");
	if (!file)
		give_up("the recording cannot be opened");
	find_samples(file);

	const uint32_t sound_sizes[] = {1, WINDOW}, state_sizes[] = {2, 1, 128};
	int16_t samples[WINDOW];
	for (int window = 0; fread(samples, 2, WINDOW, file) == WINDOW; window++) {
		hbai_tensor results[2];
		for (int i = 0; i < WINDOW; i++)
			sound[i] = (float)samples[i] / 32768;
		hbai_tensor inputs[] = {
			hbai_make("input", HBAI_FLOAT, sound, 2, sound_sizes),
			hbai_make("state", HBAI_FLOAT, state, 3, state_sizes),
			hbai_make("sr", HBAI_INT64, &rate, 0, NULL),
		};
		if (hbai_run(ai, &model, inputs, 3, results, 2, NULL) != 2)
			give_up(hbai_error(ai));
		memcpy(state, results[1].data, sizeof state);
		float likely;
		memcpy(&likely, results[0].data, sizeof likely);
		printf("%.3f s %.6f%s\n", (double)window * WINDOW / RATE, (double)likely, likely > 0.5f ? " speech" : "");
	}
	fclose(file);
	hbai_free(ai, &model);
	hbai_close(ai);
	return 0;
}
