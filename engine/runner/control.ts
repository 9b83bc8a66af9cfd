/**
 * The one table of what can be asked of a box that runs, and what it tells. It is spoken the same in process, over a MessagePort and over a
 * local socket (transport.ts); both sides check what they receive. Adding an operation means one row here and its method in Runner.
 * @module control table
 */
import { z } from 'zod';
import type { VmErrorKind } from '../errors/vm-error';
import { type MachineStatistics, STATISTIC_NAMES } from '../hart/statistics';
import { BOOT_STAGES } from './boot/milestones';

const kinds = ['Config', 'Image', 'Resource', 'State', 'Guest', 'Network', 'Device', 'Internal'] as const satisfies VmErrorKind[];

/** A VmError as it travels: what happened, and the causes below it for those who ask. */
export const errorReportSchema = z.object({
  kind: z.enum(kinds),
  message: z.string(),
  details: z.string(),
  /** What happened, for translations, and what to put into them. */
  code: z.string().optional(),
  params: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
export type ErrorReport = z.output<typeof errorReportSchema>;

/** How far the preparation is (SetupProgress in images/default-guest.ts): bytes; `total` is 0 while the size is not known. */
export const progressSchema = z.object({
  phase: z.enum(['wait', 'index', 'download', 'unpack', 'build']),
  received: z.number().nonnegative(),
  total: z.number().nonnegative(),
});
export type Progress = z.output<typeof progressSchema>;

export const machineStatisticsSchema = z.object({
  seconds: z.number(),
  harts: z.array(z.record(z.enum(STATISTIC_NAMES), z.number())),
}) satisfies z.ZodType<MachineStatistics>;

/** preparing: guest or firmware is being fetched. starting: files are read. stopping: the guest was asked to shut down. */
export const RUN_STATES = ['preparing', 'starting', 'running', 'paused', 'stopping', 'off'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** A port of the host that leads to one of the guest. */
const forwardSchema = z.object({
  protocol: z.enum(['tcp', 'udp']),
  hostAddress: z.string().max(64),
  /** 0: any that is free. */
  hostPort: z.number().int().min(0).max(65535),
  guestPort: z.number().int().min(1).max(65535),
});

const inputKind = z.enum(['keyboard', 'mouse', 'tablet', 'touchscreen']);

export const statusSchema = z.object({
  /** Its folder in the library; undefined for a machine that is run without one. */
  box: z.string().optional(),
  state: z.enum(RUN_STATES),
  /** The process that hosts it, and what that is: `hartbox run`, `the Hartbox app`. */
  pid: z.number().int(),
  program: z.string(),
  /** When it was switched on, in milliseconds since 1970. */
  since: z.number(),
  progress: progressSchema.optional(),
  /** Why it was paused without being asked to. */
  pauseReason: errorReportSchema.optional(),
  /** Where a debugger can attach, as GDB takes it behind `target remote`, and whether one has. */
  debugger: z.object({ address: z.string(), isAttached: z.boolean() }).optional(),
  /** Where its first screen is shown by VNC, and to how many. */
  vnc: z.object({ address: z.string(), clients: z.number().int() }).optional(),
  /** How far the guest's start is: when it began, in milliseconds since 1970, and how many seconds it took the last time. Undefined when it is over. */
  boot: z
    .object({ stage: z.enum(BOOT_STAGES), since: z.number(), expected: z.number().optional(), silentSince: z.number().optional() })
    .optional(),
  /** Keys of settings whose change waits for a restart. */
  pending: z.array(z.string()),
  /** How many it has; undefined while it is being prepared. */
  screens: z.number().int().nonnegative().optional(),
  /** What it has to type and point with; undefined while it is being prepared. */
  input: z.array(inputKind).optional(),
  /** How many terminals it has beside the console: the channels hvc1 and so on. */
  consoles: z.number().int().nonnegative().optional(),
  /** Whether it has a sound card; undefined while it is being prepared. */
  hasSound: z.boolean().optional(),
  /** What the guest is reached by, as far as is known, and the ports of this computer that lead to it. */
  network: z.object({ addresses: z.array(z.string()), forwards: z.array(forwardSchema) }),
  /** Where it shares its clipboard: whether anybody in the guest does, and how often something was copied there. */
  clipboard: z
    .object({
      isThere: z.boolean(),
      copies: z.number().int().nonnegative(),
      /** The file that is on its way to the guest, in bytes. */
      sending: z.object({ file: z.string(), done: z.number(), size: z.number() }).optional(),
    })
    .optional(),
  /** Size of the terminal. */
  columns: z.number().int(),
  rows: z.number().int(),
});
export type Status = z.output<typeof statusSchema>;

const count = z.number().int().nonnegative();
const dropsSchema = z.object({ droppedFromGuest: count, droppedToGuest: count });
/** What a network adapter's line does to packets, either way: kbit/s, milliseconds, and so many of a hundred lost. */
const lineSchema = z.object({
  rate: z.number().int().min(1).max(100_000_000).optional(),
  delay: z.number().int().min(0).max(60_000).optional(),
  loss: z.number().int().min(0).max(100).optional(),
});
const adapterSchema = z.object({
  id: z.string(),
  mac: z.string(),
  connection: z.string(),
  /** What its guest is reached by, where that is known. */
  addresses: z.array(z.string()),
  line: lineSchema,
  cable: z.boolean(),
  up: z.boolean(),
  statistics: dropsSchema.extend({
    framesFromGuest: count,
    bytesFromGuest: count,
    framesToGuest: count,
    bytesToGuest: count,
    backend: dropsSchema,
  }),
});

/** What is written to a file: how many packets are in it, and how many the disk was too slow for. */
const captureSchema = z.object({ file: z.string(), frames: count, dropped: count });

const none = z.object({});
const done = z.object({});
const row = <Args extends z.ZodType, Result extends z.ZodType>(args: Args, result: Result): { args: Args; result: Result } => ({
  args,
  result,
});

/** Something happens at an input device at one moment, and another at the next; codes are those of Linux's input-event-codes.h. */
export const inputSchema = z.object({
  device: inputKind,
  reports: z
    .array(z.array(z.object({ type: z.number().int().min(0).max(31), code: z.number().int().min(0).max(1023), value: z.int32() })).max(64))
    .max(64),
});
export type Input = z.output<typeof inputSchema>;

const clipboardSchema = z.object({
  text: z
    .string()
    .max(4 << 20)
    .optional(),
  png: z
    .string()
    .max(6 << 20)
    .optional(),
});

/** A flow through NAT: bytes, and seconds. */
const flowSchema = z.object({
  adapter: z.string(),
  protocol: z.enum(['tcp', 'udp']),
  guest: z.string(),
  remote: z.string(),
  name: z.string().optional(),
  state: z.string(),
  fromGuest: z.number(),
  toGuest: z.number(),
  age: z.number(),
  idle: z.number(),
});

export const OPERATIONS = {
  status: row(none, statusSchema),
  pause: row(none, done),
  resume: row(none, done),
  /** As the reset button does; the guest is not asked. */
  reset: row(none, done),
  /** Ask the guest to shut down, by every way that it may understand. The answer comes when it was asked, not when it is off. */
  'power-off': row(none, done),
  /** End the machine, or its preparation, at once. The answer comes when it is off. */
  'force-off': row(none, done),
  /** The settings file was changed: take over at once what can be, and say which keys were and which wait for a restart. */
  'reload-settings': row(none, z.object({ live: z.array(z.string()), restart: z.array(z.string()) })),
  /** Let a drive's image grow to so many bytes; the guest is told. */
  'drive-resize': row(z.object({ id: z.string(), size: z.number().int().positive() }), done),
  /** Put another disc into a CD-ROM drive, or none; `force` though the guest has locked it. */
  'drive-medium': row(z.object({ id: z.string(), file: z.string().optional(), force: z.boolean() }), done),
  /** The network adapters, and what went through each since the machine was switched on: frames and bytes; and the capture that goes on. */
  networks: row(none, z.object({ adapters: z.array(adapterSchema), capture: captureSchema.optional() })),
  /** What the guest talks with through NAT, the newest first. */
  'network-flows': row(none, z.object({ flows: z.array(flowSchema) })),
  /** Ports of the host that lead to the guest. */
  'network-forwards': row(none, z.object({ forwards: z.array(forwardSchema.extend({ adapter: z.string() })) })),
  /** Until the box is switched off; the answer has the port where any was asked for (0). */
  'network-forward': row(forwardSchema, forwardSchema),
  'network-unforward': row(forwardSchema.omit({ guestPort: true }), done),
  /** Put the cable of a network adapter in, or pull it out. */
  'network-link': row(z.object({ id: z.string(), up: z.boolean() }), done),
  /** What a network adapter's line does to packets from now on; what is not named it no longer does. */
  'network-line': row(lineSchema.extend({ id: z.string() }), done),
  /** Write what goes through the network adapters to a pcapng file, until the client ends that, or leaves. */
  'capture-start': row(z.object({ file: z.string() }), done),
  /** How many packets are in the file, and how many the disk was too slow for. */
  'capture-end': row(none, z.object({ frames: z.number(), dropped: z.number() })),
  /**
   * How its memory is used, in bytes, after the guest was asked to get by with `target` of it, and free memory was given to the host if
   * `reclaim` is set. `guest`: what that says of it, by the names of BalloonStatistics.
   */
  memory: row(
    z.object({ target: z.number().int().positive().optional(), reclaim: z.boolean().optional() }),
    z.object({
      total: z.number(),
      target: z.number(),
      usable: z.number(),
      released: z.number(),
      isDriven: z.boolean(),
      guest: z.record(z.string(), z.number()).optional(),
    }),
  ),
  /** Tells whether all got to the guest's driver, and which lamps are on. `screen`: the one that it is about, of several. */
  input: row(
    inputSchema.extend({ screen: z.number().int().min(0).max(15).optional() }),
    z.object({ isHeard: z.boolean(), lamps: z.array(z.number().int()) }),
  ),
  /** Its screens, and the pixels of what each shows; neither where it shows nothing. */
  screens: row(none, z.object({ screens: z.array(z.object({ width: z.number().optional(), height: z.number().optional() })) })),
  /** Write what a screen shows to a PNG file. */
  screenshot: row(
    z.object({ file: z.string(), screen: z.number().int().nonnegative() }),
    z.object({ width: z.number(), height: z.number() }),
  ),
  /** Write memory and registers to a file, an ELF core; the box is paused meanwhile. */
  dump: row(z.object({ file: z.string() }), done),
  /** What is in the guest's clipboard: a text, and a picture as PNG in base64; neither where nothing is, or it is not said in time. */
  'clipboard-get': row(none, clipboardSchema),
  /** What programs of the guest find in theirs from now on, until they copy something; nothing: what they copied. `pngFile`: a picture by its path. */
  'clipboard-set': row(clipboardSchema.extend({ pngFile: z.string().max(4096).optional() }), done),
  /** Paste a text into the program of the guest that has the keyboard; its clipboard is then as it was. */
  'insert-text': row(
    z.object({
      text: z
        .string()
        .min(1)
        .max(1 << 20),
    }),
    done,
  ),
  /** Put files of this computer where the guest's user gets downloads; the answer comes when they are there. */
  'send-files': row(z.object({ files: z.array(z.string().max(4096)).max(1000) }), done),
  /** Send nothing more of what is being sent; `send-files` fails then. */
  'cancel-files': row(none, done),
  /** What lies where in the guest's physical address space, and the device tree that it gets: a flattened one, in base64. */
  board: row(
    none,
    z.object({
      memoryMap: z.array(z.object({ base: z.number(), size: z.number(), kind: z.enum(['ram', 'rom', 'device']), name: z.string() })),
      deviceTree: z.string(),
    }),
  ),
  /** Its drives, and how many bytes the guest has read from each and written to it. */
  drives: row(
    none,
    z.object({
      drives: z.array(
        z.object({ id: z.string(), file: z.string().optional(), isDisc: z.boolean(), read: z.number(), written: z.number() }),
      ),
    }),
  ),
  /**
   * Look for so many seconds where the harts spend their time; parts of one. Names are those of the guest's Linux, by itself, and of `symbols`.
   * All of it is written to `file`, a .cpuprofile, where one is named.
   */
  profile: row(
    z.object({
      seconds: z.number().min(0.2).max(60),
      symbols: z.array(z.string()).max(100).optional(),
      file: z.string().optional(),
    }),
    z.object({
      seconds: z.number(),
      idle: z.number(),
      spots: z.array(z.object({ name: z.string(), privilege: z.enum(['user', 'supervisor', 'machine']), share: z.number() })),
    }),
  ),
  /** What the harts have done since the machine was switched on. */
  statistics: row(none, machineStatisticsSchema),
  /** From now on tell `statistics` to this client every so many milliseconds; 0: no more. */
  'watch-statistics': row(z.object({ every: z.union([z.literal(0), z.number().min(100)]) }), done),
  /**
   * Listen for a debugger, if that is not done yet: at this address (debug/gdb/address.ts), or a usual one; and say where, and which files hold
   * symbols of what the box boots.
   */
  debug: row(z.object({ address: z.string().max(4096).optional() }), z.object({ address: z.string(), symbols: z.array(z.string()) })),
  /**
   * Show a screen by VNC, the first where none is named, if that is not done yet: at this address (display/vnc/server.ts), or a usual one, with
   * this password (none where it is empty), or one that is made; and say where, and which password is asked for.
   */
  vnc: row(
    z.object({
      screen: z.number().int().min(0).max(15).optional(),
      address: z.string().max(4096).optional(),
      password: z.string().max(256).optional(),
    }),
    z.object({ address: z.string(), password: z.string().optional() }),
  ),
  /** What the guest wrote to its console last, up to some 256 KiB, as it is. */
  'console-history': row(none, z.object({ text: z.string() })),
  /** What was told by `warning` and other messages so far, oldest first; the last thousand. */
  log: row(none, z.object({ lines: z.array(z.object({ at: z.number(), level: z.enum(['info', 'warning', 'error']), text: z.string() })) })),
} as const;
export type OperationName = keyof typeof OPERATIONS;
export type Arguments<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['args']>;
export type Result<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['result']>;

export const EVENTS = {
  /** The whole state, whenever a part of it changes; the first comes by itself on every connection. */
  status: statusSchema,
  warning: errorReportSchema,
  statistics: z.object({ total: machineStatisticsSchema, interval: machineStatisticsSchema }),
  /** Every HEARTBEAT_MS while the process's event loop turns. */
  heartbeat: z.object({}),
  /** The last message: the machine is off. `code` is the exit code that a command line would end with; `isGuests`: its guest has given it. */
  exit: z.object({ code: z.number().int(), isGuests: z.boolean().optional(), error: errorReportSchema.optional() }),
} as const;
export type EventName = keyof typeof EVENTS;
export type EventData<N extends EventName> = z.output<(typeof EVENTS)[N]>;

export const HEARTBEAT_MS = 2000;
