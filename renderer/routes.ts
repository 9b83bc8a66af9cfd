import { type RouteRecordRaw, createRouter, createWebHashHistory } from 'vue-router';
import { boxPages } from './box-pages';
import { request } from './bridge';
import DoctorView from './views/doctor-view.vue';
import OverviewView from './views/overview-view.vue';
import LibraryView from './views/library-view.vue';
import PreferencesView from './views/preferences-view.vue';
import MachineView from './views/machine-view.vue';
import ScreenView from './views/screen-view.vue';
import SystemsView from './views/systems-view.vue';
import TrashView from './views/trash-view.vue';

/** Every page of the window. A page brings its own header, and sets the title with `usePageTitle`. */
const routes: RouteRecordRaw[] = [
  { path: '/', name: 'library', component: LibraryView },
  { path: '/box/:id', name: 'box', component: MachineView, props: true },
  { path: '/box/:id/screen/:screen(\\d+)', name: 'screen', component: ScreenView, props: true },
  { path: '/doctor', name: 'doctor', component: DoctorView },
  { path: '/preferences', name: 'preferences', component: PreferencesView },
  { path: '/overview', name: 'overview', component: OverviewView },
  { path: '/systems', name: 'systems', component: SystemsView },
  { path: '/deleted', name: 'deleted', component: TrashView },
  ...boxPages,
  // A box that is gone, or an address from another version.
  { path: '/:rest(.*)*', redirect: '/' },
];

/** The address is in the hash: it outlives a crash of the page, which is loaded again (main/index.ts). */
export function createPages() {
  const router = createRouter({ history: createWebHashHistory(), routes });
  router.beforeEach((to, from) => {
    if (from.name !== 'screen') return true;
    // A window that shows a screen shows nothing else: the app's first does.
    void request('app.show-page', to.fullPath);
    return false;
  });
  return router;
}
