import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import type { VmView } from '../../main/contract';
import { request } from '../bridge';
import { useBoxTasks } from './box-tasks';
import { isActive, useLibrary } from './library';
import { useScreens } from './screens';
import { useSounds } from './sounds';

/** Text is to stay readable. */
const BITS_PER_SECOND = 8_000_000;
/** How often what was made is written, in milliseconds. */
const PIECE_MS = 1000;
/** The browser's encoder; what most players know. */
const KIND = 'video/webm;codecs=vp8,opus';

/** Films of what boxes show, and of what they play, made by the browser's encoder. They go on while the user is elsewhere, or the window is hidden. */
export const useRecordings = defineStore('recordings', () => {
  const screens = useScreens();
  const sounds = useSounds();
  const boxes = useBoxTasks();
  const library = useLibrary();
  /** When those that go on began, in milliseconds since 1970, by VM. */
  const since = ref<Record<string, number>>({});
  const recorders = new Map<string, MediaRecorder>();

  /** Record what a screen shows into a file that the user picks, until that is ended, the box is off, or the film cannot be written. */
  const begin = (vm: VmView, screen: number): Promise<void> =>
    boxes.during('recordingBegins', { name: vm.name }, async () => {
      if (recorders.has(vm.id)) return undefined;
      const id = await request('recording.begin', vm.id);
      if (id !== null) {
        const film = record(vm, screen, id);
        // Where it is and how it goes is told once it has ended.
        const tell = (): Promise<void> => boxes.during('recordingEnds', { name: vm.name }, () => film);
        film.then(tell, tell);
      }
      return undefined;
    });

  async function record(vm: VmView, screen: number, id: number) {
    const session = screens.session(vm.id);
    const sound = vm.hasSound ? await sounds.session(vm.id).tap() : undefined;
    const film = session.film(screen);
    const recorder = new MediaRecorder(new MediaStream([...film.stream.getTracks(), ...(sound?.stream.getTracks() ?? [])]), {
      mimeType: KIND,
      videoBitsPerSecond: BITS_PER_SECOND,
    });
    recorders.set(vm.id, recorder);
    since.value[vm.id] = Date.now();
    try {
      await written(recorder, id);
    } finally {
      recorders.delete(vm.id);
      delete since.value[vm.id];
      film.end();
      sound?.end();
    }
    return { text: 'recorded', params: { name: vm.name, file: await request('recording.end', id) } };
  }

  function end(vm: string): void {
    const recorder = recorders.get(vm);
    if (recorder?.state === 'recording') recorder.stop();
  }

  // What is off shows nothing more.
  watch(
    () =>
      Object.keys(since.value).filter((id) => {
        const vm = library.machine(id);
        return !vm || !isActive(vm);
      }),
    (ended) => ended.forEach(end),
  );

  return { since, begin, end };
});

/** Have all of a film written; resolves when it has ended. */
function written(recorder: MediaRecorder, id: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let last: Promise<unknown> = Promise.resolve();
    const give = async (data: Blob): Promise<void> => {
      await request('recording.write', id, new Uint8Array(await data.arrayBuffer()));
    };
    recorder.addEventListener('dataavailable', ({ data }) => {
      last = last.then(() => give(data));
      last.catch((error: Error) => {
        if (recorder.state === 'recording') recorder.stop();
        reject(error);
      });
    });
    recorder.addEventListener('stop', () => void last.then(() => resolve(), reject));
    recorder.addEventListener('error', (event) => reject(event.error as Error));
    recorder.start(PIECE_MS);
  });
}
