import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './app.vue';
import './style.css';
import { createTranslations } from './translations';

const translations = createTranslations(navigator.languages);
document.documentElement.lang = translations.global.locale.value;
createApp(App).use(createPinia()).use(translations).mount('#app');
