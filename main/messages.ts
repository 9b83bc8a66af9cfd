import type { Locale } from './contract';

/** What native dialogs of the app say; the window has its own texts (renderer/locales). */
interface Messages {
  openLink: (host: string) => string;
  openLinkDetail: (url: string) => string;
  /** Of a port that is forwarded to a box. */
  openForwardDetail: (url: string) => string;
  open: string;
  cancel: string;
  microphone: (name: string) => string;
  microphoneDetail: string;
  allow: string;
  dontAllow: string;
  build: (name: string) => string;
  buildFolder: (folder: string) => string;
  run: string;
  dontRun: string;
  stillRunning: string;
  shutDown: string;
  forceOff: string;
  dataFolder: string;
  dataFolderDetail: (folder: string, reason: string) => string;
  quit: string;
  tray: { open: string; quit: string; running: (boxes: number) => string };
  notes: Record<'ended' | 'failed' | 'prepared', (name: string) => string> & { update: (version: string) => string };
  /** How a report of the Doctor is called, without the ending. */
  reportName: string;
  /** Kinds of files that a dialog offers to show. */
  files: Record<'iso' | 'drive' | 'box' | 'picture' | 'recording' | 'report' | 'capture' | 'log' | 'any', string>;
}

export const messages: Record<Locale, Messages> = {
  en: {
    openLink: (host) => `Open ${host} in the browser?`,
    openLinkDetail: (url) => `A program in the box wrote this link:\n\n${url}`,
    openForwardDetail: (url) => `A forwarded port leads there into the box:\n\n${url}`,
    open: 'Open',
    cancel: 'Cancel',
    microphone: (name) => `Let “${name}” hear the microphone?`,
    microphoneDetail:
      'A program in the box is recording. The box may hear you until it is off, or until you stop that at the loudspeaker in its toolbar.',
    allow: 'Allow',
    dontAllow: 'Don’t allow',
    build: (name) => `Run the build command of “${name}” on this computer?`,
    buildFolder: (folder) => `It runs in ${folder} with your rights, and again whenever the box is built, until Hartbox is closed.`,
    run: 'Run',
    dontRun: 'Don’t run',
    stillRunning: 'Boxes are still running',
    shutDown: 'Shut down',
    forceOff: 'Force off',
    dataFolder: 'Hartbox cannot use its data folder',
    dataFolderDetail: (folder, reason) => `${folder}\n\n${reason}\n\nMake the folder writable, or set HARTBOX_HOME to another one.`,
    quit: 'Quit',
    tray: { open: 'Open Hartbox', quit: 'Quit', running: (n) => (n === 0 ? 'No box runs' : n === 1 ? '1 box runs' : `${n} boxes run`) },
    notes: {
      ended: (name) => `${name} has ended`,
      failed: (name) => `${name} stopped with an error`,
      prepared: (name) => `${name} is ready and starts`,
      update: (version) => `Hartbox ${version} is there`,
    },
    reportName: 'Hartbox report',
    files: {
      iso: 'ISO images',
      drive: 'Disk images',
      box: 'Hartbox boxes',
      picture: 'PNG pictures',
      recording: 'WebM films',
      report: 'Reports',
      capture: 'Network captures',
      log: 'Logs',
      any: 'All files',
    },
  },
  de: {
    openLink: (host) => `${host} im Browser öffnen?`,
    openLinkDetail: (url) => `Ein Programm in der Box hat diesen Link geschrieben:\n\n${url}`,
    openForwardDetail: (url) => `Ein weitergeleiteter Port führt von dort in die Box:\n\n${url}`,
    open: 'Öffnen',
    cancel: 'Abbrechen',
    microphone: (name) => `Darf „${name}“ das Mikrofon hören?`,
    microphoneDetail:
      'Ein Programm in der Box nimmt auf. Die Box darf dich hören, bis sie aus ist oder du es am Lautsprecher in ihrer Werkzeugleiste beendest.',
    allow: 'Erlauben',
    dontAllow: 'Nicht erlauben',
    build: (name) => `Den Build-Befehl von „${name}“ auf diesem Computer ausführen?`,
    buildFolder: (folder) => `Er läuft in ${folder} mit deinen Rechten, und wieder bei jedem Build dieser Box, bis Hartbox beendet wird.`,
    run: 'Ausführen',
    dontRun: 'Nicht ausführen',
    stillRunning: 'Boxen sind noch in Betrieb',
    shutDown: 'Herunterfahren',
    forceOff: 'Ausschalten erzwingen',
    dataFolder: 'Hartbox kann seinen Datenordner nicht benutzen',
    dataFolderDetail: (folder, reason) =>
      `${folder}\n\n${reason}\n\nDen Ordner beschreibbar machen oder mit HARTBOX_HOME einen anderen angeben.`,
    quit: 'Beenden',
    tray: {
      open: 'Hartbox öffnen',
      quit: 'Beenden',
      running: (n) => (n === 0 ? 'Keine Box läuft' : n === 1 ? '1 Box läuft' : `${n} Boxen laufen`),
    },
    notes: {
      ended: (name) => `${name} ist zu Ende`,
      failed: (name) => `${name} endete mit einem Fehler`,
      prepared: (name) => `${name} ist bereit und startet`,
      update: (version) => `Hartbox ${version} ist da`,
    },
    reportName: 'Hartbox-Bericht',
    files: {
      iso: 'ISO-Abbilder',
      drive: 'Festplattenabbilder',
      box: 'Hartbox-Boxen',
      picture: 'PNG-Bilder',
      recording: 'WebM-Filme',
      report: 'Berichte',
      capture: 'Netzwerkmitschnitte',
      log: 'Protokolle',
      any: 'Alle Dateien',
    },
  },
  'zh-CN': {
    openLink: (host) => `要在浏览器中打开 ${host} 吗？`,
    openLinkDetail: (url) => `虚拟机中的程序输出了此链接：\n\n${url}`,
    openForwardDetail: (url) => `转发的端口由此通向虚拟机：\n\n${url}`,
    open: '打开',
    cancel: '取消',
    microphone: (name) => `允许“${name}”使用麦克风吗？`,
    microphoneDetail: '虚拟机中的程序正在录音。在虚拟机关闭之前，或者您通过其工具栏中的扬声器按钮停止之前，它都可以听到您的声音。',
    allow: '允许',
    dontAllow: '不允许',
    build: (name) => `在此电脑上运行“${name}”的构建命令吗？`,
    buildFolder: (folder) => `它将在 ${folder} 中以您的权限运行；在退出 Hartbox 之前，每次构建该虚拟机时都会再次运行。`,
    run: '运行',
    dontRun: '不运行',
    stillRunning: '仍有虚拟机在运行',
    shutDown: '关机',
    forceOff: '强制关机',
    dataFolder: 'Hartbox 无法使用其数据文件夹',
    dataFolderDetail: (folder, reason) => `${folder}\n\n${reason}\n\n请将该文件夹设为可写，或通过 HARTBOX_HOME 指定其他文件夹。`,
    quit: '退出',
    tray: { open: '打开 Hartbox', quit: '退出', running: (n) => (n === 0 ? '没有虚拟机在运行' : `${n} 台虚拟机在运行`) },
    notes: {
      ended: (name) => `${name} 已结束`,
      failed: (name) => `${name} 因错误停止`,
      prepared: (name) => `${name} 已就绪并启动`,
      update: (version) => `Hartbox ${version} 已发布`,
    },
    reportName: 'Hartbox 报告',
    files: {
      iso: 'ISO 映像',
      drive: '磁盘映像',
      box: 'Hartbox 虚拟机',
      picture: 'PNG 图片',
      recording: 'WebM 影片',
      report: '报告',
      capture: '网络抓包',
      log: '日志',
      any: '所有文件',
    },
  },
};
