import { z } from 'zod';
import type { AccessSize } from '../../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes, unsigned } from '../../bus/device-state';
import { DeviceError, VmError } from '../../errors/vm-error';
import { VirtioDevice } from '../device';
import { DevicePort, type ConsolePort, type PortOwner, portStateSchema } from './console-port';

// Feature bits (virtio 1.3 §5.3.3).
export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 2;

// Control messages (§5.3.6.2).
export const VIRTIO_CONSOLE_DEVICE_READY = 0;
export const VIRTIO_CONSOLE_DEVICE_ADD = 1;
export const VIRTIO_CONSOLE_PORT_READY = 3;
export const VIRTIO_CONSOLE_CONSOLE_PORT = 4;
export const VIRTIO_CONSOLE_RESIZE = 5;
export const VIRTIO_CONSOLE_PORT_OPEN = 6;
export const VIRTIO_CONSOLE_PORT_NAME = 7;

// Offsets in the configuration space (§5.3.4).
const CONFIG_COLUMNS = 0;
const CONFIG_ROWS = 2;
const CONFIG_MAX_PORTS = 4;
const CONFIG_EMERGENCY_WRITE = 8;
const CONFIG_BYTES = 12;

const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const CONTROL_BYTES = 8;
/** While the driver leaves this many control messages unread, it gets no answers to new ones. */
const CONTROL_PENDING_MAX = 64;

const QUEUE_SIZE = 64;
const PORTS_MAX = 31;
/**
 * With so much input waiting, a guest that gives buffers back is served every millisecond, not for each: it has others to read meanwhile, and each
 * would take a notification and an interrupt.
 */
const MUCH_INPUT = 16 << 10;
const MUCH_INPUT_MS = 1;
/** Longest message of the guest; Linux sends at most 64 KiB. */
const OUTPUT_MAX = 1 << 20;

export interface VirtioConsoleOptions {
  /** The terminal, hvc0 in Linux, and its size in cells; left out, the device has named ports only. */
  console?: { columns: number; rows: number };
  /** Names of further ports; Linux shows them in /sys/class/virtio-ports/…/name. */
  ports?: readonly string[];
}

const stateSchema = z.strictObject({
  columns: unsigned(16),
  rows: unsigned(16),
  ports: z.array(portStateSchema),
  control: z.array(bytesSchema),
});

/**
 * The console device (virtio 1.3 §5.3).
 *
 * Give the terminal a device of its own, without named ports: then its size travels in the configuration space. In the multiport
 * protocol it is a control message whose two fields Linux read in the wrong order from 2010 to 2025, so that no order suits all kernels.
 */
export class VirtioConsole extends VirtioDevice {
  readonly name: string = 'virtio-console';
  readonly deviceId = 3;
  override readonly pciClass = 0x078000;
  readonly queueSizes: number[];
  /** By port number; 0 is the terminal, if there is one. */
  readonly #ports = new Map<number, DevicePort>();
  /** Control messages that wait for a buffer of the driver. */
  #control: Uint8Array[] = [];
  /** Ports that are served in a moment. */
  readonly #soon = new Set<DevicePort>();

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => ({
      columns: this.config.getUint16(CONFIG_COLUMNS, true),
      rows: this.config.getUint16(CONFIG_ROWS, true),
      ports: [...this.#ports.values()].map((port) => port.save()),
      control: this.#control.map(saveBytes),
    }),
    load: ({ columns, rows, ports, control }, refuse) => {
      const messages = control.map(loadBytes);
      if (ports.length !== this.#ports.size) refuse(`it has ${ports.length} ports, not ${this.#ports.size}`);
      if (messages.some(({ length }) => length < CONTROL_BYTES)) refuse('a control message is too short');
      return () => {
        this.config.setUint16(CONFIG_COLUMNS, columns, true);
        this.config.setUint16(CONFIG_ROWS, rows, true);
        this.#control = messages;
        for (const [i, port] of [...this.#ports.values()].entries()) port.load(ports[i]);
      };
    },
  });

  constructor({ console, ports = [] }: VirtioConsoleOptions = { console: { columns: 80, rows: 24 } }) {
    if (ports.length > PORTS_MAX) throw VmError.config(`A console device has at most ${PORTS_MAX} named ports, not ${ports.length}.`);
    if (new Set(ports).size !== ports.length || ports.some((name) => name === '')) {
      throw VmError.config(`Console ports need names that differ and are not empty: ${ports.join(', ')}`);
    }
    const features: number[] = [];
    if (console) features.push(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_EMERG_WRITE);
    if (ports.length > 0) features.push(VIRTIO_CONSOLE_F_MULTIPORT);
    const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
    config.setUint16(CONFIG_COLUMNS, console?.columns ?? 0, true);
    config.setUint16(CONFIG_ROWS, console?.rows ?? 0, true);
    config.setUint32(CONFIG_MAX_PORTS, 1 + ports.length, true);
    super(features, config);
    // Port 0, control if there are ports, then one pair for each port.
    this.queueSizes = Array.from({ length: ports.length > 0 ? 4 + 2 * ports.length : 2 }, () => QUEUE_SIZE);
    const owner: PortOwner = {
      inputReady: (port) => this.enter(() => this.#sendInput(port)),
      outputReady: (port) => this.enter(() => this.#receiveOutput(port)),
      resize: (port, columns, rows) => this.#resize(port, columns, rows),
      warn: (error) => this.emit('warning', error),
    };
    if (console) this.#ports.set(0, new DevicePort(owner, 0, 'console', true));
    for (const [i, name] of ports.entries()) this.#ports.set(i + 1, new DevicePort(owner, i + 1, name, false));
  }

  /** The terminal. Throws VmError 'Config' if the device was made without one. */
  get console(): ConsolePort {
    const port = this.#ports.get(0);
    if (!port) throw VmError.config('This console device has named ports only.');
    return port;
  }

  /** A named port. Throws VmError 'Config' if there is none of that name. */
  port(name: string): ConsolePort {
    for (const port of this.#ports.values()) if (!port.isConsole && port.name === name) return port;
    throw VmError.config(`There is no console port "${name}". Ports: ${[...this.#ports.values()].map((port) => port.name).join(', ')}`);
  }

  /** Emergency write (§5.3.4): output without queues, even before the driver is up. Who writes so cannot wait: what nobody takes is lost. */
  override writeConfig(offset: number, _size: AccessSize, value: number): void {
    const port = this.#ports.get(0);
    if (offset === CONFIG_EMERGENCY_WRITE && port && !port.isHeld) port.deliver(Uint8Array.of(value & 0xff));
  }

  protected override onActivate(): void {
    // Without the control queues a console is open as soon as its driver is there.
    if (!this.hasFeature(VIRTIO_CONSOLE_F_MULTIPORT)) this.#ports.get(0)?.setOpen(true);
  }

  protected override onReset(): void {
    this.#control = [];
    for (const port of this.#ports.values()) {
      port.isReady = false;
      // The next driver has to be told again.
      port.endSent = false;
      port.setOpen(false);
    }
  }

  protected override serve(index: number): void {
    if (index === CONTROL_RECEIVE) {
      this.#sendControl();
      this.#receiveControl();
    } else if (index === CONTROL_TRANSMIT) {
      this.#receiveControl();
    } else {
      const port = this.#ports.get(index < 2 ? 0 : (index - 2) >>> 1);
      if (!port) return;
      if (index % 2 === 1) this.#receiveOutput(port);
      else if (port.waiting < MUCH_INPUT) this.#sendInput(port);
      else this.#sendSoon(port);
    }
  }

  #sendSoon(port: DevicePort): void {
    if (this.#soon.has(port)) return;
    this.#soon.add(port);
    setTimeout(() => {
      this.#soon.delete(port);
      this.enter(() => this.#sendInput(port));
    }, MUCH_INPUT_MS);
  }

  /** Waiting input → the guest's receive buffers. */
  #sendInput(port: DevicePort): void {
    const index = receiveQueue(port.id);
    // What arrives at a named port before it is open, Linux throws away.
    while (port.waiting > 0 && port.isOpen) {
      const chain = this.take(index);
      if (!chain) break;
      const { writable } = chain;
      const written = port.drainTo(writable.length, (bytes, at) => writable.copyFrom(bytes, at));
      this.queue(index)?.complete(chain, written);
    }
    if (port.ended && port.waiting === 0 && port.isReady && !port.endSent && !port.isConsole) {
      port.endSent = true;
      this.#queueControl(port.id, VIRTIO_CONSOLE_PORT_OPEN, 0);
    }
    port.signalDrain();
  }

  /** The guest's transmit buffers → listeners, as long as none of them asks to wait. */
  #receiveOutput(port: DevicePort): void {
    const index = transmitQueue(port.id);
    while (!port.isHeld) {
      const chain = this.take(index);
      if (!chain) return;
      const { readable } = chain;
      const data = readable.length <= OUTPUT_MAX ? readable.toBytes() : undefined;
      this.queue(index)?.complete(chain, 0);
      if (!data)
        throw DeviceError.InvalidParameter(
          `One message to the port ${port.name} has ${readable.length} bytes; at most ${OUTPUT_MAX} are accepted.`,
        );
      if (data.length > 0) port.deliver(data);
    }
  }

  #receiveControl(): void {
    while (this.#control.length < CONTROL_PENDING_MAX) {
      const chain = this.take(CONTROL_TRANSMIT);
      if (!chain) return;
      const message = new Uint8Array(CONTROL_BYTES);
      const length = chain.readable.copyTo(message);
      this.queue(CONTROL_TRANSMIT)?.complete(chain, 0);
      if (length < CONTROL_BYTES) throw DeviceError.InvalidParameter(`A control message has ${length} bytes; it needs ${CONTROL_BYTES}.`);
      const view = new DataView(message.buffer);
      this.#handleControl(view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true));
    }
  }

  #handleControl(id: number, event: number, value: number): void {
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 1) for (const port of this.#ports.values()) this.#queueControl(port.id, VIRTIO_CONSOLE_DEVICE_ADD, 1);
      return;
    }
    const port = this.#ports.get(id);
    if (!port) return;
    if (event === VIRTIO_CONSOLE_PORT_READY && value === 1) this.#introduce(port);
    if (event === VIRTIO_CONSOLE_PORT_OPEN) {
      port.setOpen(value === 1);
      this.#sendInput(port);
    }
  }

  /** Tell the driver what it must know of a port that it has just added. */
  #introduce(port: DevicePort): void {
    port.isReady = true;
    if (port.isConsole) {
      this.#queueControl(port.id, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
      this.#queueResize(port);
    }
    // "Open" comes before the name: who finds the port by its name must not read an end of file because we seem not to be there.
    if (!port.endSent) this.#queueControl(port.id, VIRTIO_CONSOLE_PORT_OPEN, 1);
    if (!port.isConsole) this.#queueControl(port.id, VIRTIO_CONSOLE_PORT_NAME, 1, new TextEncoder().encode(port.name));
    this.#sendInput(port);
  }

  #resize(port: DevicePort, columns: number, rows: number): void {
    this.changeConfig((config) => {
      config.setUint16(CONFIG_COLUMNS, columns, true);
      config.setUint16(CONFIG_ROWS, rows, true);
    });
    if (port.isReady) this.enter(() => this.#queueResize(port));
  }

  #queueResize(port: DevicePort): void {
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint16(0, this.config.getUint16(CONFIG_COLUMNS, true), true);
    new DataView(size.buffer).setUint16(2, this.config.getUint16(CONFIG_ROWS, true), true);
    // Only the newest size is of interest.
    this.#control = this.#control.filter((message) => message[4] !== VIRTIO_CONSOLE_RESIZE);
    this.#queueControl(port.id, VIRTIO_CONSOLE_RESIZE, 0, size);
  }

  #queueControl(id: number, event: number, value: number, payload = new Uint8Array(0)): void {
    const message = new Uint8Array(CONTROL_BYTES + payload.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(payload, CONTROL_BYTES);
    this.#control.push(message);
    this.#sendControl();
  }

  #sendControl(): void {
    while (this.#control.length > 0) {
      const chain = this.take(CONTROL_RECEIVE);
      if (!chain) return;
      this.queue(CONTROL_RECEIVE)?.complete(chain, chain.writable.copyFrom(this.#control.shift()!));
    }
  }
}

function receiveQueue(port: number): number {
  return port === 0 ? 0 : 2 + 2 * port;
}

function transmitQueue(port: number): number {
  return receiveQueue(port) + 1;
}
