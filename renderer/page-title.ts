import { useTitle } from '@vueuse/core';

/** What the operating system calls the window while a page is shown: the name of its subject, if it has one, then the app's. */
export function usePageTitle(subject: () => string | undefined = () => undefined): void {
  useTitle(() => [subject(), 'Hartbox'].filter(Boolean).join(' – '));
}
