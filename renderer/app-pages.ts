import { HardDrive, Package, ScrollText, Stethoscope, Trash2 } from '@lucide/vue';
import type { Component } from 'vue';

/** The pages about the app as a whole, beside its library and its preferences. `label` is a key of the translations. */
export const APP_PAGES: readonly { path: string; icon: Component; label: string }[] = [
  { path: '/overview', icon: HardDrive, label: 'overview.title' },
  { path: '/systems', icon: Package, label: 'systems.title' },
  { path: '/deleted', icon: Trash2, label: 'trash.title' },
  { path: '/log', icon: ScrollText, label: 'log.title' },
  { path: '/doctor', icon: Stethoscope, label: 'doctor.title' },
];
