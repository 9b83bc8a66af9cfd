import { setFlagsFromString } from 'node:v8';
import { app } from 'electron';

// Imported before all else, since each of these is read once, early.

// Nothing here draws by GTK's OpenGL: Chromium has its own. On X11 GTK would load the driver for it nevertheless: 35 MB with Mesa's. Only
// this process is meant, not what it starts later, a browser say.
if (process.platform === 'linux' && process.env['GDK_GL'] === undefined) {
  process.env['GDK_GL'] = 'disable';
  void app.whenReady().then(() => delete process.env['GDK_GL']);
}

// V8 lets its space for new objects grow to 16 MB while the app starts, and never takes that back from a process that is idle afterwards.
setFlagsFromString('--semi-space-growth-factor=1');

// Chromium's network service, a process of its own by default, hands out nothing here but the app's own files: 15 MB for little. (Where it has a
// process it has no sandbox on Linux and Windows either.)
const features = app.commandLine.getSwitchValue('enable-features');
app.commandLine.appendSwitch('enable-features', [features, 'NetworkServiceInProcess2'].filter(Boolean).join(','));
