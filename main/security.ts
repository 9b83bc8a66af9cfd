import { type Session, app } from 'electron';
import { APP_SCHEME } from './asset-protocol';

/**
 * Electron's security checklist, for every page of the app: no navigation, no new windows, no webviews, no permissions
 * and no requests but for our own files. Sandbox and context isolation are set per window (window.ts), the content
 * security policy with each answer (asset-protocol.ts), and IPC is checked in ipc.ts.
 *
 * A packaged app also has these fuses set: RunAsNode, EnableNodeOptionsEnvironmentVariable,
 * EnableNodeCliInspectArguments and GrantFileProtocolExtraPrivileges off; OnlyLoadAppFromAsar,
 * EnableEmbeddedAsarIntegrityValidation and EnableCookieEncryption on. The engine needs none of what they take away.
 */
export function confinePages(): void {
  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-navigate', (event) => event.preventDefault());
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  });
}

/** The part that belongs to a session, once the app is ready. */
export function confineSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, decide) => decide(false));
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
  session.webRequest.onBeforeRequest((details, decide) => {
    const allowed = details.url.startsWith(`${APP_SCHEME}://`) || details.url.startsWith('devtools://') || details.url.startsWith('data:');
    decide({ cancel: !allowed });
  });
}
