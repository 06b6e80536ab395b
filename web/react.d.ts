/** Types of react.js, a hook for React 18 and later. */

import type { Client, LiveOptions, Row, ServerError, State } from "./walwire.js";

export interface Live {
  /** A new array whenever something changed; the order is that of arrival. */
  rows: Row[];
  /** The rows equal the table. */
  ready: boolean;
  state: State;
  /** Why the server refused, if it did. */
  error: ServerError | null;
}

/** Handlers are not among the options: what happened is what is rendered. */
export type LiveQuery = Omit<LiveOptions, "onSubscribed" | "onRows" | "onReady" | "onChange" | "onBegin" | "onCommit" | "onReset" | "onError">;

export function useLive(client: Client, table: string, options?: LiveQuery): Live;
