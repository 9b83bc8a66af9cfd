import { type Session, type WebContents, app } from 'electron';
import { APP_ORIGIN, APP_SCHEME } from './asset-protocol';

/**
 * Electron's security checklist, for every page of the app: no navigation, no new windows, no webviews, no downloads, no permissions (but for the microphone, when the user
 * says so, and to catch the pointer) and no network but for our own files. Sandbox and context isolation are set per window (window.ts), the content security policy with each
 * answer (asset-protocol.ts), and IPC is checked in ipc.ts. docs/security.md goes through it item by item.
 */
export function confinePages(): void {
  // No name has an address for a page: not for prefetching, not for WebRTC, which no policy of a page forbids.
  app.commandLine.appendSwitch('host-resolver-rules', 'MAP * ~NOTFOUND');
  // What the fuses forbid for Node's inspector, for Chromium's, for which there is no fuse.
  if (app.isPackaged) for (const door of ['remote-debugging-port', 'remote-debugging-pipe']) app.commandLine.removeSwitch(door);
  app.on('web-contents-created', (_event, contents) => confine(contents));
}

function confine(contents: WebContents): void {
  // In any frame.
  contents.on('will-frame-navigate', (event) => event.preventDefault());
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  // Without a listener Electron takes the first device in reach.
  contents.on('select-bluetooth-device', (event, _devices, choose) => {
    event.preventDefault();
    choose('');
  });
  contents.setWebRTCIPHandlingPolicy('disable_non_proxied_udp');
}

/** The part that belongs to a session, once the app is ready. */
export function confineSession(session: Session, { mayListen }: { mayListen: () => boolean }): void {
  // The microphone, while the user lets a guest hear it (microphones.ts), and a guest's mouse, which is let go of by a chord and by Escape.
  session.setPermissionRequestHandler((_contents, permission, decide, details) => {
    if (permission === 'pointerLock') {
      decide(details.isMainFrame && details.requestingUrl.startsWith(`${APP_ORIGIN}/`));
      return;
    }
    const kinds = permission === 'media' && 'mediaTypes' in details ? (details.mediaTypes ?? []) : [];
    decide(
      kinds.length === 1 &&
        kinds[0] === 'audio' &&
        details.isMainFrame &&
        details.requestingUrl.startsWith(`${APP_ORIGIN}/`) &&
        mayListen(),
    );
  });
  session.setPermissionCheckHandler(
    (_contents, permission, _origin, details) => permission === 'media' && details.mediaType === 'audio' && mayListen(),
  );
  session.setDevicePermissionHandler(() => false);
  session.on('will-download', (event) => event.preventDefault());
  // There is none: what does not ask before (WebRTC) gets nowhere either.
  void session.setProxy({ mode: 'fixed_servers', proxyRules: 'http://nowhere.invalid:1', proxyBypassRules: '<-loopback>' });
  session.webRequest.onBeforeRequest((details, decide) => {
    const allowed = details.url.startsWith(`${APP_SCHEME}://`) || details.url.startsWith('devtools://') || details.url.startsWith('data:');
    decide({ cancel: !allowed });
  });
}
