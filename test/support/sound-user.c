// Plays and records by ALSA's own interface of the kernel: sound-user play|record RATE CHANNELS FRAMES [HERTZ], samples of 16 bits. What is
// played is a tone of HERTZ at half of full volume, or without it a saw that rises by 1000 with each sample; what is recorded goes to the standard
// output. Ends with 3 where the stream ran dry or over, or did not end in time.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sound/asound.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fix(struct snd_pcm_hw_params *params, int which, unsigned value) {
  struct snd_interval *interval = &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
  interval->min = interval->max = value;
  interval->integer = 1;
}

static void choose(struct snd_pcm_hw_params *params, int which, unsigned value) {
  struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];
  memset(mask, 0, sizeof *mask);
  mask->bits[value / 32] = 1u << (value % 32);
}

static void must(int result, const char *what) {
  if (result >= 0) return;
  int code = errno == EPIPE || errno == EIO ? 3 : 1;
  perror(what);
  exit(code);
}

int main(int count, char **arguments) {
  if (count != 5 && count != 6) return 2;
  int plays = strcmp(arguments[1], "play") == 0;
  unsigned rate = atoi(arguments[2]), channels = atoi(arguments[3]), frames = atoi(arguments[4]);
  int card = open(plays ? "/dev/snd/pcmC0D0p" : "/dev/snd/pcmC0D0c", O_RDWR);
  must(card, "open");

  struct snd_pcm_hw_params hardware = {.rmask = ~0u};
  memset(hardware.masks, 0xff, sizeof hardware.masks);
  for (int i = 0; i <= SNDRV_PCM_HW_PARAM_LAST_INTERVAL - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL; i++) hardware.intervals[i].max = ~0u;
  choose(&hardware, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
  choose(&hardware, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
  choose(&hardware, SNDRV_PCM_HW_PARAM_SUBFORMAT, SNDRV_PCM_SUBFORMAT_STD);
  fix(&hardware, SNDRV_PCM_HW_PARAM_RATE, rate);
  fix(&hardware, SNDRV_PCM_HW_PARAM_CHANNELS, channels);
  fix(&hardware, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, rate / 25);
  fix(&hardware, SNDRV_PCM_HW_PARAM_PERIODS, 4);
  must(ioctl(card, SNDRV_PCM_IOCTL_HW_PARAMS, &hardware), "hw_params");
  unsigned buffer = hardware.intervals[SNDRV_PCM_HW_PARAM_BUFFER_SIZE - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL].min;
  struct snd_pcm_sw_params software = {.period_step = 1, .avail_min = 1, .start_threshold = plays ? buffer : 1, .stop_threshold = buffer};
  must(ioctl(card, SNDRV_PCM_IOCTL_SW_PARAMS, &software), "sw_params");
  must(ioctl(card, SNDRV_PCM_IOCTL_PREPARE), "prepare");

  short *samples = malloc(frames * channels * sizeof *samples);
  for (unsigned i = 0; i < frames * channels; i++) samples[i] = i * 1000;
  double step = count == 6 ? 2 * M_PI * atof(arguments[5]) / rate : 0;
  for (unsigned i = 0; step > 0 && i < frames * channels; i++) samples[i] = lrint(16384 * sin(step * (i / channels)));
  for (unsigned done = 0; done < frames;) {
    struct snd_xferi transfer = {.buf = samples + done * channels, .frames = frames - done};
    must(ioctl(card, plays ? SNDRV_PCM_IOCTL_WRITEI_FRAMES : SNDRV_PCM_IOCTL_READI_FRAMES, &transfer), "transfer");
    done += transfer.result;
  }
  if (plays) must(ioctl(card, SNDRV_PCM_IOCTL_DRAIN), "drain");
  else fwrite(samples, sizeof *samples * channels, frames, stdout);
  return 0;
}
