/** Types of walwire.js, the client of the walwire.v1 protocol. */

/** A value as the protocol writes it: numeric and large integers are strings, bytea is base64, timestamps are ISO-8601. */
export type Value = string | number | boolean | null | Value[] | { [name: string]: Value };
/** A column that is absent was not sent: unchanged and unknown here, or left out of a message that was too large. */
export type Row = { [column: string]: Value | undefined };
export type Op = "c" | "u" | "d" | "t" | "enter" | "exit";
/** `waiting`: for the next attempt. `closed`: for good, by `close()` or because the server forbids it. */
export type State = "connecting" | "live" | "waiting" | "closed";

/** `[column, op, value]`; NULL does not match. */
export type Where =
  | [column: string, op: "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "like" | "prefix", value: Value]
  | [column: string, op: "in" | "nin", values: Value[]]
  | [column: string, op: "null" | "notnull"]
  | { and: Where[] }
  | { or: Where[] }
  | { not: Where };

/** A place in one history. Positions of different epochs are not comparable. */
export interface Position {
  epoch: string;
  pos: string;
}

export interface Column {
  name: string;
  type: string;
}

export interface ConnectOptions {
  /** Names this client in the server's logs and metrics. */
  client?: string;
  /** A JWT, or a function that gives a fresh one: called before every connection, and before the token ends. */
  token?: string | (() => string | Promise<string>);
  /** Delays between attempts grow from `min_ms` by `factor` to `max_ms`, half of each by chance. */
  backoff?: { min_ms?: number; max_ms?: number; factor?: number; random?: () => number };
  /** The WebSocket class where none is global, as in Node 20. */
  WebSocket?: unknown;
}

export interface SubscribeRequest {
  /** `schema.table` */
  table: string;
  columns?: string[];
  where?: Where;
  /** Of `"cudt"`, the operations wanted. */
  ops?: string;
  /** Send the rows first. */
  snapshot?: boolean;
  /** Snapshot batches come one by one, each after `onRows` is done with the one before. */
  paced?: boolean;
  /** Continue behind a position kept from earlier; with `snapshot`, that is what happens where it is too old. */
  from?: Position | "now";
  /** `debezium`: each change carries Kafka's envelope. No `columns` then. */
  format?: "row" | "debezium";
  old?: "key" | "full" | "none";
  /** `onBegin` and `onCommit` around the changes of each transaction. */
  transactions?: boolean;
}

export interface Subscribed {
  id: number;
  channel: number;
  mode: "snapshot" | "resume" | "live";
  pos: string;
  key: string[] | null;
  columns: Column[];
  deletes?: "filtered" | "unfiltered" | "none";
}

export interface Change {
  channel: number;
  pos: string;
  op: Op;
  key: Row | null;
  row: Row | null;
  old?: Row | null;
  /** Commit time. */
  ts_ms: number;
  /** With `transactions`. */
  tx?: number;
  /** Columns absent from `row` because their large value did not change. */
  unchanged?: string[];
  /** Columns absent from `row` because the message would have been too large; `["envelope"]` when that was. */
  omitted?: string[];
  /** With `format: "debezium"`, in place of `row` and `old`: the value of Kafka's record, null where there is none. */
  envelope?: unknown;
}

export interface Begin {
  channel: number;
  tx: number;
  pos: string;
  /** Commit time. */
  ts_ms: number;
}

export interface Commit {
  channel: number;
  tx: number;
  /** Behind the transaction. */
  pos: string;
  /** Changes since its `begin`. */
  count: number;
}

export interface Reset {
  /** `interrupted`: the connection was lost before the snapshot was complete, or the server gave it up, or refuses to go on. */
  reason: "retention" | "epoch" | "schema" | "auth" | "slow" | "interrupted" | (string & {});
  /** After `stop` nothing more comes; otherwise the client has subscribed again by itself. */
  action: "resubscribe" | "stop";
}

export interface ServerError {
  id?: number;
  code: string | number;
  message: string;
  retry?: boolean;
}

type Done = void | Promise<unknown>;

/** A handler that returns a promise is awaited before the next one is called. */
export interface Handlers {
  /** Comes again, with the channel's new `columns`, before the first change that has an added column. */
  onSubscribed?(message: Subscribed): Done;
  onRows?(rows: Row[]): Done;
  onReady?(message: { id: number; pos: string; count: number }): Done;
  onChange?(change: Change): Done;
  onBegin?(message: Begin): Done;
  onCommit?(message: Commit): Done;
  /** Continuity is lost: forget every row of this subscription. */
  onReset?(reset: Reset): Done;
  onError?(error: ServerError): Done;
}

export interface Welcome {
  version: string;
  session: string;
  /** The one that this session follows. */
  connector?: string;
  epoch: string;
  pos: string;
  limits?: { message_bytes?: number; subscriptions?: number; rate?: number };
  heartbeat_ms: number;
  /** Of the token, where there is one. */
  expires_in_ms?: number;
  tables?: { name: string; key: string[]; columns: Column[] }[];
}

export interface StateChange {
  state: State;
  code?: number;
  reason?: string;
  /** With `waiting`: when the next attempt starts. */
  retry_in_ms?: number;
}

interface ClientEvents {
  state: StateChange;
  welcome: Welcome;
  heartbeat: { pos: string; lag_ms: number };
  /** What the server refused that belongs to no subscription; code `token`: no new one was to be had. */
  error: ServerError;
}

export class Client {
  readonly state: State;
  readonly welcome: Welcome | null;
  readonly epoch: string | null;
  readonly pos: string | null;
  /** How far the server is behind the database, at the last heartbeat. */
  readonly lag_ms: number | null;
  on<E extends keyof ClientEvents>(event: E, fn: (detail: ClientEvents[E]) => void): () => void;
  subscribe(request: SubscribeRequest, handlers?: Handlers | ((change: Change) => Done)): Subscription;
  live(table: string, options?: LiveOptions): LiveTable;
  /** Replaces the token, now and for later connections. */
  auth(token: string): void;
  /** Tries at once instead of waiting; also revives a client that was closed. */
  reconnect(): void;
  close(): void;
}

export class Subscription {
  readonly state: "waiting" | "pending" | "snapshot" | "live" | "ended";
  readonly mode: "snapshot" | "resume" | "live" | null;
  readonly key: string[] | null;
  readonly columns: Column[] | null;
  readonly deletes: "filtered" | "unfiltered" | "none" | null;
  /** What the handlers have got to; keep both to resume later with `from`. In a handler: the change that it was called for. */
  readonly epoch: string | null;
  readonly pos: string | null;
  unsubscribe(): void;
}

export interface LiveChange extends Change {
  /** The key as a string, as in `rows`; null for a truncate. */
  id: string | null;
  /** The row before, as far as it is known. */
  previous: Row | null;
  /** Names of the columns whose value changed; null when the row before is not known. */
  changed: string[] | null;
  /** With a truncate: how many rows there were. */
  count?: number;
}

interface LiveEvents {
  subscribed: Subscribed;
  rows: Row[];
  ready: { id: number; pos: string; count: number };
  change: LiveChange;
  begin: Begin;
  commit: Commit;
  reset: Reset;
  error: ServerError;
}

/** `snapshot` is true and `old` is `"full"` unless said otherwise. */
export interface LiveOptions extends Omit<SubscribeRequest, "table" | "format"> {
  onSubscribed?(message: Subscribed): void;
  onRows?(rows: Row[]): void;
  onReady?(message: LiveEvents["ready"]): void;
  onChange?(change: LiveChange): void;
  onBegin?(message: Begin): void;
  onCommit?(message: Commit): void;
  onReset?(reset: Reset): void;
  onError?(error: ServerError): void;
}

/** What iterating over a table gives. After `reset` the rows are taken back; with `ready` they are complete again. */
export type LiveEvent = LiveChange | { op: "ready"; count: number } | { op: "reset"; reason: string };

export class LiveTable implements AsyncIterable<LiveEvent> {
  readonly rows: Map<string, Row>;
  readonly key: string[];
  readonly columns: Column[];
  /** The rows equal the table at `pos`. */
  readonly ready: boolean;
  readonly pos: string | null;
  on<E extends keyof LiveEvents>(event: E, fn: (detail: LiveEvents[E]) => void): () => void;
  onChange(fn: (change: LiveChange) => void): () => void;
  get(key: Row): Row | undefined;
  id(row: Row): string;
  close(): void;
  [Symbol.asyncIterator](): AsyncGenerator<LiveEvent, void, undefined>;
}

export function connect(url: string | URL, options?: ConnectOptions): Client;
