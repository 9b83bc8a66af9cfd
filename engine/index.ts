/** The engine as a library: what someone who embeds it imports. */
export type { AccessSize, DeviceStatus, InterruptLine, ManagedDevice, MmioDevice } from './bus/device';
export { DeviceManager } from './bus/device-manager';
export type { DeviceId, DevicePlaces } from './bus/device-manager';
export { DeviceError, VmError } from './bus/vm-error';
export type { DeviceErrorCode, VmErrorKind } from './bus/vm-error';
export { BufferPool } from './memory/buffer-pool';
export type { BufferPoolOptions } from './memory/buffer-pool';
export { DirectMemoryAccess } from './memory/direct-memory-access';
export type { DirectMemoryAccessOptions } from './memory/direct-memory-access';
export type { GuestMemory } from './memory/guest-memory';
export { ScatterGatherList } from './memory/scatter-gather-list';
export { ZeroCopyIoManager } from './memory/zero-copy-io-manager';
export type { IoStatistics, VectorIo, ZeroCopyIoManagerOptions } from './memory/zero-copy-io-manager';
export type { HartStop, Watchpoint } from './hart/debug-points';
export type { HartRegisters } from './hart/registers';
export type { Debugger } from './machine/debugger';
export { AsyncBlockDevice } from './backend/disk/async-block-device';
export {
  checkDisk,
  commitDisk,
  convertDisk,
  createDisk,
  diskInfo,
  resizeDisk,
} from './backend/disk/disk-images';
export type { CreateDiskOptions, DiskCheck, DiskInfo } from './backend/disk/disk-images';
export { type CpuProfile, GuestProfile } from './debug/profile';
export { SymbolTable } from './debug/symbols';
export { between, sumOf } from './hart/statistics';
export type { HartStatistics, MachineStatistics } from './hart/statistics';
export { Clint } from './interrupt/clint';
export type { ClintOptions } from './interrupt/clint';
export { Plic } from './interrupt/plic';
export type { PlicOptions } from './interrupt/plic';
export { machineConfigSchema } from './machine/config';
export type { DriveConfig, DriveConfigInput, MachineConfig, MachineConfigInput } from './machine/config';
export { TRACES, VirtualMachine } from './machine/virtual-machine';
export type { MachineExit, MachineState, VirtualMachineOptions } from './machine/virtual-machine';
export { VirtioBlock } from './virtio/devices/block';
export type { VirtioBlockFile, VirtioBlockOptions } from './virtio/devices/block';
export { VirtioScsi } from './virtio/devices/scsi/device';
export type { VirtioScsiOptions } from './virtio/devices/scsi/device';
export type { LogicalUnitOptions } from './virtio/devices/scsi/logical-unit';
export type { ConsolePort, DataListener } from './virtio/devices/console-port';
export { VirtioDevice } from './virtio/device';
export { VirtioConsole } from './virtio/devices/console';
export type { VirtioConsoleOptions } from './virtio/devices/console';
export { VirtioRng } from './virtio/devices/rng';
export type { VirtioRngOptions } from './virtio/devices/rng';
