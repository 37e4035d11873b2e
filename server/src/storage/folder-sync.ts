import { open } from "node:fs/promises";

/**
 * Makes the entries of a folder durable. Callers of one folder share an fsync: who comes while one is running waits for
 * the next, because the running one may have begun before the caller's entry was made; all who wait share that next one.
 */
export interface FolderSync {
  sync(folder: string): Promise<void>;
}

export function createFolderSync(syncFolder: (folder: string) => Promise<void> = fsyncFolder): FolderSync {
  const states = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>();

  function start(folder: string): Promise<void> {
    const state = { running: syncFolder(folder), next: undefined };
    states.set(folder, state);
    const settled = () => {
      if (states.get(folder) === state) states.delete(folder);
    };
    state.running.then(settled, settled);
    return state.running;
  }

  return {
    sync(folder) {
      const state = states.get(folder);
      if (state === undefined) return start(folder);
      state.next ??= state.running.then(
        () => start(folder),
        () => start(folder),
      );
      return state.next;
    },
  };
}

async function fsyncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
