import { useDebounceFn } from '@vueuse/core';
import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { VmView } from '../../main/contract';
import { onPort } from '../box-ports';
import { request } from '../bridge';
import { SoundSession } from '../sound/sound-session';

/**
 * idle: no guest wants it. asking: the user is being asked. on: the guest hears it. off: the user does not want that. failed: there is none that
 * could be used.
 */
export type MicrophoneState = 'idle' | 'asking' | 'on' | 'off' | 'failed';

/** Milliseconds that a volume stays as it is before it is kept. */
const STILL_MS = 400;
/** Milliseconds after which a volume that was kept is in the settings that the window knows of. */
const KNOWN_MS = 1000;

/** What each VM plays is heard wherever the user is in the app. */
export const useSounds = defineStore('sounds', () => {
  const sessions = new Map<string, SoundSession>();
  const microphones = ref<Record<string, MicrophoneState>>({});
  /** Of those whose guest wants to hear somebody. */
  const recording = new Set<string>();
  /** What the user has set and the settings do not say yet. */
  const chosen = ref<Record<string, { volume: number; muted: boolean }>>({});
  /** What the settings say. */
  const kept = new Map<string, { volume: number; muted: boolean }>();

  let isListening = false;

  function listen(): void {
    isListening = true;
    onPort('audio', (vm, port) => session(vm).port.connect(port));
  }

  function session(vm: string): SoundSession {
    let found = sessions.get(vm);
    if (!found) {
      found = new SoundSession((isOn) => void record(vm, isOn));
      sessions.set(vm, found);
    }
    return found;
  }

  /** Keep a VM that makes sound connected while it runs: it is heard by one window. */
  function follow(vm: VmView, active: boolean): void {
    const level = chosen.value[vm.id];
    kept.set(vm.id, vm.sound);
    if (level?.volume === vm.sound.volume && level.muted === vm.sound.muted) delete chosen.value[vm.id];
    if (!isListening) return;
    const isThere = active && vm.hasSound;
    if (!isThere) {
      const known = sessions.get(vm.id);
      if (!known?.port.isConnected) return;
      known.disconnect();
      recording.delete(vm.id);
      delete microphones.value[vm.id];
      return;
    }
    const sound = session(vm.id);
    const { volume, muted } = levelOf(vm);
    sound.setVolume(volume, muted);
    sound.port.ask(vm.id, 'audio');
  }

  function levelOf({ id, sound }: VmView): { volume: number; muted: boolean } {
    return chosen.value[id] ?? sound;
  }

  function setLevel(vm: VmView, volume: number, muted: boolean): void {
    chosen.value[vm.id] = { volume, muted };
    session(vm.id).setVolume(volume, muted);
    void keep(vm.id);
  }

  const keep = useDebounceFn(async (vm: string): Promise<void> => {
    const level = chosen.value[vm];
    if (!level) return;
    try {
      await request('vm.set-volume', vm, level.volume, level.muted);
    } catch {
      // Where it cannot be kept it holds as long as the window.
      return;
    }
    setTimeout(() => {
      const now = kept.get(vm);
      if (!now || chosen.value[vm] !== level) return;
      // Another window has set another one since, before this one knew of its own.
      delete chosen.value[vm];
      session(vm).setVolume(now.volume, now.muted);
    }, KNOWN_MS);
  }, STILL_MS);

  /** The guest records, or no longer does. */
  async function record(vm: string, isOn: boolean): Promise<void> {
    const state = microphones.value[vm] ?? 'idle';
    if (isOn) recording.add(vm);
    else recording.delete(vm);
    if (!isOn) {
      session(vm).stopVoice();
      if (state === 'on') microphones.value[vm] = 'idle';
    } else if (state === 'idle' || state === 'failed') await allow(vm, true);
  }

  /** Whether the guest may hear; the user is asked in the main process. */
  async function allow(vm: string, wanted: boolean): Promise<void> {
    if (microphones.value[vm] === 'asking') return;
    microphones.value[vm] = 'asking';
    try {
      const may = await request('vm.microphone', vm, wanted);
      const isWanted = may && recording.has(vm);
      if (isWanted) await session(vm).startVoice();
      else session(vm).stopVoice();
      microphones.value[vm] = isWanted ? 'on' : may ? 'idle' : 'off';
    } catch {
      microphones.value[vm] = 'failed';
    }
  }

  return { microphones, listen, session, follow, levelOf, setLevel, allow };
});
