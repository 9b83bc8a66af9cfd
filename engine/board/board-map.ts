import type { PciMap } from '../pci/host-bridge';

/** Addresses and interrupt sources of the board: those of QEMU's `virt`, for which stock firmware and kernels are built. */
export const RAM_BASE = 0x80000000;
export const FINISHER_BASE = 0x100000;
export const RTC_BASE = 0x101000;
export const RTC_SOURCE = 11;
/** Nothing is there on QEMU's board, and none here unless it is asked for. */
export const WATCHDOG_BASE = 0x102000;
export const CLINT_BASE = 0x2000000;
export const PLIC_BASE = 0xc000000;
export const PLIC_SOURCES = 95;
/** With --aia aplic or aplic-imsic, instead of the PLIC. */
export const APLIC_BASES = { machine: 0xc000000, supervisor: 0xd000000 };
export const APLIC_SOURCES = 96;
export const IMSIC_BASES = { machine: 0x24000000, supervisor: 0x28000000 };
export const UART_BASE = 0x10000000;
export const UART_SOURCE = 10;
export const VIRTIO_BASE = 0x10001000;
export const VIRTIO_STRIDE = 0x1000;
export const VIRTIO_SLOTS = 8;
export const VIRTIO_FIRST_SOURCE = 1;
export const FW_CFG_BASE = 0x10100000;
/** Memory for pictures before there is a driver, up to the flash; nothing is there on QEMU's board, and none here in a machine without screens. */
export const FRAMEBUFFER_BASE = 0x18000000;
/** Two banks, one behind the other. */
export const FLASH_BASE = 0x20000000;
export const PCI_MAP: PciMap = {
  ecam: { base: 0x30000000, size: 0x10000000 },
  io: { base: 0x3000000, size: 0x10000 },
  memory32: { base: 0x40000000, size: 0x40000000 },
  memory64: { base: 0x400000000, size: 0x400000000 },
  firstSource: 32,
};
/** Ticks of mtime a second. */
export const TIMEBASE = 10_000_000;
