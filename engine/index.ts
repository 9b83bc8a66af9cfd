/**
 * The engine as a library: what someone who embeds it imports.
 * @module hartbox
 */
export type { AccessSize, DeviceStatus, InterruptLine, ManagedDevice, MmioDevice } from './bus/device';
export { DeviceManager } from './bus/device-manager';
export type { DeviceId, DevicePlaces } from './bus/device-manager';
export { DeviceError, VmError } from './errors/vm-error';
export type { DeviceErrorCode, VmErrorKind } from './errors/vm-error';
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
export { diskFormatFor } from './backend/disk/disk-format';
export { type ChainReference, imageChain } from './backend/disk/image-chain';
export { allowReferences, shown } from './backend/disk/image-reference';
export { type ImageReference, type TrustedReference, trustedReferences, withdrawTrust } from './backend/disk/trusted-references';
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
export { addressIn, formatAddress, formatNet, type Net, parseAddress } from './backend/net/nat/addresses';
export { subnet4 } from './backend/net/nat/subnet';
export { parseGdbAddress } from './debug/gdb/address';
export { formatListenAddress, type ListenAddress } from './host/listen-address';
export { parseVncAddress } from './display/vnc/server';
export { GdbServer } from './debug/gdb/server';
export type { GdbServerOptions } from './debug/gdb/server';
export type { DebugTarget } from './debug/gdb/target';
export { SymbolTable } from './debug/symbols';
export { between, sumOf } from './hart/statistics';
export type { HartStatistics, MachineStatistics } from './hart/statistics';
export { Clint } from './interrupt/clint';
export type { ClintOptions } from './interrupt/clint';
export { Plic } from './interrupt/plic';
export type { PlicOptions } from './interrupt/plic';
export { machineConfigSchema } from './settings/settings';
export type { DriveConfig, DriveConfigInput } from './settings/drive';
export type { MachineConfig, MachineConfigInput } from './settings/settings';
export { TRACES, VirtualMachine } from './machine/virtual-machine';
export type { MachineExit, MachineState, VirtualMachineOptions } from './machine/virtual-machine';
export type { MachineDrives } from './machine/drives';
export type { MachineNetworks } from './machine/networks';
export type { MemoryBalloon, MemoryUse } from './machine/memory-balloon';
export { VirtioBalloon } from './virtio/devices/balloon';
export type { BalloonFill, BalloonStatistics, VirtioBalloonOptions } from './virtio/devices/balloon';
export { type HostPages, hostPages } from './backend/host-pages';
export { VirtioBlock } from './virtio/devices/block';
export type { VirtioBlockFile, VirtioBlockOptions } from './virtio/devices/block';
export { VirtioScsi } from './virtio/devices/scsi/device';
export type { VirtioScsiOptions } from './virtio/devices/scsi/device';
export type { LogicalUnitOptions } from './virtio/devices/scsi/logical-unit';
export type { ConsolePort, DataListener } from './virtio/devices/console-port';
export { VirtioGpu } from './virtio/devices/gpu/device';
export type { VirtioGpuOptions } from './virtio/devices/gpu/device';
export { Scanout } from './gpu/scanout';
export type { Rectangle, ScreenCursor, ScreenMode } from './gpu/scanout';
export { VirtioDevice } from './virtio/device';
export { HumanInput, INPUT_KINDS } from './virtio/devices/human-input';
export type { InputKind } from './virtio/devices/human-input';
export { VirtioInput } from './virtio/devices/input';
export type { InputEvent, InputProfile, VirtioInputOptions } from './virtio/devices/input';
export { VirtioConsole } from './virtio/devices/console';
export type { VirtioConsoleOptions } from './virtio/devices/console';
export { VirtioAi } from './virtio/devices/ai';
export type { VirtioAiOptions } from './virtio/devices/ai';
export { InferenceServer } from './backend/inference/inference-server';
export type { InferenceServerOptions } from './backend/inference/inference-server';
export type { InferenceBackend, InferenceLimits, OpenModel } from './backend/inference/inference-backend';
export { ModelFolder } from './backend/inference/model-folder';
export { VirtioWatchdog } from './virtio/devices/watchdog';
export type { VirtioWatchdogOptions } from './virtio/devices/watchdog';
export { VirtioCrypto } from './virtio/devices/crypto/device';
export type { VirtioCryptoOptions } from './virtio/devices/crypto/device';
export { VirtioSound } from './virtio/devices/sound/device';
export type { VirtioSoundOptions } from './virtio/devices/sound/device';
export type { StreamStatistics } from './virtio/devices/sound/stream';
export type { AudioBackend, AudioLimits, Playback, Recording } from './backend/audio/audio-backend';
export type { AudioFormat, SampleFormatName } from './backend/audio/sample-format';
export { VirtioNet } from './virtio/devices/net/device';
export type { NetStatistics, VirtioNetOptions } from './virtio/devices/net/device';
export type { Frame, GuestPort, NetworkBackend, PacketPort } from './backend/net/packet-port';
export { VirtioFs } from './virtio/devices/fs/device';
export type { VirtioFsOptions } from './virtio/devices/fs/device';
export { Virtio9p } from './virtio/devices/nine-p/device';
export type { Virtio9pOptions } from './virtio/devices/nine-p/device';
export { SharedFolder } from './backend/share/shared-folder';
export type { SharedFolderOptions } from './backend/share/shared-folder';
export { VirtioRng } from './virtio/devices/rng';
export type { VirtioRngOptions } from './virtio/devices/rng';
export { Runner } from './runner/runner';
export type { RunExit, RunnerOptions } from './runner/runner';
export { findRunning } from './runner/control-socket';
export type { ControlClient, ControlEvents } from './runner/control-client';
export { serveControl } from './runner/control-server';
export { LineClient } from './runner/control-client';
export { directLines, portLine } from './runner/transport';
export type { Line } from './runner/transport';
