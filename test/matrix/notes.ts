/** Why a cell is not as the others of its row: in words, and where the specification says so. */

export interface Note {
  readonly text: string
  /** Below `modelcontextprotocol.io/specification/`; not given where the reason is no rule of the protocol. */
  readonly spec?: string
}

export const NOTES: Readonly<Record<string, Note>> = {
  removed: { text: '2026-07-28 has no `ping`: −32601, over HTTP with status 404. SDK v2 does not even send it.', spec: '2026-07-28/changelog' },
  'is-legacy': { text: 'In this era `initialize` is how a client begins.', spec: '2025-11-25/basic/lifecycle' },
  official: { text: 'The official clients never do this; shown by the one that writes by hand.' },
  'not-sent': { text: 'A server of these revisions may not send it; where one does, it is passed on as it is.', spec: '2025-11-25/server/tools#structured-content' },
  'server-says': { text: 'A legacy server says in its own words that the client cannot: here a result with `isError`.', spec: '2025-11-25/client/sampling#capabilities' },
  whose: { text: 'Nothing on stdio says to which call a notification belongs, and all clients share this process: what cannot be attributed is dropped.', spec: '2026-07-28/basic/transports/stdio' },
  objects: { text: 'Structured content is an object until 2025-11-25, also between two gateways: anything else is left out, its text stays.', spec: '2025-11-25/server/tools#structured-content' },
  parser: { text: 'The official clients read JSON numbers as doubles and lose the digits themselves.' },
  'no-route': { text: 'At all servers as one (these clients are on stdio without `--server`) a method that nobody knows has no route: −32601.', spec: '2025-11-25/basic#requests' },
  'server-decides': { text: 'Until 2025-11-25 the server may choose what it sends before a level is set.', spec: '2025-11-25/server/utilities/logging#setting-log-level' },
  'no-resumption': { text: '2026-07-28 has no streams that can be taken up again: a client that loses one has cancelled.', spec: '2026-07-28/basic/transports/streamable-http' },
  resumption: { text: 'Streams are taken up again over Streamable HTTP until 2025-11-25; shown by the client that writes by hand.', spec: '2025-11-25/basic/transports#resumability-and-redelivery' },
  'always-told': { text: 'A legacy session is told of every change of a list.', spec: '2025-11-25/server/tools#list-changed-notification' },
  'elicitation.form': { text: 'There is no elicitation before 2025-06-18, be that the client\'s revision or the server\'s: the server is told that the client has none, and fails the call.', spec: '2025-06-18/client/elicitation' },
  'elicitation.url': { text: 'URLs are elicited from 2025-11-25 on, on both sides: the server is told that the client cannot, and fails the call.', spec: '2025-11-25/client/elicitation#url-mode-elicitation-requests' },
  'sampling.tools': { text: 'Sampling has tools from 2025-11-25 on, on both sides.', spec: '2025-11-25/client/sampling#sampling-with-tools' },
  'one-pipe': { text: 'Shown by the clients over HTTP: a pipe is one session, and all servers share it here.' },
  'no-roots-changed': { text: '2026-07-28 has no such notification: the server is told when a later answer has other roots.', spec: '2026-07-28/client/roots' },
  'no-tasks': { text: 'There are no tasks before 2025-11-25: where the client or the server is older, a call is a plain one, and no task is known: −32602.', spec: '2025-11-25/basic/utilities/tasks' },
  'no-batches': { text: 'Batches are of 2025-03-26 alone: an array is refused with −32600.', spec: '2025-06-18/changelog' },
  'no-arrays': { text: 'Only servers of 2025-03-26 may send arrays: from any other one that answer is malformed (`upstream_malformed`).', spec: '2025-06-18/changelog' },
  polled: { text: 'The tasks extension has no `tasks/result`: the result is in the task.', spec: '2026-07-28/changelog' },
  unlisted: { text: 'The tasks extension has no `tasks/list`.', spec: '2026-07-28/changelog' },
  'each-child': { text: 'Over replicas, each has a child of its own, and the one that serves a listen asks its own: what another child would tell only where it is asked is not told.' },
  'visit-end': { text: '2026-07-28 has no such notification, and it does not cross.', spec: '2026-07-28/client/elicitation' },
  'apps-apart': { text: 'At several servers as one that have apps nothing says whose app a call is of: it is refused, and no app may call these tools (decision 0010).', spec: '2026-07-28/basic/versioning' },
  'tasks-undeclared': { text: 'From 2026-07-28 on tasks are an extension, which SDK v2 does not declare: −32021. Shown by the client that writes by hand.', spec: '2026-07-28/changelog' },
}
