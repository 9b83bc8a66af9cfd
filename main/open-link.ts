import type { BrowserWindow, Dialog, Shell } from 'electron';
import { VmError } from '../engine/errors/vm-error';
import type { Locale } from './contract';
import { webAddress } from './link';
import { messages } from './messages';

interface LinkPlatform {
  dialog: Pick<Dialog, 'showMessageBox'>;
  shell: Pick<Shell, 'openExternal'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
}

/**
 * Follows links that guests wrote, one at a time: only to the web, and only when the user has seen where they really lead. `detail`: what the
 * user reads with an address that comes from elsewhere.
 */
export function linkOpener({
  dialog,
  shell,
  window,
  locale,
}: LinkPlatform): (text: string, detail?: (url: string) => string) => Promise<void> {
  let asking = false;
  return async (text, detail) => {
    const url = webAddress(text);
    if (!url) throw new VmError('Guest', 'This link is not a plain address of the web, so it was not opened.', { code: 'link-not-web' });
    const owner = window();
    if (asking || !owner) return;
    asking = true;
    try {
      const say = messages[locale()];
      const { response } = await dialog.showMessageBox(owner, {
        type: 'question',
        message: say.openLink(url.host),
        detail: (detail ?? say.openLinkDetail)(url.href),
        buttons: [say.open, say.cancel],
        defaultId: 0,
        cancelId: 1,
        noLink: true,
      });
      if (response === 0) await shell.openExternal(url.href);
    } finally {
      asking = false;
    }
  };
}
