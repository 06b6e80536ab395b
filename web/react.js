/**
 * react.js - a hook for React: the rows of a table, true while the component is there.
 *
 *   const { rows, ready } = useLive(client, "public.orders", { where: ["status", "eq", "paid"] });
 *
 * Changes that come together are one rendering. The table is followed from the first component's mount to the last one's
 * end; what is asked for may be written in place, for it is compared by its content. Types: react.d.ts.
 */

import { useMemo, useSyncExternalStore } from "react";

/** `{rows, ready, state, error}`: `rows` is an array, a new one whenever something changed. */
export function useLive(client, table, options = {}) {
  const asked = JSON.stringify([table, options]);
  const store = useMemo(() => new Store(client, asked), [client, asked]);
  return useSyncExternalStore(store.follow, store.get, store.get);
}

class Store {
  #client; #asked;
  #live = null; #error = null; #stops = [];
  #listeners = new Set(); #soon = false;
  #value;

  constructor(client, asked) {
    [this.#client, this.#asked] = [client, asked];
    this.#value = { rows: [], ready: false, state: client.state, error: null };
  }

  get = () => this.#value;

  follow = listener => {
    if (!this.#listeners.size) this.#start();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (!this.#listeners.size) this.#stop();
    };
  };

  #start() {
    const [table, options] = JSON.parse(this.#asked);
    const changed = () => this.#later();
    const failed = error => { this.#error = error; this.#later(); };
    this.#error = null;
    this.#live = this.#client.live(table, { ...options, onRows: changed, onReady: changed, onChange: changed, onReset: changed, onError: failed });
    this.#stops = [this.#client.on("state", changed), this.#live.on("subscribed", changed)];
    changed();
  }

  #stop() {
    this.#live.close();
    for (const stop of this.#stops) stop();
    this.#live = null;
  }

  #later() {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      if (!this.#live) return;
      const { rows, ready } = this.#live;
      this.#value = { rows: [...rows.values()], ready, state: this.#client.state, error: this.#error };
      for (const listener of this.#listeners) listener();
    });
  }
}
