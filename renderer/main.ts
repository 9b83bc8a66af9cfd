import { createPinia } from 'pinia';
import { createApp, watchEffect } from 'vue';
import App from './app.vue';
import { createPages } from './routes';
import { useApp } from './stores/app';
import './style.css';
import { createTranslations, speak } from './translations';

const translations = createTranslations('en');
const pinia = createPinia();
const app = useApp(pinia);
watchEffect(() => speak(translations, app.info?.language ?? 'system'));
createApp(App).use(pinia).use(translations).use(createPages()).mount('#app');
