// What the browser keeps for this server: not for another one below another path of the same origin.

const SERVER = new URL("..", import.meta.url);
const PREFIX = `milvus-rag:${SERVER.origin === location.origin ? SERVER.pathname : SERVER.href}:`;

/**
 * A store whose failures are nothing to the page: it may be full, broken, or not allowed here.
 *
 * @param {() => Storage} storageOf reading it may already fail
 */
function kept(storageOf) {
  const attempt = (action) => {
    try {
      return action(storageOf());
    } catch {
      return null;
    }
  };
  return {
    read: (name) => attempt((storage) => storage.getItem(PREFIX + name)),
    write: (name, value) => attempt((storage) => storage.setItem(PREFIX + name, value)),
    remove: (name) => attempt((storage) => storage.removeItem(PREFIX + name)),
  };
}

/** Until the tab is closed. */
export const tab = kept(() => sessionStorage);

/** Until somebody removes it. */
export const lasting = kept(() => localStorage);
