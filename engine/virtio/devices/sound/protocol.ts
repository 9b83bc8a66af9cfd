import type { SampleFormatName } from '../../../backend/audio/sample-format';

/** What stands in messages to and of the sound device (virtio 1.3 §5.14). */

export const CONTROL_QUEUE = 0;
export const EVENT_QUEUE = 1;
export const TX_QUEUE = 2;

// Requests, events and answers (§5.14.6).
export const JACK_INFO = 1;
export const PCM_INFO = 0x100;
export const PCM_SET_PARAMS = 0x101;
export const PCM_PREPARE = 0x102;
export const PCM_RELEASE = 0x103;
export const PCM_START = 0x104;
export const PCM_STOP = 0x105;
export const CHMAP_INFO = 0x200;
export const JACK_CONNECTED = 0x1000;
export const JACK_DISCONNECTED = 0x1001;
export const OK = 0x8000;
export const BAD_MSG = 0x8001;
export const NOT_SUPP = 0x8002;
export const IO_ERR = 0x8003;

export const OUTPUT = 0;
export const INPUT = 1;

/** By number (§5.14.6.6.2). IMA-ADPCM (0) has no frames of one size; DSD and IEC 958 (21 to 24) are no samples, but bits for a digital output. */
export const FORMATS: readonly (SampleFormatName | undefined)[] = [
  undefined,
  'MU_LAW',
  'A_LAW',
  'S8',
  'U8',
  'S16',
  'U16',
  'S18_3',
  'U18_3',
  'S20_3',
  'U20_3',
  'S24_3',
  'U24_3',
  'S20',
  'U20',
  'S24',
  'U24',
  'S32',
  'U32',
  'FLOAT',
  'FLOAT64',
];
/** Frames a second, by number. */
export const RATES: readonly number[] = [
  5512, 8000, 11025, 16000, 22050, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000, 384000, 12000, 24000,
];

export const STATUS_BYTES = 8;
export const TRANSFER_HEADER_BYTES = 4;

/** Where the channels of a stream sound, by how many there are (§5.14.6.9.1): mono; front left and right; rear; centre and LFE; sides. */
export const CHANNEL_MAPS: readonly (readonly number[])[] = [[2], [3, 4], [3, 4, 5, 6], [3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8, 9, 10]];

/** What a jack is, as the configuration default of HDA's pins says it (HDA 1.0a §7.3.3.31): connector, device, colour. */
export const JACKS = [
  { direction: OUTPUT, defaultConfiguration: 0x0121_4010 },
  { direction: INPUT, defaultConfiguration: 0x01a1_9020 },
] as const;
/** Presence detection, and output or input (§7.3.4.9). */
export const JACK_CAPABILITIES = [0x14, 0x24] as const;
