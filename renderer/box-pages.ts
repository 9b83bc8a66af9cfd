import type { RouteRecordRaw } from 'vue-router';
import NewBoxView from './views/new-box-view.vue';
import SettingsView from './views/settings-view.vue';

/** The pages on which boxes are made and changed. */
export const boxPages: RouteRecordRaw[] = [
  { path: '/new', name: 'new', component: NewBoxView },
  { path: '/box/:id/settings/:page?', name: 'settings', component: SettingsView, props: true },
];
