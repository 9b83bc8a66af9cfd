import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { DriveImage, OutsideFile } from '../../main/box-contract';
import { request } from '../bridge';

/** What disk images may use outside of their folders: asked of the user before a box gets such an image, and before it starts with one. */
export const useImageTrust = defineStore('image-trust', () => {
  /** What the user is asked about now. */
  const asked = ref<readonly OutsideFile[]>();
  let resolveAnswer: (isAllowed: boolean) => void = () => undefined;

  /** Whether these drives may be used: where an image names a file that it may not use, as the user says. */
  async function mayUse(drives: readonly DriveImage[]): Promise<boolean> {
    if (drives.length === 0) return true;
    const images = drives.map(({ file, format }) => ({ file, format }));
    // What is allowed may itself name others.
    for (;;) {
      const files = await request('box.outside-files', images);
      if (files.length === 0) return true;
      if (!(await ask(files))) return false;
      await request('box.allow-files', files);
    }
  }

  /** The same for the drives of a box. What is wrong with it otherwise is said by its start. */
  async function mayStart(id: string): Promise<boolean> {
    try {
      const { values } = await request('box.settings', id);
      return await mayUse(values['drives'] as DriveImage[]);
    } catch {
      return true;
    }
  }

  function ask(files: readonly OutsideFile[]): Promise<boolean> {
    resolveAnswer(false);
    asked.value = files;
    return new Promise((resolve) => {
      resolveAnswer = resolve;
    });
  }

  function answer(isAllowed: boolean): void {
    asked.value = undefined;
    resolveAnswer(isAllowed);
  }

  return { asked, mayUse, mayStart, answer };
});
