import type { RouteRecordRaw } from 'vue-router';
import LogView from './views/log-view.vue';
import InsideView from './views/inside-view.vue';
import NewBoxView from './views/new-box-view.vue';
import NetworkView from './views/network-view.vue';
import SettingsView from './views/settings-view.vue';

/** The pages on which boxes are made and changed. */
export const boxPages: RouteRecordRaw[] = [
  { path: '/new', name: 'new', component: NewBoxView },
  { path: '/box/:id/inside', name: 'inside', component: InsideView, props: true },
  { path: '/box/:id/log', name: 'log', component: LogView, props: true },
  { path: '/log', name: 'app-log', component: LogView },
  { path: '/box/:id/network', name: 'network', component: NetworkView, props: true },
  { path: '/box/:id/settings/:page?', name: 'settings', component: SettingsView, props: true },
];
