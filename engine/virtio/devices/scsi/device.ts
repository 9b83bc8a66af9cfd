import type { AsyncBlockDevice } from '../../../backend/disk/async-block-device';
import { z } from 'zod';
import type { AccessSize } from '../../../bus/device';
import { DeviceState, unsigned } from '../../../bus/device-state';
import { DeviceError, VmError } from '../../../errors/vm-error';
import { DirectMemoryAccess } from '../../../memory/direct-memory-access';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { ZeroCopyIoManager } from '../../../memory/zero-copy-io-manager';
import { type Activation, VirtioDevice } from '../../device';
import type { DescriptorChain, Virtqueue } from '../../queue';
import { executeCommand } from './command-table';
import { inquiryData } from './inquiry';
import { LogicalUnit, type LogicalUnitOptions, logicalUnitSchema } from './logical-unit';
import {
  ANSWER_BYTES,
  ANSWER_RESIDUAL,
  ANSWER_RESPONSE,
  ANSWER_STATUS,
  COMMAND_CDB,
  COMMAND_ID,
  CONTROL_NOTIFICATION_QUERY,
  CONTROL_NOTIFICATION_SUBSCRIBE,
  CONTROL_TMF,
  EVENT_ASYNC_NOTIFY,
  EVENT_BYTES,
  EVENT_MISSED,
  EVENT_NONE,
  EVENT_PARAMETER_CHANGE,
  EVENT_TRANSPORT_RESET,
  NOTIFICATION_ADDRESS,
  NOTIFICATION_BYTES,
  NOTIFICATION_EVENTS,
  NOTIFY_MEDIA_CHANGE,
  readAddress,
  REASON_REMOVED,
  REASON_RESCAN,
  RESPONSE_BAD_TARGET,
  RESPONSE_FAILURE,
  RESPONSE_FUNCTION_REJECTED,
  RESPONSE_FUNCTION_SUCCEEDED,
  RESPONSE_INCORRECT_LUN,
  RESPONSE_OK,
  RESPONSE_OVERRUN,
  RESPONSE_RESET,
  STATUS_CHECK_CONDITION,
  STATUS_GOOD,
  TMF_ABORT_TASK,
  TMF_ABORT_TASK_SET,
  TMF_ADDRESS,
  TMF_BYTES,
  TMF_CLEAR_ACA,
  TMF_CLEAR_TASK_SET,
  TMF_ID,
  TMF_NEXUS_RESET,
  TMF_QUERY_TASK,
  TMF_QUERY_TASK_SET,
  TMF_SUBTYPE,
  TMF_UNIT_RESET,
  type UnitAddress,
  writeAddress,
} from './requests';
import { CheckCondition, SENSE, senseData } from './sense';
import { Overrun, ScsiTask } from './task';

// Feature bits (virtio 1.3 §5.6.3).
export const VIRTIO_SCSI_F_HOTPLUG = 1;
export const VIRTIO_SCSI_F_CHANGE = 2;

export const CONTROL_QUEUE = 0;
export const EVENT_QUEUE = 1;
export const FIRST_REQUEST_QUEUE = 2;

// Offsets in the configuration space (§5.6.4).
const CONFIG_NUM_QUEUES = 0;
const CONFIG_SEG_MAX = 4;
const CONFIG_MAX_SECTORS = 8;
const CONFIG_COMMANDS_PER_LUN = 12;
const CONFIG_EVENT_INFO_SIZE = 16;
const CONFIG_SENSE_SIZE = 20;
const CONFIG_CDB_SIZE = 24;
const CONFIG_MAX_CHANNEL = 28;
const CONFIG_MAX_TARGET = 30;
const CONFIG_MAX_LUN = 32;
const CONFIG_BYTES = 36;

const QUEUE_SIZE = 256;
const EVENT_QUEUE_SIZE = 64;
const REQUEST_QUEUES_MAX = 16;
const TARGETS = 256;
const LUN_MAX = 0x3fff;
const SENSE_SIZE = 96;
const CDB_SIZE = 32;
const CDB_SIZE_MAX = 260;
const SENSE_SIZE_MAX = 252;
/** 512-byte sectors of one request. */
const MAX_SECTORS = 0xffff;
/** Events that wait for a buffer of the driver; more are lost, and it is told so. */
const EVENTS_MAX = 64;

export interface VirtioScsiOptions {
  /** Number of request queues, 1 to 16: one for each hart is best. */
  queues?: number;
}

const addressFields = { target: unsigned(8), lun: unsigned(14) };
const eventSchema = z.strictObject({ event: unsigned(32), address: z.strictObject(addressFields), reason: unsigned(32) });
type Event = z.output<typeof eventSchema>;

const stateSchema = z.strictObject({
  senseSize: z.number().int().min(0).max(SENSE_SIZE_MAX),
  cdbSize: z.number().int().min(6).max(CDB_SIZE_MAX),
  events: z.array(eventSchema).max(EVENTS_MAX),
  missed: z.boolean(),
  subscribed: z.array(z.string().max(10)).max(TARGETS * (LUN_MAX + 1)),
  units: z.array(logicalUnitSchema.extend(addressFields)),
});

interface RunningTask {
  unit: LogicalUnit;
  /** The driver's name for it: 64 bits as text. */
  id: string;
  done: Promise<void>;
  /** What a task management function made of it. */
  response: number;
}

/**
 * The SCSI host adapter (virtio 1.3 §5.6). Disks and CD-ROM drives come, go and grow while the guest runs; their commands run
 * concurrently, and data goes between the back end and the guest's own pages without a copy.
 */
export class VirtioScsi extends VirtioDevice {
  readonly name = 'virtio-scsi';
  readonly deviceId = 8;
  override readonly pciClass = 0x010000;
  readonly queueSizes: readonly number[];
  /** By target, then by logical unit number. */
  readonly #targets = new Map<number, Map<number, LogicalUnit>>();
  readonly #tasks = new Set<RunningTask>();
  #io: ZeroCopyIoManager | undefined;
  #events: Event[] = [];
  #missed = false;
  /** Units whose driver wants to be told of other discs: `target:lun`. */
  readonly #subscribed = new Set<string>();
  #warned = false;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => ({
      senseSize: this.#senseSize,
      cdbSize: this.#cdbSize,
      events: this.#events.map((event) => ({ ...event })),
      missed: this.#missed,
      subscribed: [...this.#subscribed],
      units: [...this.#targets].flatMap(([target, luns]) => [...luns].map(([lun, unit]) => ({ target, lun, ...unit.save() }))),
    }),
    load: ({ senseSize, cdbSize, events, missed, subscribed, units }, refuse) => {
      const count = [...this.#targets.values()].reduce((sum, { size }) => sum + size, 0);
      const names = new Set(units.map(nameOf));
      if (names.size !== count || units.length !== count || units.some((unit) => this.unit(unit)?.kind !== unit.kind)) {
        refuse(`it has other drives than the machine: ${units.map((unit) => `${unit.kind} ${nameOf(unit)}`).join(', ') || 'none'}`);
      }
      if (subscribed.some((name) => !names.has(name))) refuse('somebody waits for news of a drive that is not there');
      return () => {
        for (const { target, lun, ...unit } of units) this.unit({ target, lun })?.load(unit);
        this.config.setUint32(CONFIG_SENSE_SIZE, senseSize, true);
        this.config.setUint32(CONFIG_CDB_SIZE, cdbSize, true);
        this.#events = events;
        this.#missed = missed;
        this.#subscribed.clear();
        for (const name of subscribed) this.#subscribed.add(name);
      };
    },
  });

  constructor({ queues = 1 }: VirtioScsiOptions = {}) {
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= REQUEST_QUEUES_MAX))
      throw VmError.config(`A SCSI host adapter has 1 to ${REQUEST_QUEUES_MAX} request queues, not ${queues}.`);
    const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
    config.setUint32(CONFIG_NUM_QUEUES, queues, true);
    // Command and answer take one descriptor each.
    config.setUint32(CONFIG_SEG_MAX, QUEUE_SIZE - 2, true);
    config.setUint32(CONFIG_MAX_SECTORS, MAX_SECTORS, true);
    config.setUint32(CONFIG_COMMANDS_PER_LUN, QUEUE_SIZE / 2, true);
    config.setUint32(CONFIG_EVENT_INFO_SIZE, EVENT_BYTES, true);
    config.setUint32(CONFIG_SENSE_SIZE, SENSE_SIZE, true);
    config.setUint32(CONFIG_CDB_SIZE, CDB_SIZE, true);
    config.setUint16(CONFIG_MAX_CHANNEL, 0, true);
    config.setUint16(CONFIG_MAX_TARGET, TARGETS - 1, true);
    config.setUint32(CONFIG_MAX_LUN, LUN_MAX, true);
    super([VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_F_CHANGE], config);
    this.queueSizes = [QUEUE_SIZE, EVENT_QUEUE_SIZE, ...Array.from({ length: queues }, () => QUEUE_SIZE)];
  }

  /**
   * Add a unit; a guest that runs finds it by itself. `target` is the lowest free one unless given. Throws VmError 'Config' for an
   * address that does not exist or is taken.
   */
  attach(options: LogicalUnitOptions, at: Partial<UnitAddress> = {}): UnitAddress {
    const address = { target: at.target ?? this.#freeTarget(), lun: at.lun ?? 0 };
    const { target, lun } = address;
    const exists = Number.isInteger(target) && target >= 0 && target < TARGETS && Number.isInteger(lun) && lun >= 0 && lun <= LUN_MAX;
    if (!exists) throw VmError.config(`There is no SCSI address ${target}:${lun}; targets go to ${TARGETS - 1}, units to ${LUN_MAX}.`);
    if (this.unit(address)) throw VmError.config(`The SCSI address ${target}:${lun} is taken.`);
    const unit = new LogicalUnit(options);
    const units = this.#targets.get(target) ?? new Map<number, LogicalUnit>();
    this.#targets.set(target, units.set(lun, unit));
    if (unit.kind === 'disk') unit.inserted?.onResize(() => this.#resized(unit, address));
    this.#tell({ event: EVENT_TRANSPORT_RESET, address, reason: REASON_RESCAN }, VIRTIO_SCSI_F_HOTPLUG);
    return address;
  }

  /**
   * Remove a unit, as if its cable were pulled: the guest is told and gets no more answers from it. Resolves with its medium when
   * the last command is over and all that was written is on stable storage. Throws VmError 'Config' if there is none.
   */
  async detach(address: UnitAddress): Promise<AsyncBlockDevice | undefined> {
    const unit = this.#existing(address);
    const units = this.#targets.get(address.target);
    units?.delete(address.lun);
    if (units?.size === 0) this.#targets.delete(address.target);
    this.#subscribed.delete(nameOf(address));
    this.#tell({ event: EVENT_TRANSPORT_RESET, address, reason: REASON_REMOVED }, VIRTIO_SCSI_F_HOTPLUG);
    await this.#settled(unit);
    const medium = unit.inserted;
    if (medium && !medium.readonly) await medium.flush();
    return medium;
  }

  /**
   * Put another disc into a CD-ROM drive, or only take out the one that is in it. Resolves with that when no command uses it any more.
   * While the guest has locked the drive, it is asked to let the disc go, and VmError 'State' is thrown, unless `force` is set.
   */
  async changeMedium(
    address: UnitAddress,
    medium: AsyncBlockDevice | undefined,
    { force = false }: { force?: boolean } = {},
  ): Promise<AsyncBlockDevice | undefined> {
    const unit = this.#existing(address);
    if (unit.kind !== 'cdrom') throw VmError.config(`SCSI unit ${nameOf(address)} is a fixed disk: detach it instead of its medium.`);
    if (unit.locked && unit.medium && !force) {
      unit.mediaEvent = 'ejectRequest';
      throw new VmError('State', 'The guest uses the disc and has locked its drive. Unmount it in the guest, or eject it by force.', {
        code: 'disc-locked',
      });
    }
    const before = unit.changeMedium(medium);
    if (this.#subscribed.has(nameOf(address))) this.#tell({ event: EVENT_ASYNC_NOTIFY, address, reason: NOTIFY_MEDIA_CHANGE }, undefined);
    await this.#settled(unit);
    return before;
  }

  unit({ target, lun }: UnitAddress): LogicalUnit | undefined {
    return this.#targets.get(target)?.get(lun);
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (size !== 4) return;
    // §5.6.4: the driver chooses these before its first request.
    if (offset === CONFIG_SENSE_SIZE && value <= SENSE_SIZE_MAX) this.config.setUint32(offset, value, true);
    if (offset === CONFIG_CDB_SIZE && value >= 6 && value <= CDB_SIZE_MAX) this.config.setUint32(offset, value, true);
  }

  protected override onActivate({ memory }: Activation): void {
    this.#io = new ZeroCopyIoManager({ dma: new DirectMemoryAccess({ memory }) });
  }

  protected override onReset(): void {
    this.config.setUint32(CONFIG_SENSE_SIZE, SENSE_SIZE, true);
    this.config.setUint32(CONFIG_CDB_SIZE, CDB_SIZE, true);
    this.#events = [];
    this.#missed = false;
    this.#subscribed.clear();
    for (const units of this.#targets.values()) for (const unit of units.values()) unit.reset();
  }

  protected override serve(index: number): void {
    if (index === EVENT_QUEUE) {
      this.#sendEvents();
      return;
    }
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const queue = this.queue(index)!;
      this.respond(queue, chain, index === CONTROL_QUEUE ? this.#control(queue, chain) : this.#command(queue, chain));
    }
  }

  #resized(unit: LogicalUnit, address: UnitAddress): void {
    if (this.unit(address) !== unit) return;
    unit.attend(SENSE.capacityChanged);
    const { code, qualifier } = SENSE.capacityChanged;
    this.#tell({ event: EVENT_PARAMETER_CHANGE, address, reason: code | (qualifier << 8) }, VIRTIO_SCSI_F_CHANGE);
  }

  get #senseSize(): number {
    return this.config.getUint32(CONFIG_SENSE_SIZE, true);
  }

  get #cdbSize(): number {
    return this.config.getUint32(CONFIG_CDB_SIZE, true);
  }

  #freeTarget(): number {
    let target = 0;
    while (this.#targets.has(target)) target++;
    return target;
  }

  #existing(address: UnitAddress): LogicalUnit {
    const unit = this.unit(address);
    if (!unit) throw VmError.config(`There is no SCSI unit ${nameOf(address)}.`);
    return unit;
  }

  /** Resolves when the commands that a unit is carrying out now are over. */
  async #settled(unit: LogicalUnit): Promise<void> {
    await Promise.all([...this.#tasks].filter((task) => task.unit === unit).map(({ done }) => done));
  }

  /** One command from its header to its answer; resolves with the number of bytes written (§5.6.6.1). */
  async #command(queue: Virtqueue, { readable, writable }: DescriptorChain): Promise<number> {
    const headerBytes = COMMAND_CDB + this.#cdbSize;
    const answerBytes = ANSWER_BYTES + this.#senseSize;
    if (readable.length < headerBytes || writable.length < answerBytes) {
      throw DeviceError.InvalidParameter(
        `A SCSI request has ${readable.length} readable and ${writable.length} writable bytes; it needs at least ${headerBytes} and ${answerBytes}.`,
      );
    }
    const cdb = readable.slice(COMMAND_CDB, headerBytes).toBytes();
    // Every command's definition fits into this, whatever the driver's size is.
    const block = cdb.length >= CDB_SIZE ? cdb : Uint8Array.of(...cdb, ...new Uint8Array(CDB_SIZE - cdb.length));
    const task = new ScsiTask(block, readable.slice(headerBytes), writable.slice(answerBytes));
    const answer = new Uint8Array(answerBytes);
    const view = new DataView(answer.buffer);
    const address = readAddress(readable, 0);
    const units = address && this.#targets.get(address.target);
    if (!units) answer[ANSWER_RESPONSE] = RESPONSE_BAD_TARGET;
    else {
      const unit = units.get(address.lun);
      const id = `${readable.readU32(COMMAND_ID + 4)}:${readable.readU32(COMMAND_ID)}`;
      const outcome = await (unit ? this.#run(unit, id, task, units) : this.#runWithoutUnit(task, units));
      if (outcome instanceof CheckCondition) {
        const sense = senseData(outcome.sense).subarray(0, answerBytes - ANSWER_BYTES);
        answer[ANSWER_STATUS] = STATUS_CHECK_CONDITION;
        view.setUint32(0, sense.length, true);
        answer.set(sense, ANSWER_BYTES);
      } else {
        answer[ANSWER_STATUS] = STATUS_GOOD;
        answer[ANSWER_RESPONSE] = outcome;
      }
    }
    const moved = answer[ANSWER_STATUS] === STATUS_GOOD && answer[ANSWER_RESPONSE] === RESPONSE_OK ? task.transferred : 0;
    view.setUint32(ANSWER_RESIDUAL, task.dataOut.length + task.dataIn.length - moved, true);
    if (queue.isClosed) return 0;
    writable.copyFrom(answer);
    return answerBytes + (task.dataIn.length > 0 ? moved : 0);
  }

  /** Carry out a command, and know of it while it runs. Resolves with its response, or why it was refused. */
  async #run(unit: LogicalUnit, id: string, task: ScsiTask, units: ReadonlyMap<number, LogicalUnit>): Promise<number | CheckCondition> {
    const context = { io: this.#io!, luns: lunsOf(units) };
    const work = executeCommand(unit, task, context);
    const running: RunningTask = { unit, id, response: RESPONSE_OK, done: work.catch(() => undefined) };
    this.#tasks.add(running);
    try {
      await work;
      this.#warned = false;
      return running.response;
    } catch (error) {
      if (running.response !== RESPONSE_OK) return running.response;
      return this.#refusal(error, task);
    } finally {
      this.#tasks.delete(running);
    }
  }

  #refusal(error: unknown, task: ScsiTask): number | CheckCondition {
    if (error instanceof CheckCondition) return error;
    if (error instanceof Overrun) return RESPONSE_OVERRUN;
    if (!(error instanceof DeviceError)) throw error;
    // A full host disk fails every write: say so once, until something works again.
    if (!this.#warned) this.emit('warning', error);
    this.#warned = true;
    return new CheckCondition(task.dataIn.length > 0 ? SENSE.unrecoveredReadError : SENSE.writeError);
  }

  /** A target answers a few commands also where it has no unit (SPC-5 §6.7.2, §6.33). */
  async #runWithoutUnit(task: ScsiTask, units: ReadonlyMap<number, LogicalUnit>): Promise<number | CheckCondition> {
    const [INQUIRY, REQUEST_SENSE, REPORT_LUNS] = [0x12, 0x03, 0xa0];
    try {
      if (task.opcode === INQUIRY && (task.u8(1) & 1) === 0 && task.u8(2) === 0) task.reply(inquiryData(undefined), task.u16(3));
      else if (task.opcode === REQUEST_SENSE) task.reply(senseData(SENSE.unitNotSupported), task.u8(4));
      else if (task.opcode === REPORT_LUNS) {
        const [unit] = units.values();
        await executeCommand(unit, task, { io: this.#io!, luns: lunsOf(units) });
      } else return new CheckCondition(SENSE.unitNotSupported);
      return RESPONSE_OK;
    } catch (error) {
      return this.#refusal(error, task);
    }
  }

  /** A request of the control queue (§5.6.6.2). */
  async #control(queue: Virtqueue, { readable, writable }: DescriptorChain): Promise<number> {
    const type = readable.length >= 4 ? readable.readU32(0) : undefined;
    const isQuery = type === CONTROL_NOTIFICATION_QUERY || type === CONTROL_NOTIFICATION_SUBSCRIBE;
    const answerBytes = isQuery ? 5 : 1;
    if (type === undefined || readable.length < (isQuery ? NOTIFICATION_BYTES : TMF_BYTES) || writable.length < answerBytes) {
      throw DeviceError.InvalidParameter(
        `A SCSI control request has ${readable.length} readable and ${writable.length} writable bytes; ${TMF_BYTES} or ${NOTIFICATION_BYTES} and ${answerBytes} are needed.`,
      );
    }
    const answer = new Uint8Array(answerBytes);
    if (isQuery) {
      const address = readAddress(readable, NOTIFICATION_ADDRESS);
      const unit = address && this.unit(address);
      const wanted = unit?.kind === 'cdrom' ? readable.readU32(NOTIFICATION_EVENTS) & NOTIFY_MEDIA_CHANGE : 0;
      if (address && unit && type === CONTROL_NOTIFICATION_SUBSCRIBE) {
        if (wanted) this.#subscribed.add(nameOf(address));
        else this.#subscribed.delete(nameOf(address));
      }
      new DataView(answer.buffer).setUint32(0, wanted, true);
      answer[4] = unit ? RESPONSE_OK : RESPONSE_BAD_TARGET;
    } else answer[0] = type === CONTROL_TMF ? await this.#manage(readable) : RESPONSE_FAILURE;
    if (queue.isClosed) return 0;
    writable.copyFrom(answer);
    return answerBytes;
  }

  /**
   * A task management function. What a back end works on cannot be called back: functions that end tasks wait for them, which
   * SAM-6 §7 allows, and tasks that a reset ended say so in their response.
   */
  async #manage(readable: ScatterGatherList): Promise<number> {
    const address = readAddress(readable, TMF_ADDRESS);
    const units = address && this.#targets.get(address.target);
    if (!units) return RESPONSE_BAD_TARGET;
    const subtype = readable.readU32(TMF_SUBTYPE);
    if (subtype === TMF_NEXUS_RESET) {
      await Promise.all([...units.values()].map((unit) => this.#resetUnit(unit)));
      return RESPONSE_OK;
    }
    const unit = units.get(address.lun);
    if (!unit) return RESPONSE_INCORRECT_LUN;
    const id = `${readable.readU32(TMF_ID + 4)}:${readable.readU32(TMF_ID)}`;
    const tasks = [...this.#tasks].filter((task) => task.unit === unit);
    switch (subtype) {
      case TMF_ABORT_TASK:
        await Promise.all(tasks.filter((task) => task.id === id).map(({ done }) => done));
        return RESPONSE_OK;
      case TMF_ABORT_TASK_SET:
      case TMF_CLEAR_TASK_SET:
        await Promise.all(tasks.map(({ done }) => done));
        return RESPONSE_OK;
      // There is never an auto contingent allegiance.
      case TMF_CLEAR_ACA:
        return RESPONSE_OK;
      case TMF_UNIT_RESET:
        await this.#resetUnit(unit);
        return RESPONSE_OK;
      case TMF_QUERY_TASK:
        return tasks.some((task) => task.id === id) ? RESPONSE_FUNCTION_SUCCEEDED : RESPONSE_OK;
      case TMF_QUERY_TASK_SET:
        return tasks.length > 0 ? RESPONSE_FUNCTION_SUCCEEDED : RESPONSE_OK;
      default:
        return RESPONSE_FUNCTION_REJECTED;
    }
  }

  async #resetUnit(unit: LogicalUnit): Promise<void> {
    for (const task of this.#tasks) if (task.unit === unit) task.response = RESPONSE_RESET;
    await this.#settled(unit);
    unit.reset(SENSE.unitReset);
  }

  /** An event for the driver, if it has agreed to that kind. A device that no driver runs yet has nobody to tell. */
  #tell(event: Event, feature: number | undefined): void {
    if (this.status.kind !== 'Running' && this.status.kind !== 'Stopped') return;
    if (feature !== undefined && !this.hasFeature(feature)) return;
    if (this.#events.length < EVENTS_MAX) this.#events.push(event);
    else this.#missed = true;
    this.enter(() => this.#sendEvents());
  }

  #sendEvents(): void {
    while (this.#events.length > 0 || this.#missed) {
      const chain = this.take(EVENT_QUEUE);
      if (!chain) return;
      if (chain.writable.length < EVENT_BYTES)
        throw DeviceError.InvalidParameter(`A SCSI event buffer has ${chain.writable.length} bytes; it needs ${EVENT_BYTES}.`);
      const { event, address, reason } = this.#events.shift() ?? { event: EVENT_NONE, address: undefined, reason: 0 };
      const bytes = new Uint8Array(EVENT_BYTES);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, (event | (this.#missed ? EVENT_MISSED : 0)) >>> 0, true);
      if (address) writeAddress(bytes, 4, address);
      view.setUint32(12, reason, true);
      this.#missed = false;
      chain.writable.copyFrom(bytes);
      this.queue(EVENT_QUEUE)!.complete(chain, EVENT_BYTES);
    }
  }
}

function nameOf({ target, lun }: UnitAddress): string {
  return `${target}:${lun}`;
}

function lunsOf(units: ReadonlyMap<number, LogicalUnit>): number[] {
  return [...units.keys()].sort((a, b) => a - b);
}
